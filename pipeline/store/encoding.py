"""Images and position maps as small integers: fixed point, and differences between neighbours."""

import numpy as np
from numpy.typing import NDArray

# Fixed point of position maps at 256 px: steps of 1/64 px from -384 px. Both shrink with the map.
POSITION_STEP_PX = 1 / 64
POSITION_OFFSET_PX = -384.0
REFERENCE_SIZE = 256


def step_and_offset(size: int) -> tuple[float, float]:
    """Step and offset in px of the fixed point of maps of `size` px: ``stored * step + offset`` is the position."""
    return POSITION_STEP_PX * size / REFERENCE_SIZE, POSITION_OFFSET_PX * size / REFERENCE_SIZE


def position_range(size: int) -> tuple[float, float]:
    """Smallest and largest coordinate in px that the fixed point of maps of `size` px can hold."""
    step, offset = step_and_offset(size)
    return offset, offset + step * np.iinfo(np.uint16).max


def encode_positions(position_map: NDArray, size: int) -> NDArray[np.uint16]:
    """Round positions to 16-bit fixed point.

    Parameters
    ----------
    position_map : (..., size, size, 3) float
        Pixels of the aligned image.
    size : int
        Side of the map in px; the step is 1/64 px at 256 px and shrinks with it.

    Returns
    -------
    Same shape, uint16
        ``stored * step + offset`` is within half a step of the input.

    Raises
    ------
    ValueError
        If a coordinate is outside `position_range` or not finite.
    """
    step, offset = step_and_offset(size)
    stored = np.subtract(position_map, offset)
    stored *= 1 / step
    np.rint(stored, out=stored)
    if stored.size and not (stored.min() >= 0 and stored.max() <= np.iinfo(np.uint16).max):
        low, high = position_range(size)
        raise ValueError(
            f"Positions from {np.min(position_map):.1f} to {np.max(position_map):.1f} px do not fit the stored range "
            f"of {low:.0f} to {high:.0f} px."
        )
    return stored.astype(np.uint16)


def decode_positions(stored: NDArray[np.uint16], size: int) -> NDArray[np.float32]:
    """Positions in px of maps of `size` px, from `encode_positions`; same shape."""
    step, offset = step_and_offset(size)
    return stored * np.float32(step) + np.float32(offset)


def difference(values: NDArray) -> NDArray:
    """Difference of unsigned integers along columns, then rows, modulo their range: small where a map is smooth.

    Parameters
    ----------
    values : (..., H, W, C) uint8 or uint16

    Returns
    -------
    Same shape and dtype
        ``values`` again by `accumulate`, exactly.
    """
    columns = values.copy()
    columns[..., 1:, :] -= values[..., :-1, :]
    both = columns.copy()
    both[..., 1:, :, :] -= columns[..., :-1, :, :]
    return both


def accumulate(differences: NDArray) -> NDArray:
    """Undo `difference`, for (..., H, W, C)."""
    rows = np.add.accumulate(differences, axis=-3, dtype=differences.dtype)
    return np.add.accumulate(rows, axis=-2, dtype=differences.dtype)
