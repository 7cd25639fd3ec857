"""Mend what a kill of DVC left cut off: its lock files. A command, not a stage.

``python -m stages.mend_locks``, which make runs before DVC.
"""

import contextlib
from collections.abc import Iterator

import click

from pipeline.store.sentences import sentences
from stages.project.lock_files import keep_locks, mend_locks


@click.command()
def main() -> None:
    """Put the last whole lock file in the place of one that was cut off, and keep each that is whole."""
    with sentences():
        for sentence in mend_locks(alone):
            click.echo(sentence)
        keep_locks()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold DVC's own lock, without which it writes nothing."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo().lock:
            yield
    except DvcException as error:
        raise ValueError(f"DVC's lock files need mending, but another DVC is at work: {error}") from error


if __name__ == "__main__":
    main()
