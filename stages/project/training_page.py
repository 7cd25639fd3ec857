"""A page that shows a training while it runs: its losses, a point a validation, offline and without a server.

The page is a file that stays as it is and looks each two seconds for the one beside it, which has the numbers. The
former is read by its place, not imported: how it looks is part of no result, and a change of it trains nothing again.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import stages
from pipeline.store.files import write_bytes
from stages.project.train_history import Row

FOLDER = Path("work/training")
TEMPLATE = Path(stages.__path__[0]) / "pages/templates/training.html"


@contextlib.contextmanager
def training_page(run: str, variant: str, seeds: Sequence[int], passes: int) -> Iterator[Callable[[int, Row], None]]:
    """Write the page of a run, and keep its numbers up to date until the block ends.

    What can't be written is left out: a training goes on without its page.

    Parameters
    ----------
    run : str
        Names the files, work/training/<run>.html and .js.
    variant : str
    seeds : sequence of int
        Those that are trained, one after the other.
    passes : int
        Of a sample, of all seeds together; patience may end a training sooner.

    Yields
    ------
    callable
        Called with a seed and a row of its history, see `model.training.train`, as soon as that is complete.
    """
    told: dict[str, Any] = {"run": run, "variant": variant, "passes": passes, "seeds": {seed: [] for seed in seeds}}

    def write(state: str, why: str = "") -> None:
        content = json.dumps(told | {"state": state, "why": why, "written": time.time()}, allow_nan=True)
        with contextlib.suppress(OSError):
            write_bytes(FOLDER / f"{run}.js", f"show({content});\n".encode())

    def add(seed: int, row: Row) -> None:
        told["seeds"][seed].append(row | {"at": time.time()})
        write("running")

    page = FOLDER / f"{run}.html"
    with contextlib.suppress(OSError):
        write_bytes(page, TEMPLATE.read_bytes())
        click.echo(f"train: its losses while it runs: {page.resolve()}")
    write("running")
    try:
        yield add
    except BaseException as error:
        write("stopped", str(error) or type(error).__name__)
        raise
    write("done")
