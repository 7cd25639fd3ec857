"""Apply a network to samples, on any backend of Keras."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from model.feed import ordered_batches, prefetch
from pipeline.store.samples import Sample, read_samples
from pipeline.uv.scaling import to_photo


def predict(
    model: keras.Model,
    samples: Sequence[Sample],
    batch_size: int,
    to_output: Callable[[NDArray], NDArray[np.float32]],
    mirrored: Callable[[NDArray], NDArray[np.float32]] | None,
) -> Iterator[tuple[Sequence[Sample], NDArray[np.float32]]]:
    """Apply a network to samples.

    Parameters
    ----------
    model : keras.Model
    samples : sequence of Sample
    batch_size : int
    to_output : callable
        From final outputs to what is predicted, see `regression.Regression`.
    mirrored : callable or None
        From what is predicted of mirror images back to the photos, where the mean of both is taken.

    Yields
    ------
    (sequence of Sample, (n, ...) float32)
        A batch at a time, in their order.
    """

    def read(chosen: NDArray[np.int64]) -> tuple[list[Sample], NDArray[np.float32]]:
        batch = [samples[i] for i in chosen]
        return batch, to_photo(read_samples(batch, ("image",))["image"])

    for batch, photos in prefetch(read, ordered_batches(len(samples), batch_size)):
        yield batch, predict_batch(model, photos, batch_size, to_output, mirrored)


def predict_batch(
    model: keras.Model,
    photos: NDArray[np.float32],
    batch_size: int,
    to_output: Callable[[NDArray], NDArray[np.float32]],
    mirrored: Callable[[NDArray], NDArray[np.float32]] | None,
) -> NDArray[np.float32]:
    """Apply a network to at most a batch of photos (n, S, S, 3), see `predict`: what is predicted, (n, ...)."""
    output = to_output(apply(model, photos, batch_size)["final"])
    if mirrored is not None:
        again = to_output(apply(model, photos[:, :, ::-1], batch_size)["final"])
        output = (output + mirrored(again)) * np.float32(0.5)
    return output


def apply(network: keras.Model, photos: NDArray[np.float32], batch_size: int) -> dict[str, NDArray[np.float32]]:
    """Apply a network to at most a batch of photos, filled up so that only one shape is ever compiled."""
    padding = np.zeros((batch_size - len(photos), *photos.shape[1:]), np.float32)
    outputs = network.predict_on_batch(np.concatenate([photos, padding]))
    return {name: np.asarray(output[: len(photos)]) for name, output in outputs.items()}
