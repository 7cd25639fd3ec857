"""Whether what a pair says twice is the same: mesh and landmarks of an annotation, its region and the photo.

Over 1,499 pairs of AFLW2000-3D the mesh's landmarks lie 0.88 % of the face's size from ``pt3d_68`` in the mean, 2.3 %
at most, and 12.3 % at a single landmark. 300W-LP has no ``pt3d_68``. Its ``pt2d`` are marks of the photo before the
head was turned: of the photos themselves (``_0``) they lie up to 5 % away; with heads turned to profile as 300W-LP's
are, up to 100 % aside and 50 % up or down. A flipped copy's are mirrored without exchanging left and right.
"""

import re

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import MIRRORED
from ..store.arrays import Array

# In percent of the face's size: the root of width times height of the landmarks' box.
MAX_MEAN, MAX_SINGLE = 10.0, 50.0
MAX_MARKED_MEAN, MAX_MARKED_SHIFT = 25.0, 10.0
MAX_TURNED_MEAN, MAX_TURNED_SHIFT = 60.0, 25.0
# A face model whose landmarks are further from ``pt3d_68`` in the mean of all pairs is hardly that of the annotations.
MAX_MODEL_MEAN = 1.5
# Rounding of a region's four sides, and of the photo's two.
REGION_PX, PHOTO_PX = 2.0, 1.0
PLAIN_COPY = re.compile(r"(?:AFW|HELEN|IBUG|LFPW)_.*_0")
CAUSES = "the photo was resized, padded or cropped, the pose is not in radians, or the face model is another one"


def landmark_distances(landmarks: NDArray, true_landmarks: NDArray) -> Array:
    """Distance of each landmark in the photo, in percent of the true face's size.

    Parameters
    ----------
    landmarks, true_landmarks : (..., 68, >=2) float
        Pixels; what follows x and y is not looked at.

    Returns
    -------
    (..., 68) float64
        Not finite where the true landmarks have no extent.
    """
    true = np.asarray(true_landmarks, np.float64)[..., :2]
    size = np.sqrt(np.prod(np.ptp(true, axis=-2), axis=-1))
    distances = np.linalg.norm(np.asarray(landmarks, np.float64)[..., :2] - true, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100 * distances / size[..., None]


def doubt_model(mean: float) -> str | None:
    """Say that a face model is hardly that of the annotations.

    Parameters
    ----------
    mean : float
        Of `landmark_distances` to ``pt3d_68`` over all faces.

    Returns
    -------
    str or None
        A sentence, if the mean is above `MAX_MODEL_MEAN`.
    """
    if mean <= MAX_MODEL_MEAN:
        return None
    return (
        f"Warning: the meshes' landmarks are {mean:.2f} % of the face's size from pt3d_68 in the mean; with BFM it is "
        "0.88 %. Is this the face model that the annotations were made with? With 0-based keypoints it has 1.1 %, with "
        "a basis of unit sigma 1.8 %, mirrored 34 %."
    )


def find_disagreement(stem: str, landmarks: NDArray, true_landmarks: NDArray, marked_landmarks: NDArray) -> str | None:
    """Say how the landmarks of an annotated mesh contradict those in the same file.

    Parameters
    ----------
    stem : str
        Of the file: 300W-LP's says whether the head was turned since its landmarks were marked.
    landmarks : (68, 3) float
        Of the mesh, in pixels of the photo.
    true_landmarks : (68, 3) float
        ``pt3d_68`` in such pixels, which decide where they are finite.
    marked_landmarks : (68, 2) float
        ``pt2d``, likewise, for where there are no others.

    Returns
    -------
    str or None
        A sentence, if they do.
    """
    if np.isfinite(true_landmarks).all():
        return _contradicts_truth(landmarks, true_landmarks)
    if np.isfinite(marked_landmarks).all():
        return _contradicts_marks(stem, landmarks, marked_landmarks)
    return None


def _contradicts_truth(landmarks: NDArray, true_landmarks: NDArray) -> str | None:
    difference = np.asarray(landmarks, np.float64) - true_landmarks
    difference[:, 2] -= difference[:, 2].mean()  # where z begins, each file may say for itself
    size = np.sqrt(np.prod(np.ptp(true_landmarks[:, :2].astype(np.float64), axis=0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = 100 * np.linalg.norm(difference, axis=1) / size
    mean, largest = distances.mean(), distances.max()
    if mean <= MAX_MEAN and largest <= MAX_SINGLE:
        return None
    return (
        f"The mesh's landmarks are {mean:.3g} % of the face's size from pt3d_68 of the same file, one of them "
        f"{largest:.3g} %; expected up to {MAX_MEAN:g} and {MAX_SINGLE:g} %: {CAUSES}."
    )


def _contradicts_marks(stem: str, landmarks: NDArray, marked: NDArray) -> str | None:
    plain = PLAIN_COPY.fullmatch(stem) is not None
    size = np.sqrt(np.prod(np.ptp(marked.astype(np.float64), axis=0)))
    differences = [landmarks[:, :2] - marked[order].astype(np.float64) for order in (slice(None), MIRRORED)]
    with np.errstate(divide="ignore", invalid="ignore"):
        # A turn of the head moves landmarks aside: of turned copies only rows are compared.
        kept = [np.linalg.norm(each, axis=1) if plain else np.abs(each[:, 1]) for each in differences]
        mean = min(100 * each.mean() / size for each in kept)
        shift = 100 * abs(differences[0][:, 1].mean()) / size
    limits = (MAX_MARKED_MEAN, MAX_MARKED_SHIFT) if plain else (MAX_TURNED_MEAN, MAX_TURNED_SHIFT)
    if mean <= limits[0] and shift <= limits[1]:
        return None
    return (
        f"The mesh's landmarks are {mean:.3g} % of the face's size from pt2d of the same file, and {shift:.3g} % up or "
        f"down; expected up to {limits[0]:g} and {limits[1]:g} %: {CAUSES}."
    )


def find_other_shape(region: NDArray, width: int, height: int) -> str | None:
    """Say that a photo is no picture of the region that its annotation says was cut out and scaled to it.

    Parameters
    ----------
    region : (4,) float
        ``roi``: left, top, right, bottom, inclusive; NaN for none.
    width, height : int
        Of the photo.

    Returns
    -------
    str or None
        A sentence, if width and height are not in the region's ratio, which padding or cropping one side changes.
    """
    wide, high = region[2] - region[0] + 1, region[3] - region[1] + 1
    if not (wide > 1 and high > 1):
        return None
    tolerance = REGION_PX / min(wide, high) + PHOTO_PX / min(width, height)
    if abs(np.log(width / height) - np.log(wide / high)) <= tolerance:
        return None
    return (
        f"The photo of {width} x {height} px is not in the ratio of roi, {wide:g} x {high:g}: it was padded or cropped "
        "since it was annotated."
    )
