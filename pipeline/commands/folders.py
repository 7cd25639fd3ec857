"""The folder of a photo's results: filled whole or not at all, and without what an earlier run left in it."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ..photo.photo_files import count_passed_over, list_photos
from ..raw.pairs import describe_passed_over
from ..store.files import naming

PAGE = "index.html"
# Of folders in which results wait until they are whole; a killed run leaves one.
PART = ".reconstruct-"
# All names that `pipeline.commands.files` gives: what lies in a folder besides is not ours, and stays.
OWN = re.compile(
    r"face\d+(\.(glb|mtl|obj|ply|png)|_(depth|map|texture)\.png|_(depth|map|visible)\.npy|_(overlay|pose)\.jpg"
    r"|_(expression|facemesh|landmarks)\.csv)"
)


def list_named(command: str, arguments: Iterable[str]) -> list[Path]:
    """List the photos that the arguments of a command name, and say what of their folders is passed over.

    Raises
    ------
    FileNotFoundError
        See `list_photos`.
    """
    photos = list_photos(arguments)
    for folder in dict.fromkeys(Path(argument) for argument in arguments if Path(argument).is_dir()):
        passed = count_passed_over(folder)
        if passed:
            deeper = f"; '{folder}/**/*.jpg' names the photos in its folders" if "folders" in passed else ""
            click.echo(f"{command}: passed over in {folder}: {describe_passed_over(passed)}{deeper}")
    return photos


def utf8_name(name: str) -> str:
    """A name whose bytes that are no UTF-8, which no JSON may hold, are written as in an address: ``%FF``."""
    return "".join(f"%{ord(sign) - 0xDC00:02X}" if "\udc80" <= sign <= "\udcff" else sign for sign in name)


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Give a place to write a photo's results to, which go into its folder when the block ends well.

    What an earlier run left in the folder, and this one does not write, is removed.

    Raises
    ------
    OSError
        If it can't be written. Nothing is left of it then.
    """
    part = None
    with naming(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=PART, dir=folder.parent))
            yield part
            written = list(part.iterdir())
            folder.mkdir(exist_ok=True)
            for path in _own_files(folder) - {folder / path.name for path in written}:
                path.unlink()
            for path in written:
                path.replace(folder / path.name)
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove what an earlier run left in the folder of a photo that has no face now."""
    with contextlib.suppress(OSError):
        for path in _own_files(folder):
            path.unlink()
        folder.rmdir()


def _own_files(folder: Path) -> set[Path]:
    faces = {path for path in folder.iterdir() if OWN.fullmatch(path.name)}
    # A page without faces is somebody else's.
    return faces | {path for path in (folder / PAGE,) if faces and path.is_file()}


def remove_parts(out: Path) -> None:
    """Remove what killed runs left unfinished in the folder of all results, which no other run may hold."""
    for path in out.glob(f"{PART}*"):
        shutil.rmtree(path, ignore_errors=True)
