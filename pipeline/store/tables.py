"""Csv tables, read and written row by row."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from .files import replacing


def write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> None:
    """Write a csv table, row by row, beside its place, so that it is whole under its name."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Read a csv table row by row, every value as a string.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
