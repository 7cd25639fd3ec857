"""Between the numbers of a photo and light: what shading is computed in.

References
----------
IEC 61966-2-1, 1999. Default RGB colour space, sRGB.
"""

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array, Image


def to_light(photo: Image) -> Array:
    """Linear light in 0..1 of sRGB in 0..255, whatever its shape; float64."""
    steps = np.arange(256) / 255
    table = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    return table[photo]


def to_photo(light: NDArray) -> Image:
    """SRGB in 0..255 of linear light; what is beyond 0..1 is cut off."""
    inside = np.clip(light, 0, 1)
    values = np.where(inside <= 0.0031308, 12.92 * inside, 1.055 * inside ** (1 / 2.4) - 0.055)
    return np.rint(255 * values).astype(np.uint8)
