"""Editing a face by its mesh: swapping faces, and moving a feature (thesis, section 1.3.4)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import CHIN, NOSE_ROOT, OUTER_EYE_CORNERS, REGIONS
from ..face.rendering import interpolate, rasterize
from ..store.arrays import Array, Image
from .texture import inside_photo, visible_vertices

# How far an edit reaches beyond its landmarks, in outer eye distances.
REACH = 0.45
# Share of the face's mean side that the border of a swapped face is away from the mesh's.
BORDER = 0.02


def swap_face(
    source: Image, source_vertices: NDArray, target: Image, target_vertices: NDArray, triangles: NDArray
) -> Image:
    """Put the face of one photo onto that of another.

    Parameters
    ----------
    source : (H, W, 3) uint8
        Photo of whose face it is, RGB.
    source_vertices : (V, 3) float
        Its mesh, in its pixels.
    target : (h, w, 3) uint8
        Photo that gets the face.
    target_vertices : (V, 3) float
        Its mesh, in its pixels; vertices of one number are the same point of a face.
    triangles : (F, 3) int

    Returns
    -------
    (h, w, 3) uint8
        The target, with the source's colours moved by the vertices, matched to the target's in mean and spread, and
        cloned seamlessly (Perez et al. 2003). Parts that the source's photo hides stay the target's.

    Raises
    ------
    ValueError
        If no part of the face is seen in both photos.
    """
    ids, weights = rasterize(np.asarray(target_vertices, np.float64), triangles, *target.shape[:2])
    seen = visible_vertices(source_vertices, triangles).astype(np.float64)
    carried = interpolate(np.column_stack([source_vertices[:, :2], seen]), triangles, ids, weights)
    moved = np.asarray(cv2.remap(source, carried[..., 0], carried[..., 1], cv2.INTER_LINEAR), np.uint8)
    mask = _largest_part((ids >= 0) & (carried[..., 2] > 0.5) & inside_photo(carried, *source.shape[:2]))
    side = float(np.ptp(target_vertices[:, :2], axis=0).mean())
    mask = _shrink(mask, max(1, round(BORDER * side)))
    if not mask.any():
        raise ValueError("The two photos show no part of the face in common: it can't be swapped.")
    painted = np.where(mask[..., None], match_colours(moved, target, mask), target).astype(np.uint8)
    return _clone(painted, target, mask)


def match_colours(image: Image, reference: Image, mask: NDArray[np.bool_]) -> Image:
    """Give an image the mean and spread of another's colours (in Lab, within a mask); Reinhard et al. 2001."""
    lab, wanted = (cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float64) for picture in (image, reference))
    spread = wanted[mask].std(axis=0) / np.maximum(lab[mask].std(axis=0), 1.0)
    matched = (lab - lab[mask].mean(axis=0)) * np.clip(spread, 0.5, 2.0) + wanted[mask].mean(axis=0)
    whole = np.clip(np.rint(matched), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_LAB2RGB), np.uint8)


def edit_region(
    vertices: NDArray, landmarks: NDArray, region: str, scale: float = 1.0, shift: tuple = (0.0, 0.0, 0.0)
) -> Array:
    """Scale or shift a feature of a face.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame.
    landmarks : (68, 3) float
        Of the same mesh.
    region : str
        One of `landmarks.REGIONS`.
    scale : float
        About the middle of its landmarks.
    shift : (3,) float
        In outer eye distances along the face's own axes: to the subject's left, up, and out of the face.

    Returns
    -------
    (V, 3) float64
        The landmarks of the region move as they are told, what is farther than `REACH` from all of them stays, and
        between the two the mesh bends smoothly.

    Raises
    ------
    ValueError
        If there is no such region, or the scale is not positive.
    """
    if region not in REGIONS:
        raise ValueError(f"There is no region {region!r}; expected one of {', '.join(REGIONS)}.")
    if not scale > 0:
        raise ValueError(f"The scale is {scale:g}; expected a positive number.")
    vertices, landmarks = np.asarray(vertices, np.float64), np.asarray(landmarks, np.float64)
    points = landmarks[REGIONS[region]]
    eyes = landmarks[OUTER_EYE_CORNERS[1]] - landmarks[OUTER_EYE_CORNERS[0]]
    reach = REACH * np.linalg.norm(eyes)
    distance = np.min([np.linalg.norm(vertices - point, axis=1) for point in points], axis=0) / reach
    weight = np.where(distance < 1, (1 - distance**2) ** 2, 0.0)[:, None]
    moved = np.asarray(shift, np.float64) @ face_axes(landmarks) * np.linalg.norm(eyes)
    return vertices + weight * ((scale - 1) * (vertices - points.mean(axis=0)) + moved)


def face_axes(landmarks: NDArray) -> Array:
    """Axes of a face by its landmarks (68, 3): unit vectors (3, 3) to the subject's left, up, and out of the face."""
    left = landmarks[OUTER_EYE_CORNERS[1]] - landmarks[OUTER_EYE_CORNERS[0]]
    left = left / np.linalg.norm(left)
    up = landmarks[NOSE_ROOT] - landmarks[CHIN]
    up = up - (up @ left) * left
    up = up / np.linalg.norm(up)
    # y is down in the pixel frame, which is left-handed: the vector product points into the face.
    return np.stack([left, up, -np.cross(left, up)])


def warp_photo(photo: Image, vertices: NDArray, edited: NDArray, triangles: NDArray) -> Image:
    """Move a photo's pixels as a mesh in it was edited.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    vertices, edited : (V, 3) float
        The mesh before and after, in pixels of the photo.
    triangles : (F, 3) int

    Returns
    -------
    (H, W, 3) uint8
        Beyond the mesh, also in an open mouth, the movement goes on and fades away within a tenth of the face.
    """
    height, width = photo.shape[:2]
    ids, weights = rasterize(np.asarray(edited, np.float64), triangles, height, width)
    # From each pixel back to where its colour was.
    back = interpolate(np.asarray(vertices, np.float64)[:, :2] - np.asarray(edited)[:, :2], triangles, ids, weights)
    mask = (ids >= 0).astype(np.float32)
    reach = max(1.0, 0.1 * float(np.ptp(vertices[:, :2], axis=0).mean()))
    beyond = cv2.GaussianBlur(back, (0, 0), reach / 3)
    cover = cv2.GaussianBlur(mask, (0, 0), reach / 3)[..., None]
    away = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    fade = np.clip(1 - away / reach, 0, 1)
    back = np.where(mask[..., None] > 0, back, fade * beyond / np.maximum(cover, 1e-6))
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = (np.asarray(values, np.float32) for values in (column + back[..., 0], row + back[..., 1]))
    return np.asarray(cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected part of a mask."""
    _, labels, found, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if len(found) < 2:
        return mask
    return labels == 1 + int(found[1:, cv2.CC_STAT_AREA].argmax())


def _shrink(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Take a rim off a mask, also where it meets the border of the photo."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.erode(mask.astype(np.uint8), kernel, borderValue=0, borderType=cv2.BORDER_CONSTANT).astype(bool)


def _clone(painted: Image, target: Image, mask: NDArray[np.bool_]) -> Image:
    """Clone the masked part of a picture into another at the same place, matching gradients."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    centre = (int(left + right) // 2, int(top + bottom) // 2)
    part = (slice(top, bottom), slice(left, right))
    cloned = cv2.seamlessClone(
        np.ascontiguousarray(painted[part]),
        target,
        (255 * mask[part]).astype(np.uint8),
        centre,
        cv2.NORMAL_CLONE,
    )
    return np.asarray(cloned, np.uint8)
