"""The photos of AFLW2000-3D with their true landmarks; tested is every fifth name of those that can be used."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.face.camera import wrap_degrees
from pipeline.raw.annotations import list_pairs, read_annotation
from pipeline.raw.photos import read_photo
from pipeline.store.arrays import Array, Image


class TruePhoto(NamedTuple):
    """A photo (H, W, 3), its 68 true landmarks (68, 3) in px of it, and the yaw of its pose in degrees, wrapped."""

    name: str
    pixels: Image
    landmarks: Array
    yaw_deg: float


def read_photos(folder: Path, tested: bool) -> Iterator[TruePhoto]:
    """Read the pairs of AFLW2000-3D that are tested, or the others.

    Parameters
    ----------
    folder : Path
        With the photos and their annotations. What cannot be used of them is left out, as the stage `index` does.
    tested : bool

    Yields
    ------
    TruePhoto
    """
    accepted = []
    for photo, annotation in list_pairs(folder)[0]:
        try:
            accepted.append((photo, read_annotation(folder / annotation)))
        except ValueError:
            continue
    for number, (photo, annotated) in enumerate(sorted(accepted, key=lambda pair: pair[0])):
        if (number % 5 == 0) == tested:
            yaw = float(wrap_degrees(np.rad2deg(annotated.pose[1])))
            yield TruePhoto(
                Path(photo).stem, read_photo(folder / photo), annotated.true_landmarks.astype(np.float64), yaw
            )
