"""The csv files of a training run: a row a validation."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from pipeline.store.tables import write_table

Row = dict[str, Any]


def history_writer(file: TextIO) -> Callable[[Row], None]:
    """Make a function that appends a row to a csv file at once, so that a plot of it can be followed."""
    writer = csv.writer(file, lineterminator="\n")
    headed = False

    def write(row: Row) -> None:
        nonlocal headed
        if not headed:
            writer.writerow(row)
            headed = True
        writer.writerow(_texts(row))
        file.flush()
        losses = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name.endswith("loss"))
        click.echo(f"{row['passes']} passes ({row['phase']}): {losses}, rate {row['lr']:.3g}")

    return write


def write_history(path: Path, rows: Sequence[Row], *first: str) -> None:
    """Write the rows of a run; the header alone, in which `first` go before the others, where nothing was trained."""
    header = tuple(rows[0]) if rows else (*first, "passes", "phase", "lr", "loss", "val_loss")
    write_table(path, header, (tuple(_texts(row)) for row in rows))


def _texts(row: Row) -> list[str]:
    return [value if isinstance(value, str) else f"{value:.6g}" for value in row.values()]
