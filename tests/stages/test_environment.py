"""What the pinned environment promises: files known by their hashes, one OpenCV without a display, no phoning home."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import stages
from tests.helpers.places import ROOT


def test_one_distribution_owns_cv2():
    owners = importlib.metadata.packages_distributions()["cv2"]
    assert set(owners) == {"opencv-python-headless"}


def test_cv2_imports_without_libraries_of_a_display():
    # What the import maps into the process: with a windowed build, libGL, libX11 and Qt are among it.
    code = "import cv2, pathlib; print(pathlib.Path('/proc/self/maps').read_text())"
    maps = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "cv2" in maps
    for library in ("libGL.", "libGLX", "libX11", "libQt5", "libEGL", "libxcb"):
        assert library not in maps, library


def test_importing_albumentations_asks_no_server():
    code = (
        "import socket\n"
        "def refuse(*arguments, **options): raise SystemExit('asked for the network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import pipeline.crops.augmentation\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)


def test_dvc_sends_no_statistics_and_asks_for_no_update():
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    assert config["core"]["analytics"] == "false"
    assert config["core"]["check_update"] == "false"


def wanted(name: str) -> dict[str, str]:
    """Return version by package of one of the short lists, and of those it includes."""
    versions = {}
    for line in (ROOT / "requirements" / f"{name}.in").read_text().splitlines():
        if line.startswith("-r "):
            versions |= wanted(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith(("#", "-")):
            requirement, _, reason = line.partition("#")
            package, version = requirement.partition(";")[0].strip().split("==")
            assert len(reason.split()) >= 2, line
            versions[package.partition("[")[0].replace(".", "-")] = version
    return versions


def compiled(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes by package of one of the compiled lists."""
    entries = re.findall(
        r"^([a-z0-9-]+)==(\S+)(.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?$)*)", (ROOT / name).read_text(), re.M
    )
    return {package: (version, rest.count("--hash=")) for package, version, rest in entries}


LISTS = {
    "requirements.txt": "cpu",
    "requirements-gpu.txt": "gpu",
    "requirements-dev.txt": "dev",
    "requirements-docs.txt": "docs",
}


@pytest.mark.parametrize("name", LISTS)
def test_what_the_project_uses_is_compiled_with_the_hashes_of_its_files(name):
    versions = compiled(name)
    assert wanted(LISTS[name]).items() <= {package: version for package, (version, _) in versions.items()}.items()
    assert all(hashes >= 1 for _, hashes in versions.values())
    starts = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith((" ", "#"))]
    assert len(starts) == len(
        versions
    )  # no line that the pattern above passes over, and no option such as an index's address


@pytest.mark.parametrize("name", ["requirements-gpu.txt", "requirements-dev.txt"])
def test_the_lists_agree_on_every_version(name):
    default, other = compiled("requirements.txt"), compiled(name)
    shared = default.keys() & other.keys()
    assert len(shared) >= 9
    assert {package: default[package] for package in shared} == {package: other[package] for package in shared}


def test_no_line_is_skipped_on_a_python_that_is_not_supported():
    # uv marks every line with where it applies; pip would skip them all elsewhere, and call that a success.
    for name in LISTS:
        assert "python_full_version < '3.14'" not in (ROOT / name).read_text()


def test_installed_versions_are_the_pinned_ones():
    pins = compiled("requirements.txt")
    for name in (
        "numpy",
        "scipy",
        "h5py",
        "dvc",
        "keras",
        "albumentations",
        "opencv-python-headless",
        "pydantic",
        "jinja2",
    ):
        assert importlib.metadata.version(name) == pins[name][0], name


def test_this_python_is_one_that_the_project_names():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert required == ">=3.11,<3.14"
    assert (3, 11) <= sys.version_info[:2] < (3, 14)
    assert "(3, 11) <= sys.version_info < (3, 14)" in (ROOT / "Makefile").read_text()


def test_the_environment_lies_in_the_project_when_make_runs():
    if "MAKELEVEL" in os.environ:
        assert Path(sys.prefix) == ROOT / ".venv"


