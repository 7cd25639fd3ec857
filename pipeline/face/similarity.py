"""Similarities: the turns, scalings and shifts that crop and level a photo, and lay one set of points over another.

In the plane a similarity is a (3, 3) matrix on homogeneous pixel coordinates (x, y, 1). It turns and scales x and y,
and scales z. In space it is a `SimilarityFit`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..store.arrays import Array

# Faces that are the right way round have more left of their distances mirrored than not.
MIRRORED_SHARE = 0.7


class SimilarityFit(NamedTuple):
    """Target = scale * rotation @ source + translation."""

    scale: Array
    rotation: Array
    translation: Array


def make_similarity(scale: float, angle: float, source: ArrayLike, target: ArrayLike) -> Array:
    """Build the similarity that moves `source` to `target`, turning by `angle` and scaling by `scale`.

    Parameters
    ----------
    scale : float
        Target pixels a source pixel.
    angle : float
        Turn in radians, positive from x towards y, which is clockwise on the screen.
    source, target : (2,) float
        A point and its image, in pixels.

    Returns
    -------
    (3, 3) float64
    """
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.asarray(target, np.float64) - linear @ np.asarray(source, np.float64)
    return matrix


def similarity_scale(similarity: Array) -> Array:
    """Scale of similarities of shape (..., 3, 3)."""
    return np.hypot(similarity[..., 0, 0], similarity[..., 1, 0])


def similarity_angle(similarity: Array) -> Array:
    """Turn in radians of similarities of shape (..., 3, 3), positive from x towards y."""
    return np.arctan2(similarity[..., 1, 0], similarity[..., 0, 0])


def apply_similarity(similarity: NDArray, points: NDArray) -> NDArray:
    """Move points by a similarity.

    Parameters
    ----------
    similarity : (3, 3) float
    points : (..., 2) or (..., 3) float
        Pixel frame. A third column is z: it is scaled, and neither turned nor shifted.

    Returns
    -------
    Same shape as `points`
    """
    moved = points[..., :2] @ similarity[:2, :2].T + similarity[:2, 2]
    if points.shape[-1] == 2:
        return moved
    return np.concatenate([moved, similarity_scale(similarity) * points[..., 2:]], axis=-1)


def fit_similarity(source: NDArray, target: NDArray, *, scaled: bool = True) -> SimilarityFit:
    """Fit scale, rotation and translation by least squares; never a reflection.

    Parameters
    ----------
    source, target : (..., K, 3) float
    scaled : bool
        Without it the scale is 1: the fit is rigid.

    Returns
    -------
    SimilarityFit
        `scale` (...), `rotation` (..., 3, 3) with determinant 1, `translation` (..., 3), float64.

    Raises
    ------
    ValueError
        If the source points all lie in one place.

    References
    ----------
    Umeyama, S., 1991. Least-squares estimation of transformation parameters between two point patterns.
    Equations 38 to 42.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(axis=-2), target.mean(axis=-2)
    source_offsets = source - source_mean[..., None, :]
    target_offsets = target - target_mean[..., None, :]
    variance = (source_offsets**2).sum(axis=-1).mean(axis=-1)
    if np.any(variance == 0):
        raise ValueError("A similarity cannot be fitted to points that all lie in one place: check the prediction.")
    covariance = np.swapaxes(target_offsets, -1, -2) @ source_offsets / source.shape[-2]
    left, singular, right = np.linalg.svd(covariance)
    signs = np.ones_like(singular)
    signs[..., 2] = np.where(np.linalg.det(left) * np.linalg.det(right) < 0, -1.0, 1.0)
    rotation = (left * signs[..., None, :]) @ right
    scale = (singular * signs).sum(axis=-1) / variance if scaled else np.ones_like(variance)
    translation = target_mean - scale[..., None] * (rotation @ source_mean[..., None])[..., 0]
    return SimilarityFit(scale, rotation, translation)


def is_mirrored(source: NDArray, target: NDArray) -> bool:
    """Whether points lie on others much better once they are mirrored: one of both has left and right exchanged.

    Parameters
    ----------
    source, target : (K, 3) float
        The same points of a face in any two frames and units, not all in a plane.

    Returns
    -------
    bool
        Whether the distances that are left by `fit_similarity` fall below `MIRRORED_SHARE`.

    Raises
    ------
    ValueError
        If the source points all lie in one place.
    """
    left = []
    for points in (np.asarray(source, np.float64), np.asarray(source, np.float64) * [-1, 1, 1]):
        fit = fit_similarity(points, target)
        placed = fit.scale * points @ fit.rotation.T + fit.translation
        left.append(float(np.linalg.norm(placed - target)))
    return left[1] < MIRRORED_SHARE * left[0]


def move(fit: SimilarityFit, points: NDArray) -> Array:
    """Move points (..., K, 3) by a similarity in space."""
    turned = np.asarray(points, np.float64) @ np.swapaxes(fit.rotation, -1, -2)
    return np.asarray(fit.scale)[..., None, None] * turned + fit.translation[..., None, :]


def move_back(fit: SimilarityFit, points: NDArray) -> Array:
    """Move points (..., K, 3) by the inverse of a similarity in space."""
    offsets = np.asarray(points, np.float64) - fit.translation[..., None, :]
    return offsets @ fit.rotation / np.asarray(fit.scale)[..., None, None]
