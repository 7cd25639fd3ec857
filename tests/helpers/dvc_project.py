"""A committed project of its own under DVC."""

import shutil
import subprocess
from pathlib import Path

from tests.helpers.places import ROOT
from tests.helpers.stage_runs import STAGES, copy_code, environment_of, write_params

DVC_PHOTOS = 24


def dvc(project, *arguments, check=True):
    done = subprocess.run(
        ["dvc", *arguments], cwd=project, env=environment_of(), capture_output=True, text=True, timeout=300
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def git(project, *arguments):
    names = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    subprocess.run(["git", *names, *arguments], cwd=project, check=True, capture_output=True)


def targets():
    return [f"{stage}@{Path(place).name}" for stage, place in STAGES.items()]


def make_dvc_project(folder):
    """A committed project of its own: this working tree's code, few and small procedural photos, two subsets."""
    copy_code(folder)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "data/none", folder / "data/none")
    (folder / "ablation").mkdir()
    shutil.copy(ROOT / "ablation/thesis_scale.txt", folder / "ablation")
    demo = {"photos_per_subset": DVC_PHOTOS, "test_photos": 3, "photo_size": 96}
    write_params(folder, root="data/demo", demo_data=demo)
    git(folder, "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "config", "core.analytics", "false")
    dvc(folder, "config", "core.check_update", "false")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Code")
    dvc(folder, "repro", *targets())
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Data")
