"""Bend a mesh onto points by optimal-step non-rigid ICP, with the steps of the REALY benchmark.

References
----------
Amberg, B., Romdhani, S. and Vetter, T., 2007. Optimal Step Nonrigid ICP Algorithms for Surface Registration. CVPR.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.spatial
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from pipeline.store.arrays import Array

# How stiff the mesh is in each round, and how little its affine maps change when a round ends.
STIFFNESS = 50 * np.exp([0.0, -0.5, -1.0])
SETTLED = (1.0, 0.5, 0.25)
# With anchors, a first step by these alone; then they fade, and a round has so many steps at most.
FIRST_STIFFNESS, FIRST_WEIGHTS, ANCHOR_WEIGHT = 150.0, (2.0, 2.0, 3.0, 2.0), 50.0
LATER_SHARE, FADING, STEPS_WITH_ANCHORS, STEPS = 0.1, 0.9, 11, 100
# Points count that lie within so many mean distances, or within 1 of REALY's unit.
WITHIN, WITHIN_LEAST = 2, 1.0
# Keeps what is joined to nothing where it is.
RIDGE = 1e-8


class Anchors(NamedTuple):
    """Vertices (K,) int, and the places (K, 3) float64 that they are drawn to."""

    vertices: NDArray[np.integer]
    places: Array


def bend(vertices: Array, triangles: NDArray[np.integer], targets: Array, anchors: Anchors | None = None) -> Array:
    """Bend a mesh so that its vertices come to the nearest of the targets, and neighbours move alike.

    Each vertex has an affine map of its own; those of neighbours are made equal the more, the stiffer the mesh is.

    Parameters
    ----------
    vertices : (V, 3) float64
        In REALY's unit, about 9 mm.
    triangles : (F, 3) int
    targets : (T, 3) float64
    anchors : Anchors, optional

    Returns
    -------
    (V, 3) float64
    """
    vertices, tree = np.array(vertices, np.float64), scipy.spatial.cKDTree(targets)
    laplacian = _edge_laplacian(triangles, len(vertices))
    before = np.zeros((len(vertices), 4, 3))
    maps = np.ones_like(before)
    if anchors is not None:
        weights = np.zeros(len(vertices))
        weights[anchors.vertices] = ANCHOR_WEIGHT
        places = np.array(vertices)
        places[anchors.vertices] = anchors.places
        before = maps
        maps = _maps(vertices, laplacian, FIRST_STIFFNESS, FIRST_WEIGHTS, [(weights, places)])
        vertices = _apply(maps, vertices)
    steps = 1
    for stiffness, settled in zip(STIFFNESS, SETTLED, strict=True):
        for _ in range(STEPS if anchors is None else STEPS_WITH_ANCHORS):
            if np.linalg.norm(maps - before) <= settled:
                break
            distances, nearest = tree.query(vertices)
            near = distances < max(WITHIN * float(np.mean(distances)), WITHIN_LEAST)
            terms = [(np.asarray(near, np.float64), targets[nearest])]
            if anchors is not None:
                weights = np.zeros(len(vertices))
                weights[anchors.vertices] = LATER_SHARE * ANCHOR_WEIGHT * np.exp(-FADING * steps)
                terms.append((weights, places))
            before = maps
            maps = _maps(vertices, laplacian, stiffness, (1, 1, 1, 1), terms)
            vertices = _apply(maps, vertices)
            steps += 1
    return vertices


def _edge_laplacian(triangles: NDArray[np.integer], count: int) -> scipy.sparse.csc_array:
    """M^T M of the incidence matrix of a mesh's edges, each once."""
    sides = np.asarray(triangles)[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    edges = np.unique(np.sort(sides[sides[:, 0] != sides[:, 1]], axis=1), axis=0)
    rows = np.repeat(np.arange(len(edges)), 2)
    values = np.tile([1.0, -1.0], len(edges))
    incidence = scipy.sparse.csr_array((values, (rows, edges.ravel())), shape=(len(edges), count))
    return scipy.sparse.csc_array(incidence.T @ incidence)


def _maps(
    vertices: Array,
    laplacian: scipy.sparse.csc_array,
    stiffness: float,
    weights: tuple[float, ...],
    terms: list[tuple[Array, Array]],
) -> Array:
    """Affine maps (V, 4, 3) of the vertices that have the least sum of squares (Amberg et al., equation 12).

    `terms` are weights (V,) and places (V, 3) that the vertices are drawn to. What is solved for is how the maps
    differ from the one that leaves all as it is, which costs nothing.
    """
    count = len(vertices)
    homogeneous = np.column_stack([vertices, np.ones(count)])
    squares = np.sum([weight**2 for weight, _ in terms], axis=0)
    pulls = np.sum([(weight**2)[:, None] * (places - vertices) for weight, places in terms], axis=0)
    blocks = squares[:, None, None] * homogeneous[:, :, None] * homogeneous[:, None, :]
    data = scipy.sparse.bsr_array((blocks, np.arange(count), np.arange(count + 1)), shape=(4 * count, 4 * count))
    smooth = scipy.sparse.kron(laplacian, np.diag((stiffness * np.asarray(weights)) ** 2))
    ridge = RIDGE * scipy.sparse.eye_array(4 * count)
    system = scipy.sparse.csc_array(data + smooth + ridge)
    right = (homogeneous[:, :, None] * pulls[:, None, :]).reshape(-1, 3)
    solved = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True}).solve(right)
    return solved.reshape(count, 4, 3) + np.eye(4, 3)


def _apply(maps: Array, vertices: Array) -> Array:
    return np.einsum("vi,vic->vc", vertices, maps[:, :3]) + maps[:, 3]
