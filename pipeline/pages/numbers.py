"""Numbers as pages hold them: little-endian arrays in base64, which the scripts decode."""

import base64

import numpy as np
from numpy.typing import NDArray

STEPS = 65_535


def in_unit_cube(vertices: NDArray) -> NDArray[np.float64]:
    """Move and scale vertices (V, 3) in the pixel frame about the middle of the unit cube, y up."""
    vertices = np.asarray(vertices, np.float64) * [1, -1, 1]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return 0.5 + (vertices - (low + high) / 2) / max((high - low).max(), 1e-9)


def encode_steps(values: NDArray) -> str:
    """Write values from 0 to 1 as little-endian uint16, in base64."""
    return _base64(np.rint(np.clip(values, 0, 1) * STEPS).astype("<u2"))


def encode_triangles(triangles: NDArray[np.integer], vertices: int) -> str:
    """Write indices as little-endian uint16 where there are few enough vertices, else uint32, in base64."""
    return _base64(triangles.astype("<u2" if vertices <= STEPS else "<u4"))


def _base64(values: NDArray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
