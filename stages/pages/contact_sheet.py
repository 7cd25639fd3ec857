"""Drawings of a test sample that a person must see to judge a variant, and a sheet of them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.rendering import overlay
from pipeline.face.similarity import apply_similarity
from pipeline.store.arrays import Image
from pipeline.uv.surface import Surface, read_points
from stages.project.samples import Truth

TILE = 240
CAPTION_HEIGHT = 24
TILE_NAMES = (
    "photo and crop",
    "crop with landmarks",
    "true map",
    "predicted map",
    "true mesh",
    "predicted mesh",
)
TRUE_COLOUR, PREDICTED_COLOUR, OUTLINE_COLOUR = (40, 220, 60), (255, 60, 40), (255, 220, 0)
MESH_OPACITY = 0.8
DIMMED = 0.35


def draw_strip(
    photo: Image, sample: Truth, position_map: NDArray, similarity: NDArray[np.float64], surface: Surface
) -> Image:
    """Draw one sample as a row of tiles, see `TILE_NAMES`.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        The raw photo, RGB.
    sample : Truth
    position_map, similarity : (S, S, 3) float and (3, 3) float
        The prediction, and its way from raw photo pixels to aligned pixels.
    surface : Surface

    Returns
    -------
    (TILE, 6 * TILE, 3) uint8
    """
    predicted = read_points(position_map, similarity, surface)
    true = read_points(sample.position_map, sample.similarity, surface)
    outline = crop_outline(sample)
    tiles = [
        photo_tile(photo, outline),
        crop_tile(sample, predicted.landmarks),
        map_tile(sample.position_map, surface.face_mask),
        map_tile(position_map, surface.face_mask),
        mesh_tile(photo, outline, true.vertices, surface.triangles),
        mesh_tile(photo, outline, predicted.vertices, surface.triangles),
    ]
    return np.concatenate(tiles, axis=1)


def crop_outline(sample: Truth) -> NDArray[np.float64]:
    """Corners (4, 2) of a sample's crop in the raw photo, from the upper left one clockwise."""
    size = len(sample.image)
    corners = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5, size - 0.5], [-0.5, size - 0.5]])
    return apply_similarity(np.linalg.inv(sample.similarity), corners)


def photo_tile(photo: Image, outline: NDArray) -> Image:
    """Draw the whole photo with the outline of the crop; its upper side is drawn thick."""
    scale = TILE / max(photo.shape[:2])
    tile = _window(photo, scale, np.zeros(2))
    corners = _place(outline, scale, np.zeros(2))
    cv2.polylines(tile, [np.rint(corners).astype(np.int32)], True, OUTLINE_COLOUR, 1, cv2.LINE_AA)
    top = np.rint(corners[:2]).astype(int).tolist()
    cv2.line(tile, top[0], top[1], OUTLINE_COLOUR, 3, cv2.LINE_AA)
    return tile


def crop_tile(sample: Truth, landmarks: NDArray) -> Image:
    """Draw the levelled crop with true and predicted landmarks."""
    scale = TILE / len(sample.image)
    tile = _window(sample.image, scale, np.zeros(2))
    for points, colour in ((sample.landmarks, TRUE_COLOUR), (landmarks, PREDICTED_COLOUR)):
        for x, y in _place(apply_similarity(sample.similarity, points)[:, :2], scale, np.zeros(2)):
            cv2.circle(tile, _subpixel(x, y), 24, colour, -1, cv2.LINE_AA, shift=4)
    return tile


def map_tile(position_map: NDArray, face_mask: NDArray[np.bool_]) -> Image:
    """Show a position map as a picture: x, y, z as red, green, blue, z from its mean over the face.

    Texels beyond the face are dimmed: nothing teaches a network these.
    """
    size = len(face_mask)
    values = np.array(position_map, np.float64) / size
    values[..., 2] += 0.5 - values[face_mask, 2].mean()
    values[~face_mask] *= DIMMED
    image = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def photo_window(photo: Image, outline: NDArray) -> Image:
    """Cut the part of the raw photo round its crop, in the photo's own orientation."""
    return _window(photo, *_place_of(outline))


def mesh_tile(
    photo: Image, outline: NDArray, vertices: NDArray, triangles: NDArray, opacity: float = MESH_OPACITY
) -> Image:
    """Draw a mesh over the part of the raw photo round its crop, in the photo's own orientation."""
    scale, low = _place_of(outline)
    tile = _window(photo, scale, low)
    moved = np.concatenate([_place(vertices[:, :2], scale, low), scale * vertices[:, 2:]], axis=1)
    return overlay(tile, moved, triangles, opacity)


def contact_sheet(strips: list[tuple[str, Image]]) -> Image:
    """Put captioned strips below each other, under the names of their tiles."""
    width = TILE * len(TILE_NAMES)
    rows = [_bar(width, {index * TILE: name for index, name in enumerate(TILE_NAMES)})]
    for text, strip in strips:
        rows += [_bar(width, {0: text}), strip]
    return np.concatenate(rows)


def _bar(width: int, texts: dict[int, str]) -> Image:
    """White line of text with each text at its column."""
    bar = np.full((CAPTION_HEIGHT, width, 3), 255, np.uint8)
    for x, text in texts.items():
        cv2.putText(bar, text, (x + 6, CAPTION_HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return bar


def _place_of(outline: NDArray) -> tuple[float, NDArray]:
    """Scale and upper left corner of the tile that holds a crop's outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    return TILE / float((high - low).max()), low


def _window(photo: Image, scale: float, corner: NDArray) -> Image:
    """Square window of a photo, TILE pixels wide, from the corner (x, y); black beyond the photo."""
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = _place(np.zeros(2), scale, corner)
    return np.ascontiguousarray(cv2.warpAffine(photo, matrix, (TILE, TILE))).astype(np.uint8)


def _place(points: NDArray, scale: float, corner: NDArray) -> NDArray[np.float64]:
    """Photo pixels to tile pixels; both have pixel centres at integers."""
    return scale * (points - corner + 0.5) - 0.5


def _subpixel(x: float, y: float) -> tuple[int, int]:
    """OpenCV's fixed point of 4 bits; a wild prediction stays within its range of integers."""
    limit = 16 * 10_000
    return int(np.clip(round(x * 16), -limit, limit)), int(np.clip(round(y * 16), -limit, limit))
