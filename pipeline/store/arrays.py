"""Names of the kinds of arrays that signatures speak of; docstrings say their shapes, units and frames."""

import numpy as np
from numpy.typing import NDArray

# Geometry is computed in double precision.
Array = NDArray[np.float64]
# Single or double, whichever comes in.
Floats = NDArray[np.floating]
# Photos and crops (H, W, 3), RGB.
Image = NDArray[np.uint8]
