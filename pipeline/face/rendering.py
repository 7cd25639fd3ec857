"""Z-buffer views of a mesh: which triangle a pixel sees, depth, shaded pictures, mesh over photo.

Everything is in the pixel frame: x right, y **down**, z towards the viewer, pixel centres at integers.

Winding: a model's triangles run counter-clockwise seen from outside in the y-up model frame. The step to y-down pixels
is a mirror, which turns the cross product of a triangle's edges inwards; normals here carry the minus sign that points
them outwards again. What a pixel sees is decided by depth alone, so a mesh that is wound otherwise is drawn too.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..store.arrays import Floats

GREY = (190.0, 190.0, 195.0)
HEADLIGHT = (-0.35, -0.55, 1.0)
AMBIENT = 0.3
# A portion's arrays lie in the processor's cache. A wild mesh has huge triangles: one alone takes 100 bytes a pixel.
CANDIDATES_AT_ONCE = 50_000


def rasterize(
    vertices: Floats, triangles: NDArray[np.integer], height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the triangle that each pixel centre sees.

    A pixel centre on an edge is inside, so triangles that share an edge leave no hole; among triangles at the same
    depth the one of the lowest index is seen. Triangles without area in the picture are not seen.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame.
    triangles : (F, 3) int
    height, width : int

    Returns
    -------
    triangle_ids : (height, width) int32
        Index of the nearest triangle (largest z), -1 where there is none.
    weights : (height, width, 3) float32
        Barycentric weights of the triangle's corners at the pixel centre, 0 where there is none.

    Raises
    ------
    ValueError
        If a vertex is not finite.
    """
    vertices = np.asarray(vertices, np.float64)
    if not np.isfinite(vertices).all():
        raise ValueError("The mesh has vertices that are not finite: it cannot be drawn.")
    nearest = np.full(height * width, -np.inf)
    ids = np.full(height * width, -1, np.int32)
    weights = np.zeros((height * width, 3), np.float32)
    corners = _corners(vertices, triangles)
    for portion, within, x, y in _candidates(corners, height, width):
        edges = _edges(np.take(corners[:2], portion, axis=2), np.take(triangles, portion, axis=0))
        areas = [a[within] * x + b[within] * y + c[within] for a, b, c in edges]
        total = areas[0] + areas[1] + areas[2]
        sign = np.sign(total)
        inside = np.flatnonzero((total != 0) & np.logical_and.reduce([area * sign >= 0 for area in areas]))
        triangle, pixel = portion[within[inside]], (y * width + x)[inside]
        shares = [area[inside] / total[inside] for area in areas]
        z = sum(share * corners[2, k, triangle] for k, share in enumerate(shares))
        before = nearest[pixel]
        np.maximum.at(nearest, pixel, z)
        front = np.flatnonzero((z == nearest[pixel]) & (z > before))
        pixel, first = np.unique(pixel[front], return_index=True)  # candidates come in the order of their triangles
        seen = front[first]
        ids[pixel], weights[pixel] = triangle[seen], np.stack([share[seen] for share in shares], axis=1)
    return ids.reshape(height, width), weights.reshape(height, width, 3)


def _corners(vertices: Floats, triangles: NDArray[np.integer]) -> Floats:
    """Coordinates (3, 3, F): x, y, z of each corner of each triangle, which are faster read by columns than by rows."""
    return np.take(np.ascontiguousarray(vertices.T), triangles.T, axis=1)


def _edges(corners: Floats, triangles: NDArray[np.integer]) -> list[tuple[Floats, Floats, Floats]]:
    """Coefficients (a, b, c), each (F,), of twice the signed area ``a x + b y + c`` that a pixel spans with each edge.

    Both triangles at an edge compute it from the same end, so their values are exactly opposite.
    """
    edges = []
    for k in range(3):
        (start_x, start_y), (end_x, end_y) = corners[:, k - 2], corners[:, k - 1]
        a, b = start_y - end_y, end_x - start_x
        forward = triangles[:, k - 2] < triangles[:, k - 1]
        edges.append((a, b, -(a * np.where(forward, start_x, end_x) + b * np.where(forward, start_y, end_y))))
    return edges


