"""Batches for a network, read from shards at random, ahead of their use and in an order that only the seed decides."""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.store.samples import Sample, read_samples

READERS = 2
BATCHES_AHEAD = 8
Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Feed:
    """Samples, and how they become batches of photos (n, S, S, 3) float32, RGB in [0, 1], and labels.

    `to_label` makes the labels (n, ...) float32 of a batch from the `datasets` of its samples. Memory holds a few
    batches.
    """

    samples: Sequence[Sample]
    batch_size: int
    datasets: tuple[str, ...]
    to_label: Callable[[dict[str, NDArray]], NDArray[np.float32]]

    @property
    def steps(self) -> int:
        """Batches in a pass."""
        return -(-len(self.samples) // self.batch_size)

    def shuffled(self, seed: int, epoch: int) -> Generator[Batch]:
        """One epoch of full batches, see `shuffled_batches`."""
        return prefetch(self._read, shuffled_batches(len(self.samples), self.batch_size, seed, epoch))

    def ordered(self) -> Generator[Batch]:
        """All samples once, in their order; the last batch may be short."""
        return prefetch(self._read, ordered_batches(len(self.samples), self.batch_size))

    def _read(self, chosen: NDArray[np.int64]) -> Batch:
        arrays = read_samples([self.samples[i] for i in chosen], ("image", *self.datasets))
        return to_photo(arrays["image"]), self.to_label(arrays)


def to_photo(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale 8-bit images to [0, 1], as PRNet's network sees them."""
    return image.astype(np.float32) / np.float32(255)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Draw the order of an epoch.

    Parameters
    ----------
    count : int
        Samples.
    batch_size, seed, epoch : int

    Returns
    -------
    (ceil(count / batch_size), batch_size) int64
        Each sample at least once. The last batch is filled up from the beginning of the order: a short one would have
        poor batch statistics, and would be compiled anew.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    steps = -(-count // batch_size)
    return np.resize(order, (steps, batch_size))


def ordered_batches(count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Cut 0 .. count - 1 into batches, the last of which may be short."""
    return [np.arange(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


def prefetch(read: Callable[[T], U], items: Iterable[T]) -> Generator[U]:
    """Yield ``read(item)`` in the order of the items, a few ahead in threads."""
    items = iter(items)
    with ThreadPoolExecutor(READERS, thread_name_prefix="feed") as readers:
        ahead = deque(readers.submit(read, item) for item in itertools.islice(items, BATCHES_AHEAD))
        try:
            while ahead:
                done = ahead.popleft().result()
                ahead.extend(readers.submit(read, item) for item in itertools.islice(items, 1))
                yield done
        finally:
            for future in ahead:
                future.cancel()
