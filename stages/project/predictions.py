"""Predicted position maps or volumes, as `predict` writes them and the scores read them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.store.checks import check
from pipeline.store.encoding import encode_positions, position_range
from pipeline.store.progress import open_bar
from pipeline.store.samples import Sample, read_samples
from pipeline.store.shards import append_images, read_dataset, reading, write_dataset, writing

# Batches of samples, and their maps (n, S, S, 3) in px, or their volumes (n, side, side, side) of probabilities.
Batches = Iterable[tuple[Sequence[Sample], NDArray[np.float32]]]
MAPS, VOLUMES = "position_map", "volume"
# Between one of these and the number of another seed than the run's network.
OF_SEED = "_seed_"


def kind_of(regresses: str) -> str:
    """Name of what a network predicts, by what it regresses: coefficients become maps."""
    return VOLUMES if regresses == "volume" else MAPS


def write_predictions(
    path: Path,
    seed: int,
    predictions: Batches,
    count: int,
    size: int,
    others: Iterable[tuple[int, Batches]] = (),
    kind: str = MAPS,
) -> None:
    """Write predicted maps, or volumes, as they come, each with the similarity of its crop.

    Parameters
    ----------
    path : Path
        Its datasets: sample_id, similarity (N, 3, 3) float64, and position_map (N, size, size, 3) in fixed point, or
        volume (N, side, side, side) uint8, 255 where a voxel is surely occupied; of another seed, `<kind>_seed_<seed>`.
    seed : int
        That of the run's network.
    predictions : Batches
        Its maps or volumes.
    count, size : int
        N, and the side of the aligned image in px.
    others : iterable of (int, Batches), optional
        Each other seed, and its network's maps or volumes of the same samples in the same order.
    kind : {'position_map', 'volume'}

    Raises
    ------
    ValueError
        If a network has more or fewer than `count`.
    """

    def encode(values: NDArray[np.float32]) -> NDArray:
        if kind == VOLUMES:
            return np.rint(255 * values).astype(np.uint8)
        # Nothing was learnt of texels outside the face, and a linear output has no ends.
        return encode_positions(np.clip(values, *position_range(size)), size)

    with writing(path) as file:
        file.attrs["seed"] = seed
        samples = _append(file, kind, predictions, count, encode)
        write_dataset(file, "sample_id", np.array([sample.sample_id for sample in samples], object))
        write_dataset(file, "similarity", read_samples(samples, ["similarity"])["similarity"])
        for other, batches in others:
            name = f"{kind}{OF_SEED}{other}"
            _append(file, name, batches, count, encode)
            file[name].attrs.update(file[kind].attrs)


def _append(
    file: h5py.File, name: str, batches: Batches, count: int, encode: Callable[[NDArray[np.float32]], NDArray]
) -> list[Sample]:
    """Write the predictions of one network; returns the samples that they are of."""
    found: list[Sample] = []
    with open_bar(f"predict: {name}", "photo", count) as bar:
        for samples, values in batches:
            found += samples
            append_images(file, name, encode(values))
            bar.update(len(samples))
    check(
        len(found) == count,
        f"{name} of the predictions got {len(found)} for {count} test samples; this is a mistake in the stage.",
    )
    return found


class Predictions:
    """Predicted maps or volumes of the test part, read one at a time from ``runs/<variant>/predictions.h5``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = reading(path)
        self.rows = {name: row for row, name in enumerate(read_dataset(self._file["sample_id"]))}
        self.kind = VOLUMES if VOLUMES in self._file else MAPS
        self._values: dict[int | None, h5py.Dataset] = {None: self._file[self.kind]}
        names = [name for name in self._file if name.startswith(f"{self.kind}{OF_SEED}")]
        self._values |= {int(name.rpartition("_")[2]): self._file[name] for name in names}

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
        return sorted(seed for seed in self._values if seed is not None)

    def read(self, sample_id: str, seed: int | None = None) -> tuple[NDArray, NDArray[np.float64]]:
        """Read what is predicted of a sample, and the similarity from raw photo pixels to those of its crop.

        Parameters
        ----------
        sample_id : str
        seed : int, optional
            One of `other_seeds`; none for the run's network.

        Returns
        -------
        values : (S, S, 3) float32 or (side, side, side) uint8
            The position map in aligned pixels, or the volume.
        similarity : (3, 3) float64

        Raises
        ------
        ValueError
            If there is none of this sample.
        """
        if sample_id not in self.rows:
            raise ValueError(f"{self.path} has no prediction for {sample_id}: train and predict the variant again.")
        row = self.rows[sample_id]
        return read_dataset(self._values[seed], row), read_dataset(self._file["similarity"], row)
