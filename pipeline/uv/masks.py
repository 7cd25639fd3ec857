"""Masks of the position map: which texels are face, and how much each weighs in the loss."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import JAW, LEFT_EYE, MOUTH, NOSE, RIGHT_EYE

# Thesis, section 3.4.4: landmarks, features (eyes, nose and mouth), the rest of the face; 0 elsewhere. They tell the
# regions apart in what is stored: what a loss weighs them by is `loss.weights` of params.yaml.
LANDMARK_WEIGHT, FEATURE_WEIGHT, FACE_WEIGHT = 1.0, 0.4, 0.3


def face_mask(mean_map: NDArray, landmark_uv: NDArray) -> NDArray[np.bool_]:
    """Mark the texels of the face: inside the jaw line and carried over the forehead; no ears, no neck.

    Parameters
    ----------
    mean_map : (size, size, 3) float
        Position map of the mean mesh, model frame.
    landmark_uv : (68, 2) float64
        Places of the landmarks in the unit square.

    Returns
    -------
    (size, size) bool
        Between the jaw landmarks and, above the line through the first and the last of them, the half ellipse through
        these two and the middle of the mesh's upper rim, seen from the front.
    """
    size = len(mean_map)
    jaw = landmark_uv[JAW]
    outline = np.concatenate([jaw, [[jaw[-1, 0], -1.0], [jaw[0, 0], -1.0]]])
    texels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2) / (size - 1)
    inside_jaw = inside_polygon(texels, outline).reshape(size, size)

    rows, columns = np.rint(jaw[[0, -1]].T[::-1] * (size - 1)).astype(int)
    ends = mean_map[rows, columns, :2]
    centre, half_width = ends.mean(axis=0), np.ptp(ends[:, 0]) / 2
    half_height = mean_map[0, (size - 1) // 2, 1] - centre[1]
    x, y = (mean_map[..., 0] - centre[0]) / half_width, (mean_map[..., 1] - centre[1]) / half_height
    return inside_jaw & ((y <= 0) | (x**2 + y**2 <= 1))


def inside_polygon(points: NDArray, corners: NDArray) -> NDArray[np.bool_]:
    """Say which points (N, 2) lie inside a polygon (K, 2) by the even-odd rule; on its rim either may come out.

    A ray from an inner point crosses an odd number of sides (Shimrat, 1962. Algorithm 112: Position of point relative
    to polygon. Communications of the ACM 5(8)).
    """
    x, y = points.T
    inside = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        rises = y1 >= y
        crossed = ((y0 >= y) != rises) & (((y1 - y) * (x0 - x1) >= (x1 - x) * (y0 - y1)) == rises)
        inside ^= crossed
    return inside


def weight_mask(mask: NDArray[np.bool_], landmark_uv: NDArray) -> NDArray[np.float32]:
    """Weigh the texels by the thesis's four regions.

    Parameters
    ----------
    mask : (size, size) bool
        Texels of the face.
    landmark_uv : (68, 2) float64

    Returns
    -------
    (size, size) float32
        1 at the landmarks' texels and the ring of one texel around each; 0.4 in the hulls of the eyes, the nose and the
        mouth; 0.3 in the rest of the face; 0 elsewhere, a landmark's ring included where it leaves the face.
    """
    size = len(mask)
    texels = np.rint(landmark_uv * (size - 1)).astype(np.int32)
    weights = np.where(mask, FACE_WEIGHT, 0.0).astype(np.float32)
    for feature in (RIGHT_EYE, LEFT_EYE, NOSE, MOUTH):
        cv2.fillConvexPoly(weights, cv2.convexHull(texels[feature]), FEATURE_WEIGHT)
    for column, row in texels:
        ring = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2))
        weights[ring] = LANDMARK_WEIGHT * mask[ring]
        weights[row, column] = LANDMARK_WEIGHT
    return weights


def reweigh(weights: NDArray[np.float32], landmarks: float, features: float, face: float) -> NDArray[np.float32]:
    """Give the regions of a `weight_mask` (size, size) other weights; what is no face keeps 0."""
    regions = [weights == np.float32(weight) for weight in (LANDMARK_WEIGHT, FEATURE_WEIGHT, FACE_WEIGHT)]
    return np.select(regions, [landmarks, features, face]).astype(np.float32)
