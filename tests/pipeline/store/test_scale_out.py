"""More workers, machines and photos: the same bytes, in the same memory; and the work of one clone serves another."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.dvc_project import dvc, git, make_dvc_project, targets
from tests.helpers.stage_runs import (
    STAGES,
    SUBSETS,
    arguments_of,
    digests,
    environment_of,
    make_data,
    write_params,
)

pytestmark = pytest.mark.slow

# What Dask's web servers show by default, among others.
PAGES = ("/", "/health", "/metrics", "/json/identity.json", "/status")


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_writes_the_same_bytes_from_scratch(inline, code, tmp_path, workers):
    (tmp_path / "raw").symlink_to(inline / "raw")
    write_params(tmp_path, workers=workers)
    make_data(tmp_path, code)
    made = digests(tmp_path / "data")
    assert made == digests(inline / "data")
    assert {name.split("/")[0] for name in made} >= set(STAGES)


def repeat_photos(source, target, copies):
    """Lay out each pair of AFW several times, as other photos: another name, another text in the header."""
    folder = target / SUBSETS["AFW"]
    folder.mkdir(parents=True)
    for name in ("bfm", SUBSETS["AFLW2000"]):
        (target / name).symlink_to(source / name)
    pairs = sorted((source / SUBSETS["AFW"]).glob("*.jpg"))
    for photo in pairs:
        content = photo.with_suffix(".mat").read_bytes()
        _, number, *rest = photo.stem.split("_")
        for copy in range(copies):
            stem = "_".join(["AFW", f"{int(number) + 1000 * copy:06d}", *rest])
            os.link(photo, folder / f"{stem}.jpg")
            (folder / f"{stem}.mat").write_bytes(f"MATLAB 5.0 copy {copy:03d}".ljust(116).encode() + content[116:])
    return copies * len(pairs)


def peak_memory(project, code, command):
    """Run a stage; the largest memory of its process in MB."""
    # By a small process in between: one that pytest starts inherits pytest's own peak.
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", script, sys.executable, "-m", f"stages.{command[0]}", *command[1:]],
        cwd=project,
        env=environment_of(code),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


def test_ten_times_the_photos_need_no_more_memory(inline, code, tmp_path, capsys):
    peaks = {}
    for copies in (1, 10):
        project = tmp_path / f"{copies}"
        photos = repeat_photos(inline / "raw", project / "raw", copies)
        write_params(project, samples_per_shard=16)
        for name in ("face_model", "uv_embedding", "index/test/AFLW2000"):
            shutil.copytree(inline / "data" / name, project / "data" / name)
        for stage in ("index AFW", "meshes AFW", "aligned AFW", "position_maps AFW", "split"):
            peaks.setdefault(stage, []).append(peak_memory(project, code, stage.split()))
        peaks.setdefault("augmented mild", []).append(peak_memory(project, code, arguments_of("augmented")))
        made = (project / "data/position_maps/learn/AFW/on/counts.json").read_text()
        assert f'"out": {photos}' in made
    with capsys.disabled():
        for stage, (one, ten) in peaks.items():
            print(f"\n{stage}: peak {one:.0f} MB, with ten times the photos {ten:.0f} MB", end="")  # noqa: T201
    for stage, (one, ten) in peaks.items():
        assert ten < 1.15 * one, stage


def test_a_clone_that_pulls_has_nothing_to_run(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    make_dvc_project(first)
    dvc(first, "remote", "add", "-d", "storage", tmp_path / "storage")
    git(first, "commit", "-q", "-a", "-m", "Storage")
    dvc(first, "push")
    git(tmp_path, "clone", "-q", first, second)
    dvc(second, "pull", *targets(), "--with-deps")
    made = digests(first / "data")
    assert digests(second / "data") == made
    said = dvc(second, "repro", *targets())
    assert "Running stage" not in said
    assert "up to date" in said
    assert digests(second / "data") == made
    status = subprocess.run(["git", "status", "--porcelain"], cwd=second, capture_output=True, text=True, check=True)
    assert status.stdout == ""
