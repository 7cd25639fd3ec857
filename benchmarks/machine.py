"""What processes at once can gain on this machine, whatever else it does meanwhile."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import numpy as np

from benchmarks.scaling import medians

# Of the arrays below, in bytes: one lies in a core's own cache, one in nobody's, and each file is new to the memory.
CACHED, STREAMED, WRITTEN = 2**19, 2**26, 2**28
KINDS = {
    "Python": ("a loop of Python", "million steps/s"),
    "cache": ("arithmetic in a core's cache", "GB/s"),
    "memory": ("arithmetic in memory", "GB/s"),
    "new memory": ("files written to memory that was nobody's", "GB/s"),
}


def measure_machine(cores: int) -> dict[str, tuple[float, float]]:
    """Measure what processes at once gain on this machine, whatever else it does meanwhile.

    Parameters
    ----------
    cores : int
        So many processes.

    Returns
    -------
    dict of str to (float, float)
        By the kind of work, how much more a second all of them do than one alone; and what one alone does a second, in
        GB, or in millions of steps.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, work in zip(KINDS, (_count, _add_in_cache, _add_in_memory, _write), strict=True):
            one, all_of_them = (_run(work, count, Path(folder)) for count in (1, cores))
            found[name] = all_of_them / one, one
        return found


def report_machine(rounds: Sequence[Mapping[str, tuple[float, float]]], processes: int) -> dict[str, float]:
    """Print medians of `measure_machine` over rounds; give the gains."""
    gains = {}
    click.echo(f"What {processes} processes at once gained on this machine, and what one alone does:")
    for kind, (text, unit) in KINDS.items():
        gain, alone = medians([each[kind] for each in rounds])
        click.echo(f"{gain:6.2f} {text}, {alone:.3g} {unit}")
        gains[kind] = round(gain, 2)
    return gains


def _run(work: Callable[[Path], float], count: int, folder: Path) -> float:
    """Amount of work a second that so many processes do together, from the first one's start to the last one's end."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)
    with context.Pool(count, _prepare, (barrier,)) as pool:
        done = pool.starmap(_timed, [(work, folder, number) for number in range(count)], chunksize=1)
    amounts, starts, ends = zip(*done, strict=True)
    return sum(amounts) / (max(ends) - min(starts))


_barrier: Barrier


def _prepare(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _timed(work: Callable[[Path], float], folder: Path, number: int) -> tuple[float, float, float]:
    every = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {every[number % len(every)]})
    _barrier.wait()
    start = time.perf_counter()
    return work(folder), start, time.perf_counter()


def _count(_: Path) -> float:
    steps, total = 15_000_000, 0
    for step in range(steps):
        total += step * step % 7
    return steps / 1e6


def _add_in_cache(_: Path) -> float:
    return _add(CACHED, 40_000)


def _add_in_memory(_: Path) -> float:
    return _add(STREAMED, 150)


def _add(size: int, times: int) -> float:
    """Read and write an array so often; GB that were read and written."""
    values = np.zeros(size // 4, np.float32)
    for _ in range(times):
        np.add(values, 1, out=values)
    return 2 * size * times / 1e9


def _write(folder: Path) -> float:
    """Write a file, which lies in memory that was nobody's before: a virtual machine's host may have to give it."""
    content = bytes(2**22)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        for _ in range(WRITTEN // len(content)):
            file.write(content)
    return WRITTEN / 1e9
