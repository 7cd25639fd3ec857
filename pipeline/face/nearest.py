"""The nearest point of a mesh to each of some points, and the similarity that lays a surface over points.

Fast, for scores of every photo: among the triangles with the nearest middles. `surface_search` is exact, whatever the
triangles are, in three to seven times the time, for scores against scans.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from ..store.arrays import Array
from .similarity import SimilarityFit, fit_similarity, move, move_back

# Triangles that are tried for the one nearest to a point: those with the nearest middles. That of a large one says
# little: those of a mesh with fewer than so many are cut into equal parts, each of which has a middle of its own.
NEAREST, PARTS = 24, 5000
# Rounds of `align_surface` at most, points of the target that it looks at, triangles that it tries for each, and the
# part of the extent below which a round moves nothing.
ROUNDS, POINTS, TRIED, STILL = 50, 500, 6, 1e-4


class NearestPoints(NamedTuple):
    """Of each of K points the triangle (K,) int64 that is nearest, and the point on it (K, 3) float64."""

    triangles: NDArray[np.int64]
    points: Array


Finder = Callable[[NDArray], NearestPoints]


def nearest_points(
    points: NDArray, vertices: NDArray, triangles: NDArray[np.integer], tried: int = NEAREST
) -> NearestPoints:
    """Find the nearest point on a mesh to each point.

    Parameters
    ----------
    points : (K, 3) float
    vertices : (V, 3) float
        In the frame of the points.
    triangles : (F, 3) int
    tried : int
        Nearest middles, among whose triangles the nearest is looked for: fewer are faster, and enough where
        neighbouring triangles are of about one size.

    Returns
    -------
    NearestPoints

    Raises
    ------
    ValueError
        If the mesh has no triangle.
    """
    return make_finder(vertices, triangles, tried)(points)


def make_finder(vertices: NDArray, triangles: NDArray[np.integer], tried: int) -> Finder:
    """Prepare a mesh for `nearest_points`, which takes as long as finding 2,000 of them: from points (K, 3) to these.

    Raises
    ------
    ValueError
        If the mesh has no triangle.
    """
    from trimesh.triangles import closest_point  # trimesh takes half a second to import

    if not len(triangles):
        raise ValueError("The nearest points of a mesh without triangles were asked for.")
    corners = np.asarray(vertices, np.float64)[triangles]
    shares = _middles(int(np.ceil(np.sqrt(PARTS / len(triangles)))))
    middles = np.einsum("mc,fcd->fmd", shares, corners).reshape(-1, 3)
    count = min(tried, len(middles))
    # An unbalanced tree is built in half of the time.
    tree = scipy.spatial.cKDTree(middles, balanced_tree=False, compact_nodes=False)

    def find(points: NDArray) -> NearestPoints:
        points = np.asarray(points, np.float64)
        near = np.asarray(tree.query(points, k=count)[1]).reshape(len(points), count) // len(shares)
        on_triangles = closest_point(corners[near.ravel()], np.repeat(points, count, axis=0)).reshape(*near.shape, 3)
        best = np.linalg.norm(on_triangles - points[:, None], axis=2).argmin(axis=1)
        rows = np.arange(len(points))
        return NearestPoints(near[rows, best], on_triangles[rows, best])

    return find


def _middles(parts: int) -> Array:
    """Barycentric coordinates (parts^2, 3) of the middles of a triangle's parts, so many along each side."""
    down, across = np.divmod(np.arange(parts**2), parts)
    # A square cut by its diagonal: what lies beyond it is the mirror image of a part that points down.
    upright = down + across < parts
    first = np.where(upright, down + 1 / 3, parts - 1 - down + 2 / 3)
    second = np.where(upright, across + 1 / 3, parts - 1 - across + 2 / 3)
    return np.stack([first, second, parts - first - second], axis=1) / parts


def align_surface(vertices: NDArray, triangles: NDArray[np.integer], target: NDArray) -> SimilarityFit:
    """Fit the similarity that lays a mesh over points without correspondences: iterative closest points with a scale.

    Each round takes to each target point the nearest one of the mesh, and fits a similarity to these pairs.

    Parameters
    ----------
    vertices : (V, 3) float
        Near the target from the beginning.
    triangles : (F, 3) int
    target : (K, 3) float

    Returns
    -------
    SimilarityFit
        From the mesh to the target.

    References
    ----------
    Besl and McKay, 1992. A method for registration of 3-D shapes; Du et al., 2007, for the scale.
    """
    source = np.asarray(vertices, np.float64)
    target = np.asarray(target, np.float64)[:: -(-len(target) // POINTS)]
    extent = float(np.ptp(target, axis=0).max())
    # What is near stays near when both are moved: the target goes to the mesh, which is prepared once.
    find, placed, back = make_finder(source, triangles, TRIED), source, target
    for _ in range(ROUNDS):
        fit = fit_similarity(find(back).points, target)
        moved = move(fit, source)
        back = move_back(fit, target)
        still = float(np.abs(moved - placed).max()) < STILL * extent
        placed = moved
        if still:
            break
    return fit
