"""Predicted position maps, as `predict` writes them and the scores read them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.store.encoding import encode_positions
from pipeline.store.samples import Sample, read_samples
from pipeline.store.shards import append_images, read_dataset, reading, write_dataset, writing
from stages.project.strict import check

# Batches of samples, and their maps (n, S, S, 3) in px.
Batches = Iterable[tuple[Sequence[Sample], NDArray[np.float32]]]
MAPS = "position_map"
# That of another seed than the run's network, whose number follows.
MAPS_OF_SEED = "position_map_seed_"


def write_predictions(
    path: Path, seed: int, predictions: Batches, count: int, size: int, others: Iterable[tuple[int, Batches]] = ()
) -> None:
    """Write predicted maps as they come, each with the similarity of its crop.

    Parameters
    ----------
    path : Path
        Its datasets: sample_id, similarity (N, 3, 3) float64, and position_map (N, size, size, 3) in fixed point; of
        another seed, `position_map_seed_<seed>`.
    seed : int
        That of the run's network.
    predictions : Batches
        Its maps.
    count, size : int
        N, and the side of the maps in px.
    others : iterable of (int, Batches), optional
        Each other seed, and its network's maps of the same samples in the same order.

    Raises
    ------
    ValueError
        If a network has more or fewer than `count`.
    """
    with writing(path) as file:
        file.attrs["seed"] = seed
        samples = _append(file, MAPS, predictions, count, size)
        write_dataset(file, "sample_id", np.array([sample.sample_id for sample in samples], object))
        write_dataset(file, "similarity", read_samples(samples, ["similarity"])["similarity"])
        for other, batches in others:
            name = f"{MAPS_OF_SEED}{other}"
            _append(file, name, batches, count, size)
            file[name].attrs.update(file[MAPS].attrs)


def _append(file: h5py.File, name: str, batches: Batches, count: int, size: int) -> list[Sample]:
    """Write the maps of one network; returns the samples that they are of."""
    found: list[Sample] = []
    for samples, position_map in batches:
        found += samples
        append_images(file, name, encode_positions(position_map, size))
    check(
        len(found) == count,
        f"{name} of the predictions got {len(found)} for {count} test samples; this is a mistake in the stage.",
    )
    return found


class Predictions:
    """Predicted maps of the test part, read one at a time from ``runs/<variant>/predictions.h5``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = reading(path)
        self.rows = {name: row for row, name in enumerate(read_dataset(self._file["sample_id"]))}
        self._maps: dict[int | None, h5py.Dataset] = {None: self._file[MAPS]}
        names = [name for name in self._file if name.startswith(MAPS_OF_SEED)]
        self._maps |= {int(name.removeprefix(MAPS_OF_SEED)): self._file[name] for name in names}

    def __enter__(self) -> "Predictions":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def seed(self) -> int:
        """Seed of the run's network."""
        return int(self._file.attrs["seed"])

    @property
    def other_seeds(self) -> list[int]:
        """Seeds of the networks that were not the best."""
        return sorted(seed for seed in self._maps if seed is not None)

    def read(self, sample_id: str, seed: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Position map (S, S, 3) in aligned pixels, and the similarity from raw photo pixels to these.

        Parameters
        ----------
        sample_id : str
        seed : int, optional
            One of `other_seeds`; none for the run's network.

        Raises
        ------
        ValueError
            If there is none of this sample.
        """
        if sample_id not in self.rows:
            raise ValueError(f"{self.path} has no prediction for {sample_id}: train and predict the variant again.")
        row = self.rows[sample_id]
        return read_dataset(self._maps[seed], row), read_dataset(self._file["similarity"], row)
