"""Things before a face, drawn by a seed: dark glasses, a hand, a bar; in skin, black or a coloured pattern."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.landmarks import LEFT_EYE, NOSE, RIGHT_EYE
from pipeline.store.arrays import Array, Image

SEED = 1
# What has one colour varies by so much, of 255.
GRAIN = 6.0
# Rounded strokes: start and end (N, 2, 2) and widths (N,), in px.
Strokes = tuple[Array, Array]


def glasses(landmarks: Array, size: float, rng: np.random.Generator) -> Strokes:
    """Two dark discs and their bridge."""
    eyes = np.array([landmarks[eye].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)])
    glass = rng.uniform(0.32, 0.44)
    return np.stack([eyes[[0, 1, 0]], eyes[[0, 1, 1]]], axis=1), size * np.array([glass, glass, 0.06])


def hand(landmarks: Array, size: float, rng: np.random.Generator) -> Strokes:
    """A palm at the right, below or at the left of the face, and four fingers that reach over it."""
    way = rng.choice([0.0, 0.5, 1.0]) * np.pi + rng.uniform(-0.4, 0.4)
    ways = np.array([way, *(way + np.linspace(-0.6, 0.6, 4))])
    palm = _middle(landmarks) + size * rng.uniform(0.4, 0.55) * _unit(way)
    reach = size * np.array([0, *rng.uniform(0.45, 0.6, 4)])
    tips = palm - reach[:, None] * _unit(ways)
    return np.stack([np.broadcast_to(palm, tips.shape), tips], axis=1), size * np.array([0.4, *[0.11] * 4])


def bar(landmarks: Array, size: float, rng: np.random.Generator) -> Strokes:
    """A thick bar over the right, the left, the lower or the upper part of the face."""
    middle = _middle(landmarks) + 0.35 * size * _unit(rng.integers(4) * np.pi / 2)
    along = 0.225 * size * _unit(rng.uniform(0, np.pi))
    return np.array([[middle - along, middle + along]]), np.array([size * rng.uniform(0.35, 0.55)])


SHAPES = (glasses, hand, bar)


def _middle(landmarks: Array) -> Array:
    return (landmarks.min(axis=0) + landmarks.max(axis=0)) / 2


def _unit(angle: Array | float) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def cover_face(photo: Image, landmarks: Array, number: int) -> tuple[Image, NDArray[np.bool_]]:
    """Put a thing before a face.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    landmarks : (68, >=2) float64
        The true ones, in px of it.
    number : int
        Of the photo: it chooses the shape and the colour, and seeds what is random.

    Returns
    -------
    photo : (H, W, 3) uint8
        A copy with the thing.
    covered : (H, W) bool
        Its pixels.
    """
    rng, points = np.random.default_rng([SEED, number]), landmarks[:, :2]
    size = float(np.sqrt(np.ptp(points, axis=0).prod()))
    lines, widths = SHAPES[number % 3](points, size, rng)
    drawn = np.zeros(photo.shape[:2], np.uint8)
    for (start, end), width in zip(np.rint(lines).astype(int).tolist(), widths, strict=True):
        cv2.line(drawn, start, end, 255, max(1, round(float(width))))
    covered = drawn > 0
    grain = rng.normal(scale=GRAIN, size=(*covered.shape, 1))
    x, y = np.rint(points[NOSE].mean(axis=0)).astype(int).clip(0, np.array(photo.shape[1::-1]) - 1)
    cells = rng.integers(0, 256, (*np.ceil(np.array(covered.shape) / (0.1 * size)).astype(int), 3)).astype(np.uint8)
    colours = (
        photo[y, x] + grain,  # skin
        20 + grain,
        cv2.resize(cells, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST),
    )[number // 3 % 3]
    return np.where(covered[..., None], np.clip(colours, 0, 255), photo).astype(np.uint8), covered
