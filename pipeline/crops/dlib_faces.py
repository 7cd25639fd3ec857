"""Faces and 68 landmarks by dlib, an optional extra: ``pip install dlib``, and its predictor's file from its author.

The published file learnt from the 300-W photos, whose landmarks are for research only.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LANDMARKS
from ..face.similarity import apply_similarity
from .active_shape import five_points
from .alignment import resample
from .face_finding import Face

# Side in px of the levelled crop that the predictor sees, and the part of it, in the middle, that is dlib's box: the
# crop is 1.5 sides of the box round the landmarks, which dlib's own detector frames as tightly.
SIZE = 384
BOX_SHARE = 1 / 1.5


def open_predictor(path: Path) -> Any:
    """Open dlib's shape predictor.

    Raises
    ------
    ValueError
        If dlib is not installed, or the file is missing or no predictor of 68 points.
    """
    try:
        import dlib  # type: ignore[import-not-found]
    except ImportError as error:
        raise ValueError("dlib is not installed: `pip install dlib`, or choose other landmarks.") from error
    if not path.is_file():
        raise ValueError(f"{path}, dlib's shape predictor, is missing.")
    try:
        return dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} is no shape predictor of dlib: {error}") from error


def find_faces(predictor: Any, photo: NDArray[np.uint8]) -> list[Face]:
    """Find the upright faces of a photo by dlib's detector of frontal faces.

    Parameters
    ----------
    predictor : dlib.shape_predictor
        Of 68 points, which give the five of each face.
    photo : (H, W, 3) uint8
        RGB.

    Returns
    -------
    list of Face
        The largest first; `confidence` is dlib's score, which has no upper end.

    Raises
    ------
    ValueError
        If the predictor has not 68 points.
    """
    import dlib

    rectangles, scores, _ = dlib.get_frontal_face_detector().run(photo, 1, 0.0)
    faces = []
    for rectangle, score in zip(rectangles, scores, strict=True):
        points = five_points(_points(predictor(photo, rectangle)))
        box = (rectangle.left(), rectangle.top(), rectangle.width(), rectangle.height())
        faces.append(Face(np.array(box, np.float64), points, float(score), 0))
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


def find_landmarks(predictor: Any, photo: NDArray[np.uint8], crop: NDArray) -> NDArray[np.float64]:
    """Find the landmarks of a face whose levelled crop is known; dlib's predictor only knows upright faces.

    Parameters
    ----------
    predictor : dlib.shape_predictor
    photo : (H, W, 3) uint8
        RGB.
    crop : (3, 3) float
        Photo pixels to a levelled crop of `SIZE` px, as `face_finding.first_crop` gives it.

    Returns
    -------
    (68, 2) float64
        Photo pixels.

    Raises
    ------
    ValueError
        If the predictor has not 68 points.
    """
    import dlib

    low, high = round(SIZE * (1 - BOX_SHARE) / 2), round(SIZE * (1 + BOX_SHARE) / 2)
    found = predictor(resample(photo, crop, SIZE), dlib.rectangle(low, low, high, high))
    return apply_similarity(np.linalg.inv(crop), _points(found))


def _points(found: Any) -> NDArray[np.float64]:
    """Points (68, 2) of what dlib's predictor has found."""
    if found.num_parts != LANDMARKS:
        raise ValueError(f"The shape predictor has {found.num_parts} points; expected one of {LANDMARKS}.")
    return np.array([[part.x, part.y] for part in found.parts()], np.float64)
