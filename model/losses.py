"""Losses on position maps (thesis, section 3.4.4), in keras.ops.

A loss is a function of true and predicted maps (N, S, S, 3) in a network's range; it returns one value a sample, in px,
so that the curves of two scalings and two sizes can be read against each other.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.settings import LossConfig, LossTerms
from pipeline.face.landmarks import NOSE_TIP, SYMMETRIC_PAIRS
from pipeline.uv.masks import reweigh
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]

# Keeps the gradient of a Euclidean length finite at 0, far below the 1/64 px that a label resolves.
TINY_PX2 = 1e-8


def make_losses(outputs: Iterable[str], config: LossConfig, layout: UVLayout, scaling: Scaling) -> dict[str, Loss]:
    """Give each output of a network its loss.

    Parameters
    ----------
    outputs : iterable of str
        `brief`, where the network has one, learns by `config.brief`; every other by `config.final`.
    config : LossConfig
    layout : UVLayout
        Its regions, face mask and landmark texels.
    scaling : Scaling

    Returns
    -------
    dict of str to Loss
    """
    weighted = replace(layout, weight_mask=reweigh(layout.weight_mask, **asdict(config.weights)))
    terms = {name: config.brief if name == "brief" else config.final for name in outputs}
    return {name: combined(terms[name], config.norm, weighted, scaling) for name in outputs}


def combined(terms: LossTerms, norm: str, layout: UVLayout, scaling: Scaling) -> Loss:
    """Make equation 3.4, the sum of position, symmetry and smoothness; a term of factor 0 is not computed."""
    weights = layout.weight_mask if terms.regions else np.ones_like(layout.weight_mask)
    parts = [(terms.position, weighted_distance(weights, scaling, norm))]
    if terms.symmetry:
        parts.append((terms.symmetry, landmark_symmetry(layout.landmark_texels, scaling)))
    if terms.smoothness:
        parts.append((terms.smoothness, laplacian_smoothness(layout.face_mask, scaling)))

    def loss(true: Tensor, predicted: Tensor) -> Tensor:
        return sum(np.float32(factor) * part(true, predicted) for factor, part in parts)

    return loss


def weighted_distance(weight_mask: NDArray[np.float32], scaling: Scaling, norm: str = "l1") -> Loss:
    """Make equation 3.1, the weighted distance of two position maps.

    The equation writes a squared Euclidean norm; its name L1 and Table 4.1's ``L1 * MASK`` say the sum of absolute
    differences, which is the default. The equation divides by the number of texels; this divides by the sum of the
    weights, a constant factor that makes the value a weighted mean over the face: it does not change with the share of
    the map that the face fills.

    Parameters
    ----------
    weight_mask : (S, S) float32
        Weights, none of them negative, some above 0.
    scaling : Scaling
        Gives the pixels in a unit of the maps.
    norm : {'l1', 'euclidean', 'l2'}
        l1: absolute differences in x, y and z added up, in px; euclidean: the distance, in px; l2: its square.

    Returns
    -------
    Loss
        Of maps (N, S, S, 3) to values (N,).

    Raises
    ------
    ValueError
        If no texel has a weight.
    """
    total = float(weight_mask.sum(dtype=np.float64))
    if not total > 0:
        raise ValueError("The weight mask is 0 everywhere: there is nothing to learn. Check the uv_embedding stage.")
    weights = (weight_mask / total).astype(np.float32)[None]

    def loss(true: Tensor, predicted: Tensor) -> Tensor:
        difference = (predicted - true) * np.float32(scaling.divisor)
        if norm == "euclidean":
            return ops.sum(_length(difference) * weights, axis=(1, 2))
        size = ops.abs(difference) if norm == "l1" else ops.square(difference)
        return ops.sum(ops.sum(size, axis=-1) * weights, axis=(1, 2))

    return loss


def landmark_symmetry(landmark_texels: NDArray[np.int32], scaling: Scaling) -> Loss:
    """Make equation 3.2: how differently far the two points of a symmetric pair are from the tip of the nose.

    The equation leaves the sign of a difference open, and names its number of pairs n: this is the mean of the absolute
    differences over the 29 pairs, in px. Distances are spatial, so that a turned face is as symmetric as a frontal one.

    Parameters
    ----------
    landmark_texels : (68, 2) int32
        Row and column of each landmark.
    scaling : Scaling

    Returns
    -------
    Loss
        Of maps (N, S, S, 3) to values (N,); the true map is not looked at.
    """
    rows, columns = landmark_texels.T

    def loss(_true: Tensor, predicted: Tensor) -> Tensor:
        points = ops.stack(
            [predicted[:, int(row), int(column)] for row, column in zip(rows, columns, strict=True)], axis=1
        ) * np.float32(scaling.divisor)
        distance = _length(points - points[:, NOSE_TIP : NOSE_TIP + 1])
        right, left = (ops.take(distance, side, axis=1) for side in SYMMETRIC_PAIRS.T)
        return ops.mean(ops.abs(right - left), axis=1)

    return loss


def laplacian_smoothness(face_mask: NDArray[np.bool_], scaling: Scaling) -> Loss:
    """Make equation 3.3: how far each texel of the face is from the mean of its four neighbours.

    The equation adds up texels; this is their mean, in px, over the face mask (without texels on the map's rim, which
    have fewer neighbours).

    Parameters
    ----------
    face_mask : (S, S) bool
    scaling : Scaling

    Returns
    -------
    Loss
        Of maps (N, S, S, 3) to values (N,); the true map is not looked at.

    Raises
    ------
    ValueError
        If no texel off the rim is in the mask.
    """
    inside = face_mask[1:-1, 1:-1]
    if not inside.any():
        raise ValueError("The face mask is empty: there is nothing to smooth. Check the uv_embedding stage.")
    weights = (inside / inside.sum()).astype(np.float32)[None]

    def loss(_true: Tensor, predicted: Tensor) -> Tensor:
        pixels = predicted * np.float32(scaling.divisor)
        around = pixels[:, :-2, 1:-1] + pixels[:, 2:, 1:-1] + pixels[:, 1:-1, :-2] + pixels[:, 1:-1, 2:]
        return ops.sum(_length(pixels[:, 1:-1, 1:-1] - 0.25 * around) * weights, axis=(1, 2))

    return loss


def voxel_cross_entropy(true: Tensor, predicted: Tensor) -> Tensor:
    """Cross entropy of volumes, the mean over the voxels in nats (VRN, equation 1, which adds them up).

    Parameters
    ----------
    true : (N, side, side, side)
        1 where a voxel is occupied, else 0; of any dtype.
    predicted : (N, side, side, side) float32
        The probability that it is.

    Returns
    -------
    (N,)
    """
    return ops.mean(ops.binary_crossentropy(ops.cast(true, "float32"), predicted), axis=(1, 2, 3))


def _length(vectors: Tensor) -> Tensor:
    """Euclidean length along the last axis."""
    return ops.sqrt(ops.sum(ops.square(vectors), axis=-1) + TINY_PX2)
