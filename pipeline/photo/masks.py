"""What covers a face, known by a mask: it is painted over before the face is looked for, and counts less after that."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..crops.face_finding import Face
from ..crops.face_mesh import MeshFace
from ..store.arrays import Image
from .photo_files import open_photo

# A pixel of the mask that is lighter than this is covered.
COVERED = 127
# What is painted over is painted in a picture of so many px along the longer side, and its surroundings, in its sides.
PAINT_SIDE, AROUND = 256, 0.15
# How far the painting looks, in px of that picture.
PAINT_REACH = 3
# A face of which less than this share of the points is seen is no face that one could reconstruct.
LEAST_SEEN = 0.1


def open_mask(path: Path, photo: Image) -> NDArray[np.bool_]:
    """Open the mask of a photo.

    Parameters
    ----------
    path : Path
        A picture of the photo's size; white is covered, or 1 where there are only 0 and 1. If parts of it are
        transparent, what is opaque is covered.
    photo : (H, W, 3) uint8
        As `open_photo` gives it.

    Returns
    -------
    (H, W) bool
        Whether a pixel is covered.

    Raises
    ------
    ValueError
        If it can't be read, has another size, covers nothing or everything, or says what is covered by transparency
        and by black and white.
    """
    picture, _ = open_photo(path)
    if picture.shape != photo.shape:
        (height, width), (rows, columns) = picture.shape[:2], photo.shape[:2]
        raise ValueError(
            f"The mask {path} is a picture of {width} x {height} px, its photo one of {columns} x {rows}: draw it over "
            "the photo, as a picture of the same size."
        )
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    # What shines through differs by what is behind it.
    through = (picture - open_photo(path, behind="black")[0]).max(axis=-1)
    if (through > COVERED).any():
        covered, light = through <= COVERED, grey[through == 0] > COVERED
        if light.any() and not light.all():
            raise ValueError(
                f"The mask {path} has light, dark and transparent parts: save it without transparency, white where the "
                "face is covered and black elsewhere."
            )
    else:
        covered = grey > (0 if grey.max() == 1 else COVERED)
    if covered.all() or not covered.any():
        what = "everything" if covered.all() else "nothing"
        raise ValueError(
            f"The mask {path} covers {what}: it is white where the face is covered, and black elsewhere; or "
            "opaque there, and transparent elsewhere."
        )
    return covered


def paint_over(photo: Image, covered: NDArray[np.bool_]) -> Image:
    """Paint over the covered part of a photo with what is around it (Telea, 2004).

    Parameters
    ----------
    photo : (H, W, 3) uint8
    covered : (H, W) bool
        Some, not all.

    Returns
    -------
    (H, W, 3) uint8
        A copy. A large part is painted in a smaller picture: a face is found as well, and it takes a bounded time.
    """
    places = np.argwhere(covered)
    rows, columns = (_widen(*span) for span in zip(places.min(axis=0), places.max(axis=0), strict=True))
    part, hidden = photo[rows, columns], covered[rows, columns]
    factor = min(1.0, PAINT_SIDE / max(hidden.shape))
    small = cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    # Whatever is covered in part has colours of what covers it.
    unknown = cv2.resize(255 * hidden.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
    painted = cv2.inpaint(small, unknown.astype(np.uint8), PAINT_REACH, cv2.INPAINT_TELEA)
    painted = cv2.resize(painted, hidden.shape[::-1], interpolation=cv2.INTER_LINEAR)
    whole = photo.copy()
    whole[rows, columns] = np.where(hidden[..., None], painted, part)
    return whole


def _widen(first: int, last: int) -> slice:
    """From the first to the last place of something, and `AROUND` further at both ends."""
    around = 2 + round(AROUND * (last - first))
    return slice(max(first - around, 0), last + around + 1)


def are_covered(covered: NDArray[np.bool_], points: NDArray) -> NDArray[np.bool_]:
    """Whether points (..., >=2), in px of the photo, lie where it is covered (H, W); beyond the photo none is."""
    column, row = np.moveaxis(np.rint(points[..., :2]).astype(int), -1, 0)
    height, width = covered.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return inside & covered[row.clip(0, height - 1), column.clip(0, width - 1)]


def cover_faces(faces: Iterable[Face], covered: NDArray[np.bool_]) -> list[Face]:
    """Tell of each face which of its points are covered (H, W); those of which nearly all are get lost."""
    seen: list[Face] = []
    for face in faces:
        if isinstance(face, MeshFace):
            points = are_covered(covered, face.mesh)
            if (~points).mean() >= LEAST_SEEN:
                seen.append(dataclasses.replace(face, covered=points))
        else:
            seen.append(face)
    return seen
