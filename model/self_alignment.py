"""The similarity that lays one map over another, in closed form on any backend, without a decomposition.

The rotation that Kabsch and Umeyama take from a singular value decomposition is here the leading eigenvector of Horn's
4 x 4 matrix, by squaring that matrix: products alone, which can be differentiated, compiled and exported everywhere.

References
----------
B. K. P. Horn, "Closed-form solution of absolute orientation using unit quaternions", JOSA A 4(4), 1987.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from model.backend import full_precision

Tensor = Any
# Squared so often, a matrix whose second eigenvalue is nine tenths of the first has a thousandth of it left; of faces
# it is about a third. With half of its norm on the diagonal the eigenvalue that is largest by size is the positive one.
SQUARINGS, SHIFT = 6, 0.5
# Keeps what is divided finite where all points lie in one place.
TINY = 1e-12


def _quadratic_forms() -> NDArray[np.float32]:
    """Matrices (3, 3, 4, 4) that give the entries of the rotation of a unit quaternion q: R_ij = q' F_ij q."""
    forms = np.zeros((3, 3, 4, 4), np.float32)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        forms[i, i] = np.diag([1, *(1 if axis == i else -1 for axis in range(3))])
        # R_ij = 2 (q_i q_j - q_0 q_k) and R_ji = 2 (q_i q_j + q_0 q_k), with the vector's part from 1 on.
        for entry, sign in ((forms[i, j], -1), (forms[j, i], 1)):
            entry[1 + i, 1 + j] = entry[1 + j, 1 + i] = 1
            entry[0, 1 + k] = entry[1 + k, 0] = sign
    return forms


FORMS = _quadratic_forms().reshape(9, 16)


class Alignment(NamedTuple):
    """Target = scale * (source - source_centre) @ rotation' + target_centre, of tensors.

    Shapes are (n, 1, 1), (n, 3, 3), and (n, 1, 3) of both centres.
    """

    scale: Tensor
    rotation: Tensor
    source_centre: Tensor
    target_centre: Tensor


def fit_alignment(source: Tensor, target: Tensor, weights: Tensor) -> Alignment:
    """Fit scale, rotation and translation by weighted least squares; never a reflection.

    Parameters
    ----------
    source, target : (n, K, 3) float32
    weights : (n, K) or (1, K) float32
        None negative, some above 0.

    Returns
    -------
    Alignment
        What `similarity.fit_similarity` finds where all weights are 1.
    """
    shares = ops.expand_dims(weights / ops.sum(weights, axis=1, keepdims=True), -1)
    source_centre = ops.sum(source * shares, axis=1, keepdims=True)
    target_centre = ops.sum(target * shares, axis=1, keepdims=True)
    offsets = source - source_centre
    with full_precision():
        covariance = ops.matmul(ops.transpose(target - target_centre, (0, 2, 1)), offsets * shares)
        rotation = nearest_rotation(covariance)
    spread = ops.sum(ops.square(offsets) * shares, axis=(1, 2), keepdims=True)
    scale = ops.sum(covariance * rotation, axis=(1, 2), keepdims=True) / (spread + TINY)
    return Alignment(scale, rotation, source_centre, target_centre)


def nearest_rotation(covariance: Tensor) -> Tensor:
    """Rotations R (n, 3, 3) that make the trace of R' C largest, of matrices C (n, 3, 3)."""
    matrix = ops.reshape(ops.matmul(ops.reshape(covariance, (-1, 9)), FORMS), (-1, 4, 4))
    norm = ops.sqrt(ops.sum(ops.square(matrix), axis=(1, 2), keepdims=True) + TINY**2)
    matrix = matrix / norm + SHIFT * np.eye(4, dtype=np.float32)
    for _ in range(SQUARINGS):
        matrix = ops.matmul(matrix, matrix)
        matrix = matrix / ops.sum(matrix * np.eye(4, dtype=np.float32), axis=(1, 2), keepdims=True)
    # Now q q', of trace 1: whichever sign q has.
    return ops.reshape(ops.matmul(ops.reshape(matrix, (-1, 16)), FORMS.T), (-1, 3, 3))


def apply_alignment(alignment: Alignment, source: Tensor) -> Tensor:
    """Move points (n, K, 3)."""
    offsets = source - alignment.source_centre
    with full_precision():
        turned = ops.matmul(offsets, ops.transpose(alignment.rotation, (0, 2, 1)))
    return alignment.scale * turned + alignment.target_centre


def align_maps(source: Tensor, target: Tensor, face: Tensor) -> Tensor:
    """Lay maps over others.

    Parameters
    ----------
    source : (n, S, S, 3) float32
    target : (n, S, S, 3) or (1, S, S, 3) float32
    face : (S, S) float32
        1 at the texels that it is fitted by, else 0.

    Returns
    -------
    (n, S, S, 3) float32
        All of `source`, moved.
    """
    shape = (-1, face.shape[0] * face.shape[1], 3)
    points = ops.reshape(source, shape)
    alignment = fit_alignment(points, ops.reshape(target, shape), ops.reshape(face, (1, -1)))
    return ops.reshape(apply_alignment(alignment, points), (-1, *face.shape, 3))


class SelfAlignment(layers.Layer):
    """From a posed and a canonical map, both (n, S, S, 3), to the canonical one laid over the posed one.

    It has no weights to learn: the face mask, which the weights' file then holds.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size
        self.face = self.add_weight(shape=(size, size), initializer="ones", trainable=False, name="face")

    def call(self, maps: list[Tensor]) -> Tensor:
        """Lay the second over the first."""
        posed, canonical = maps
        return align_maps(canonical, posed, self.face)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made with."""
        return {**super().get_config(), "size": self.size}
