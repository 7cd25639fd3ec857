"""What is said where a run of DVC fails."""

import errno

import click
import pytest
from click.testing import CliRunner
from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.stage.exceptions import StageCmdFailedError

from stages.project import beginning, failures
from stages.project.failures import GO_ON, STOPPED, end_briefly, explain, keep_traceback

KILLED = "train@prn was ended by signal 9 (SIGKILL), by somebody, or by the system for want of memory"
TRAIN = "python -m stages.train prn"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failed(cause):
    """As DVC raises it: the cause below what it says of the stage."""
    error = ReproductionError("failed to reproduce 'train@prn'")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (1, f"train@prn failed, as is said above. Mend that, and {GO_ON}", 1),
        (
            -9,
            f"{KILLED}. Mend that, and {GO_ON}",
            137,
        ),
        # As a shell tells it that is between.
        (
            137,
            f"{KILLED}. Mend that, and {GO_ON}",
            137,
        ),
        (-11, f"train@prn was ended by signal 11 (SIGSEGV). Mend that, and {GO_ON}", 139),
        (130, f"Stopped. To go on, {GO_ON}", 130),
        (-2, f"Stopped. To go on, {GO_ON}", 130),
    ],
)
def test_a_stage_that_failed_has_told_why_and_one_that_was_ended_could_not(status, said, code):
    assert explain(failed(StageCmdFailedError(TRAIN, status))) == (said, code)


def test_a_command_that_is_no_stage_of_ours_is_named_as_it_is():
    told = explain(StageCmdFailedError("sh run.sh", 3))
    assert told.text.startswith("sh run.sh failed, as is said above.")


def test_another_dvc_at_work_is_told_without_its_table_of_processes(folder):
    told = explain(failed(LockError("'metrics/a.json' is busy, it is being blocked by:\n  (PID 1): dvc repro\n\nIf")))
    assert told.text.startswith(f"Another DVC is at work in {folder}, or was killed a moment ago: wait for its end")


def test_a_full_disk_is_named_wherever_in_the_chain_it_is():
    full = OSError(errno.ENOSPC, "No space left on device", ".dvc/cache/files")
    told = explain(failed(full))
    assert told.text == f"Error: The disk that .dvc/cache/files lies on is full. Free it, and {GO_ON}"
    assert explain(OSError(errno.ENOSPC, "No space")).text == f"Error: The disk is full. Free it, and {GO_ON}"


def test_what_dvc_says_itself_is_said_with_its_cause_on_a_line():
    error = DvcException("unable to read:\n'params.yaml'")
    error.__cause__ = ValueError("line 3,   column 1")
    assert explain(error).text == f"Error: unable to read: 'params.yaml': line 3, column 1\nMend that, and {GO_ON}"


def test_a_mistake_is_told_in_a_line_and_its_traceback_kept(folder):
    assert explain(KeyError("width")) is None
    with pytest.raises(click.ClickException) as told, end_briefly("train@prn"):
        look_up({})
    where = "work/failures/train@prn.txt"
    assert told.value.message == f"train@prn stopped by a mistake: KeyError: 'width'. Where that was is in {where}."
    kept = (folder / where).read_text()
    assert kept.startswith("Traceback")
    assert 'return known["width"]' in kept


def test_a_long_error_is_cut_and_a_name_that_is_no_file_is_made_one(folder):
    told = keep_traceback("../a b", ValueError("x" * 5000))
    assert len(told) < 450
    assert [path.name for path in (folder / "work/failures").iterdir()] == [".._a_b.txt"]


def test_where_no_file_can_be_written_the_traceback_is_printed(folder, capsys):
    (folder / "work").write_text("a file")
    assert keep_traceback("train", ValueError("y")).endswith("Where that was is above.")
    assert "ValueError: y" in capsys.readouterr().err


def test_what_was_said_in_a_sentence_stays_as_it_is(folder):
    with pytest.raises(click.ClickException, match="Lower the rate"), end_briefly("train"):
        raise click.ClickException("Lower the rate.")
    assert not (folder / "work").exists()


def look_up(known):
    return known["width"]


@click.command()
@click.argument("kind")
def stage(kind):
    beginning.begin_stage("made")
    raise {"mistake": TypeError("no number"), "ctrl-c": KeyboardInterrupt()}[kind]


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        (
            "mistake",
            1,
            "Error: made stopped by a mistake: TypeError: no number. Where that was is in work/failures/made.txt.\n",
        ),
        ("ctrl-c", 130, ""),
    ],
)
def test_a_stage_that_dvc_has_started_ends_in_a_line(monkeypatch, kind, status, said):
    monkeypatch.setattr(beginning, "end_with_parent", lambda: None)
    monkeypatch.setenv("DVC_STAGE", "made")
    result = CliRunner().invoke(stage, [kind])
    assert (result.exit_code, result.stderr) == (status, said)


def test_without_dvc_a_mistake_has_its_traceback(monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert isinstance(CliRunner().invoke(stage, ["mistake"]).exception, TypeError)


def test_the_status_of_a_stop_is_that_of_ctrl_c():
    assert STOPPED.status == failures.INTERRUPTED == 130
