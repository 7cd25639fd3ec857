"""Stages killed under ``dvc repro``, with DVC or without it, go on where they were."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.helpers.dvc_project import dvc, make_dvc_project
from tests.helpers.kills import disturb, report
from tests.helpers.stage_runs import STAGES, Run, digests, kill_group

pytestmark = pytest.mark.slow

KILLS = 6


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


def test_when_dvc_alone_is_killed_the_next_one_waits_for_the_stage_that_goes_on(dvc_project, tmp_path):
    run, expected = dvc_run(dvc_project, tmp_path / "project", "aligned")
    first = run.start_work()
    orphan = int(run.holder())
    os.kill(orphan, signal.SIGSTOP)  # so that it is still at work when the second one comes
    first.kill()
    first.wait()
    assert not (run.work / "ended").exists()
    before = run.whole()
    second = run.start()
    try:
        while "is at work on" not in (said := run.log.read_text()):
            assert second.poll() is None, said
            time.sleep(0.05)
    finally:
        os.kill(orphan, signal.SIGCONT)
    assert f"Process {orphan} is at work on {run.name}; waiting" in said
    assert second.wait(120) == 0, run.log.read_text()
    assert digests(run.output) == expected
    after = run.whole()
    assert all(after[name] == made for name, made in before.items())
    assert_nothing_to_do(run)
    assert not is_at_work(orphan)


def is_at_work(pid):
    """Whether a process runs; one that ended may still be listed, if nobody asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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
