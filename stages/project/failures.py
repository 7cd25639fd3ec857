"""How a run of DVC that fails ends: with what happened and what to do, in sentences.

What a stage prints itself stands above: it has said what a user can mend.
"""

import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from pipeline.store.files import write_bytes
from pipeline.store.sentences import FULL

FOLDER = Path("work/failures")
# What a shell gives for a process that a signal ended is this and the signal's number.
SIGNALLED = 128
INTERRUPTED = SIGNALLED + signal.SIGINT
# In the name of a file.
UNSAFE = re.compile(r"[^\w@.-]")
# What DVC says of a stage that failed.
COMMAND = re.compile(r"^failed to run: (?P<command>.+), exited with (?P<status>-?\d+)$", re.DOTALL)
GO_ON = "run the same command again: it goes on where it stopped."
# Of an unknown error's own text, so much is shown.
SHOWN = 300


class Failure(NamedTuple):
    """What is told of a run that failed, and its exit status."""

    text: str
    status: int = 1


STOPPED = Failure(f"Stopped. To go on, {GO_ON}", INTERRUPTED)


@contextmanager
def end_briefly(stage: str) -> Iterator[None]:
    """Keep the traceback of a mistake in a file and tell it in a line, and end Ctrl-C with its exit status alone.

    Parameters
    ----------
    stage : str
        Name, which the file has too.

    Raises
    ------
    ClickException
        For an error within that is no sentence.
    Exit
        With 130, for Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise click.exceptions.Exit(INTERRUPTED) from error
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        raise click.ClickException(keep_traceback(stage, error)) from error


def keep_traceback(name: str, error: BaseException) -> str:
    """Write the traceback of an error to a file, or to stderr where it can't be written; returns a short sentence."""
    path = FOLDER / f"{UNSAFE.sub('_', name)}.txt"
    whole = "".join(traceback.format_exception(error))
    try:
        write_bytes(path, whole.encode(errors="backslashreplace"))
    except OSError:
        sys.stderr.write(whole)
        place = "above"
    else:
        place = f"in {path}"
    said = " ".join(str(error).split())
    said = f"{said[:SHOWN]}..." if len(said) > SHOWN else said
    kind = type(error).__name__
    return f"{name} stopped by a mistake: {f'{kind}: {said}' if said else kind}. Where that was is {place}."


def explain(error: BaseException) -> Failure | None:
    """Say what made DVC fail, and what to do.

    Parameters
    ----------
    error : BaseException
        What DVC raised.

    Returns
    -------
    Failure or None
        None for what is none of DVC's own errors: its traceback is wanted.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.stage.exceptions import StageCmdFailedError

    chain = list(_causes(error))
    for each in chain:
        if isinstance(each, StageCmdFailedError):
            return _of_command(str(each))
        if isinstance(each, LockError):
            return Failure(
                f"Another DVC is at work in {Path.cwd()}, or was killed a moment ago: wait for its end, then {GO_ON}"
            )
        if isinstance(each, OSError) and each.errno in FULL:
            place = f" that {each.filename} lies on" if each.filename else ""
            return Failure(f"Error: The disk{place} is full. Free it, and {GO_ON}")
    if not isinstance(error, DvcException):
        return None
    said = dict.fromkeys(" ".join(str(each).split()) for each in chain)
    return Failure(f"Error: {': '.join(filter(None, said))}\nMend that, and {GO_ON}")


def _of_command(said: str) -> Failure:
    """Say why a stage ended, of what DVC says of its command and the exit status."""
    found = COMMAND.search(said)
    if found is None:
        return Failure(f"Error: {said}\nMend that, and {GO_ON}")
    command, status = found["command"], int(found["status"])
    stage = command.removeprefix("python -m stages.")
    name = command if stage == command else stage.replace(" ", "@")
    number = -status if status < 0 else status - SIGNALLED
    if number == signal.SIGINT:
        return STOPPED
    if number > 0:
        why = f"{name} was ended by signal {number} ({_signal_name(number)})"
        if number == signal.SIGKILL:
            why += ", by somebody, or by the system for want of memory"
        return Failure(f"{why}. Mend that, and {GO_ON}", SIGNALLED + number)
    return Failure(f"{name} failed, as is said above. Mend that, and {GO_ON}")


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else "unknown"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
