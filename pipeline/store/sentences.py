"""What a user can mend, said in one line without a traceback."""

import contextlib
import errno
from collections.abc import Iterator

import click

# What the folder of this package is called where it is installed.
INSTALLED = "uvface"
# A disk without space, or without any that the user may take.
FULL = (errno.ENOSPC, errno.EDQUOT)
OWN = (__name__.partition(".")[0], "model", "stages")


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn what a user can mend (a missing file or package, a value out of range) into one line without a traceback.

    Raises
    ------
    ClickException
        For a ValueError or an OSError within, or an ImportError of a package that is not the project's own.
    """
    try:
        yield
    except OSError as error:
        raise click.ClickException(_tell_full(error) if error.errno in FULL else str(error)) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in OWN:
            raise
        missing = isinstance(error, ModuleNotFoundError)
        if missing and __name__.partition(".")[0] == INSTALLED:
            from .requirements import tell_missing  # it reads what pip has written, which takes time to import

            raise click.ClickException(tell_missing(package, INSTALLED)) from error
        fault = f"{package} is not installed" if missing else f"{package or 'A package'} can't be loaded: {error}"
        hint = "Is this the project's environment? `make install` makes it, `. .venv/bin/activate` enters it."
        raise click.ClickException(fault if __name__.startswith(INSTALLED) else f"{fault}. {hint}") from error


def counted(number: int, thing: str) -> str:
    """Say how many there are of a thing whose plural ends in -s: ``1 photo``, ``1,200 photos``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _tell_full(error: OSError) -> str:
    """Say what the system does not: what to do, and often it names no file."""
    place = f"{error.filename} can't be written: the" if error.filename else "The"
    return f"{place} disk is full. Free it, and run it again."
