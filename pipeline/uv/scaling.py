"""Position maps in pixels and in the range of a network's output, both ways (thesis, section 4.4)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALINGS = ("tanh", "linear", "sigmoid", "prnet")
CENTRED = ("tanh", "linear")


@dataclass(frozen=True)
class Scaling:
    """How pixels of the aligned image become a network's values.

    ========  =====================================  ==================  ==========  ==========
    name      x, y                                   z                   divisor     activation
    ========  =====================================  ==================  ==========  ==========
    tanh      from the image's centre, (size-1)/2    mean of the face 0  size/2      tanh
    linear    as tanh                                as tanh             size/2      none
    sigmoid   from pixel 0                           least of face 0     255 at 256  sigmoid
    prnet     from pixel 0                           least of face 0     size x 1.1  sigmoid
    ========  =====================================  ==================  ==========  ==========

    Labels are never clipped: what lies outside the activation's range stays there, and `clipped_share` counts it.

    Attributes
    ----------
    name : {'tanh', 'linear', 'sigmoid', 'prnet'}
        linear reaches what lies outside the image, too: in 68 of 100 real faces something does.
    size : int
        Side of the maps in px; every length here grows with it.
    """

    name: str
    size: int

    def __post_init__(self) -> None:
        if self.name not in SCALINGS:
            raise ValueError(f"The scaling is {self.name!r}; expected one of {', '.join(SCALINGS)}.")

    @property
    def activation(self) -> str:
        """Keras name of the output activation."""
        return self.name if self.name in CENTRED else "sigmoid"

    @property
    def lowest(self) -> float:
        """Lower end of the activation's range."""
        return {"tanh": -1.0, "linear": -np.inf}.get(self.name, 0.0)

    @property
    def highest(self) -> float:
        """Upper end of the activation's range."""
        return np.inf if self.name == "linear" else 1.0

    @property
    def centred(self) -> bool:
        """Whether z counts from the face's mean, and x and y from the image's centre."""
        return self.name in CENTRED

    @property
    def divisor(self) -> float:
        """Pixels in one unit of the network's output."""
        return self.size * {"tanh": 1 / 2, "linear": 1 / 2, "sigmoid": 255 / 256, "prnet": 1.1}[self.name]

    @property
    def centre(self) -> float:
        """The x and y in px that become 0."""
        return (self.size - 1) / 2 if self.centred else 0.0


def to_network(position_map: NDArray, scaling: Scaling, face_mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scale position maps to a network's range.

    Parameters
    ----------
    position_map : (..., size, size, 3) float
        Pixels of the aligned image; z with any offset.
    scaling : Scaling
    face_mask : (size, size) bool
        The texels whose z is centred.

    Returns
    -------
    Same shape, float32
        Not clipped.
    """
    face_z = position_map[..., 2][..., face_mask]
    zero = face_z.mean(axis=-1, dtype=np.float64) if scaling.centred else face_z.min(axis=-1)
    origin = np.stack(np.broadcast_arrays(scaling.centre, scaling.centre, zero), axis=-1)
    return ((position_map - origin[..., None, None, :]) / scaling.divisor).astype(np.float32)


def to_pixels(values: Any, scaling: Scaling) -> Any:
    """Undo `to_network`, except for the offset of z, which the network's range does not hold.

    Parameters
    ----------
    values : (..., 3) float array or Keras tensor
        A network's output.
    scaling : Scaling

    Returns
    -------
    Same shape and kind
        Pixels of the aligned image; z counts from the face's mean (`tanh`, `linear`) or its least z.
    """
    return values * np.float32(scaling.divisor) + np.array([scaling.centre, scaling.centre, 0], np.float32)


def clipped_share(position_map: NDArray, face_mask: NDArray[np.bool_], scaling: Scaling) -> NDArray[np.float64]:
    """Measure how much of the labels a network cannot reach.

    Parameters
    ----------
    position_map : (..., size, size, 3) float
        Pixels of the aligned image.
    face_mask : (size, size) bool
    scaling : Scaling

    Returns
    -------
    (..., 3) float64
        Share of the face's texels whose x, y and z lie outside the activation's range.
    """
    face = to_network(position_map, scaling, face_mask)[..., face_mask, :]
    return ((face < scaling.lowest) | (face > scaling.highest)).mean(axis=-2)


def to_photo(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale 8-bit images to [0, 1], as PRNet's network sees them."""
    return image.astype(np.float32) / np.float32(255)
