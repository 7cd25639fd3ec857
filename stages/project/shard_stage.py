"""What every stage that makes shards owes: nothing lost, nothing made twice, and one line at the end."""

import functools
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

import pipeline
from pipeline.store.checks import check
from pipeline.store.files import replacing
from pipeline.store.parallel import map_shards
from pipeline.store.resume import Receipt, ShardContent, digest_code, end, make_once, open_work, publish
from pipeline.store.shared_storage import Stamp, await_files, await_stamped, stamp
from pipeline.store.tables import write_table
from stages.project.beginning import WORK, begin_stage
from stages.project.json_file import read_metrics
from stages.project.params import ComputeParams

ROOT = Path(pipeline.__path__[0]).parent  # wherever in stages/ this file lies
CODE = ("pipeline", "stages")
REJECTED, COUNTS = "rejected.csv", "counts.json"
WHOLE = ""


class Task(NamedTuple):
    """One shard: the files that it is made from, and what `make` is called with."""

    inputs: tuple[Path, ...]
    arguments: tuple


def run_stage(
    stage: str,
    make: Callable[..., ShardContent],
    tasks: Mapping[str, Sequence[Task]],
    output: Path,
    max_reject_fraction: float,
    compute: ComputeParams,
    unpaired: Sequence[tuple[str, str]] = (),
) -> None:
    """Make the shards of a stage, put them in its output folder with the reject list and the counts, print its lines.

    Parameters
    ----------
    stage : str
        Name, as in ``meshes@AFW``.
    make : callable
        Gets the arguments of a task, gives a shard.
    tasks : dict of str to sequence of Task
        One a shard, in their order, by the folder of `output` that the shards go to: a level, or `WHOLE` for `output`
        itself.
    output : Path
        Each of its folders gets its shards, ``rejected.csv`` and ``counts.json``.
    max_reject_fraction : float
        More than this share of rejected samples of a folder stops the run.
    compute : ComputeParams
    unpaired : sequence of (file, reason)
        Rejected before there were shards.

    Raises
    ------
    ValueError
        If samples are lost, or too many are rejected.
    """
    work = WORK / stage
    begin_stage(stage, output)
    open_work(work)
    start = time.perf_counter()
    code = digest_code(ROOT, CODE)
    names = {folder: f"{stage}-{folder}" if folder else stage for folder in tasks}
    jobs: list[tuple] = [(work, code, names[folder], make, *task) for folder, group in tasks.items() for task in group]
    make_shard: Callable[..., Receipt] = make_once
    if compute.scheduler:
        make_shard = _make_elsewhere
        jobs = [(stamp(task.inputs), *job) for task, job in zip(itertools.chain(*tasks.values()), jobs, strict=True)]
    made = map_shards(make_shard, jobs, compute.workers, compute.scheduler, stage)
    receipts = {folder: list(itertools.islice(made, len(group))) for folder, group in tasks.items()}
    if compute.scheduler:
        await_files(path for group in receipts.values() for receipt in group for path in receipt.files())
    publish(work, {output / folder: group for folder, group in receipts.items()})
    seconds = time.perf_counter() - start
    for folder, group in receipts.items():
        _report(names[folder], group, unpaired, output / folder, max_reject_fraction, seconds)
    end(work)


@functools.cache
def _own_code() -> str:
    """The code that this process has: it reads a module once, whatever becomes of the file."""
    return digest_code(ROOT, CODE)


def _make_elsewhere(stamps: Sequence[Stamp], work: Path, code: str, *rest: Any) -> Receipt:
    """Make a shard as `make_once` does, on a worker that was started before, perhaps on another machine."""
    check(
        code == _own_code(),
        f"A Dask worker on {os.uname().nodename} has other code or libraries than the stage: start the workers anew, "
        "in the project's folder and environment.",
    )
    await_stamped(stamps)
    return make_once(work, code, *rest)


def _report(
    name: str,
    receipts: Sequence[Receipt],
    unpaired: Sequence[tuple[str, str]],
    folder: Path,
    max_reject_fraction: float,
    seconds: float,
) -> None:
    """Write the reject list and the counts of a folder of shards, and print its line."""
    write_table(folder / REJECTED, ("sample", "reason"), _rejected(unpaired, receipts))
    taken = len(unpaired) + sum(receipt.taken for receipt in receipts)
    made = sum(receipt.made for receipt in receipts)
    counts = {"in": taken, "out": made, "rejected": taken - made}
    with replacing(folder / COUNTS) as part:
        part.write_text(json.dumps(counts) + "\n", encoding="utf-8")
    click.echo(f"{name}: {taken} in, {made} out, {taken - made} rejected, {taken / max(seconds, 1e-9):.0f} samples/s")
    check(
        taken - made <= max_reject_fraction * taken,
        f"{name} rejected {taken - made} of {taken} samples, more than data.max_reject_fraction "
        f"({max_reject_fraction:g}) allows; {folder / REJECTED} says why. First: "
        f"{' - '.join(next(_rejected(unpaired, receipts), ()))}. Mend or remove these pairs, or, where a small "
        "set has a few such, allow more: dvc exp run -S data.max_reject_fraction="
        f"{-(-100 * (taken - made) // max(taken, 1)) / 100:g}",
    )


def read_counts(output: Path) -> dict[str, int]:
    """Counts `in`, `out` and `rejected` of a stage's output folder.

    Raises
    ------
    FileNotFoundError
        If they are missing.
    """
    path, names = output / COUNTS, ("in", "out", "rejected")
    return read_metrics(path, names, names, "run the stage that makes it")


def _rejected(unpaired: Sequence[tuple[str, str]], receipts: Sequence[Receipt]) -> Iterator[tuple[str, str]]:
    yield from unpaired
    for receipt in receipts:
        if receipt.made < receipt.taken:
            yield from receipt.rejected()
