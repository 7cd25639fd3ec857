"""The commands of README and docs/, typed one after the other into a fresh clone.

The fast tests say which are not run, and why; the slow ones run all others, page by page, in one clone whose runs are
small: 200 passes of few photos. Every page begins with what the README's commands left.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
import skimage.data
from ruamel.yaml import YAML

from tests.helpers.places import FACE_DATA, ROOT
from tests.helpers.shell_blocks import commands_of
from tests.helpers.whole_project import change, copy_files

PAGES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
README = "README.md"
NETWORK = "it fetches from the web"
DOCKER = "Docker is not here"
HOSTS = "it names hosts of one's own; tests/stages/test_remotes.py has a server of each kind"
CLUSTER = "it names hosts of one's own; tests/pipeline/store/test_parallel.py starts a scheduler and workers"
LARGE = "it is of all of 300W-LP at 256 px; tests/stages/test_thesis_scale.py has what it would run"
PART = "the dots stand for options of one's own"
VARIANTS = "every variant takes most of an hour; tests/stages/test_graph.py runs it with two"
PRNET = "PRNet's authors have the file; tests/stages/test_import_prnet.py makes one"
SCANS = "it is of scans of one's own; tests/stages/test_register.py and test_multilinear_model.py make some"
# Of each page the beginnings of the commands that are not run.
NOT_RUN = {
    "docs/data.md": {
        "git clone": NETWORK,
        "git -C ICT-FaceKit": NETWORK,
        "ln -s /path/to/that/folder data/raw": "nobody may pass on all of 300W-LP, which the next line asks for",
        "dvc exp run -S data.root=data/raw": "nobody may pass on all of 300W-LP",
        "dvc exp run -S data.root=data/raw -S 'profiled": f"{PART}; tests/stages/test_profiled.py turns heads",
        "dvc exp run -S data.stored_maps=false": f"{PART}; tests/stages/test_stored_maps.py has no maps",
    },
    "docs/evaluation.md": {
        "python - <<'END'\nimport numpy as np, scipy.io": "PRNet's repository has the file",
        "python -m stages.score --scan DIR": "it is of NoW's scans; tests/stages/test_score_scans.py makes some",
    },
    "docs/experiments.md": {
        "dvc repro -P": VARIANTS,
        "dvc exp run --all-pipelines": VARIANTS,
        "python -m stages.import_prnet": PRNET,
        "dvc exp run -S uv_embedding.source=file": PRNET,
    },
    "docs/photos.md": {
        "python -m stages.browser_page": f"{NETWORK}; tests/stages/test_browser_page.py has its runtime",
        "python -m stages.photometric_stereo": "of several lights; tests/stages/test_photometric_stereo.py makes some",
        "python - <<'END'\nfrom uvface.api": "not installed here; tests/pipeline/test_api.py does it",
    },
    "docs/scale.md": {
        "make thesis-scale": LARGE,
        "dvc exp run $(python -m stages.print_overrides": LARGE,
        "dask scheduler": CLUSTER,
        "PYTHONPATH=. dask worker": CLUSTER,
        "python - <<'END'\nfrom dask_jobqueue": CLUSTER,
        "dvc remote add -d results ssh://": HOSTS,
        "dvc remote add -d results s3://": HOSTS,
        "docker ": DOCKER,
    },
    "docs/survey.md": {"python -m stages.register": SCANS, "dvc exp run": SCANS, "python -m stages.": SCANS},
}
# What a reader has to put in, and what is put in here.
STAND_INS = {
    "/path/to/that/folder": "{faces}",
    "M3DFB/": "{faces}/m3dfb/",
    "/path/to/bundle.face3d": "runs/main/export/bundle.face3d",
    "/some/folder": "../remote",
    "PHOTO... --out own": "data/demo/AFLW2000 --out own",
    "--review review.csv": "--review own/review.csv",
    "--predictions DIR --truth DIR": "--predictions ../predicted --truth data/demo/AFLW2000",
    "metrics/foreign/NAME": "metrics/foreign/theirs",
    "[VARIANT]": "",
    "PHOTO... --out DIR": "photo.jpg --out out",
    "SOURCE TARGET": "photo.jpg photo.jpg",
    "edit PHOTO": "edit photo.jpg",
    "track VIDEO --out DIR": "track ../clip.avi --out tracked",
    # The queue works beside the shell; who reads on looks at it until it has ended.
    "dvc queue start -j 1 && dvc queue status": "dvc queue start -j 1 && dvc queue status && "
    "while dvc queue status | grep -E 'Queued|Running'; do sleep 1; done && ! dvc queue status | grep Failed",
}
# What pages say has been run before, beside the README's commands.
BEFORE = {
    "docs/reviewers.md": ["cp ablation/stages.yaml ablation/dvc.yaml", "dvc repro ablation/dvc.yaml:evaluate@prn"]
}
BACK = ["rm -f ablation/dvc.yaml ablation/dvc.lock", "git checkout -q .", "dvc checkout -q"]
# Commands that are of real faces, and are left out where there are none.
REAL = ("FACE_DATA=", "M3DFB/")
UNFILLED = re.compile(r"/path/to|\b(?:PHOTO|DIR|NAME|VIDEO|HOST|IMAGE)\b|\.\.\.(?= |$)")


def excused(page: str, command: str) -> str:
    """The longest of the beginnings of commands that are not run which a command has."""
    return max((start for start in NOT_RUN.get(page, {}) if command.startswith(start)), key=len, default="")


def run_of(page: str) -> list[str]:
    """Commands of a page that are run."""
    return [command for command in commands_of(PAGES[page]) if not excused(page, command)]


def filled_in(command: str) -> str:
    for text, stand_in in STAND_INS.items():
        command = command.replace(text, stand_in)
    return command


def test_no_command_is_left_out_without_a_reason_and_no_reason_is_left_over():
    for page, reasons in NOT_RUN.items():
        assert {excused(page, command) for command in commands_of(PAGES[page])} - {""} == set(reasons), page
    run = {page: run_of(page) for page in PAGES}
    assert run[README] == commands_of(PAGES[README])
    assert sum(map(len, run.values())) > 40
    for text in STAND_INS:
        assert any(text in command for commands in run.values() for command in commands), text
    for page, commands in run.items():
        for command in commands:
            assert not UNFILLED.search(filled_in(command)), f"{page}: {command}: stand in for what a reader puts in"


def test_what_is_said_to_be_tested_elsewhere_is():
    for reasons in NOT_RUN.values():
        for reason in reasons.values():
            names = re.findall(r"(?:tests/\w+/)?(?:\w+/)*(test_\w+\.py)", reason)
            assert all(list(ROOT.glob(f"tests/**/{name}")) for name in names), reason


def test_commands_are_joined_and_comments_left_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "a\n```\nb -c \\\n  -d     # e\n\nf '#1' && g\n```\n```yaml\nh: 1\n```\n```python\ni = 1  # j\n```\n"
    )
    assert commands_of(page) == ["b -c -d", "f '#1' && g", "python - <<'END'\ni = 1  # j\nEND"]


class Clone:
    """A clone in which one types."""

    def __init__(self, folder: Path, faces: Path | None):
        self.folder, self.faces = folder, faces
        names = ("HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        who = {f"GIT_{who}_{what}": "x@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        path = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment = {name: os.environ[name] for name in names if name in os.environ} | who | path

    def type(self, commands: list[str]) -> str:
        """What all of these print, one after the other in one shell; the first that fails ends it."""
        here = [command for command in commands if self.faces or not any(part in command for part in REAL)]
        typed = [filled_in(command).replace("{faces}", str(self.faces)) for command in here]
        lines = [f"echo @@ $SECONDS s\n{{ {command}\n}} || exit 1" for command in typed]
        script = self.folder.parent / "typed.sh"
        script.write_text("\n".join(lines))
        began, told = time.monotonic(), script.with_suffix(".txt")
        with told.open("w") as log:
            where = {"cwd": self.folder, "env": self.environment, "stdout": log, "stderr": log}
            code = subprocess.run(["bash", script], check=False, timeout=3600, **where).returncode
        printed = told.read_text(encoding="utf-8")
        assert code == 0, f"{typed[printed.count('@@') - 1]}: {printed[-4000:]}"
        sys.stdout.write(f"{len(typed)} commands took {time.monotonic() - began:.0f} s\n")
        return printed


def shrink(params) -> None:
    """Few photos and short trainings, of one seed each."""
    params["demo_data"] |= {"photos_per_subset": 6, "test_photos": 20}
    params["train"]["budget"] = params["recipes"]["thesis"]["budget"] = 200
    for variant in params["variants"].values():
        variant.get("train", {}).pop("seeds", None)
    params["asm"]["components"] = 2
    params["evaluate"]["bootstrap"] = 100
    params["occlusion"] |= {"photos": 2, "runs": ["prn"]}
    params["export"] |= {"samples": 4, "calibration": 4}
    params["report"]["samples"] = 2


def some_faces(folder: Path) -> Path:
    """Every tenth pair of the real sample, and all else of it."""
    folder.mkdir()
    for part in FACE_DATA.iterdir():
        if part.name != "AFLW2000":
            (folder / part.name).symlink_to(part)
    (folder / "AFLW2000").mkdir()
    for photo in sorted((FACE_DATA / "AFLW2000").glob("*.jpg"))[::10]:
        for path in (photo, photo.with_suffix(".mat")):
            (folder / "AFLW2000" / path.name).symlink_to(path)
    return folder


def write_predictions(truths: Path, folder: Path) -> None:
    """Landmarks that a method might have found: the annotated ones, counted from 0."""
    folder.mkdir()
    for path in truths.glob("*.mat"):
        np.save(folder / f"{path.stem}.npy", scipy.io.loadmat(path)["pt3d_68"].T - 1)


def write_photo_and_clip(photo: Path, clip: Path) -> None:
    pixels = skimage.data.astronaut()[..., ::-1]
    cv2.imwrite(str(photo), pixels)
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 25, pixels.shape[1::-1])
    for shift in range(8):
        writer.write(np.roll(pixels, shift, axis=1))
    writer.release()


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A fresh clone into which the README was typed, and what that printed."""
    folder = tmp_path_factory.mktemp("typed") / "clone"
    copy_files(folder, but=("tests/", "docs/pictures/"))
    change(folder, shrink)
    makefile = folder / "Makefile"
    makefile.write_text(re.sub(r"BUDGET := \d+", "BUDGET := 200", makefile.read_text()))
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    for requirements in folder.glob("requirements*.txt"):
        os.utime(requirements, (0, 0))  # the environment is there
    faces = some_faces(folder.parent / "faces") if FACE_DATA.is_dir() else None
    clone = Clone(folder, faces)
    clone.type(["git init -q", "git add -A", "git commit -q -m clone"])
    write_photo_and_clip(folder / "photo.jpg", folder.parent / "clip.avi")
    printed = clone.type(commands_of(PAGES[README]))
    write_predictions(folder / "data/demo/AFLW2000", folder.parent / "predicted")
    return clone, printed