def _candidates(
    corners: Floats, height: int, width: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """List the pixels of the triangles' boxes in portions of a bounded size.

    Yields
    ------
    portion : (P,) int64
        Indices of triangles.
    within, x, y : (N,) int64
        Of each pixel its triangle's place in the portion, and where it lies.
    """
    left, columns = _range_inside(corners[0], width)
    top, rows = _range_inside(corners[1], height)
    counts = rows * columns
    drawn = np.flatnonzero(counts)
    portions = np.cumsum(counts[drawn]) // CANDIDATES_AT_ONCE
    for portion in np.split(drawn, np.flatnonzero(np.diff(portions)) + 1):
        count = counts[portion]
        within = np.repeat(np.arange(len(portion)), count)
        number = np.arange(len(within)) - np.repeat(np.cumsum(count) - count, count)
        row, column = np.divmod(number, columns[portion][within])
        yield portion, within, left[portion][within] + column, top[portion][within] + row


def _range_inside(corners: Floats, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First pixel and number of pixels between each triangle's least and greatest coordinate (3, F)."""
    first = np.clip(np.ceil(np.minimum.reduce(corners)), 0, size).astype(np.int64)
    last = np.clip(np.floor(np.maximum.reduce(corners)), -1, size - 1).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)


def interpolate(
    attributes: Floats, triangles: NDArray[np.integer], triangle_ids: NDArray[np.integer], weights: Floats
) -> NDArray[np.float32]:
    """Carry the vertices' attributes to the pixels that see them.

    Parameters
    ----------
    attributes : (V, C) float
    triangles : (F, 3) int
    triangle_ids : (H, W) int
        From `rasterize`.
    weights : (H, W, 3) float
        From `rasterize`.

    Returns
    -------
    (H, W, C) float32
        0 where no triangle is seen.
    """
    image = np.zeros((*triangle_ids.shape, attributes.shape[1]), np.float32)
    seen, corners, shares = _seen(triangles, triangle_ids, weights)
    image.reshape(-1, attributes.shape[1])[seen] = _carry(attributes, corners, shares).T
    return image


def _seen(
    triangles: NDArray[np.integer], triangle_ids: NDArray[np.integer], weights: Floats
) -> tuple[NDArray[np.int64], NDArray[np.integer], Floats]:
    """Pixels (N,) that see a mesh, in the order of their rows, the vertices (3, N) there and their weights (3, N).

    By columns, and by numbers of pixels instead of a mask, all that follows takes a third of the time.
    """
    seen = np.flatnonzero(triangle_ids >= 0)
    corners = np.take(triangles, np.take(triangle_ids, seen), axis=0)
    shares = np.take(weights.reshape(-1, 3), seen, axis=0)
    return seen, np.ascontiguousarray(corners.T), np.ascontiguousarray(shares.T)


def _carry(attributes: Floats, corners: NDArray[np.integer], shares: Floats) -> NDArray[np.float32]:
    """Attributes (C, N) of places in triangles, of vertices that have (V, C); the others are (3, N)."""
    carried = np.zeros((attributes.shape[1], corners.shape[1]), np.float32)
    shares = shares.astype(np.result_type(attributes, shares))
    for row, column in zip(carried, np.ascontiguousarray(attributes.T), strict=True):
        row[:] = sum(share * np.take(column, corner) for share, corner in zip(shares, corners, strict=True))
    return carried


def vertex_normals(vertices: Floats, triangles: NDArray[np.integer]) -> Floats:
    """Outward unit normals of a mesh in the pixel frame, averaged over triangles by area.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame.
    triangles : (F, 3) int
        Counter-clockwise seen from outside in the y-up model frame.

    Returns
    -------
    (V, 3) float64
        Pixel frame; 0 for a vertex without a triangle of positive area.
    """
    first, second, third = _corners(np.asarray(vertices, np.float64), triangles).transpose(1, 0, 2)
    (ax, ay, az), (bx, by, bz) = second - first, third - first
    inward = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    index = triangles.T.ravel()
    normals = np.stack([np.bincount(index, np.tile(-axis, 3), len(vertices)) for axis in inward])
    length = np.sqrt((normals**2).sum(axis=0))
    return np.ascontiguousarray((normals / np.where(length > 0, length, 1)).T)


def depth(vertices: Floats, triangles: NDArray[np.integer], height: int, width: int) -> NDArray[np.float32]:
    """Depth picture of a mesh.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame.
    triangles : (F, 3) int
    height, width : int

    Returns
    -------
    (height, width) float32
        z of the nearest surface in pixels, NaN outside.
    """
    return depth_of(vertices, triangles, *rasterize(vertices, triangles, height, width))


def depth_of(vertices: Floats, triangles: NDArray[np.integer], ids: NDArray, weights: NDArray) -> NDArray[np.float32]:
    """`depth` of a mesh whose pixels, `ids` and `weights`, `rasterize` has found."""
    z = interpolate(vertices[:, 2:], triangles, ids, weights)[..., 0]
    return np.where(ids >= 0, z, np.float32(np.nan))


def shade(
    vertices: Floats,
    triangles: NDArray[np.integer],
    height: int,
    width: int,
    colour: ArrayLike | None = None,
    light: Sequence[float] = HEADLIGHT,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a mesh as a matte surface under one distant light.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame.
    triangles : (F, 3) int
    height, width : int
    colour : (3,) or (V, 3) array_like, optional
        RGB in 0..255, for all or for each vertex; grey if left out.
    light : (3,) float
        Direction from the mesh to the light, pixel frame.

    Returns
    -------
    image : (height, width, 3) uint8
        RGB, white outside. A side seen from its back is lit as if it were the front.
    mask : (height, width) bool
        Where the mesh is.
    """
    return shade_of(vertices, triangles, *rasterize(vertices, triangles, height, width), colour, light)


def shade_of(
    vertices: Floats,
    triangles: NDArray[np.integer],
    ids: NDArray[np.int32],
    weights: NDArray[np.float32],
    colour: ArrayLike | None = None,
    light: Sequence[float] = HEADLIGHT,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """`shade` a mesh whose pixels, `ids` and `weights`, `rasterize` has found."""
    seen, corners, shares = _seen(triangles, ids, weights)
    normals = _carry(vertex_normals(vertices, triangles), corners, shares)
    normals *= np.where(np.take(facing_viewer(vertices, triangles), np.take(ids, seen)), 1, -1)
    colours = np.broadcast_to(np.asarray(GREY if colour is None else colour, np.float64), (len(vertices), 3))
    painted = _carry(colours, corners, shares) * diffuse(normals.T, light)
    image = np.full((*ids.shape, 3), 255, np.uint8)
    image.reshape(-1, 3)[seen] = np.clip(np.rint(painted), 0, 255).astype(np.uint8).T
    return image, ids >= 0


def diffuse(normals: Floats, light: Sequence[float], ambient: float = AMBIENT) -> Floats:
    """Lambert's brightness in 0..1 of surfaces with the given normals (..., 3), not necessarily of unit length."""
    direction = np.asarray(light, np.float64) / np.linalg.norm(light)
    length = np.linalg.norm(normals, axis=-1)
    cosine = normals @ direction / np.where(length > 0, length, 1)
    return ambient + (1 - ambient) * np.clip(cosine, 0, 1)


def facing_viewer(vertices: Floats, triangles: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell the triangles (F,) whose outside faces the viewer; the others can be left out of a closed mesh's picture.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame.
    triangles : (F, 3) int
        Counter-clockwise seen from outside in the y-up model frame.
    """
    a, b, c = (vertices[triangles[:, k], :2] for k in range(3))
    first, second = b - a, c - a
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0


def overlay(
    photo: NDArray[np.uint8], vertices: Floats, triangles: NDArray[np.integer], opacity: float
) -> NDArray[np.uint8]:
    """Draw a mesh over a photo.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    vertices : (V, 3) float
        Pixel frame of the photo.
    triangles : (F, 3) int
    opacity : float
        0 leaves the photo, 1 hides what the mesh covers.

    Returns
    -------
    (H, W, 3) uint8
    """
    return lay_over(photo, *shade(vertices, triangles, *photo.shape[:2]), opacity)


def lay_over(
    photo: NDArray[np.uint8], image: NDArray[np.uint8], mask: NDArray[np.bool_], opacity: float
) -> NDArray[np.uint8]:
    """Lay the masked part of an image over a photo of its size, see `overlay`."""
    result, seen = photo.copy(), np.flatnonzero(mask)
    under, over = (np.take(picture.reshape(-1, 3), seen, axis=0) for picture in (photo, image))
    result.reshape(-1, 3)[seen] = np.rint((1 - opacity) * under + opacity * over).astype(np.uint8)
    return result
