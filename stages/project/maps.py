"""Position maps of samples: as they are stored, or made of their labels where `data.stored_maps` is false."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.camera import camera_matrix
from pipeline.face.face_model import FaceModel, deform, load_model
from pipeline.store.encoding import encode_positions
from pipeline.store.resume import ShardContent
from pipeline.store.samples import Sample
from pipeline.store.shards import StoredImages, read_dataset, read_shard, read_stored, reading
from pipeline.uv.position_map import load_uv, texel_model
from stages.project.paths import LAYOUT, MODEL

IMAGES = ("image", "position_map")
# Maps that are made in one matrix product: more is no faster, and a float map of 256 px has 0.8 MB.
BATCH = 16


def load_texels(root: Path) -> FaceModel:
    """The project's face model at the texels of its maps."""
    return texel_model(load_model(root / MODEL), load_uv(root / LAYOUT))


def place_faces(texels: FaceModel, poses: NDArray, coefficients: NDArray, size: int) -> Iterator[NDArray[np.float32]]:
    """Make position maps of labels, one at a time.

    Parameters
    ----------
    texels : FaceModel
        See `load_texels`.
    poses : (N, 7) float
        Of the aligned images.
    coefficients : (N, S + E) float
    size : int
        Side of the aligned images in px.

    Yields
    ------
    (size, size, 3) float32
        Aligned px.
    """
    for start in range(0, len(poses), BATCH):
        batch = slice(start, start + BATCH)
        for pose, deformed in zip(poses[batch], deform(texels, coefficients[batch]), strict=True):
            yield cv2.transform(deformed[None], camera_matrix(pose, size))[0].reshape(size, size, 3)


def holds_maps(shard: Path) -> bool:
    """Whether a shard of `position_maps` holds crops and maps, or labels alone."""
    with reading(shard) as file:
        return IMAGES[1] in file


def read_maps(root: Path, places: Sequence[Sample], size: int) -> Iterator[NDArray[np.float32]]:
    """Read position maps (size, size, 3) in aligned px, one at a time; those that are not stored are made."""
    for shard, group in itertools.groupby(places, lambda place: place.shard):
        rows = [place.row for place in group]
        if holds_maps(shard):
            with reading(shard) as file:
                yield from (read_dataset(file["position_map"], row) for row in rows)
        else:
            labels = read_shard(shard, ["pose", "coefficients"])
            yield from place_faces(load_texels(root), labels["pose"][rows], labels["coefficients"][rows], size)


def select_rows(source: Path, rows: tuple[int, ...]) -> ShardContent:
    """Make one shard of some rows of another, whose images are copied as they are stored."""
    images = {name: read_stored(source, name)[rows] for name in IMAGES}
    return ShardContent({**select_labels(source, rows), **images}, len(rows))


def complete_rows(source: Path, rows: tuple[int, ...], aligned: Path, size: int) -> ShardContent:
    """Make one shard of some rows of another that has labels alone: their crops from `aligned`, and their maps."""
    labels = select_labels(source, rows)
    numbers = {name: number for number, name in enumerate(read_shard(aligned, ["sample_id"])["sample_id"])}
    images: dict[str, NDArray | StoredImages] = {
        "image": read_stored(aligned, "image")[[numbers[name] for name in labels["sample_id"]]],
        "position_map": np.stack(
            [
                encode_positions(position_map, size)
                for position_map in place_faces(load_texels(Path()), labels["pose"], labels["coefficients"], size)
            ]
        ),
    }
    return ShardContent({**labels, **images}, len(rows))


def select_labels(source: Path, rows: Sequence[int]) -> dict[str, NDArray]:
    """Read some rows of all datasets of a shard but its images."""
    with reading(source) as file:
        names = [name for name in sorted(file) if name not in IMAGES]
    return {name: values[list(rows)] for name, values in read_shard(source, names).items()}
