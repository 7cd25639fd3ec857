"""Crop and in-plane levelling of a face as one similarity, and one resampling of the photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import CHIN, EYES, NOSE_ROOT
from ..face.similarity import apply_similarity, make_similarity, similarity_scale
from ..store.arrays import Array, Image

# OpenCV turns a picture of four channels in half the time of one of three, to the same pixels; in a larger one than
# this, in px, to add the fourth takes longer than that saves.
MOST_FOURFOLD = 1_000_000


def face_roll(landmarks: NDArray) -> float:
    """In-plane roll of a face by the thesis's 14-point line (section 3.3.2), over the full circle.

    Parameters
    ----------
    landmarks : (68, >=2) float
        Pixel frame, y down.

    Returns
    -------
    float
        Radians, positive from x towards y (clockwise on the screen): the direction from the subject's right to the
        subject's left. Turning the photo by its negative levels the face.

    Notes
    -----
    The vector from point 27 to point 8 is turned by 90 degrees about point 27; a line is fitted to these two points and
    the 12 eye points by total least squares. The line has two directions: the turned vector chooses the one with the
    eyes above the chin. What the thesis calls flipped is thus a half turn, never a mirror.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    down = points[CHIN] - points[NOSE_ROOT]
    across = np.array([down[1], -down[0]])
    line = np.concatenate([points[EYES], [points[NOSE_ROOT], points[NOSE_ROOT] + across]])
    direction = np.linalg.svd(line - line.mean(axis=0))[2][0]
    if direction @ across < 0:
        direction = -direction
    return float(np.arctan2(direction[1], direction[0]))


def landmark_box(landmarks: NDArray) -> tuple[Array, float]:
    """Centre (2,) and mean side in px of the box round the landmarks."""
    points = np.asarray(landmarks, np.float64)[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float((high - low).mean())


def crop_similarity(centre: NDArray, side: float, roll: float, size: int) -> Array:
    """Similarity that turns a square of the photo upright and scales it to the aligned image.

    Parameters
    ----------
    centre : (2,) float
        Centre of the square, pixel frame of the photo.
    side : float
        Its side in px.
    roll : float
        Roll in radians that is taken out.
    size : int
        Side of the aligned image in px.

    Returns
    -------
    (3, 3) float64
        Photo pixels to aligned pixels; the centre comes to (size - 1) / 2, and a side of `side` px to size - 1 steps.
    """
    middle = (size - 1) / 2
    return make_similarity((size - 1) / side, -roll, centre, (middle, middle))


def box_similarity(box: NDArray, margin: float, roll: float, size: int) -> Array:
    """Similarity (3, 3) of the crop round a box (4,), x, y, width and height in px; see `crop_similarity`."""
    box = np.asarray(box, np.float64)
    return crop_similarity(box[:2] + (box[2:] - 1) / 2, margin * float(box[2:].mean()), roll, size)


def align(landmarks: NDArray, margin: float, level: bool, size: int, box: NDArray | None = None) -> Array:
    """Similarity of a face's crop.

    Parameters
    ----------
    landmarks : (68, >=2) float
        Pixel frame of the photo.
    margin : float
        Side of the crop in sides of the box; 1.5 as in PRNet's training.
    level : bool
        Whether the roll is taken out.
    size : int
        Side of the aligned image in px.
    box : (4,) float, optional
        A detector's x, y, width and height, see `face_finding.landmark_box_of`; by default the box of the landmarks,
        measured after levelling.

    Returns
    -------
    (3, 3) float64
    """
    roll = face_roll(landmarks) if level else 0.0
    if box is not None:
        return box_similarity(box, margin, roll, size)
    turn = make_similarity(1.0, -roll, (0, 0), (0, 0))
    centre, side = landmark_box(apply_similarity(turn, np.asarray(landmarks, np.float64)[:, :2]))
    return crop_similarity(apply_similarity(np.linalg.inv(turn), centre), margin * side, roll, size)


def resample(photo: NDArray[np.uint8], similarity: NDArray, size: int) -> NDArray[np.uint8]:
    """Resample a photo by a similarity, once.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    similarity : (3, 3) float64
        Photo pixels to new pixels.
    size : int
        Side of the result in px.

    Returns
    -------
    (size, size, 3) uint8
        Black outside the photo. Where the photo is made smaller, each pixel is the mean of a grid of bilinear samples,
        about one for each photo pixel that it covers, so that fine structure does not alias.
    """
    samples = max(1, round(1 / float(similarity_scale(similarity))))
    middle = (samples - 1) / 2
    finer = make_similarity(samples, 0.0, (0, 0), (middle, middle)) @ similarity
    fourfold = photo.shape[0] * photo.shape[1] <= MOST_FOURFOLD
    image = cv2.cvtColor(photo, cv2.COLOR_RGB2RGBA) if fourfold else photo
    image = cv2.warpAffine(image, finer[:2], (samples * size, samples * size), flags=cv2.INTER_LINEAR)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB) if fourfold else image, np.uint8)


def contrast(crop: Image) -> float:
    """Standard deviation of the grey values, 0 to 255, in the middle half of a crop (S, S, 3), where the face is."""
    start, end = len(crop) // 4, len(crop) - len(crop) // 4
    # Three times the grey values, exactly: numpy's mean along three channels takes ten times as long.
    sums = crop[start:end, start:end] @ np.ones(3, np.float32)
    return float(cv2.meanStdDev(sums)[1].item() / 3)
