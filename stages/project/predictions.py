"""Predicted position maps, as `predict` writes them and the scores read them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.store.encoding import encode_positions
from pipeline.store.samples import Sample, read_samples
from pipeline.store.shards import append_images, read_dataset, reading, write_dataset, writing
from stages.project.strict import check


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


class Predictions:
    """Predicted maps of the test part, read one at a time from ``runs/<variant>/predictions.h5``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = reading(path)
        self.rows = {name: row for row, name in enumerate(read_dataset(self._file["sample_id"]))}

    def __enter__(self) -> "Predictions":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, sample_id: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Position map (S, S, 3) in aligned pixels, and the similarity from raw photo pixels to these.

        Raises
        ------
        ValueError
            If there is none of this sample.
        """
        if sample_id not in self.rows:
            raise ValueError(f"{self.path} has no prediction for {sample_id}: train and predict the variant again.")
        row = self.rows[sample_id]
        return read_dataset(self._file["position_map"], row), read_dataset(self._file["similarity"], row)
