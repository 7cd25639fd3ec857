"""What a user can mend, said in one line without a traceback."""

import contextlib
from collections.abc import Iterator

import click

# What the folder of this package is called where it is installed, and the extras that it has there.
INSTALLED, EXTRAS = "uvface", ("network", "detail", "detect", "train")
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
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in OWN:
            raise
        missing = isinstance(error, ModuleNotFoundError)
        fault = f"{package} is not installed" if missing else f"{package or 'A package'} can't be loaded: {error}"
        if __name__.partition(".")[0] == INSTALLED:
            hint = f"It is of an extra: `pip install '{INSTALLED}[{'|'.join(EXTRAS)}]'`, one of these."
        else:
            hint = "Is this the project's environment? `make install` makes it, `. .venv/bin/activate` enters it."
        raise click.ClickException(f"{fault}. {hint}") from error
