"""Batches for a network, read at random and ahead of their use, in an order that only the seed decides."""

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.coefficients import CAMERA, to_parameters
from pipeline.crops.online import border, draw, from_copy_to_crop, move_cameras, unpack_crop
from pipeline.crops.policy import AugmentationPolicy
from pipeline.store.samples import Sample, read_labels, read_samples
from pipeline.store.shards import map_rows
from pipeline.uv.scaling import to_photo

READERS = os.cpu_count() or 1
BATCHES_AHEAD = 8
# Crops that take no more than this are unpacked once, and lie where the network computes.
RESIDENT_BYTES = 4 * 2**30
Batch = dict[str, NDArray]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Feed:
    """Samples with stored maps, and how they become batches of photos and labels.

    A batch has `photo` (n, S, S, 3) float32, RGB in [0, 1], and `label` (n, ...), which `to_label` makes of position
    maps in px. Memory holds a few batches.
    """

    samples: Sequence[Sample]
    batch_size: int
    to_label: Callable[[NDArray], NDArray]

    def endless(self, seed: int, start: int, _growth: int = 0) -> Generator[Batch]:
        """Full batches, epoch after epoch, from step `start` on, see `shuffled_batches`; stored copies do not grow."""
        chosen = (chosen for _, chosen in endless_batches(len(self.samples), self.batch_size, seed, start))
        return prefetch(self._read, chosen)

    def ordered(self) -> Generator[Batch]:
        """All samples once, in their order; the last batch may be short."""
        return prefetch(self._read, ordered_batches(len(self.samples), self.batch_size))

    def _read(self, chosen: NDArray[np.int64]) -> Batch:
        arrays = read_samples([self.samples[i] for i in chosen], ("image", "position_map"))
        return {"photo": to_photo(arrays["image"]), "label": self.to_label(arrays["position_map"])}


class OnlineFeed:
    """Compact samples, and how they become batches that `augmentation` makes photos and labels of.

    Memory holds the cameras and coefficients of all samples; of their crops a few batches, or all where they fit.

    Parameters
    ----------
    samples : sequence of Sample
    batch_size : int
    policy : AugmentationPolicy
    size : int
        Side of the aligned image in px.
    to_label : callable, optional
        From cameras (n, 3, 4) and coefficients (n, K) to labels, where no training step makes them.

    Attributes
    ----------
    crops : (N, C, C, 3) uint8 or None
        All crops, for batches that name them by `index` (n,) int32; where they do not fit, None, and batches have
        `crop` (n, C, C, 3).
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        batch_size: int,
        policy: AugmentationPolicy,
        size: int,
        to_label: Callable[[NDArray, NDArray], NDArray] | None = None,
    ) -> None:
        self.samples, self.batch_size, self.policy, self.size = samples, batch_size, policy, size
        self._to_label = to_label
        labels = list(read_labels(samples, ("pose", "coefficients")))
        parameters = np.concatenate([to_parameters(one["pose"], one["coefficients"], size) for one in labels])
        self._cameras = parameters[:, :CAMERA].reshape(-1, 3, 4)
        self._coefficients = parameters[:, CAMERA:].astype(np.float32)
        side = size + 2 * border(size)
        self.crops: NDArray[np.uint8] | None = None
        if len(samples) * side * side * 3 <= RESIDENT_BYTES:
            self.crops = np.zeros((len(samples), side, side, 3), np.uint8)
            for row, crop in enumerate(prefetch(self._crop, range(len(samples)))):
                self.crops[row] = crop

    def endless(self, seed: int, start: int, growth: int = 0) -> Generator[Batch]:
        """Full batches, epoch after epoch, from step `start` on, see `shuffled_batches`.

        What is done to samples grows from nothing to the whole policy within the first `growth` steps.
        """
        return prefetch(lambda make: make(), self._batches(seed, start, growth))

    def _batches(self, seed: int, start: int, growth: int) -> Iterator[Callable[[], Batch]]:
        """What makes each batch, in any thread."""
        epoch_steps = steps_of_epoch(len(self.samples), self.batch_size)
        steps = endless_batches(len(self.samples), self.batch_size, seed, start)
        for epoch, group in itertools.groupby(steps, key=lambda step: step[0]):
            strength = min(1.0, epoch * epoch_steps / growth) if growth else 1.0
            drawn = draw(self.policy, len(self.samples), self.size, seed, epoch, strength)
            arrays = {name: values for name, values in drawn._asdict().items() if name != "move"} | {
                "coefficients": self._coefficients,
                "camera": move_cameras(drawn.move, self._cameras).astype(np.float32),
                "source": from_copy_to_crop(drawn.move, self.size).astype(np.float32),
            }
            for _, chosen in group:
                yield functools.partial(self._read, chosen, arrays)

    def _read(self, chosen: NDArray[np.int64], arrays: Batch) -> Batch:
        batch = {name: values[chosen] for name, values in arrays.items()}
        if self._to_label is not None:
            batch["label"] = self._to_label(batch.pop("camera"), batch.pop("coefficients"))
        if self.crops is not None:
            return batch | {"index": chosen.astype(np.int32)}
        return batch | {"crop": np.stack([self._crop(i) for i in chosen])}

    def _crop(self, number: int) -> NDArray[np.uint8]:
        sample = self.samples[number]
        return unpack_crop(map_rows(sample.shard, "crop")[sample.row])


def steps_of_epoch(count: int, batch_size: int) -> int:
    """Batches that an epoch of so many samples has."""
    return -(-count // batch_size)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Draw the order of an epoch.

    Parameters
    ----------
    count : int
        Samples.
    batch_size, seed, epoch : int

    Returns
    -------
    (steps_of_epoch(count, batch_size), batch_size) int64
        Each sample at least once. The last batch is filled up from the beginning of the order: a short one would have
        poor batch statistics, and would be compiled anew.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return np.resize(order, (steps_of_epoch(count, batch_size), batch_size))


def endless_batches(count: int, batch_size: int, seed: int, start: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Epochs of `shuffled_batches`, one after the other, from step `start` on: each step's epoch and samples."""
    first, done = divmod(start, steps_of_epoch(count, batch_size))
    for epoch in itertools.count(first):
        batches = shuffled_batches(count, batch_size, seed, epoch)
        yield from ((epoch, chosen) for chosen in batches[done if epoch == first else 0 :])


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
