"""Csv tables, read and written row by row."""

import csv
import math
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from .files import replacing


def write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> None:
    """Write a csv table, row by row, beside its place, so that it is whole under its name."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: Path, columns: Collection[str] = (), numbers: Collection[str] = ()) -> Iterator[dict[str, str]]:
    """Read a csv table row by row, every value as a string.

    Parameters
    ----------
    path : Path
    columns : collection of str
        Which it must have.
    numbers : collection of str
        Which it must have, with a finite number in each row.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is no text, lacks a column, or a row has another number of values or no number where one belongs.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            missing = [name for name in (*columns, *numbers) if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"{path} lacks the column {', '.join(missing)}; make it anew.")
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(f"{path}, line {reader.line_num}, is no row of its columns; make it anew.")
                wrong = [name for name in numbers if not _is_number(row[name])]
                if wrong:
                    raise ValueError(
                        f"{path}, line {reader.line_num}, has no finite number as {', '.join(wrong)}; make it anew."
                    )
                yield row
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path} is no table of text ({error}); make it anew.") from error


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
