"""True size of a face in a photo: from its irises, which are nearly as wide in everyone, or from its known eyes."""

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LEFT_EYE, RIGHT_EYE

# Mean horizontal diameter of the visible iris; it differs by 0.5 mm (one sigma) between people.
IRIS_MM = 11.7


def mm_per_px(
    landmarks: NDArray, irises: NDArray | None = None, pupil_distance_mm: float | None = None
) -> tuple[float, str]:
    """Millimetres of one pixel at a face.

    Parameters
    ----------
    landmarks : (68, 3) float
        Photo pixels: of a mesh, so that a turned face's eyes are as far apart as a frontal one's.
    irises : (2, 4, >=2) float, optional
        Photo pixels: of each iris four points of its rim, in order round it.
    pupil_distance_mm : float, optional
        The face's own, as on a spectacle prescription; it counts more than the irises.

    Returns
    -------
    float
        Factor from pixels to millimetres.
    str
        What it is from: ``pupil distance`` (between the means of both eyes' landmarks) or ``iris`` (`IRIS_MM`, by the
        longer axis of the larger one: a circle turned away keeps one, and of a
        face from the side one eye is seen badly).

    Raises
    ------
    ValueError
        If neither is given, or what is given is no length.
    """
    if pupil_distance_mm is not None:
        right, left = (np.asarray(landmarks, np.float64)[eye].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE))
        return _factor(pupil_distance_mm, float(np.linalg.norm(left - right))), "pupil distance"
    if irises is None:
        raise ValueError("A face has no size in millimetres without its irises or its pupil distance: give the latter.")
    rims = np.asarray(irises, np.float64)[..., :2]
    axes = np.linalg.norm(rims[:, :2] - rims[:, 2:], axis=-1)
    return _factor(IRIS_MM, float(axes.max())), "iris"


def _factor(length_mm: float, length_px: float) -> float:
    if not (0 < length_mm < np.inf and 0 < length_px < np.inf):
        raise ValueError(f"A length of {length_mm:g} mm that measures {length_px:g} px gives no scale.")
    return length_mm / length_px
