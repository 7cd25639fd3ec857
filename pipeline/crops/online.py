"""Photos that are kept to be augmented while a network learns: crops with a border, and what is drawn for each step.

The border is what a turned, shifted or smaller face shows beyond its aligned image. Geometry is resampled once from
this crop, where the stored copies of `augmentation` are resampled from the raw photo.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.similarity import make_similarity
from ..store.arrays import Array
from .alignment import resample
from .policy import AugmentationPolicy

JPEG_QUALITY = 95
# Half the sides of a patch, in sides of the image; the share of the samples that each patch is on.
PATCH_SIDES = (0.05, 0.25)
PATCHED = 0.35


class Draws(NamedTuple):
    """What is done to each of N samples in one epoch.

    Attributes
    ----------
    move : (N, 3, 3) float64
        Similarity, aligned pixels to pixels of the copy.
    mirrored : (N,) bool
        Whether photo and map are mirrored after it.
    gain : (N, 3) float32
        Factor on each channel.
    brightness, saturation, contrast : (N,) float32
    noise : (N,) float32
        Standard deviation of the Gaussian noise.
    noise_start : (N,) int32
        Where in a bank of random numbers a sample's begin, below `NOISE_STARTS`.
    patch : (N, K, 4) float32
        Left, top, right and bottom of each patch in px; empty where it covers nothing.
    patch_colour : (N, K, 3) float32
        In [0, 1].
    """

    move: Array
    mirrored: NDArray[np.bool_]
    gain: NDArray[np.float32]
    brightness: NDArray[np.float32]
    saturation: NDArray[np.float32]
    contrast: NDArray[np.float32]
    noise: NDArray[np.float32]
    noise_start: NDArray[np.int32]
    patch: NDArray[np.float32]
    patch_colour: NDArray[np.float32]


NOISE_STARTS = 2**18


def border(size: int) -> int:
    """Pixels that a crop has beyond each side of its aligned image of `size` px: 24 at 128 px."""
    return 3 * size // 16


def crop_with_border(photo: NDArray[np.uint8], similarity: Array, size: int) -> NDArray[np.uint8]:
    """Cut a face out with a border, and pack it.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    similarity : (3, 3) float64
        Photo pixels to aligned pixels.
    size : int
        Side of the aligned image in px.

    Returns
    -------
    (L,) uint8
        The bytes of a JPEG of ``size + 2 * border(size)`` px, whose middle is the aligned image.
    """
    beside = border(size)
    crop = resample(photo, make_similarity(1, 0, (0, 0), (beside, beside)) @ similarity, size + 2 * beside)
    _, packed = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return packed.ravel()


def pad_rows(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put byte strings of different lengths into one array (N, L), filled up with zeros, which a JPEG's end ignores."""
    padded = np.zeros((len(rows), max(map(len, rows), default=0)), np.uint8)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded


def unpack_crop(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Unpack a crop (L,) to (C, C, 3) uint8, RGB, of the aligned image's side and two borders."""
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB), np.uint8)


def draw(policy: AugmentationPolicy, count: int, size: int, seed: int, epoch: int, strength: float = 1.0) -> Draws:
    """Draw what is done to all samples in one epoch.

    Parameters
    ----------
    policy : AugmentationPolicy
    count : int
        Samples; what one gets does not depend on how many follow it.
    size : int
        Side of the aligned image in px.
    seed, epoch : int
    strength : float
        From 0, where all samples stay as they are but for being mirrored, to 1, the whole policy.

    Returns
    -------
    Draws
    """
    # A row of numbers a sample: another order of the samples, or other batches, changes none of them.
    random = np.random.default_rng([seed, epoch, 1]).random((count, 15 + 8 * policy.patches), np.float32)
    columns = iter(random.T)

    def between(low: float, high: float) -> NDArray[np.float32]:
        return next(columns) * np.float32(high - low) + np.float32(low)

    def factor(low: float, high: float) -> NDArray[np.float32]:
        return between(1 + strength * (low - 1), 1 + strength * (high - 1))

    far = next(columns) < policy.far_share * strength
    turn = between(-strength, strength) * np.where(far, policy.far_rotation_deg, policy.rotation_deg)
    zoom = factor(*policy.zoom)
    shift = np.stack([between(-1, 1), between(-1, 1)], axis=1) * policy.shift * strength * size
    mirrored = next(columns) < policy.mirror
    channels = np.stack([factor(*policy.channel_gain) for _ in range(3)], axis=1)
    gain = channels * factor(*policy.gain)[:, None]
    brightness, saturation = between(-strength, strength) * policy.brightness, factor(*policy.saturation)
    contrast, noise = factor(*policy.contrast), between(0, policy.noise * strength)
    # These numbers have 24 bits, more than there are starts.
    starts = (next(columns) * NOISE_STARTS).astype(np.int32)
    patches, colours = (
        np.zeros((count, policy.patches, 4), np.float32),
        np.zeros((count, policy.patches, 3), np.float32),
    )
    for number in range(policy.patches):
        centre = np.stack([between(0, size), between(0, size)], axis=1)
        half = np.stack([between(*PATCH_SIDES), between(*PATCH_SIDES)], axis=1) * size
        patches[:, number] = np.concatenate([centre - half, centre + half], axis=1)
        patches[next(columns) >= PATCHED * strength, number] = 0
        colours[:, number] = np.stack([next(columns) for _ in range(3)], axis=1)
    move = _about_the_middle(zoom.astype(np.float64), np.deg2rad(turn, dtype=np.float64), shift, size)
    return Draws(move, mirrored, gain, brightness, saturation, contrast, noise, starts, patches, colours)


def unchanged(count: int) -> Draws:
    """Leave N samples as they are."""
    one, nil = np.ones(count, np.float32), np.zeros(count, np.float32)
    return Draws(
        np.tile(np.eye(3), (count, 1, 1)),
        np.zeros(count, bool),
        np.ones((count, 3), np.float32),
        nil,
        one,
        one,
        nil,
        np.zeros(count, np.int32),
        np.zeros((count, 0, 4), np.float32),
        np.zeros((count, 0, 3), np.float32),
    )


def _about_the_middle(scale: Array, angle: Array, shift: NDArray, size: int) -> Array:
    """`make_similarity` about the middle of the image, for N at once."""
    cos, sin, middle = scale * np.cos(angle), scale * np.sin(angle), (size - 1) / 2
    move = np.zeros((len(scale), 3, 3))
    move[:, 0, 0], move[:, 0, 1], move[:, 1, 0], move[:, 1, 1], move[:, 2, 2] = cos, -sin, sin, cos, 1
    move[:, 0, 2] = middle + shift[:, 0] - (cos - sin) * middle
    move[:, 1, 2] = middle + shift[:, 1] - (sin + cos) * middle
    return move


def from_copy_to_crop(move: Array, size: int) -> Array:
    """Say where in its crop each pixel of a copy comes from: (N, 2, 3) float64, from `Draws.move`."""
    inverse = np.linalg.inv(move)[:, :2].astype(np.float64)
    inverse[:, :, 2] += border(size)
    return inverse


def move_cameras(move: Array, cameras: Array) -> Array:
    """Move cameras (N, 3, 4) along with the image: x and y by the similarity (N, 3, 3), z by its scale."""
    whole = move.copy()
    whole[:, :2, 2] = 0
    whole[:, 2, 2] = np.hypot(move[:, 0, 0], move[:, 1, 0])
    moved: Array = whole @ cameras
    moved[:, :2, 3] += move[:, :2, 2]
    return moved
