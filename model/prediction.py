"""Apply a network to samples, on any backend of Keras."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from model.feed import ordered_batches, prefetch, to_photo
from pipeline.store.encoding import position_range
from pipeline.store.samples import Sample, read_samples


def predict(
    model: keras.Model,
    samples: Sequence[Sample],
    batch_size: int,
    to_maps: Callable[[NDArray], NDArray[np.float32]],
    mirror: bool,
) -> Iterator[tuple[Sequence[Sample], NDArray[np.float32]]]:
    """Apply a network to samples.

    Parameters
    ----------
    model : keras.Model
    samples : sequence of Sample
    batch_size : int
    to_maps : callable
        From final outputs to position maps (n, S, S, 3) in px.
    mirror : bool
        Whether each map is the mean of the photo's, and of its mirror image's, mirrored back.

    Yields
    ------
    (sequence of Sample, (n, S, S, 3) float32)
        A batch at a time, in their order.
    """

    def read(chosen: NDArray[np.int64]) -> tuple[list[Sample], NDArray[np.float32]]:
        batch = [samples[i] for i in chosen]
        return batch, to_photo(read_samples(batch, ("image",))["image"])

    for batch, photos in prefetch(read, ordered_batches(len(samples), batch_size)):
        yield batch, predict_batch(model, photos, batch_size, to_maps, mirror)


def predict_batch(
    model: keras.Model,
    photos: NDArray[np.float32],
    batch_size: int,
    to_maps: Callable[[NDArray], NDArray[np.float32]],
    mirror: bool,
) -> NDArray[np.float32]:
    """Apply a network to at most a batch of photos (n, S, S, 3), see `predict`: maps (n, S, S, 3) in px."""
    maps = to_maps(apply(model, photos, batch_size)["final"])
    if mirror:
        maps += mirrored(to_maps(apply(model, photos[:, :, ::-1], batch_size)["final"]))
        maps *= np.float32(0.5)
    # Nothing was learnt of texels outside the face, and a linear output has no ends.
    return np.clip(maps, *position_range(maps.shape[1]))


def mirrored(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Position maps (n, S, S, 3) in px of the mirror images of their photos: the layout is mirror-symmetric."""
    flipped = maps[:, :, ::-1].copy()
    flipped[..., 0] = maps.shape[2] - 1 - flipped[..., 0]
    return flipped


def apply(network: keras.Model, photos: NDArray[np.float32], batch_size: int) -> dict[str, NDArray[np.float32]]:
    """Apply a network to at most a batch of photos, filled up so that only one shape is ever compiled."""
    padding = np.zeros((batch_size - len(photos), *photos.shape[1:]), np.float32)
    outputs = network.predict_on_batch(np.concatenate([photos, padding]))
    return {name: np.asarray(output[: len(photos)]) for name, output in outputs.items()}
