"""What a face model cannot express: a smooth displacement of the mesh that brings points on it to where they were seen.

The displacement d of the vertices minimises ``|L d|^2 + weight |P d - r|^2``: L is the mesh's Laplacian, so that the
mesh bends as a thin plate does, P reads the points off it, r is what is missing there. It is linear in r, so that one
matrix serves all faces.

References
----------
Botsch and Sorkine, 2008. On linear variational surface deformation methods.
"""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

# Of a point against the plate, for a mesh of one vertex: a bend's energy falls with the square of the edges' length.
# The greater, the nearer the mesh comes to the points, and the more it bends between them.
WEIGHT = 100.0
# Pulls the displacement of what no point holds, such as an ear, to zero.
REST = 1e-6


def correction_matrix(
    triangles: NDArray[np.integer], count: int, vertices: NDArray[np.integer], weights: NDArray
) -> NDArray[np.float32]:
    """Make the matrix from what is missing at points on a mesh to the displacement of its vertices.

    Parameters
    ----------
    triangles : (F, 3) int
    count : int
        Vertices of the mesh, V.
    vertices : (K, 3) int
        Of the triangle that each point lies in.
    weights : (K, 3) float
        Barycentric weights in it.

    Returns
    -------
    (V, K) float32
        ``vertices + matrix @ missing``, both in any one frame.
    """
    start, end = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).T
    ones = np.ones(len(start))
    joined = scipy.sparse.coo_array((ones, (start, end)), shape=(count, count)).tocsr()
    joined = ((joined + joined.T) > 0).astype(np.float64)
    degrees = np.asarray(joined.sum(axis=1)).ravel()
    laplacian = scipy.sparse.diags_array(np.ones(count)) - scipy.sparse.diags_array(1 / np.maximum(degrees, 1)) @ joined
    rows = np.repeat(np.arange(len(vertices)), 3)
    points = scipy.sparse.coo_array(
        (np.ravel(weights), (rows, np.ravel(vertices))), shape=(len(vertices), count)
    ).tocsc()
    bending = laplacian.T @ laplacian + REST * scipy.sparse.eye_array(count)
    weight = WEIGHT / count
    system = (bending + weight * points.T @ points).tocsc()
    factors = scipy.sparse.linalg.splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    solved = factors.solve(weight * points.T.toarray())
    return solved.astype(np.float32)
