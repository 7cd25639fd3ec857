"""Stages killed under ``dvc repro``, with DVC or without it, go on where they were."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.project.lock_files import is_whole
from tests.helpers.dvc_project import DVC_PHOTOS, dvc, make_dvc_project, targets
from tests.helpers.kills import disturb, report
from tests.helpers.stage_runs import STAGES, Run, digests, environment_of, kill_group

pytestmark = pytest.mark.slow

KILLS = 6
MADE = ("demo", "face_model", "split", *(f"{stage}/{place}" for stage, place in STAGES.items()))


@pytest.fixture(scope="module")
def dvc_project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dvc") / "project"
    folder.mkdir()
    make_dvc_project(folder)
    return folder


def forget_run(run):
    """Let DVC forget that it ever ran the stage."""
    yaml = YAML()
    path = run.project / "dvc.lock"
    lock = yaml.load(path)
    lock["stages"].pop(run.name, None)
    yaml.dump(lock, path)
    shutil.rmtree(run.project / ".dvc/cache/runs", ignore_errors=True)


def dvc_run(dvc_project, folder, stage):
    """A copy of the project that has yet to run one stage, by ``dvc repro``."""
    shutil.copytree(dvc_project, folder, symlinks=True, ignore=shutil.ignore_patterns("shards"))
    run = Run(folder, stage, [])
    run.command = ["dvc", "repro", run.name]
    shutil.rmtree(run.output)
    forget_run(run)
    return run, digests(dvc_project / "data" / stage / STAGES[stage])


def recorded(run):
    return run.name in YAML(typ="safe").load(run.project / "dvc.lock")["stages"]


def assert_nothing_to_do(run):
    assert recorded(run)
    assert "up to date" in dvc(run.project, "status", run.name)


@pytest.mark.parametrize("stage", ["index", "position_maps", "augmented"])
def test_dvc_repro_killed_at_random_moments_goes_on_where_it_was(dvc_project, tmp_path, stage, capsys):
    run, expected = dvc_run(dvc_project, tmp_path / "project", stage)
    seconds = run.finish()
    shutil.rmtree(run.work)
    forget_run(run)
    generator = random.Random(f"dvc {stage}")
    tally = disturb(run, expected, KILLS, seconds, generator, lambda: forget_run(run))
    report(capsys, f"dvc repro {run.name}", tally)
    assert tally.twice == 0
    assert tally.middle > 0
    assert_nothing_to_do(run)


def test_the_next_one_waits_for_a_stage_that_is_at_work_without_dvc(dvc_project, tmp_path):
    """As where the system can't be told that a stage is to end with DVC."""
    run, expected = dvc_run(dvc_project, tmp_path / "project", "aligned")
    repro, run.command = run.command, [sys.executable, "-m", "stages.aligned", "AFW"]
    first = run.start_work()
    os.kill(first.pid, signal.SIGSTOP)  # so that it is still at work when the second one comes
    before = run.whole()
    run.command = repro
    second = run.start()
    try:
        while "is at work on" not in (said := run.log.read_text()):
            assert second.poll() is None, said
            time.sleep(0.05)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert f"Process {first.pid} is at work on {run.name}; waiting" in said
    assert second.wait(120) == 0, run.log.read_text()
    assert digests(run.output) == expected
    after = run.whole()
    assert all(after[name] == made for name, made in before.items())
    assert_nothing_to_do(run)
    assert first.wait(10) == 0


