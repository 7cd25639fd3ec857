"""Runs of DVC that fail, stop or are in each other's way, in a project of one stage."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from stages.project.failures import GO_ON
from tests.helpers.dvc_project import git
from tests.helpers.places import ROOT
from tests.helpers.stage_runs import environment_of

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path):
    """Write a project whose stage `made` is a command that a test chooses."""
    git(tmp_path, "init", "-q")
    subprocess.run(["dvc", "init", "-q"], cwd=tmp_path, env=environment_of(), check=True)

    def write(command):
        (tmp_path / "dvc.yaml").write_text(f"stages:\n  made:\n    cmd: {command}\n    outs:\n    - made.txt\n")
        return tmp_path

    return write


def start(folder):
    environment = environment_of() | {"PYTHONPATH": str(ROOT)}
    # Where the tests run in the background of a script, SIGINT is ignored, and processes inherit that.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "stages.run_dvc", "repro"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def finish(process):
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    assert "ERROR" not in err
    return process.returncode, out, err


def await_file(path):
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_last_that_is_seen_is_the_stages_own_sentence_and_what_to_do(project):
    status, out, err = finish(start(project("python -m stages.settings")))
    assert "Running stage 'made'" in out
    said = err.strip().splitlines()
    assert said[-2].startswith("Error: params.yaml is missing")
    assert said[-1] == f"settings failed, as is said above. Mend that, and {GO_ON}"
    assert status == 1


def test_a_run_that_succeeds_is_as_dvc_has_it(project):
    folder = project("echo made > made.txt")
    status, out, _ = finish(start(folder))
    assert status == 0
    assert "Running stage 'made'" in out
    assert "didn't change, skipping" in finish(start(folder))[1]


def test_a_stage_that_was_killed_is_told_with_its_signal(project):
    status, _, err = finish(start(project("kill -9 $$")))
    assert err == (
        "kill -9 $$ was ended by signal 9 (SIGKILL), by somebody, or by the system for want of memory. Mend that, and "
        f"{GO_ON}\n"
    )
    assert status == 137


def test_ctrl_c_ends_in_one_sentence_and_130(project):
    folder = project("touch begun && exec sleep 60")
    process = start(folder)
    await_file(folder / "begun")
    os.killpg(process.pid, signal.SIGINT)
    status, _, err = finish(process)
    assert err == f"Stopped. To go on, {GO_ON}\n"
    assert status == 130


def test_a_second_run_is_told_to_wait(project):
    folder = project("touch begun && sleep 8 && touch made.txt")
    first = start(folder)
    await_file(folder / "begun")
    status, _, err = finish(start(folder))
    assert err.startswith(f"Another DVC is at work in {folder}, or was killed a moment ago: wait for its end, then run")
    assert status == 1
    assert finish(first)[0] == 0


def test_a_file_that_dvc_cannot_read_is_named(project):
    folder = project("echo made > made.txt")
    (folder / "dvc.yaml").write_text("stages:\n  made: [\n")
    status, _, err = finish(start(folder))
    assert "dvc.yaml" in err
    assert err.endswith(f"Mend that, and {GO_ON}\n")
    assert status == 1


def test_locks_of_a_killed_run_are_told_once(project):
    folder = project("touch made.txt")
    gone = subprocess.Popen(["true"])
    gone.wait()
    holder = {"pid": gone.pid, "cmd": "dvc repro"}
    locks = {"write": {}, "read": {str(folder / "made.txt"): [holder], str(folder): [holder]}}
    (folder / ".dvc/tmp").mkdir(exist_ok=True)
    (folder / ".dvc/tmp/rwlock").write_text(json.dumps(locks))
    status, _, err = finish(start(folder))
    assert status == 0
    assert err.count("The run before was killed; the locks that it held are removed.") == 1
    assert "RWLock" not in err
