"""The nearest point of a mesh's surface to each of many points, exactly; `nearest` is faster, and nearly exact."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from ..store.arrays import Array

# Triangles that are tried first, those with the nearest middles, and how many times more if they do not settle it.
TRIED, TIMES = 24, 2
# Points that are looked up together.
BATCH = 2**14


class Nearest(NamedTuple):
    """Nearest points (K, 3) float64 on a surface, their distances (K,) float64, and the triangles (K,) they lie in."""

    points: Array
    distances: Array
    triangles: NDArray[np.intp]


@dataclasses.dataclass(frozen=True, eq=False)
class SurfaceSearch:
    """A mesh's triangles, arranged to be found.

    Attributes
    ----------
    corners : (F, 3, 3) float64
    middles : (F, 3) float64
    normals : (F, 3) float64
        Of unit length; 0 of a triangle without area.
    radii : (F,) float64
        From a triangle's middle to its farthest corner.
    classes : sequence of (tree, triangles, radius)
        Triangles of about one size, the tree of their middles, and the largest of their radii.
    """

    corners: Array
    middles: Array
    normals: Array
    radii: Array
    classes: Sequence[tuple[scipy.spatial.cKDTree, NDArray[np.intp], float]]


def prepare_search(vertices: NDArray, triangles: NDArray[np.integer]) -> SurfaceSearch:
    """Arrange a mesh's triangles for `nearest_on_surface`.

    Parameters
    ----------
    vertices : (V, 3) float
        Any unit and frame.
    triangles : (F, 3) int

    Returns
    -------
    SurfaceSearch

    Raises
    ------
    ValueError
        If there are no triangles, or they name vertices that are not there.
    """
    triangles = np.asarray(triangles)
    if not len(triangles) or triangles.min() < 0 or triangles.max() >= len(vertices):
        raise ValueError("The mesh has no triangles, or they name vertices that are not there: check the file.")
    corners = np.asarray(vertices, np.float64)[triangles]
    middles = corners.mean(axis=1)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    radii = np.linalg.norm(corners - middles[:, None], axis=2).max(axis=1)
    # One large triangle would make all small ones near it candidates, so that sizes are kept apart, by powers of two.
    sizes = np.ceil(np.log2(np.maximum(radii, radii.max() * 2.0**-20)))
    members = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    classes = [(scipy.spatial.cKDTree(middles[each]), each, float(radii[each].max())) for each in members]
    return SurfaceSearch(corners, middles, normals, radii, classes)


def nearest_on_surface(search: SurfaceSearch, points: NDArray) -> Nearest:
    """Find the nearest point of a surface to each point.

    Candidates are the triangles with the nearest middles, so many that no other can be nearer: its middle would have
    to lie within the distance found plus its radius.

    Parameters
    ----------
    search : SurfaceSearch
    points : (K, 3) float
        In the unit and frame of the mesh.

    Returns
    -------
    Nearest
    """
    points = np.asarray(points, np.float64)
    parts = [_nearest(search, points[start : start + BATCH]) for start in range(0, len(points), BATCH)]
    return Nearest(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _nearest(search: SurfaceSearch, points: Array) -> Nearest:
    best = Nearest(np.zeros_like(points), np.full(len(points), np.inf), np.zeros(len(points), np.intp))
    for tree, members, radius in search.classes:
        for open_rows, near in _candidates(tree, len(members), radius, points, best.distances):
            _improve(best, search, points, open_rows, members[near])
    return best


def _candidates(
    tree: scipy.spatial.cKDTree, count: int, radius: float, points: Array, distances: Array
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows of points, and numbers of the triangles to be tried for each, until none that is left can be nearer.

    `distances` are read anew after each step, as the caller has made them smaller.
    """
    rows, tried, known = np.arange(len(points)), min(TRIED, count), 0
    while len(rows):
        # All within reach are found where fewer than asked for are: the others come as `count`.
        reach = distances[rows] + radius
        far, near = map(np.asarray, tree.query(points[rows], k=np.arange(known + 1, tried + 1)))
        within = far < reach[:, None]
        some = within.any(axis=1)
        near = np.where(within, near, near[:, :1])
        yield rows[some], near[some]
        rows = rows[far[:, -1] < distances[rows] + radius] if tried < count else rows[:0]
        known, tried = tried, min(TIMES * tried, count)


def _improve(
    best: Nearest, search: SurfaceSearch, points: Array, rows: NDArray[np.intp], near: NDArray[np.intp]
) -> None:
    """Put what is nearer among the triangles `near` (R, T) of points `rows` (R,) in the place of what was."""
    from trimesh.triangles import closest_point  # trimesh takes half a second to import

    offsets = points[rows, None] - search.middles[near]
    height = np.einsum("rtc,rtc->rt", offsets, search.normals[near])
    # A triangle lies in its plane, within its radius about its middle: no point of it is nearer than this.
    aside = np.sqrt(np.maximum(np.einsum("rtc,rtc->rt", offsets, offsets) - height**2, 0)) - search.radii[near]
    least = np.hypot(height, np.maximum(aside, 0))
    # The likeliest of each point first: most others are further away than what it gives, and never tried.
    first = least.argmin(axis=1)[:, None]
    for chosen in (np.arange(near.shape[1]) == first, np.arange(near.shape[1]) != first):
        row, column = np.nonzero(chosen & (least < best.distances[rows, None]))
        if not len(row):
            continue
        triangles, where = near[row, column], rows[row]
        found = closest_point(search.corners[triangles], points[where])
        distances = np.linalg.norm(found - points[where], axis=1)
        order = np.lexsort((-distances, where))  # of each point the nearest comes last
        last = order[np.append(np.diff(where[order]) > 0, True)]
        nearer = last[distances[last] < best.distances[where[last]]]
        target = where[nearer]
        best.points[target], best.distances[target] = found[nearer], distances[nearer]
        best.triangles[target] = triangles[nearer]