def is_at_work(pid):
    """Whether a process runs; one that ended may still be listed, if nobody asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def demo_copy(dvc_project, folder):
    """A copy of the project, what its demo's files are, and how to set the number of the demo's photos."""
    shutil.copytree(dvc_project, folder, symlinks=True, ignore=shutil.ignore_patterns("shards"))

    def draw(photos):
        yaml, path = YAML(), folder / "params.yaml"
        params = yaml.load(path)
        params["demo_data"]["photos_per_subset"] = photos
        yaml.dump(params, path)

    return digests(folder / "data/demo"), draw


def start_demo(folder, *command):
    """Start it, and wait until it has drawn some photos."""
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment_of(), stdout=log, stderr=log, start_new_session=True
        )
    drawn = folder / "data/demo/300W_LP/AFW"
    lock = folder / "work/shards/demo_data.lock"
    while not (lock.is_file() and lock.read_text() and len(list(drawn.glob("*.jpg"))) > 2):
        assert process.poll() is None, (folder / "log.txt").read_text()
        time.sleep(0.01)
    return process, int(lock.read_text())


@pytest.mark.parametrize("photos", [24, 9], ids=["cached", "made"])
def test_a_stage_ends_with_the_dvc_that_started_it_and_writes_beside_no_other(dvc_project, tmp_path, photos):
    folder = tmp_path / "project"
    expected, draw = demo_copy(dvc_project, folder)
    draw(150)
    first, stage = start_demo(folder, "dvc", "repro", "demo_data")
    assert is_at_work(stage)
    first.kill()
    first.wait()
    draw(photos)
    said = dvc(folder, "repro", "demo_data")
    assert not is_at_work(stage)
    assert ("Running stage 'demo_data'" in said) == (photos != DVC_PHOTOS)
    made = digests(folder / "data/demo")
    if photos == DVC_PHOTOS:
        assert made == expected
    assert len([name for name in made if name.startswith("300W_LP/AFW/") and name.endswith(".jpg")]) == photos
    assert "up to date" in dvc(folder, "status", "demo_data")


def test_what_another_process_of_a_stage_drew_until_it_ended_is_not_beside_what_the_next_draws(dvc_project, tmp_path):
    folder = tmp_path / "project"
    _, draw = demo_copy(dvc_project, folder)
    shutil.rmtree(folder / "data/demo")
    draw(40)
    first, stage = start_demo(folder, sys.executable, "-m", "stages.demo_data")
    assert stage == first.pid
    draw(9)
    said = dvc(folder, "repro", "demo_data")
    assert f"Process {first.pid} is at work on demo_data; waiting" in said
    assert first.wait(10) == 0
    assert len(list((folder / "data/demo/300W_LP/AFW").glob("*.jpg"))) == 9
    assert "up to date" in dvc(folder, "status", "demo_data")


def kill_as_the_lock_is_written(process, lock, rewrites, kill):
    """Kill DVC in the middle of one of the next rewrites of its lock file; whether it was before DVC ended."""
    known = lock.stat().st_size if lock.is_file() else 0
    while process.poll() is None:
        try:
            size = lock.stat().st_size
        except FileNotFoundError:
            continue
        if size < known or (size == 0 == known):
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(0.01)
            if not is_whole(lock.read_bytes()):
                if rewrites == 0:
                    os.kill(process.pid, kill)
                    os.kill(process.pid, signal.SIGCONT)
                    process.wait()
                    return True
                rewrites -= 1
            os.kill(process.pid, signal.SIGCONT)
            while process.poll() is None and not is_whole(lock.read_bytes()):
                pass
            size = lock.stat().st_size
        known = size
    return False


def test_a_lock_file_that_was_cut_as_dvc_was_killed_is_mended_and_no_stage_runs_twice(dvc_project, tmp_path):
    folder = tmp_path / "project"
    expected = {place: digests(dvc_project / "data" / place) for place in MADE}
    shutil.copytree(dvc_project, folder, symlinks=True, ignore=shutil.ignore_patterns("work", "last_good"))
    shutil.rmtree(folder / "data", ignore_errors=True)
    shutil.copytree(dvc_project / "data/none", folder / "data/none")
    shutil.rmtree(folder / ".dvc/cache")
    lock, log = folder / "dvc.lock", folder / "log.txt"
    lock.unlink()
    said, cuts = "", 0
    # Of the first run, then ever later; Ctrl-C as well as kill -9.
    for rewrites, kill in (
        (2, signal.SIGKILL),
        (0, signal.SIGINT),
        (0, signal.SIGKILL),
        (0, signal.SIGINT),
        (99, None),
    ):
        with log.open("w") as output:
            command = ["dvc", "repro", *targets()]
            process = subprocess.Popen(
                command, cwd=folder, env=environment_of(), stdout=output, stderr=output, start_new_session=True
            )
        cut = kill_as_the_lock_is_written(process, lock, rewrites, kill)
        said += log.read_text()
        cuts += cut
        if not cut:
            assert process.returncode == 0, log.read_text()
        before = lock.read_bytes()
        mended = subprocess.run(
            [sys.executable, "-m", "stages.mend_locks"],
            cwd=folder,
            env=environment_of(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert ("dvc.lock was cut off when DVC was killed" in mended) == (not is_whole(before)), mended
        assert is_whole(lock.read_bytes())
    assert cuts >= 2  # where the machine is busy, some rewrites end before they are seen
    ran = re.findall(r"Running stage '(.+?)'", said)
    assert sorted(ran) == sorted(set(ran))
    assert set(ran) >= set(targets())
    assert {place: digests(folder / "data" / place) for place in MADE} == expected
    assert "Running stage" not in dvc(folder, "repro", *targets())


@pytest.mark.parametrize("stage", ["meshes", "augmented"])
def test_a_kill_between_the_end_of_a_stage_and_its_recording_costs_nothing(dvc_project, tmp_path, stage):
    run, expected = dvc_run(dvc_project, tmp_path / "project", stage)
    process = run.start_work()
    run.await_end(process)
    kill_group(process)
    assert not recorded(run)
    before = run.whole()
    assert len(before) == sum(name.endswith(".h5") for name in expected)
    run.finish()
    assert run.whole() == before
    assert digests(run.output) == expected
    assert_nothing_to_do(run)
