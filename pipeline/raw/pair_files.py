"""Files of a pair as 300W-LP has it: the photo, and the annotation that `annotations` reads, as bytes."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Floats

# As many as an annotation has; a face model may have fewer.
SHAPE_COEFFICIENTS, EXPRESSION_COEFFICIENTS = 199, 29
MATLAB_HEADER_BYTES = 116


def padded(values: Floats, length: int) -> Floats:
    """Column (length, 1) of coefficients, zeros below those that the face model has."""
    column = np.zeros((length, 1))
    column[: len(values), 0] = values
    return column


def matlab_bytes(arrays: dict[str, Any], what: str = "face") -> bytes:
    """Encode arrays as a Matlab file that says what it is of; scipy's header carries the time instead."""
    import scipy.io  # what reads pairs needs neither scipy nor OpenCV

    stream = io.BytesIO()
    scipy.io.savemat(stream, arrays)  # type: ignore[arg-type]  # it writes to streams too
    header = f"MATLAB 5.0 MAT-file, {what}".encode("ascii").ljust(MATLAB_HEADER_BYTES)
    return header + stream.getvalue()[MATLAB_HEADER_BYTES:]


def jpeg_bytes(photo: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an RGB photo (H, W, 3)."""
    import cv2

    _, content = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()
