"""What unit a scan is in: its file does not say, but a face has the size of a face."""

import numpy as np
from numpy.typing import NDArray

# Units of scans, and how many millimetres one is.
UNITS = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
# Diagonal of the box of a face's landmarks in mm: no face is as small, or as large; and what it is about.
LEAST_MM, MOST_MM, USUAL_MM = 20.0, 1000.0, 140.0


def landmark_extent(landmarks: NDArray) -> float:
    """Diagonal of the box of landmarks (K, 3), in their unit."""
    return float(np.linalg.norm(np.ptp(landmarks, axis=0)))


def likely_unit(extent: float) -> str | None:
    """The unit that comes nearest to a face's size; None where none of `UNITS` makes it a face's.

    Parameters
    ----------
    extent : float
        From `landmark_extent`, in the unit that is asked for.
    """
    if not extent > 0:
        return None
    unit = min(UNITS, key=lambda name: abs(np.log(extent * UNITS[name] / USUAL_MM)))
    return unit if LEAST_MM < extent * UNITS[unit] < MOST_MM else None