@pytest.fixture
def used_clone(tmp_path):
    """Make a repository with this project's rules of make, git and DVC, as it stands after some use."""
    clone = tmp_path / "clone of mine"
    tracked = ["Makefile", ".gitignore", ".dvc/.gitignore", ".dvc/config"]
    for name in tracked:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
    kept = [
        "dvc.lock",
        "runs/main/history.csv",
        "pipeline/a.py",
        "model/a.py",
        "stages/a.py",
        "tests/a.py",
        "benchmarks/a.py",
    ]
    brought = ["data/raw/AFLW2000/image00002.mat", "data/mine/photo.jpg", "new_idea.py"]
    made = ["runs/main/model.weights.h5", "reports/main.html", "work/a", "pipeline/__pycache__/a.pyc"]
    made += [f"data/{name}/a" for name in ("code", "settings", "split", "validation", "meshes/IBUG")]
    costly = [".venv/bin/python", ".dvc/cache/files/md5/ab/c", ".dvc/tmp/lock"]
    for name in kept + brought + made + costly + [".dvc/config.local"]:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text(name)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "photo.jpg").write_text("raw")
    (clone / "work" / "raw").symlink_to(outside)
    for command in (["init", "-q"], ["add", "-f", *tracked, *kept]):
        subprocess.run(["git", *command], cwd=clone, check=True)
    files = {name: clone / name for name in tracked + kept + brought + [".dvc/config.local"]} | {
        "raw": outside / "photo.jpg"
    }
    return clone, files, [clone / name for name in made], [clone / name for name in costly]


def make(clone, *arguments):
    return subprocess.run(
        ["make", *arguments], cwd=clone, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


# What make runs instead of `dvc`.
DVC = "python -m stages.run_dvc"
STUB = """#!/bin/sh
# Stands for Python and what an environment has: notes how it was called, makes environments, lets DVC write settings.
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
  python3\\ -m\\ venv*) mkdir -p "$3/bin" && for name in python pip dvc; do cp "$0" "$3/bin/$name"; done ;;
  dvc\\ config*) exec "$DVC" "$@" ;;
  *\\ ablation/thesis_scale.txt) echo '-S data.size=256 -S ~data.subsets.LFPW_Flip -S a.zoom=[0.7,1.3]' ;;
esac
"""


@pytest.fixture
def stubbed(tmp_path, monkeypatch):
    """Make a committed project, in a folder whose name is hard, with an interpreter that only notes its calls."""
    clone = tmp_path / "clône of mine (2)/ein 'Projekt'"
    names = ["Makefile", ".gitignore", ".gitattributes", ".dvc/.gitignore", ".dvc/config", "ablation/stages.yaml"]
    for name in [*names, "requirements.txt", "requirements-networks.txt", "requirements-dev.txt"]:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "Code"]):
        subprocess.run(["git", *command], cwd=clone, check=True)
    python = tmp_path / "bin/python3"
    python.parent.mkdir()
    python.write_text(STUB)
    python.chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("DVC", str(Path(sys.executable).parent / "dvc"))
    return clone, f"PYTHON={python}", lambda: calls.read_text().splitlines()


def test_make_keeps_its_environment_in_the_project_whatever_the_folders_are_called(stubbed):
    clone, python, calls = stubbed
    done = make(clone, "install", python)
    assert done.returncode == 0, done.stderr
    assert "python3 -m venv .venv" in calls()
    assert (clone / ".venv/.ready").is_file()
    assert [path.name for path in clone.parent.iterdir()] == [clone.name]
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    before = len(calls())
    assert make(clone, "install", python).returncode == 0
    assert len(calls()) == before  # the environment is ready


@pytest.mark.parametrize(
    ("target", "started"),
    [
        ("repro", "repro"),
        ("thesis", "repro -P"),
        ("thesis-seeds", "exp run --all-pipelines -S train.seeds=[1,2,3]"),
    ],
)
def test_make_mends_dvcs_lock_files_before_it_starts_dvc(stubbed, target, started):
    clone, python, calls = stubbed
    done = make(clone, target, python)
    assert done.returncode == 0, done.stderr
    called = calls()
    assert called.index("python -m stages.mend_locks") == called.index(f"{DVC} {started}") - 1


@pytest.mark.parametrize("target", ["thesis", "thesis-seeds"])
def test_make_thesis_says_how_much_it_is_before_it_begins(stubbed, target):
    clone, python, calls = stubbed
    assert make(clone, target, python).returncode == 0
    told = calls().index("python -m stages.print_trainings")
    assert told < next(place for place, call in enumerate(calls()) if call.startswith(DVC))


