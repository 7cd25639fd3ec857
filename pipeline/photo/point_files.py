"""Points of a face as other methods leave them (a mesh, an array of numpy's, one of Matlab's), and as csv tables."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..raw.matlab import read_arrays
from ..store.tables import write_table

# PRNet writes a table of its 68 points, NAME_kpt.txt.
SUFFIXES = (".npy", ".mat", ".obj", "_kpt.txt")
# Tables of numbers; M3DFB calls those of landmarks so.
TABLES = (".txt", ".lmks")
# Names that the array in a .mat may have; 3DDFA's meshes are `vertex`.
MAT_NAMES = ("points", "vertices", "vertex", "pt3d_68")
# A mesh of BFM as text takes 5 MB; what is larger is no prediction of one face.
MOST_BYTES, MOST_VALUES = 100 * 2**20, 10**7
# Points further away than this, in px, are in no photo.
FARTHEST = 1e6


def find_point_file(folder: Path, name: str) -> Path:
    """Find the one file of a sample's points.

    Parameters
    ----------
    folder : Path
    name : str
        Of the sample: its path in the folder, without ending.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is none, or more than one, or it is no file.
    """
    found = [path for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if os.path.lexists(path)]
    if not found:
        raise ValueError(f"{folder} has no prediction for {name} ({', '.join(SUFFIXES)}).")
    if len(found) > 1:
        raise ValueError(f"{folder} has more than one prediction for {name}: keep one.")
    if not found[0].is_file():
        raise ValueError(f"{found[0]} is no file that can be read, but a folder, a pipe, a device or a broken link.")
    return found[0]


def read_point_file(path: Path, farthest: float = FARTHEST) -> NDArray[np.float64]:
    """Read the points of a file, in its order.

    Parameters
    ----------
    path : Path
        An ``.obj``, of which the vertices are read; an ``.npy``, a ``.txt`` or ``.lmks``, or a ``.mat`` with one array
        of `MAT_NAMES`: (K, 3), or (K, 2) without z, or either of them transposed.
    farthest : float
        Largest coordinate, in px; infinite of what is in no photo.

    Returns
    -------
    (K, 3) or (K, 2) float64

    Raises
    ------
    ValueError
        If the file can't be read, has another array, more than one, or points that are not finite or in no photo.
    """
    try:
        size = path.stat().st_size
        _refuse(size == 0, f"{path} is empty, or tells no size.")
        _refuse(size > MOST_BYTES, f"{path} has {size:,} bytes; expected the points of one face.")
        points = _read_points(path)
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # of numpy, scipy and the system: kinds of many sorts, MemoryError among them
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} can't be read: {reason}.") from error
    if points.dtype.kind not in "iuf":
        raise ValueError(f"{path} has an array of {points.dtype}; expected numbers.")
    if points.ndim == 2 and points.shape[1] not in (2, 3):
        points = points.T
    if points.ndim != 2 or points.shape[1] not in (2, 3) or not len(points):
        raise ValueError(f"{path} has an array of shape {points.shape}; expected (K, 3), or (K, 2) without z.")
    points = np.array(points, np.float64)
    if not np.isfinite(points).all():
        raise ValueError(f"{path} has points that are not finite.")
    if np.abs(points).max() > farthest:
        raise ValueError(f"{path} has a coordinate of {np.abs(points).max():.3g} px, which is in no photo.")
    return points


class _RefusedError(Exception):
    """A sentence on a file that is not read further."""


def _refuse(wrong: bool, sentence: str) -> None:
    if wrong:
        raise _RefusedError(sentence)


def _read_points(path: Path) -> NDArray:
    if path.suffix == ".npy":
        # Mapped, so that no memory is taken for what the head promises and the file has not.
        return np.lib.format.open_memmap(path, mode="r")
    if path.suffix == ".mat":
        arrays = list(read_arrays(path, (), MAT_NAMES, MOST_VALUES).values())
        _refuse(len(arrays) != 1, f"{path} has {len(arrays)} of the arrays {', '.join(MAT_NAMES)}; expected one.")
        return arrays[0]
    if path.suffix in TABLES:
        return np.loadtxt(path, ndmin=2)
    return _read_obj(path)


def _read_obj(path: Path) -> NDArray:
    """Read the vertices alone, as they lie in the file: readers of meshes copy, drop and reorder them by the faces."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    vertices = [line for line in lines if line.split(maxsplit=1)[:1] == ["v"]]
    _refuse(not vertices, f"{path} has no vertices, lines of v, x, y and z.")
    return np.loadtxt(vertices, usecols=(1, 2, 3), ndmin=2)


def write_points(path: Path, points: NDArray) -> None:
    """Write points (K, 3), in pixels or millimetres, as csv to a thousandth: index, x, y, z."""
    rows = np.column_stack([np.arange(len(points)), points])
    text = "%d,%.3f,%.3f,%.3f\n" * len(rows) % tuple(rows.ravel().tolist())
    path.write_text("index,x,y,z\n" + text, encoding="utf-8", newline="\n")


def write_coefficients(path: Path, names: Sequence[str], coefficients: NDArray) -> None:
    """Write a face's E expression coefficients under their names as csv: name, value.

    Raises
    ------
    ValueError
        If there are more or fewer names than coefficients.
    """
    rows = [(name, f"{value:.6g}") for name, value in zip(names, coefficients, strict=True)]
    write_table(path, ("name", "value"), rows)
