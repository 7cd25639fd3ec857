"""The detail that shading tells of a reconstructed face: its mesh made finer, and moved along its normals."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ..face.landmarks import LEFT_BROW, LEFT_EYE, NOSTRILS, OUTER_LIPS, RIGHT_BROW, RIGHT_EYE
from ..face.rendering import interpolate, rasterize, vertex_normals
from ..face.subdivision import loop_operator
from ..store.arrays import Array, Image
from ..uv.position_map import sample_map
from ..uv.surface import Surface
from .linear_light import to_light
from .shading import LEAST, Grid, Shading, shape_from_shading
from .texture import inside_photo, visible_vertices

# A mesh is made finer while its edges are longer than so many px, and it has no more vertices than that.
EDGE_PX, MOST_VERTICES = 1.3, 60_000
# Between texels, in px, and the fewest and most in a row.
SPACING_PX, FEWEST, MOST = 1.2, 48, 256
# Where the surface turns away further than the first cosine nothing is read off the photo; from the second on all is.
LEAST_FACING, FACING = 0.2, 0.4
# Over so many sides of the face the photo counts less towards the rim of what is seen, and towards eyes, brows, lips
# and nostrils, which are painted rather than shaded; so much is added to these.
RIM, FEATURE_RIM, FEATURE_MARGIN = 0.03, 0.02, 0.012
FEATURES = (RIGHT_BROW, LEFT_BROW, RIGHT_EYE, LEFT_EYE, OUTER_LIPS, NOSTRILS)


class FineMesh(NamedTuple):
    """A finer mesh: matrix (W, V) of its vertices from those of the coarse one, triangles, and their places in UV."""

    operator: scipy.sparse.csr_array
    triangles: NDArray[np.int64]
    uv: Array


class Detail(NamedTuple):
    """A face with the detail of its photo.

    Attributes
    ----------
    vertices : (W, 3) float64
        Of the finer mesh, moved; px of the photo.
    moved : (S, S, 3) float64
        By how much each texel was moved, px of the photo.
    shading : Shading
    """

    vertices: Array
    moved: Array
    shading: Shading


def levels_for(vertices: NDArray, triangles: NDArray[np.integer]) -> int:
    """How often a mesh in px of a photo is to be cut finer, so that its edges are about as long as a pixel."""
    edges = vertices[triangles] - vertices[np.roll(triangles, 1, axis=1)]
    length, count, levels = float(np.linalg.norm(edges, axis=2).mean()), len(vertices), 0
    while length > EDGE_PX and 4 * count <= MOST_VERTICES:
        length, count, levels = length / 2, 4 * count, levels + 1
    return levels


def refine(surface: Surface, levels: int) -> FineMesh:
    """Cut the triangles of a surface into four so many times, see `loop_operator`; the old vertices come first."""
    operator = scipy.sparse.eye_array(len(surface.vertex_uv), format="csr")
    triangles = surface.triangles
    for _ in range(levels):
        once, finer = loop_operator(triangles, operator.shape[0])
        operator, triangles = scipy.sparse.csr_array(once @ operator), finer.astype(np.int64)
    return FineMesh(operator, triangles, np.asarray(operator @ surface.vertex_uv, np.float64))


def add_detail(
    photo: Image,
    vertices: NDArray,
    surface: Surface,
    fine: FineMesh,
    covered: Callable[[NDArray], NDArray[np.bool_]] | None = None,
) -> Detail:
    """Move a face's mesh along its normals by what the shading of its photo tells.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    vertices : (V, 3) float
        Of the surface, px of the photo.
    surface : Surface
    fine : FineMesh
        Of the same surface.
    covered : callable, optional
        Tells of points (..., 3) in px of the photo which ones something lies before.

    Returns
    -------
    Detail
        Nothing moves where the photo does not show the face.
    """
    size = float(np.ptp(vertices[:, :2], axis=0).mean())
    count = texels_for(vertices, surface)
    grid = make_grid(vertices, surface, photo.shape[:2], count)
    if covered is not None:
        grid = grid._replace(weight=np.where(covered(grid.places), 0, grid.weight))
    # A texel has the mean of the pixels round it.
    light = cv2.GaussianBlur(to_light(photo), (0, 0), SPACING_PX / 2)
    shading = shape_from_shading(light, grid, size)
    smooth = np.asarray(fine.operator @ vertices, np.float64)
    along = sample_map(shading.displacement[..., None], fine.uv)
    moved = shading.displacement[..., None] * grid.normals
    return Detail(smooth + along * vertex_normals(smooth, fine.triangles), moved, shading)


def texels_for(vertices: NDArray, surface: Surface) -> int:
    """Texels in a row that lie about `SPACING_PX` apart in the photo, in the mean over the face."""
    corners = vertices[surface.triangles, :2]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2
    share = max(float(surface.face_mask.mean()), 1e-3)
    return int(np.clip(np.sqrt(area / share) / SPACING_PX, FEWEST, MOST))


def make_grid(vertices: NDArray, surface: Surface, size: tuple[int, int], count: int) -> Grid:
    """Lay texels over a face, and tell how much the photo shows of each.

    Parameters
    ----------
    vertices : (V, 3) float
        Of the surface, px of the photo.
    surface : Surface
    size : (int, int)
        Height and width of the photo in px.
    count : int
        Texels in a row.

    Returns
    -------
    Grid
        Normals are those of the vertices, carried to the texels, so that no triangle shows.
    """
    vertices = np.asarray(vertices, np.float64)
    flat = np.column_stack([surface.vertex_uv * (count - 1), np.zeros(len(vertices))])
    ids, shares = rasterize(flat, surface.triangles, count, count)
    shown = visible_vertices(vertices, surface.triangles).astype(np.float64)
    carried = np.column_stack([vertices, vertex_normals(vertices, surface.triangles), shown])
    texels = interpolate(carried, surface.triangles, ids, shares).astype(np.float64)
    places, normals = texels[..., :3], texels[..., 3:6]
    normals = normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    seen = (ids >= 0) & (texels[..., 6] > 0.99) & (normals[..., 2] > LEAST_FACING) & inside_photo(places, *size)
    seen[[0, -1]] = seen[:, [0, -1]] = False
    facing = np.clip((normals[..., 2] - LEAST_FACING) / (FACING - LEAST_FACING), 0, 1)
    # In sides of the face: its texels are as wide as its height has of them.
    texel = 1 / (count * np.sqrt(max(float(surface.face_mask.mean()), 1e-3)))
    rim = smooth_rise(distance_transform_edt(seen) * texel / RIM)
    features = _features(surface.landmark_uv * (count - 1), round(FEATURE_MARGIN * count), count)
    apart = np.clip(distance_transform_edt(~features) * texel / FEATURE_RIM, LEAST, 1)
    return Grid(places, normals, np.where(seen, np.maximum(facing * rim * apart, LEAST), 0))


def smooth_rise(share: NDArray) -> Array:
    """From 0 at 0 to 1 at 1, without a corner."""
    inside = np.clip(share, 0, 1)
    return np.asarray(inside**2 * (3 - 2 * inside), np.float64)


def _features(landmarks: NDArray, margin: int, count: int) -> NDArray[np.bool_]:
    """Texels (count, count) of what is painted on a face: the hulls of `FEATURES`, and a margin of texels."""
    painted = np.zeros((count, count), np.uint8)
    for feature in FEATURES:
        cv2.fillConvexPoly(painted, cv2.convexHull(np.rint(landmarks[feature]).astype(np.int32)), 1)
    side = 2 * margin + 1
    return np.asarray(cv2.dilate(painted, np.ones((side, side), np.uint8)), np.bool_)