@pytest.mark.parametrize("relative", [True, False])
def test_make_real_runs_in_a_clone_on_faces_wherever_both_lie(stubbed, relative):
    clone, python, calls = stubbed
    faces = clone.parent.parent / "fremde Gesichter, schön"
    for name in ("bfm", "AFLW2000", "benchmark"):
        (faces / name).mkdir(parents=True)
    done = make(clone, "real", python, f"FACE_DATA={os.path.relpath(faces, clone) if relative else faces}")
    assert done.returncode == 0, done.stderr
    assert (clone / "work/real/data/raw").resolve() == faces
    assert "dir = ../../../.dvc/cache" in (clone / "work/real/.dvc/config.local").read_text()
    (run,) = [call for call in calls() if call.startswith(f"{DVC} exp run")]
    assert run.endswith("-S evaluate.benchmark=data/raw/benchmark")
    assert "-S ~data.subsets.AFW " in run
    assert calls().index("python -m stages.mend_locks") < calls().index(run)
    refused = make(clone, "real", python, "FACE_DATA=/no such folder")
    assert refused.returncode != 0
    assert "FACE_DATA=/no such folder lacks bfm/ AFLW2000/; see docs/data.md." in refused.stdout


def test_make_thesis_scale_runs_every_variant_with_all_that_the_scale_is(stubbed):
    clone, python, calls = stubbed
    faces = clone.parent.parent / "300W LP"
    for name in ("bfm", "AFLW2000"):
        (faces / name).mkdir(parents=True)
    done = make(clone, "thesis-scale", python, f"FACE_DATA={faces}")
    assert done.returncode == 0, done.stderr
    (run,) = [call for call in calls() if call.startswith(f"{DVC} exp run")]
    told = "-S data.size=256 -S ~data.subsets.LFPW_Flip -S a.zoom=[0.7,1.3]"
    assert run == f"{DVC} exp run --all-pipelines {told} -S data.root=data/raw"
    assert (clone / "work/real/ablation/dvc.yaml").is_file()
    assert (clone / "work/real/data/raw").resolve() == faces


@pytest.mark.parametrize("settings", [["core.autocrlf=true"], ["core.autocrlf=input"], ["core.eol=crlf"]])
def test_a_clone_has_the_bytes_that_were_committed_whatever_git_does_to_the_ends_of_lines(tmp_path, settings):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert {".gitattributes", "params.yaml", "metrics/data.json", "docs/pictures/sample.jpg"} <= set(names)
    source, clone = tmp_path / "source", tmp_path / "clone"
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "table.csv").write_bytes(b"a,b\r\n1,2\r\n")  # as the csv module writes
    options = [part for setting in settings for part in ("-c", setting)]
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (["init", "-q"], [*options, "add", "-A"], [*identity, "commit", "-qm", "Code"]):
        subprocess.run(["git", *command], cwd=source, check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", *options, source, clone], check=True)
    assert [name for name in [*names, "table.csv"] if (clone / name).read_bytes() != (source / name).read_bytes()] == []
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def test_make_clean_removes_what_was_made_and_neither_raw_data_nor_settings_nor_cache(used_clone):
    clone, kept, made, costly = used_clone
    assert make(clone, "clean").returncode == 0
    assert [file for file in made if file.exists()] == []
    assert [file for file in [*kept.values(), *costly] if not file.exists()] == []


def test_make_clean_all_says_what_it_would_delete_and_asks(used_clone):
    clone, kept, made, costly = used_clone
    refused = make(clone, "clean-all")
    assert refused.returncode != 0
    assert "Nothing was deleted; make clean-all YES=1 deletes all of the above." in refused.stdout
    assert [file for file in [*kept.values(), *made, *costly] if not file.exists()] == []
    listed = {line.split("\t")[1].rstrip("/") for line in refused.stdout.splitlines() if "\t" in line}
    assert {
        ".venv",
        ".dvc/cache",
        ".dvc/tmp",
        "work",
        "data/code",
        "data/validation",
        "runs/main/model.weights.h5",
        "total",
    } <= listed
    assert not any(name.startswith(("data/raw", "data/mine", ".dvc/config")) for name in listed)


def test_make_clean_all_deletes_when_told_to(used_clone):
    clone, kept, made, costly = used_clone
    assert make(clone, "clean-all", "YES=1").returncode == 0
    assert [file for file in made + costly if file.exists()] == []
    assert [name for name, file in kept.items() if not file.exists()] == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have other instructions")
def test_numpy_and_openblas_compute_by_what_every_processor_has():
    # By AVX-512 sums and sines differ in the last digit: the data had other bytes on such a machine.
    script = (
        "import stages, numpy, scipy.linalg, threadpoolctl as t"
        "; print(*{i['architecture'] for i in t.threadpool_info()})"
        "; print(numpy._core._multiarray_umath.__cpu_features__['X86_V4'])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in stages.SAME_EVERYWHERE}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True)
    *kernels, version_4 = done.stdout.decode().split()
    assert set(kernels) <= {"Haswell", "Zen"}
    assert version_4 == "False"
