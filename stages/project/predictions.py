"""Predicted position maps as `train` writes them and the scores read them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.store.encoding import encode_positions
from pipeline.store.samples import Sample, read_samples
from pipeline.store.shards import append_images, write_dataset, writing
from stages.project.params import check


def write_predictions(
    path: Path, predictions: Iterable[tuple[Sequence[Sample], NDArray[np.float32]]], count: int, size: int
) -> None:
    """Write predicted maps as they come, each with the similarity of its crop; memory holds one batch.

    Parameters
    ----------
    path : Path
        Its datasets: sample_id, similarity (N, 3, 3) float64, and position_map (N, size, size, 3) in fixed point.
    predictions : iterable of (samples, position maps in px)
    count, size : int
        N, and the side of the maps in px.

    Raises
    ------
    ValueError
        If there are more or fewer than `count`.
    """
    with writing(path) as file:
        ids: list[str] = []
        similarities = []
        for samples, position_map in predictions:
            ids += [sample.sample_id for sample in samples]
            similarities.append(read_samples(samples, ["similarity"])["similarity"])
            append_images(file, "position_map", encode_positions(position_map, size))
        write_dataset(file, "sample_id", np.array(ids, object))
        write_dataset(file, "similarity", np.concatenate(similarities))
        check(
            len(ids) == count,
            f"{path} got {len(ids)} predictions for {count} test samples; this is a mistake in the stage.",
        )
