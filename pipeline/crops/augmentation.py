"""The thesis's five augmentations (section 3.2.3): rotation, zoom and shift as one similarity; colour and noise.

The geometry is applied to the photo and to the coordinates in the map; colour and noise are albumentations'. A sample's
random numbers come from its id, the number of the copy and the seed, so that no order and no worker changes them.
"""

import functools
import hashlib
import os

import numpy as np
from numpy.typing import NDArray

from ..face.camera import transform_pose
from ..face.similarity import apply_similarity, make_similarity
from .alignment import resample
from .policy import AugmentationPolicy

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the package index for a newer version when imported
import albumentations


@functools.cache
def make_noises(policy: AugmentationPolicy) -> tuple:
    """Make a policy's three kinds of noise: Gaussian, random pixels, and random patches."""
    return (
        albumentations.GaussNoise(std_range=policy.noise_std, p=1),
        albumentations.SaltAndPepper(amount=policy.noise_pixels, p=1),
        albumentations.CoarseDropout(
            num_holes_range=(1, policy.noise_patches),
            hole_height_range=policy.noise_patch_sides,
            hole_width_range=policy.noise_patch_sides,
            fill="random_uniform",
            p=1,
        ),
    )


def sample_rng(sample_id: str, copy: int, seed: int) -> np.random.Generator:
    """Random numbers of one copy of one sample."""
    digest = hashlib.sha256(f"{seed}\n{copy}\n{sample_id}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def draw_similarity(rng: np.random.Generator, policy: AugmentationPolicy, size: int) -> NDArray[np.float64]:
    """Draw rotation, zoom and shift about the middle of the aligned image.

    Parameters
    ----------
    rng : Generator
    policy : AugmentationPolicy
    size : int
        Side of the aligned image in px.

    Returns
    -------
    (3, 3) float64
        Aligned pixels to pixels of the copy.
    """
    angle = np.deg2rad(rng.uniform(-policy.rotation_deg, policy.rotation_deg))
    scale = rng.uniform(*policy.zoom)
    middle = np.full(2, (size - 1) / 2)
    return make_similarity(scale, angle, middle, middle + size * rng.uniform(-policy.shift, policy.shift, 2))


def disturb(
    image: NDArray[np.uint8], landmarks: NDArray, rng: np.random.Generator, policy: AugmentationPolicy
) -> NDArray[np.uint8]:
    """Change colours, and add noise where the face is.

    Parameters
    ----------
    image : (size, size, 3) uint8
        RGB.
    landmarks : (68, >=2) float
        Pixel frame of `image`; their box is where noise goes.
    rng : Generator
    policy : AugmentationPolicy

    Returns
    -------
    (size, size, 3) uint8
    """
    channels = rng.choice(3, size=rng.integers(1, 4), replace=False)
    gain = albumentations.MultiplicativeNoise(policy.channel_gain, per_channel=True, elementwise=False, p=1)
    result = image.copy()
    result[..., channels] = _apply([gain], image, rng)[..., channels]
    if policy.noises:
        noises = make_noises(policy)
        chosen = rng.choice(len(noises), size=rng.integers(1, policy.noises + 1), replace=False)
        face = _face_box(landmarks, len(image))
        result[face] = _apply([noises[number] for number in chosen], np.ascontiguousarray(result[face]), rng)
    return result


def _apply(transforms: list, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    seed = int(rng.integers(2**31))
    return albumentations.Compose(transforms, seed=seed)(image=image)["image"]


def _face_box(landmarks: NDArray, size: int) -> tuple[slice, slice]:
    """Rows and columns of the landmarks' box inside the image, at least 2 px wide."""
    low = np.clip(np.floor(landmarks[:, :2].min(axis=0)).astype(int), 0, size - 2)
    high = np.clip(np.ceil(landmarks[:, :2].max(axis=0)).astype(int) + 1, low + 2, size)
    return slice(low[1], high[1]), slice(low[0], high[0])


def augment_sample(
    sample: dict[str, NDArray],
    photo: NDArray[np.uint8],
    rng: np.random.Generator,
    policy: AugmentationPolicy,
    size: int,
) -> dict[str, NDArray]:
    """Make one augmented copy of a sample.

    Parameters
    ----------
    sample : dict of str to array
        One row of a shard of position maps.
    photo : (H, W, 3) uint8
        Its raw photo, from which the copy is resampled once.
    rng : Generator
    policy : AugmentationPolicy
    size : int
        Side of the aligned image in px.

    Returns
    -------
    dict of str to array
        The same names.
    """
    move = draw_similarity(rng, policy, size)
    similarity = move @ sample["similarity"]
    landmarks = apply_similarity(move, sample["landmarks"]).astype(np.float32)
    return {
        **sample,
        "similarity": similarity,
        "position_map": apply_similarity(move, sample["position_map"]).astype(np.float32),
        "landmarks": landmarks,
        "pose": transform_pose(sample["pose"], size, move, size).astype(np.float32),
        "image": disturb(resample(photo, similarity, size), landmarks, rng, policy),
    }
