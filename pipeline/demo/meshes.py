"""Procedural faces whose expressions are those of their own geometry, as a set of scans has them.

The linear model adds the mean face's expressions to every identity. Here the formulas of the expressions are computed
on each identity's own surface: a long face's jaw turns on a longer lever, a wide mouth puckers further. What differs is
a product of identity and expression, which a multilinear face model has and a linear one lacks.
"""

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Floats
from .face import MICROMETRES, ProceduralFace, expression_fields
from .surface import is_lower


def expressions_on(face: ProceduralFace, vertices: Floats) -> Floats:
    """Expression vectors (V, 3, E), micrometres per unit of coefficient, on a neutral face's vertices (V, 3)."""
    lower, flip = is_lower(), np.array([-1.0, 1.0, 1.0])
    left, right = np.arange(len(lower)), face.mirror[: len(lower)]
    halves = [expression_fields(half / MICROMETRES, lower) for half in (vertices[left], vertices[right] * flip)]
    basis = np.zeros((*vertices.shape, len(halves[0])))
    middle = left[left == right]
    for number, ((on_left, parity), (on_right, _)) in enumerate(zip(*halves, strict=True)):
        basis[left, :, number] = on_left
        basis[right, :, number] = parity * flip * on_right
        basis[middle, :, number] = (on_left[middle] + parity * flip * on_right[middle]) / 2
    return basis * MICROMETRES


def make_meshes(face: ProceduralFace, shape: Floats, expression: Floats) -> NDArray[np.float32]:
    """Make each of some identities with each of some expressions.

    Parameters
    ----------
    face : ProceduralFace
    shape, expression : (N, S) and (M, E) float
        Raw coefficients.

    Returns
    -------
    (N, M, V, 3) float32
        Micrometres.
    """
    meshes = np.zeros((len(shape), len(expression), *face.mean.shape), np.float32)
    for number, coefficients in enumerate(shape):
        neutral = face.mean + face.shape_basis @ coefficients
        meshes[number] = neutral + np.einsum("vde,me->mvd", expressions_on(face, neutral), expression)
    return meshes
