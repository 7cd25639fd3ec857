"""Which triangle of a mesh in the unit square each texel of a map lies in."""

import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from ..store.arrays import Array

# A texel on an edge, or on the square's rim, belongs to a triangle in spite of rounding.
ROUNDING = 1e-9


def find_triangles(uv: Array, triangles: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """Find the triangle of each texel.

    Parameters
    ----------
    uv : (V, 2) float64
        Places of the vertices in the unit square, column 0 to the right, column 1 down.
    triangles : (F, 3) int32
        They may overlap, as in a published table: then that texel takes one that is not turned over, and of these the
        one it lies deepest in.
    size : int
        Side of the map in texels.

    Returns
    -------
    (size * size,) int64
        Row-major. A texel outside of all triangles, as at the rim of a published table, takes the triangle whose centre
        is nearest.
    """
    corners = uv[triangles] * (size - 1)
    inside, texel, depth, turned = _overlaps(corners, size)
    found = np.full(size * size, -1, np.int64)
    # The last of several wins: turned ones first, then the shallow ones, then those of high number.
    order = np.lexsort((-inside, depth, ~turned))
    found[texel[order]] = inside[order]
    outside = np.flatnonzero(found < 0)
    if len(outside):
        points = np.stack([outside % size, outside // size], axis=1)
        found[outside] = scipy.spatial.cKDTree(corners.mean(axis=1)).query(points)[1]
    return found


def barycentric(points: Array, corners: Array) -> Array:
    """Barycentric weights (K, 3) of points (K, 2) in triangles (K, 3, 2); nan where a triangle has no area."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = points - corners[:, 0]
    area = _cross(first, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        b, c = _cross(offset, second) / area, _cross(first, offset) / area
        return np.stack([1 - b - c, b, c], axis=1)


def _overlaps(corners: Array, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, NDArray[np.bool_]]:
    """Pairs of a triangle and a texel in it: triangle, texel, depth (least weight), whether it is turned over."""
    low = np.maximum(np.ceil(corners.min(axis=1) - ROUNDING), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(axis=1) + ROUNDING), size - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    counts = extent.prod(axis=1)
    triangle = np.repeat(np.arange(len(corners)), counts)
    place = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    column = low[triangle, 0] + place % np.maximum(extent[triangle, 0], 1)
    row = low[triangle, 1] + place // np.maximum(extent[triangle, 0], 1)
    depth = barycentric(np.stack([column, row], axis=1), corners[triangle]).min(axis=1)
    inside = depth >= -ROUNDING
    triangle, texel = triangle[inside], (row * size + column)[inside]
    # v grows downwards, which turns the mesh's counter-clockwise triangles clockwise.
    turned = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) >= 0
    return triangle, texel, depth[inside], turned[triangle]


def _cross(first: Array, second: Array) -> Array:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
