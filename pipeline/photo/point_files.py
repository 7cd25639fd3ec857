"""Points of a face as other methods leave them (a mesh, an array of numpy's, one of Matlab's), and as csv tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..raw.matlab import read_arrays
from ..store.tables import write_table

SUFFIXES = (".npy", ".mat", ".obj")
# Names that the array in a .mat may have.
MAT_NAMES = ("points", "vertices", "pt3d_68")


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
        If there is none, or more than one.
    """
    found = [path for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if path.is_file()]
    if not found:
        raise ValueError(f"{folder} has no prediction for {name} ({', '.join(SUFFIXES)}).")
    if len(found) > 1:
        raise ValueError(f"{folder} has more than one prediction for {name}: keep one.")
    return found[0]


def read_point_file(path: Path) -> NDArray[np.float64]:
    """Read the points of a file, in its order.

    Parameters
    ----------
    path : Path
        An ``.obj``, an ``.npy``, or a ``.mat`` with an array of `MAT_NAMES`, also as (3, K).

    Returns
    -------
    (K, 3) float64

    Raises
    ------
    ValueError
        If the file has another array, more than one, or points that are not finite.
    """
    if path.suffix == ".npy":
        points = np.load(path, allow_pickle=False)
    elif path.suffix == ".mat":
        arrays = list(read_arrays(path, (), MAT_NAMES).values())
        if len(arrays) != 1:
            raise ValueError(f"{path} has {len(arrays)} of the arrays {', '.join(MAT_NAMES)}; expected one.")
        points = arrays[0].T if arrays[0].shape[0] == 3 != arrays[0].shape[1] else arrays[0]
    else:
        import trimesh

        points = trimesh.load_mesh(path, process=False, maintain_order=True).vertices
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{path} has an array of shape {points.shape}; expected (K, 3).")
    if not np.isfinite(points).all():
        raise ValueError(f"{path} has points that are not finite.")
    return np.asarray(points, np.float64)


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
