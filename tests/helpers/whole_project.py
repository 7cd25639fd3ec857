"""The whole project as small as a run can be, and commands in it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from tests.helpers.places import ROOT
from tests.helpers.stage_runs import BIN

# Of the variants two: one learns from another policy, one from another level.
VARIANTS = {
    "prn": {"init": "random", "policy": "mild", "level": "on"},
    "prn_plain": {"init": "random", "policy": "none", "level": "off"},
}


def run(folder: Path, *command: str, fails: bool = False) -> str:
    """Run a command of the project's environment in a folder; returns what it prints."""
    names = {"DVC_NO_ANALYTICS": "1", "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=os.environ | names, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def ran(output: str) -> set[str]:
    """Stages that DVC ran, those of ablation/dvc.yaml as ``ablation:<name>``."""
    names = re.findall(r"Running stage '(.+?)'", output)
    return {name.replace("ablation/dvc.yaml:", "ablation:") for name in names}


def change(folder: Path, edit) -> None:
    yaml = YAML()
    path = folder / "params.yaml"
    params = yaml.load(path)
    edit(params)
    yaml.dump(params, path)


def shrink(params) -> None:
    """As small as a run can be."""
    params["demo_data"] |= {"photos_per_subset": 9, "test_photos": 6, "photo_size": 96}
    subsets = params["data"]["subsets"]
    for name in [name for name in subsets if name not in ("AFW", "AFLW2000")]:
        del subsets[name]
    params["data"]["size"] = 32
    policies = params["augmented"]["policies"]
    del policies["full"]
    # Of one channel a layer may be dead after so few passes, and LiteRT aborts on an int8 one that puts out nothing.
    params["network"] |= {"width": 2, "residual_width": 4, "residual_head_width": 2}
    params["train"] |= {"variant": "final", "policy": "mild", "strategy": "joint"}
    for name in ("final", *VARIANTS):
        params["variants"][name].pop("train", None)
    params["recipes"]["thesis"]["budget"] = 40
    params["asm"]["components"] = 2
    params["export"] |= {"samples": 2, "calibration": 2}
    params["evaluate"]["bootstrap"] = 100
    params["report"]["samples"] = 2
    params["occlusion"] |= {"runs": ["prn"], "photos": 2}
    for name in [name for name in params["thesis"]["variants"] if name not in VARIANTS]:
        del params["thesis"]["variants"][name]
    for name, source in VARIANTS.items():
        params["thesis"]["variants"][name] = source


def copy_files(folder: Path, but: tuple[str, ...]) -> None:
    """Copy what git has of the project, as it is here, to a folder, but for what some paths begin with."""
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in listed:
        if name and (ROOT / name).is_file() and not name.startswith(but):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def copy_project(folder: Path) -> None:
    """Copy the project to a folder, with the smallest parameters."""
    copy_files(folder, but=("tests/", "docs/", "benchmarks/"))
    change(folder, shrink)
