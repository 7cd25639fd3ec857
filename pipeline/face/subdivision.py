"""Loop's subdivision of a mesh, as one matrix for everything that its vertices carry."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray


def loop_operator(triangles: NDArray[np.integer], count: int) -> tuple[scipy.sparse.csr_array, NDArray[np.int32]]:
    """Cut each triangle into four, and smooth.

    Parameters
    ----------
    triangles : (F, 3) int
        Of a manifold mesh, whose rims are kept as curves of their own.
    count : int
        Vertices of the mesh, V.

    Returns
    -------
    operator : (V + E, V) sparse float64
        New vertices of old ones: the V old vertices first, then one on each of the E edges.
    triangles : (4 F, 3) int32

    References
    ----------
    Loop, 1987. Smooth subdivision surfaces based on triangles.
    """
    corners = np.asarray(triangles, np.int64)
    sides = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, edge_of, uses = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    edge_of = edge_of.reshape(-1)
    inner = uses == 2
    opposite = scipy.sparse.coo_array(
        (np.full(len(edge_of), 1 / 8), (edge_of, corners[:, [2, 0, 1]].ravel())), shape=(len(edges), count)
    ).tocsr()
    rows = np.repeat(np.arange(len(edges)), 2)
    ends = np.where(inner, 3 / 8, 1 / 2)
    on_edges = scipy.sparse.coo_array((np.repeat(ends, 2), (rows, edges.ravel())), shape=(len(edges), count)).tocsr()
    on_edges = on_edges + scipy.sparse.diags_array(inner.astype(np.float64)) @ opposite

    joined = _symmetric(edges, count)
    along_rim = _symmetric(edges[~inner], count)
    on_rim = np.asarray(along_rim.sum(axis=1)).ravel() > 0
    degree = np.maximum(np.asarray(joined.sum(axis=1)).ravel(), 1)
    share = (5 / 8 - (3 / 8 + np.cos(2 * np.pi / degree) / 4) ** 2) / degree
    kept = np.where(on_rim, 3 / 4, 1 - degree * share)
    on_vertices = (
        scipy.sparse.diags_array(kept)
        + scipy.sparse.diags_array(np.where(on_rim, 0, share)) @ joined
        + scipy.sparse.diags_array(np.where(on_rim, 1 / 8, 0)) @ along_rim
    )
    middle = count + edge_of.reshape(-1, 3)
    finer = [
        np.stack([corners[:, 0], middle[:, 0], middle[:, 2]], axis=1),
        np.stack([corners[:, 1], middle[:, 1], middle[:, 0]], axis=1),
        np.stack([corners[:, 2], middle[:, 2], middle[:, 1]], axis=1),
        middle,
    ]
    operator = scipy.sparse.vstack([on_vertices, on_edges]).tocsr()
    return operator, np.concatenate(finer).astype(np.int32)


def _symmetric(edges: NDArray[np.int64], count: int) -> scipy.sparse.csr_array:
    """Adjacency (V, V) of vertices that edges (E, 2) join."""
    start, end = np.concatenate([edges, edges[:, ::-1]]).T
    return scipy.sparse.coo_array((np.ones(len(start)), (start, end)), shape=(count, count)).tocsr()