@pytest.mark.slow
def test_the_readme_s_commands_make_what_it_says(typed):
    clone, printed = typed
    assert (clone.folder / "reports/main.html").is_file()
    assert {path.suffix for path in (clone.folder / "faces/photo").iterdir()} >= {
        ".glb",
        ".obj",
        ".jpg",
        ".npy",
        ".html",
    }
    # The experiment has other numbers, in the same form as those that the README shows; so few photos lack some.
    form = re.compile(r"^\| (?:Path|metrics/evaluation\.json) +\| (\S+) ", re.MULTILINE)
    shown, here = form.findall(PAGES[README].read_text(encoding="utf-8")), form.findall(printed)
    assert {"Metric", "dense_3d", "nme68_2d"} <= set(here)
    assert here == [name for name in shown if name in here]
    # Back at the baseline.
    status = clone.type([". .venv/bin/activate", "git status --porcelain", "dvc status", "dvc exp list --name-only"])
    assert "up to date" in status
    assert "lower-rate" in status
    assert "params.yaml" not in status
    assert YAML(typ="safe").load(clone.folder / "params.yaml")["train"]["lr"] == 0.003


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page != README and run_of(page)])
def test_the_commands_of_a_page_run_in_their_order(typed, page):
    clone, _ = typed
    clone.type([". .venv/bin/activate", *BACK, *BEFORE.get(page, []), *run_of(page)])


@pytest.mark.slow
def test_trace_names_what_the_kept_trace_names(typed):
    clone, _ = typed
    printed = clone.type([". .venv/bin/activate", *BACK, "python -m stages.trace AFLW2000/image00002"])
    kept = (ROOT / "docs/results/demo/trace.txt").read_text(encoding="utf-8")
    found, shown = ([line.split("  ")[0] for line in text.splitlines()] for text in (printed, kept))
    assert found[-len(shown) :] == shown
