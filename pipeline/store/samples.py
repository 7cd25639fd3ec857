"""Samples in shards: where each lies, and what some of them hold, in any order."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """Where a sample lies."""

    sample_id: str
    shard: Path
    row: int


def locate(shards: Iterable[Path], wanted: Iterable[str] | None = None) -> list[Sample]:
    """List the samples of shards.

    Parameters
    ----------
    shards : iterable of Path
    wanted : iterable of str, optional
        Ids to keep; all by default. Ids that no shard holds are left out.

    Returns
    -------
    list of Sample
        In the order of shards and rows.
    """
    from .shards import read_dataset, reading  # HDF5 is not imported for a network that draws photos

    kept = None if wanted is None else set(wanted)
    samples = []
    for shard in shards:
        with reading(shard) as file:
            names = read_dataset(file["sample_id"])
        samples += [Sample(str(name), shard, row) for row, name in enumerate(names) if kept is None or name in kept]
    return samples


def read_samples(samples: Sequence[Sample], names: Sequence[str]) -> dict[str, NDArray]:
    """Read datasets of samples, in their order, opening each shard once.

    Parameters
    ----------
    samples : sequence of Sample
        One or more, from any shards.
    names : sequence of str

    Returns
    -------
    dict of str to (len(samples), ...) array
        Position maps in px.
    """
    from .shards import read_dataset, reading

    rows: dict[int, list[NDArray]] = {}
    by_shard = sorted(range(len(samples)), key=lambda i: (samples[i].shard, samples[i].row))
    for shard, group in itertools.groupby(by_shard, key=lambda i: samples[i].shard):
        with reading(shard) as file:
            for i in group:
                rows[i] = [read_dataset(file[name], samples[i].row) for name in names]
    return {name: np.stack([rows[i][k] for i in range(len(samples))]) for k, name in enumerate(names)}


def read_labels(samples: Iterable[Sample], names: Sequence[str]) -> Iterator[dict[str, NDArray]]:
    """Read small datasets of samples that lie in the order of their shards, shard by shard."""
    for _, group in itertools.groupby(samples, lambda sample: sample.shard):
        yield read_samples(list(group), names)
