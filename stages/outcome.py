"""What every data stage owes: nothing lost, and one line at the end."""

import csv
import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from stages.params import check


@dataclasses.dataclass
class Outcome:
    """Counts of a stage or of one shard of it; `rejected` holds (sample or path, reason)."""

    taken: int = 0
    made: int = 0
    rejected: list[tuple[str, str]] = dataclasses.field(default_factory=list)


def conclude(stage: str, outcomes: Iterable[Outcome], folder: Path, max_reject_fraction: float) -> None:
    """Add up the shards' outcomes, write the reject list, print the stage's line.

    Parameters
    ----------
    stage : str
        Name for the line, as in ``meshes@AFW``.
    outcomes : iterable of Outcome
        One a shard; running the shards is what iterating does.
    folder : Path
        Output folder; ``rejected.csv`` goes into it.
    max_reject_fraction : float
        More than this share of rejected samples stops the run.

    Raises
    ------
    ValueError
        If samples are lost, or too many are rejected.
    """
    start = time.perf_counter()
    total = Outcome()
    for outcome in outcomes:
        total.taken += outcome.taken
        total.made += outcome.made
        total.rejected += outcome.rejected
    seconds = time.perf_counter() - start
    lost = total.taken - total.made - len(total.rejected)
    check(lost == 0, f"{stage} lost {lost} samples of {total.taken}; this is a mistake in the stage.")
    write_table(folder / "rejected.csv", ("sample", "reason"), total.rejected)
    click.echo(
        f"{stage}: {total.taken} in, {total.made} out, {len(total.rejected)} rejected, "
        f"{total.taken / max(seconds, 1e-9):.0f} samples/s"
    )
    check(
        len(total.rejected) <= max_reject_fraction * total.taken,
        f"{stage} rejected {len(total.rejected)} of {total.taken} samples, more than data.max_reject_fraction "
        f"({max_reject_fraction:g}) allows; {folder / 'rejected.csv'} says why. First: "
        f"{' - '.join(total.rejected[0]) if total.rejected else ''}",
    )


def write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> None:
    """Write a csv table, row by row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Read a csv table row by row, every value as a string."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
    with path.open(newline="") as file:
        yield from csv.DictReader(file)
