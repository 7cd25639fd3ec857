"""Things before a face that cover a given share of it: a hand, a surgical mask, a rectangle.

Each grows, or moves in, over the face: a pixel has the level at which it becomes covered, so that any share of the
face's pixels is covered, to a pixel or two, and what is covered at a share is covered at each larger one.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import CHIN, NOSE_ROOT
from ..store.arrays import Array, Image

# Standard deviation of what has one colour, of 255.
GRAIN = 4.0
# RGB of masks that people wear.
CLOTHS = ((176.0, 205.0, 222.0), (235.0, 235.0, 232.0), (40.0, 40.0, 46.0))


class Occluder(NamedTuple):
    """What is put before one face, up to how much of it.

    Attributes
    ----------
    levels : (H, W) float64
        In px: a pixel is covered from this level on; infinity for never.
    colours : (H, W, 3) float64
        0 to 255.
    rim : float
        Px of the levels over which it is darker towards its front; 0 for none.
    """

    levels: Array
    colours: Array
    rim: float


def draw_occluder(
    kind: str, image: Image, face: NDArray[np.bool_], landmarks: NDArray, rng: np.random.Generator
) -> Occluder:
    """Draw something that can cover a face.

    Parameters
    ----------
    kind : {'hand', 'mask', 'rectangle'}
    image : (H, W, 3) uint8
        RGB, of the face.
    face : (H, W) bool
        Pixels that show the face.
    landmarks : (68, >=2) float
        Pixels of `image`.
    rng : Generator
        Chooses form, place and colour.

    Returns
    -------
    Occluder

    Raises
    ------
    ValueError
        If the image shows no pixel of the face.
    """
    if not face.any():
        raise ValueError("No pixel of the image shows the face, so that no share of it can be covered.")
    return KINDS[kind](image, face, np.asarray(landmarks, np.float64)[:, :2], rng)


def cover(image: Image, face: NDArray[np.bool_], occluder: Occluder, share: float) -> tuple[Image, NDArray[np.bool_]]:
    """Cover a share of a face.

    Parameters
    ----------
    image : (H, W, 3) uint8
    face : (H, W) bool
        Pixels that show the face.
    occluder : Occluder
        Of this image.
    share : float
        Of the face's pixels, 0 to 1.

    Returns
    -------
    image : (H, W, 3) uint8
    covered : (H, W) bool
        Also beside the face.

    Raises
    ------
    ValueError
        If it reaches less of the face.
    """
    levels = occluder.levels[face]
    count = round(share * levels.size)
    if count == 0:
        return image.copy(), np.zeros(face.shape, bool)
    limit = np.partition(levels, count - 1)[count - 1]
    if not np.isfinite(limit):
        reached = np.isfinite(levels).mean()
        raise ValueError(
            f"What is put before the face reaches {100 * reached:.0f} % of it; {100 * share:g} % are asked for."
        )
    covered = occluder.levels <= limit
    shade = np.ones(face.shape)
    if occluder.rim:
        shade[covered] = 0.7 + 0.3 * np.sqrt(np.clip((limit - occluder.levels[covered]) / occluder.rim, 0, 1))
    painted = np.clip(np.rint(occluder.colours * shade[..., None]), 0, 255).astype(np.uint8)
    return np.where(covered[..., None], painted, image), covered


def _hand(image: Image, face: NDArray[np.bool_], _: Array, rng: np.random.Generator) -> Occluder:
    """Four fingers and a palm in the face's own skin, which move in from the right, below or the left."""
    way = rng.choice([0.0, 0.5, 1.0]) * np.pi + rng.uniform(-0.4, 0.4)
    inwards, across = _along(face.shape, -way), _along(face.shape, np.pi / 2 - way)
    low, high = across[face].min(), across[face].max()
    width = 0.9 * (high - low) + 1.0
    left = (low + high - width) / 2 + rng.uniform(-0.05, 0.05) * (high - low)
    finger = width / 4
    place = (across - left) / finger
    number = np.clip(place.astype(int), 0, 3)
    # From -1 to 1 over a finger, whose sides are a little apart.
    aside = 2 * (place - number - 0.5) / 0.94
    within, round_ = np.abs(aside) < 1, np.sqrt(np.clip(1 - aside**2, 0, 1))
    lengths = width * np.array([0.8, 0.95, 1.0, 0.7])[:: rng.choice([-1, 1])] * rng.uniform(0.7, 1.0)
    front = np.where(within, lengths[number] + 0.47 * finger * round_, 0)
    levels = np.where((place >= 0) & (place < 4), inwards - front, np.inf)
    skin = np.median(image[face], axis=0) * rng.uniform(0.8, 1.1)
    shade = np.where(within, 0.7 + 0.3 * round_, 0.55)
    return Occluder(levels, skin * shade[..., None] + _grain(face.shape, rng), 0.3 * finger)


def _mask(_: Image, face: NDArray[np.bool_], landmarks: Array, rng: np.random.Generator) -> Occluder:
    """A cloth over the lower face, higher at the nose than at the ears; the share says how high it is pulled."""
    up = landmarks[NOSE_ROOT] - landmarks[CHIN]
    angle = np.arctan2(up[1], up[0])
    size = np.sqrt(face.sum())
    height, aside = _along(face.shape, angle, landmarks[CHIN]), _along(face.shape, angle + np.pi / 2, landmarks[CHIN])
    edge = 0.5 * np.minimum(np.abs(aside), 0.6 * size) ** 2 / size
    side = 2 * round(0.04 * size) + 1
    cloth = cv2.dilate(face.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    pleats = np.where((9 * height / size) % 1 < 0.15, 0.82, 1.0) * (1 - 0.25 * np.minimum(np.abs(aside) / size, 1) ** 2)
    colours = np.array(CLOTHS[rng.integers(len(CLOTHS))]) * pleats[..., None] + _grain(face.shape, rng)
    return Occluder(np.where(cloth, height + edge, np.inf), colours, 0.0)


def _rectangle(_: Image, face: NDArray[np.bool_], __: Array, rng: np.random.Generator) -> Occluder:
    """A turned rectangle of one colour that grows about a pixel of the face."""
    row, column = np.argwhere(face)[rng.integers(face.sum())] + rng.uniform(-0.5, 0.5, 2)
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(-0.5, 0.5))
    sides = (_along(face.shape, angle + turn, np.array([column, row])) for turn in (0, np.pi / 2))
    first, second = map(np.abs, sides)
    colours = rng.uniform(0, 255, 3) + _grain(face.shape, rng)
    return Occluder(np.maximum(first / stretch, second * stretch), colours, 0.0)


def _along(shape: tuple[int, ...], angle: float, origin: NDArray | None = None) -> Array:
    """How far each pixel lies in a direction (from x towards y), px."""
    rows, columns = np.indices(shape, np.float64)
    x, y = (0, 0) if origin is None else origin
    return (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.normal(scale=GRAIN, size=(*shape, 1))


KINDS: dict[str, Callable[[Image, NDArray[np.bool_], Array, np.random.Generator], Occluder]] = {
    "hand": _hand,
    "mask": _mask,
    "rectangle": _rectangle,
}
