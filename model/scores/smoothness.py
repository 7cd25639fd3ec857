"""Smoothness of a mesh: the angles between adjacent triangles (thesis, section 4.6 and Figure 4.7)."""

import numpy as np
from numpy.typing import NDArray

SMOOTH_ANGLE_DEG = 15.0

# Edges of the histogram that the curve is summed from: whole degrees, so that 15 is one of them.
CURVE_ANGLES_DEG = np.arange(181.0)


def adjacent_cosines(vertices: NDArray, triangles: NDArray, pairs: NDArray) -> NDArray[np.float64]:
    """Cosine of the angle between the normals of adjacent triangles.

    Parameters
    ----------
    vertices : (V, 3) float
        Any frame: the angles do not change with a similarity.
    triangles : (F, 3) int
        All turning the same way.
    pairs : (P, 2) int
        From `pipeline.uv.surface.adjacent_triangles`.

    Returns
    -------
    (P,) float64
        1 where the surface is flat, -1 where it is folded back on itself; 0 where a triangle has no area.
    """
    corners = np.asarray(vertices, np.float64)[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    return np.clip((normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(axis=1), -1.0, 1.0)


def smooth_share(cosines: NDArray) -> float:
    """Percent of the pairs whose angle is less than 15 degrees."""
    return float(100.0 * np.mean(cosines > np.cos(np.deg2rad(SMOOTH_ANGLE_DEG))))


def angle_histogram(cosines: NDArray) -> NDArray[np.int64]:
    """Count pairs by whole degrees of their angle: histograms of images add up to that of the set.

    Returns
    -------
    (180,) int64
        Pairs with an angle in [i, i + 1) degrees; the last bin includes 180.
    """
    return np.histogram(np.rad2deg(np.arccos(cosines)), bins=CURVE_ANGLES_DEG)[0].astype(np.int64)


def angle_curve(histogram: NDArray) -> NDArray[np.float64]:
    """Percent of the pairs whose angle is less than each of `CURVE_ANGLES_DEG`.

    Returns
    -------
    (181,) float64
    """
    cumulative = np.concatenate([[0], np.cumsum(histogram)])
    return 100.0 * cumulative / max(1, cumulative[-1])
