"""Files that are whole under their names, read once while they stay the same, and known by their bytes."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

Loaded = TypeVar("Loaded")
# What the system says where there is no room, and where somebody may not write.
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside a file to write to, which takes its name when the block ends well.

    Raises
    ------
    OSError
        If it can't be written: no space, no permission, no folder. Nothing is left of it then.
    """
    part = beside(path)
    with naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises as `replacing`."""
    with replacing(path) as part:
        part.write_bytes(content)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say which file or folder it was that could not be written: the system's own error of a full disk does not.

    Raises
    ------
    OSError
        With its name and what to do, in place of the one that was raised within the block.
    """
    try:
        yield
    except OSError as error:
        raise OSError(f"{path} can't be written: {error.strerror or error}. {_advise(error)}") from error


def _advise(error: OSError) -> str:
    """What to do about a file that can't be written."""
    if error.errno in FULL:
        return "Free the disk, and run it again."
    if error.errno in FORBIDDEN:
        return "Free the folder, or name another one."
    return "Can files be made there? Name another folder."


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a folder of results, so that no other run writes into it meanwhile.

    It is made if there is none, and goes again if it stays empty.

    A process that is killed holds nothing. On file systems without locks nothing is held.

    Raises
    ------
    ValueError
        If another process holds it.
    OSError
        If it can't be made.
    """
    existed = folder.exists()
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"Another run is writing into {folder}: wait for its end, or choose another folder by --out."
                ) from None
        yield
    finally:
        if not existed:
            with contextlib.suppress(OSError):  # something lies in it
                folder.rmdir()
        os.close(descriptor)


def beside(path: Path) -> Path:
    """Name beside a file that no other thread, process or host uses."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}.part")


def while_unchanged(load: Callable[[Path], Loaded]) -> Callable[[Path], Loaded]:
    """Decorate a function of a file so that it runs once in a process while the file's size and time stay.

    It raises FileNotFoundError if the file is missing.
    """

    @functools.lru_cache(maxsize=16)
    def load_version(path: Path, size: int, time: int) -> Loaded:  # noqa: ARG001
        return load(path)

    @functools.wraps(load)
    def load_cached(path: Path) -> Loaded:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
        status = path.stat()
        return load_version(path.absolute(), status.st_size, status.st_mtime_ns)

    return load_cached


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_modules(root: Path, folders: Sequence[str]) -> str:
    """SHA-256 of all Python files of some folders below `root`, at any depth.

    Raises
    ------
    ValueError
        If a folder has none: a key of no code would find again what other code made.
    """
    digest = hashlib.sha256()
    for folder in folders:
        paths = sorted((root / folder).rglob("*.py"))
        if not paths:
            raise ValueError(f"{root / folder} has no Python files; this is a mistake in the stage.")
        for path in paths:
            # Read at once: `digest_file` takes a buffer that is larger than any module.
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()
