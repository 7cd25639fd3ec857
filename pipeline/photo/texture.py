"""A face's colours in UV, taken from its photo: which texels the photo shows, and the others by symmetry."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.rendering import depth_of, rasterize, vertex_normals

# A surface seen more from the side than this cosine has too few pixels for its texels.
LEAST_FACING = 0.15
# A point this far behind the nearest surface, in sides of the face's box, is hidden: the mesh is not finer than that.
HIDDEN_DEPTH = 0.02
# Side in px of the picture of a mesh that shows what hides what. Four times as many take three times as long, and of
# 57 faces the share of vertices that is seen differs by 0.005 at most.
VISIBLE_SIDE = 96
# Width in texels, of 256, over which filled parts run into seen ones.
SEAM = 4


def visible_vertices(vertices: NDArray, triangles: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell which vertices a photo shows, by a z-buffer of the mesh.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame. The mesh hides itself only, and may reach beyond the photo.
    triangles : (F, 3) int

    Returns
    -------
    (V,) bool
        True where the outside faces the viewer and no part of the mesh lies before it.
    """
    x, y, z = columns = np.array(np.transpose(vertices), np.float64, order="C")
    columns *= min(1.0, VISIBLE_SIDE / max(float(np.ptp(x)), float(np.ptp(y)), 1e-9))
    columns[:2] -= np.floor([[x.min()], [y.min()]]) - 1
    ids, weights = rasterize(columns.T, triangles, *(math.ceil(axis.max()) + 2 for axis in (y, x)))
    nearest = np.where(ids >= 0, np.einsum("hwk,hwk->hw", z[triangles[ids]], weights), -np.inf)
    # The least of the four pixels round a vertex: at the rim of a nearer part it lies beside it.
    column, row = x.astype(int), y.astype(int)
    hidden_by = np.minimum.reduce([nearest[row + i, column + j] for i in (0, 1) for j in (0, 1)])
    tolerance = HIDDEN_DEPTH * float(np.ptp(x) + np.ptp(y)) / 2
    facing = vertex_normals(columns.T, triangles)[:, 2] > LEAST_FACING
    return facing & (z >= hidden_by - tolerance)


def inside_photo(points: NDArray, height: int, width: int) -> NDArray[np.bool_]:
    """Whether points (..., >=2), in px, lie on a photo: none of what lies beyond its border is seen."""
    column, row = points[..., 0], points[..., 1]
    return (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)


def texture_map(photo: NDArray[np.uint8], position_map: NDArray, size: int) -> NDArray[np.uint8]:
    """Colour of each texel by reading the photo where the position map says that it lies.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    position_map : (S, S, 3) float
        Pixels of the photo.
    size : int
        Side of the texture in texels; positions are read between those of the map.

    Returns
    -------
    (size, size, 3) uint8
        Whatever lies before a hidden texel has its colour: see `visible_vertices`. Black beyond the photo: see
        `inside_photo`.
    """
    x, y, _ = np.moveaxis(enlarge(position_map, size), -1, 0)
    return np.asarray(cv2.remap(photo, x, y, cv2.INTER_LINEAR), np.uint8)


def enlarge(values: NDArray, size: int) -> NDArray[np.float32]:
    """Read a map (S, S, ...) between its texels, corner to corner, on a grid of `size`; float32."""
    if len(values) == size:
        return values.astype(np.float32)
    place = np.linspace(0, len(values) - 1, size).astype(np.float32)
    column, row = np.meshgrid(place, place)
    return np.asarray(cv2.remap(values.astype(np.float32), column, row, cv2.INTER_LINEAR), np.float32)


def vertex_colours(photo: NDArray[np.uint8], vertices: NDArray) -> NDArray[np.uint8]:
    """Colour (V, 3) of the pixel that is nearest to each vertex; beyond the photo, that of its border."""
    column, row = np.rint(vertices[:, :2]).astype(int).T
    return photo[row.clip(0, len(photo) - 1), column.clip(0, photo.shape[1] - 1)]


def fill_by_symmetry(
    texture: NDArray[np.uint8], visible: NDArray[np.bool_], face_mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Fill what a photo hides of a face from the other side of it.

    Parameters
    ----------
    texture : (S, S, 3) uint8
    visible : (S, S) bool
        Texels that the photo shows.
    face_mask : (S, S) bool
        Texels of the face.

    Returns
    -------
    (S, S, 3) uint8
        Hidden texels of the face have the colours of the mirrored column, made as light as the seen side where both
        meet, and run into seen ones over `SEAM` texels of 256. What is hidden on both sides is filled in from around;
        beyond the face it is black.
    """
    size = len(texture)
    known = visible & face_mask
    seam = 2 * max(1, round(SEAM * size / 256)) + 1
    hidden = (face_mask & ~visible).astype(np.uint8)
    clear = cv2.dilate(hidden, np.ones((seam, seam), np.uint8)) == 0
    inner = known & clear
    # The rim of what is seen has colours of what lies behind it: the other side takes none of them.
    mirrored, mirrored_known = texture[:, ::-1].astype(np.float32), inner[:, ::-1]
    # The light comes from one side: the mirrored side is as light as this one where both are seen.
    for half in (slice(0, size // 2), slice(size // 2, size)):
        both = (known & mirrored_known)[:, half]
        if both.any():
            gain = texture[:, half][both].mean(axis=0) / np.maximum(mirrored[:, half][both].mean(axis=0), 1)
            mirrored[:, half] *= np.clip(gain, 0.7, 1.4)
    weight = cv2.blur(clear.astype(np.float32), (seam, seam))[..., None] * known[..., None]
    weight = np.where(mirrored_known[..., None], weight, known[..., None])
    filled = np.clip(np.rint(weight * texture + (1 - weight) * mirrored), 0, 255).astype(np.uint8)
    unknown = face_mask & ~known & ~mirrored_known
    filled = np.asarray(cv2.inpaint(filled, unknown.astype(np.uint8), seam, cv2.INPAINT_TELEA), np.uint8)
    return np.where(face_mask[..., None], filled, 0).astype(np.uint8)


def depth_image(vertices: NDArray, triangles: NDArray, ids: NDArray, weights: NDArray) -> NDArray[np.float32]:
    """Depth (H, W) of a face in its photo: z in px of the nearest surface, from the farthest; NaN outside.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixels of the photo.
    triangles : (F, 3) int
    ids, weights : (H, W) int32 and (H, W, 3) float32
        What `pipeline.face.rendering.rasterize` makes of them.

    Returns
    -------
    (H, W) float32
    """
    z = depth_of(vertices, triangles, ids, weights)
    return z if np.isnan(z).all() else z - np.nanmin(z)


def encode_depth(z: NDArray[np.float32]) -> tuple[NDArray[np.uint16], float]:
    """Depth as a picture: 0 outside, and ``1 + z / step`` within, so that what is nearest is the brightest.

    Parameters
    ----------
    z : (H, W) float32
        From `depth_image`.

    Returns
    -------
    picture : (H, W) uint16
    step : float
        Pixels in a step of the picture.
    """
    step = max(float(np.nanmax(z, initial=0.0)), 1e-6) / 65_534
    inside = np.isfinite(z)
    picture = np.zeros(z.shape, np.uint16)
    picture[inside] = np.rint(1 + z[inside] / step)
    return picture, step
