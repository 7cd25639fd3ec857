"""Tutte embedding of the face mesh into the unit square, with Laplace (uniform) weights.

Tutte's theorem: with positive weights and a convex boundary every triangle keeps its orientation, so that no two
triangles overlap and the position map is a fixed linear function of the vertices.

References
----------
W. T. Tutte, "How to draw a graph", Proc. London Math. Soc., 1963; thesis, section 3.2.1.
"""

import dataclasses

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from ..store.arrays import Array

Indices = NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A closed mesh laid out in the unit square.

    Attributes
    ----------
    uv : (V + H, 2) float64
        Column 0 grows to the right (to the subject's left), column 1 downwards; the H last rows are the virtual
        centres that close the holes.
    triangles : (F + G, 3) int32
        The mesh's triangles, then those that join each hole's rim to its centre.
    holes : list of (n,) int32
        Rim of each hole, in order.
    """

    uv: Array
    triangles: Indices
    holes: list[Indices]


def boundary_loops(triangles: Indices) -> list[Indices]:
    """Find the closed loops of edges that have a triangle on one side only.

    Parameters
    ----------
    triangles : (F, 3) int32
        Consistently wound.

    Returns
    -------
    list of (n,) int32
        Vertices of each loop along the directed boundary edges, the longest loop first.

    Raises
    ------
    ValueError
        If the mesh has no boundary, or one that touches itself.
    """
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.int64)
    count = int(edges.max()) + 1
    codes, reverse = edges @ [count, 1], edges @ [1, count]
    rim = edges[~np.isin(codes, reverse)]
    if not len(rim):
        raise ValueError("The mesh is closed; an embedding in the square needs an outer boundary.")
    following = dict(rim.tolist())
    if len(following) != len(rim):
        raise ValueError("The boundary of the mesh touches itself; each boundary vertex must have one next vertex.")
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (vertex := following.pop(loop[-1])) != start:
            loop.append(vertex)
        loops.append(np.array(loop, np.int32))
    return sorted(loops, key=lambda loop: -len(loop))


def square_boundary(vertices: NDArray, loop: Indices) -> Array:
    """Place the outer boundary on the square, by arc length on each of its sides.

    Parameters
    ----------
    vertices : (V, 3) float
        Model frame.
    loop : (n,) int32
        Outer boundary. Its highest and lowest crossing of the midline x = 0 become the middle of the top and the bottom
        side; the corners are the vertices nearest to a quarter and to three quarters of the way between them, so that
        a mirror-symmetric mesh gets mirror-symmetric corners.

    Returns
    -------
    (n, 2) float64
        In the order of `loop`.

    Raises
    ------
    ValueError
        If the boundary does not cross the midline.
    """
    points = vertices[loop].astype(np.float64)
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    length = steps.sum()
    arc = np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    top, bottom = _midline_crossings(points, arc, steps)
    one_way, other_way = (bottom - top) % length, (top - bottom) % length
    corners = [top + one_way / 4, top + 3 * one_way / 4, bottom + other_way / 4, bottom + 3 * other_way / 4]
    indices = [int(np.argmin(np.abs((arc - corner + length / 2) % length - length / 2))) for corner in corners]
    # Walking from the top towards the subject's left passes top right, bottom right, bottom left, top left.
    square = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    if points[indices[0], 0] < 0:
        square = square[[3, 2, 1, 0]]
    uv = np.zeros((len(loop), 2))
    for side in range(4):
        first, last = indices[side], indices[(side + 1) % 4]
        members = np.arange(first, last if last > first else last + len(loop)) % len(loop)
        share = ((arc[members] - arc[first]) % length) / ((arc[last] - arc[first]) % length)
        uv[members] = square[side] + share[:, None] * (square[(side + 1) % 4] - square[side])
    return uv


def embed(vertices: NDArray, triangles: Indices) -> Embedding:
    """Embed a mesh with one outer boundary in the unit square; inner holes are closed with a virtual vertex each.

    Parameters
    ----------
    vertices : (V, 3) float
        Model frame; only the outer boundary's arc lengths and the side of the midline come from it.
    triangles : (F, 3) int32
        One connected component, consistently wound.

    Returns
    -------
    Embedding

    Raises
    ------
    ValueError
        If a vertex is in no triangle, or a triangle comes out flipped.
    """
    outer, closed, holes = close_holes(len(vertices), triangles)
    count = len(vertices) + len(holes)
    uv = np.zeros((count, 2))
    uv[outer] = square_boundary(vertices, outer)
    inner = np.setdiff1d(np.arange(count), outer)
    laplacian = _uniform_laplacian(closed, count)
    rows = laplacian[inner]
    uv[inner] = scipy.sparse.linalg.splu(rows[:, inner].tocsc()).solve(-(rows[:, outer] @ uv[outer]))
    embedding = Embedding(uv, closed, holes)
    flipped = count_flipped(embedding)
    if flipped:
        raise ValueError(f"{flipped} triangles are flipped in the embedding; the mesh is no disk with convex boundary.")
    return embedding


def from_table(table: NDArray, triangles: Indices) -> Embedding:
    """Take the places of the vertices from a published table, such as ``BFM_UV.mat``, which has flipped triangles.

    Parameters
    ----------
    table : (V, 2) float
        u to the right and v **up**, both in [0, 1], as face3d and PRNet read it.
    triangles : (F, 3) int32

    Returns
    -------
    Embedding
        Its holes closed with a virtual vertex each, in the middle of its rim; a triangle to it may be flipped too.

    Raises
    ------
    ValueError
        If a vertex is in no triangle.
    """
    _, closed, holes = close_holes(len(table), triangles)
    uv = np.stack([table[:, 0], 1.0 - table[:, 1]], axis=1).astype(np.float64)
    return Embedding(np.concatenate([uv, *(uv[hole].mean(axis=0)[None] for hole in holes)]), closed, holes)


def close_holes(vertices: int, triangles: Indices) -> tuple[Indices, Indices, list[Indices]]:
    """Close the holes of a mesh with a virtual vertex each; returns outer boundary, closed triangles, and the rims.

    Raises
    ------
    ValueError
        If a vertex is in no triangle, or the boundary is none or touches itself.
    """
    outer, *holes = boundary_loops(triangles)
    closed = _close(triangles, holes, vertices)
    if len(np.unique(closed)) != vertices + len(holes):
        raise ValueError("The mesh has vertices that are in no triangle; remove them first.")
    return outer, closed, holes


def count_flipped(embedding: Embedding) -> int:
    """Count triangles that are turned over or have no area in the embedding."""
    corners = embedding.uv[embedding.triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # v grows downwards, which turns the mesh's counter-clockwise triangles clockwise.
    areas = first[:, 1] * second[:, 0] - first[:, 0] * second[:, 1]
    return int((areas <= 0).sum())


def _midline_crossings(points: Array, arc: Array, steps: Array) -> tuple[float, float]:
    """Arc lengths at which the boundary crosses x = 0 highest and lowest."""
    following = np.roll(points, -1, axis=0)
    crossing = np.flatnonzero((points[:, 0] <= 0) != (following[:, 0] <= 0))
    if len(crossing) < 2:
        raise ValueError("The outer boundary of the mesh does not cross the midline x = 0; is the model centred?")
    share = points[crossing, 0] / (points[crossing, 0] - following[crossing, 0])
    height = points[crossing, 1] + share * (following[crossing, 1] - points[crossing, 1])
    position = arc[crossing] + share * steps[crossing]
    return float(position[height.argmax()]), float(position[height.argmin()])


def _close(triangles: Indices, holes: list[Indices], vertices: int) -> Indices:
    """Join each hole's rim to a new centre vertex; rims run along the mesh's edges, so the fan runs against them."""
    fans = [
        np.stack([np.roll(hole, -1), hole, np.full_like(hole, vertices + number)], axis=1)
        for number, hole in enumerate(holes)
    ]
    return np.concatenate([triangles, *fans]).astype(np.int32)


def _uniform_laplacian(triangles: Indices, count: int) -> scipy.sparse.csr_array:
    """Graph Laplacian with weight 1 for each edge."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    adjacency = scipy.sparse.coo_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count)).tocsr()
    adjacency.data[:] = 1.0
    degrees = scipy.sparse.diags_array(adjacency.sum(axis=1))
    return (degrees - adjacency).tocsr()
