"""What every stage that makes shards owes: nothing lost, nothing made twice, and one line at the end."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

import pipeline
from pipeline.store.parallel import map_shards
from pipeline.store.resume import Receipt, ShardContent, digest_code, end, make_once, publish, sole_writer
from pipeline.store.shards import replacing
from pipeline.store.tables import write_table
from stages.project.params import ComputeParams, check

ROOT = Path(pipeline.__path__[0]).parent  # wherever in stages/ this file lies
CODE = ("pipeline", "stages")
WORK = Path("work/shards")
REJECTED, COUNTS = "rejected.csv", "counts.json"


class Task(NamedTuple):
    """One shard: the files that it is made from, and what `make` is called with."""

    inputs: tuple[Path, ...]
    arguments: tuple


def run_stage(
    stage: str,
    make: Callable[..., ShardContent],
    tasks: Sequence[Task],
    output: Path,
    max_reject_fraction: float,
    compute: ComputeParams,
    alone: Sequence[tuple[str, str]] = (),
) -> None:
    """Make the shards of a stage, put them in its output folder with the reject list and the counts, print its line.

    Parameters
    ----------
    stage : str
        Name, as in ``meshes@AFW``.
    make : callable
        Gets the arguments of a task, gives a shard.
    tasks : sequence of Task
        One a shard, in their order.
    output : Path
        Folder of the stage's shards, ``rejected.csv`` and ``counts.json``.
    max_reject_fraction : float
        More than this share of rejected samples stops the run.
    compute : ComputeParams
    alone : sequence of (file, reason)
        Rejected before there were shards.

    Raises
    ------
    ValueError
        If samples are lost, or too many are rejected.
    """
    work = WORK / stage
    # Held until the command ends, not only this function: some stages write a table or a mesh after their shards.
    click.get_current_context().with_resource(sole_writer(work, click.echo))
    start = time.perf_counter()
    code = digest_code(ROOT, CODE)
    jobs = [(work, code, stage, make, *task) for task in tasks]
    receipts = list(map_shards(make_once, jobs, compute.workers, compute.scheduler, stage))
    publish(work, receipts, output)
    seconds = time.perf_counter() - start
    write_table(output / REJECTED, ("sample", "reason"), _rejected(alone, receipts))
    taken = len(alone) + sum(receipt.taken for receipt in receipts)
    made = sum(receipt.made for receipt in receipts)
    counts = {"in": taken, "out": made, "rejected": taken - made}
    with replacing(output / COUNTS) as part:
        part.write_text(json.dumps(counts) + "\n", encoding="utf-8")
    click.echo(f"{stage}: {taken} in, {made} out, {taken - made} rejected, {taken / max(seconds, 1e-9):.0f} samples/s")
    check(
        taken - made <= max_reject_fraction * taken,
        f"{stage} rejected {taken - made} of {taken} samples, more than data.max_reject_fraction "
        f"({max_reject_fraction:g}) allows; {output / REJECTED} says why. First: "
        f"{' - '.join(next(_rejected(alone, receipts), ()))}",
    )
    end(work)


def read_counts(output: Path) -> dict[str, int]:
    """Counts `in`, `out` and `rejected` of a stage's output folder."""
    path = output / COUNTS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
    return json.loads(path.read_text(encoding="utf-8"))


def _rejected(alone: Sequence[tuple[str, str]], receipts: Sequence[Receipt]) -> Iterator[tuple[str, str]]:
    yield from alone
    for receipt in receipts:
        if receipt.made < receipt.taken:
            yield from receipt.rejected()
