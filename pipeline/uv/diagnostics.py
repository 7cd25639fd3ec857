"""How good a UV layout is, as numbers and as a picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel
from .position_map import UVLayout, nearest_texels, sample_map

PICTURE_SIDE = 768


def diagnose(model: FaceModel, layout: UVLayout, mean_map: NDArray) -> dict[str, float]:
    """Measure how well a map stands for the mesh.

    Parameters
    ----------
    model : FaceModel
    layout : UVLayout
    mean_map : (size, size, 3) float
        Position map of the mean mesh.

    Returns
    -------
    dict of str to float
        Round trip vertices -> map -> vertices of the mean mesh, in percent of its height, and how texels are shared.
    """
    height = np.ptp(model.mean[:, 1])
    error = 100 * np.linalg.norm(sample_map(mean_map, layout.uv) - model.mean, axis=1) / height
    taken = len(np.unique(nearest_texels(layout.uv, layout.size), axis=0))
    landmarks = len(np.unique(layout.landmark_texels, axis=0))
    return {
        "round_trip_mean_percent": round(float(error.mean()), 4),
        "round_trip_worst_percent": round(float(error.max()), 3),
        "vertices": len(layout.uv),
        "vertices_sharing_a_texel": len(layout.uv) - taken,
        "landmarks_sharing_a_texel": len(layout.landmark_texels) - landmarks,
        "face_texels": int(layout.face_mask.sum()),
    }


def draw_layout(layout: UVLayout, mean_map: NDArray) -> NDArray[np.uint8]:
    """Draw the map (size, size, 3) of the mean mesh as colours with the landmarks, and beside it the weights.

    Returns
    -------
    (PICTURE_SIDE, 2 * PICTURE_SIDE, 3) uint8
    """
    low, high = mean_map.min(axis=(0, 1)), mean_map.max(axis=(0, 1))
    colours = (255 * (mean_map - low) / (high - low)).astype(np.uint8)
    weights = np.repeat((255 * layout.weight_mask).astype(np.uint8)[..., None], 3, axis=2)
    panels = [
        cv2.resize(panel, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_NEAREST) for panel in (colours, weights)
    ]
    texel = PICTURE_SIDE / layout.size
    for row, column in layout.landmark_texels:
        centre = (int((column + 0.5) * texel), int((row + 0.5) * texel))
        cv2.circle(panels[0], centre, 4, (255, 255, 255), -1, cv2.LINE_AA)
    return np.hstack(panels)
