"""Read plain numeric arrays from Matlab files, and nothing else: objects and cells are refused."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray


def read_arrays(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray]:
    """Read named numeric arrays.

    Parameters
    ----------
    path : Path
        A Matlab file of version 4 to 7.
    required, optional : sequence of str
        Names; a missing required one is an error.

    Returns
    -------
    dict of str to array
        As stored, with Matlab's two dimensions.

    Raises
    ------
    ValueError
        If the file is no such Matlab file, an array is missing, or one is no finite numeric array.
    OSError
        If the file can't be read.
    """
    names = (*required, *optional)
    content = path.read_bytes()
    try:
        arrays = scipy.io.loadmat(io.BytesIO(content), variable_names=list(names))  # type: ignore[arg-type]
    except NotImplementedError as error:
        raise ValueError(f"{path} is a Matlab 7.3 file; save it with -v7.") from error
    except Exception as error:  # scipy raises many kinds on damaged files, struct.error and zlib.error among them
        raise ValueError(f"{path} is damaged or no Matlab file: {error}") from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}.")
    arrays = {name: arrays[name] for name in names if name in arrays}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
            raise ValueError(f"{name} in {path} is no numeric array.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} in {path} holds values that are not finite.")
    return arrays
