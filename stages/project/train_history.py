"""The csv files of a training run: a row an epoch."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from pipeline.store.tables import write_table

Row = dict[str, Any]


def history_writer(file: TextIO) -> Callable[[Row], None]:
    """Make a function that appends an epoch's row to a csv file at once, so that a plot of it can be followed."""
    writer = csv.writer(file, lineterminator="\n")

    def write(row: Row) -> None:
        if row["epoch"] == 1:
            writer.writerow(row)
        writer.writerow(_texts(row))
        file.flush()
        losses = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name.endswith("loss"))
        click.echo(f"epoch {row['epoch']} ({row['phase']}): {losses}, rate {row['lr']:.3g}")

    return write


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows of a run; the header alone where nothing was trained."""
    header = tuple(rows[0]) if rows else ("epoch", "phase", "lr", "loss", "val_loss")
    write_table(path, header, (tuple(_texts(row)) for row in rows))


def _texts(row: Row) -> list[str]:
    return [value if isinstance(value, str) else f"{value:.6g}" for value in row.values()]
