"""What a person sees of one reconstructed face: points, mesh and box over the photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.head_pose import BOX_EDGES
from ..face.rendering import lay_over, shade, shade_of
from ..store.arrays import Image

POINT_COLOUR, BOX_COLOUR, FRONT_COLOUR = (255, 60, 40), (255, 220, 0), (40, 220, 60)
MESH_OPACITY = 0.75
# Of what is drawn fast: the side in px that a mesh is drawn at, at most, and then enlarged; OpenCV takes fixed-point
# coordinates with so many bits of fraction.
FAST_SIDE, FAST_OPACITY, FRACTION_BITS = 128, 0.6, 4
OUTSIDE_GREY = 40
# Edges of the box whose two corners lie on the face's side, that of the larger z in the model frame.
FRONT_EDGES = [edge for edge in BOX_EDGES if all(corner % 2 for corner in edge)]


def draw_face(
    photo: Image, vertices: NDArray, triangles: NDArray, seen: tuple[NDArray, NDArray], landmarks: NDArray
) -> Image:
    """Draw the dense mesh and the 68 landmarks over a photo.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    vertices : (V, 3) float
        Pixels of the photo.
    triangles : (F, 3) int
    seen : (H, W) int32 and (H, W, 3) float32
        What `rasterize` makes of them.
    landmarks : (68, >=2) float
        Pixels of the photo.

    Returns
    -------
    (H, W, 3) uint8
        A copy.
    """
    image = lay_over(photo, *shade_of(vertices, triangles, *seen), MESH_OPACITY)
    radius = max(1, round(float(np.ptp(landmarks[:, :2], axis=0).mean()) / 90))
    for x, y in np.rint(landmarks[:, :2]).astype(int).tolist():
        cv2.circle(image, (x, y), radius, POINT_COLOUR, -1, cv2.LINE_AA)
    return image


def draw_fast(photo: Image, vertices: NDArray, triangles: NDArray, landmarks: NDArray) -> Image:
    """Draw a mesh of some thousand triangles and the 68 landmarks over a frame of a video in some milliseconds.

    What each pixel sees is found out on a smaller picture, since a matte surface changes little from pixel to pixel.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    vertices : (V, 3) float
        Pixels of the photo.
    triangles : (F, 3) int
    landmarks : (68, >=2) float
        Pixels of the photo.

    Returns
    -------
    (H, W, 3) uint8
        A copy.
    """
    low = np.clip(np.floor(vertices[:, :2].min(axis=0)).astype(int), 0, None)
    high = np.minimum(np.ceil(vertices[:, :2].max(axis=0)).astype(int) + 1, photo.shape[1::-1])
    image = photo.copy()
    if (high > low).all():
        width, height = (high - low).tolist()
        scale = min(1.0, FAST_SIDE / max(width, height))
        small = scale * (vertices - [*low, 0])
        grey, mask = shade(small, triangles, round(scale * height) + 1, round(scale * width) + 1)
        # Beyond the mesh it is black, so that both grow alike.
        layer = np.dstack([np.where(mask, grey[..., 0], 0), 255 * mask]).astype(np.uint8)
        larger = cv2.warpAffine(layer, np.array([[1 / scale, 0, 0], [0, 1 / scale, 0]]), (width, height))
        part = image[low[1] : high[1], low[0] : high[0]]
        shown = 1 - larger[..., 1:] * np.float32(FAST_OPACITY / 255)
        part[:] = np.rint(part * shown + larger[..., :1] * np.float32(FAST_OPACITY))
    radius = max(1, round(float(np.ptp(landmarks[:, :2], axis=0).mean()) / 90))
    for centre in np.rint(landmarks[:, :2] * (1 << FRACTION_BITS)).astype(int).tolist():
        cv2.circle(image, centre, radius << FRACTION_BITS, POINT_COLOUR, -1, cv2.LINE_AA, FRACTION_BITS)
    return image


def around(vertices: NDArray, photo: Image, margin: float) -> tuple[slice, slice]:
    """Rows and columns of a square about a face (V, 3), `margin` times its longer side beyond it, cut by the photo."""
    low, high = vertices[:, :2].min(axis=0), vertices[:, :2].max(axis=0)
    half = (0.5 + margin) * (high - low).max()
    left, top = np.floor(np.maximum((low + high) / 2 - half, 0)).astype(int)
    right, bottom = np.ceil((low + high) / 2 + half).astype(int) + 1
    return slice(min(top, len(photo) - 1), max(bottom, 1)), slice(min(left, photo.shape[1] - 1), max(right, 1))


def draw_head_box(photo: Image, corners: NDArray) -> Image:
    """Draw the box of a head's pose (thesis, Figure of section 1.3.2) on a copy; the side of the face is green.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    corners : (8, 3) float
        As `pipeline.face.head_pose.head_box` gives them.

    Returns
    -------
    (H, W, 3) uint8
    """
    image = photo.copy()
    width = max(1, round(float(np.ptp(corners[:, :2], axis=0).mean()) / 120))
    places = np.rint(corners[:, :2]).astype(int).tolist()
    for edges, colour in ((BOX_EDGES, BOX_COLOUR), (FRONT_EDGES, FRONT_COLOUR)):
        for start, end in edges:
            cv2.line(image, places[start], places[end], colour, width, cv2.LINE_AA)
    return image


def colour_depth(depth: NDArray[np.float32]) -> Image:
    """Show a depth (H, W), NaN outside, from violet at 0 to yellow at its largest; grey outside."""
    inside = np.isfinite(depth)
    steps = np.zeros(depth.shape, np.uint8)
    steps[inside] = np.rint(255 * depth[inside] / max(float(np.nanmax(depth, initial=0.0)), 1e-6))
    colours = cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    return np.where(inside[..., None], colours, OUTSIDE_GREY).astype(np.uint8)


def mark_hidden(texture: Image, visible: NDArray[np.bool_], face_mask: NDArray[np.bool_]) -> Image:
    """Hatch the texels (S, S) of the face that the photo does not show, and blacken those beyond the face."""
    place = np.arange(len(texture))
    hatched = (90 + 60 * (np.add.outer(place, place) // 6 % 2)).astype(np.uint8)
    marked = cv2.cvtColor(hatched * face_mask, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.copyTo(texture, (visible & face_mask).view(np.uint8), marked), np.uint8)


def map_picture(position_map: NDArray, face_mask: NDArray[np.bool_]) -> Image:
    """Show a position map (S, S, 3) as red, green and blue; z from its least over the face, black beyond it."""
    values = np.array(position_map, np.float64) / len(position_map)
    values[..., 2] -= values[face_mask, 2].min()
    return np.where(face_mask[..., None], np.rint(255 * np.clip(values, 0, 1)), 0).astype(np.uint8)


def shrink_to(picture: Image, side: int) -> tuple[Image, float]:
    """Make a picture smaller whose longer side is above `side` px; also returns by which factor."""
    factor = min(side / max(picture.shape[:2]), 1.0)
    if factor < 1:
        smaller = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        picture = np.asarray(smaller, np.uint8)
    return picture, factor
