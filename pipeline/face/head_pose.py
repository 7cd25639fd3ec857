"""Head pose of a mesh: the annotation's camera that lays the face model's mean face over it (thesis, section 1.3.2)."""

import numpy as np
from numpy.typing import NDArray

from .camera import euler_angles, project
from .similarity import fit_similarity

# Corners of a box, and the pairs of them that its edges join.
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64)
BOX_EDGES = [(i, j) for i in range(8) for j in range(i) if np.abs(_CORNERS[i] - _CORNERS[j]).sum() == 1]


def estimate_pose(vertices: NDArray, reference: NDArray, height: int) -> NDArray[np.float64]:
    """Estimate the pose of a mesh in a photo.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixels of the photo.
    reference : (V, 3) float
        The same vertices of the face model's mean face, model frame.
    height : int
        Of the photo in px.

    Returns
    -------
    (7,) float64
        Pitch, yaw, roll (radians), tx, ty, tz, scale: the annotations' `Pose_Para`, whose camera (`camera.project`)
        takes the mean face closest to the mesh by least squares. tz is up to the offset of the mesh's own z.

    Raises
    ------
    ValueError
        If all vertices lie in one place.
    """
    annotation = np.asarray(vertices, np.float64) * [1, -1, 1] + [1, height, 0]
    fit = fit_similarity(reference, annotation)
    return np.array([*euler_angles(fit.rotation), *fit.translation, fit.scale])


def head_box(reference: NDArray, pose: NDArray, height: int) -> NDArray[np.float64]:
    """Corners (8, 3) in photo pixels of the box round the mean face, placed by a pose; `BOX_EDGES` joins them."""
    low, high = np.min(reference, axis=0), np.max(reference, axis=0)
    return project(low + _CORNERS * (high - low), pose, height)
