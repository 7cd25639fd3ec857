"""Files that several machines share: each waits until it sees them as the others do, which NFS shows late."""

import functools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

# So long NFS may show a folder or a file as it was, by default (acdirmax and acregmax), and a little more.
LATE_SECONDS = 70.0
PAUSE_SECONDS = 0.2
Stamp = tuple[Path, int, int]


def stamp(paths: Iterable[Path]) -> tuple[Stamp, ...]:
    """Path, size and time (whole seconds: not all file systems keep more) of files, as this machine sees them.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    """
    stamps = []
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
        stamps.append((path, *_seen(path)))
    return tuple(stamps)


def await_stamped(stamps: Sequence[Stamp]) -> None:
    """Wait until this machine sees files as the one that stamped them does.

    Raises
    ------
    OSError
        If it does not after `LATE_SECONDS`.
    """
    for path, size, seconds in stamps:
        if not _in_time(path, functools.partial(_is_as, path, (size, seconds))):
            raise OSError(
                f"{path} is not on {os.uname().nodename} what it is where the stage runs. Start each worker in the "
                "project's folder, on a file system that all machines share."
            )


def await_files(paths: Iterable[Path]) -> None:
    """Wait until this machine sees files that others have written.

    Raises
    ------
    OSError
        If it does not after `LATE_SECONDS`.
    """
    for path in paths:
        if not _in_time(path, path.is_file):
            raise OSError(
                f"{path} was made by a worker, but is not here. Start each worker in the project's folder, on a file "
                "system that all machines share."
            )


def _seen(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, int(status.st_mtime)


def _is_as(path: Path, expected: tuple[int, int]) -> bool:
    return _seen(path) == expected


def _in_time(path: Path, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + LATE_SECONDS
    while True:
        try:
            if holds():
                return True
            next(path.parent.iterdir(), None)  # opening a folder makes NFS ask for what is in it
        except OSError:  # not there yet, or another by now (ESTALE)
            pass
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE_SECONDS)
