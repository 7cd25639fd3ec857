"""The Basel Face Model as 3DDFA publishes it: two Matlab files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel
from ..face.landmarks import LANDMARKS
from .matlab import read_arrays

SHAPE_FILE, EXPRESSION_FILE = "Model_Shape.mat", "Model_Exp.mat"


def load_bfm(folder: Path) -> FaceModel:
    """Read ``Model_Shape.mat`` and ``Model_Exp.mat``, the layout in which 3DDFA publishes BFM.

    Parameters
    ----------
    folder : Path
        Where both files lie.

    Returns
    -------
    FaceModel
        ``mean = mu_shape + mu_exp``. Matlab's 1-based indices, of whatever integer type, become 0-based int32, and
        triangles that wind inwards, as BFM's do, are turned over.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If an array is missing or has an unusable shape.
    """
    for name in (SHAPE_FILE, EXPRESSION_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"The face model {folder / name} is missing; docs/data.md says where to get it.")
    shape = read_arrays(folder / SHAPE_FILE, ("mu_shape", "w", "tri", "keypoints"))
    expression = read_arrays(folder / EXPRESSION_FILE, ("mu_exp", "w_exp"))
    size = shape["mu_shape"].size
    for name, array in (("w", shape["w"]), ("mu_exp", expression["mu_exp"]), ("w_exp", expression["w_exp"])):
        if size % 3 or array.shape[0] != size:
            raise ValueError(f"{name} of the face model in {folder} has shape {array.shape}; expected {size} rows.")
    mean = (shape["mu_shape"].astype(np.float64) + expression["mu_exp"]).reshape(-1, 3).astype(np.float32)
    return FaceModel(
        mean=mean,
        shape_basis=_basis(shape["w"]),
        expression_basis=_basis(expression["w_exp"]),
        triangles=_wind_outwards(mean, _indices(shape["tri"], 3, len(mean), folder)),
        landmarks=_indices(shape["keypoints"], LANDMARKS, len(mean), folder).ravel(),
    )


def _basis(columns: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(columns.reshape(-1, 3, columns.shape[1]), dtype=np.float32)


def _indices(table: NDArray, columns: int, vertices: int, folder: Path) -> NDArray[np.int32]:
    """Matlab's (columns, n) 1-based table as (n, columns) 0-based; cast first, since uint16 0 - 1 would wrap."""
    if columns not in table.shape:
        raise ValueError(f"An index table of the face model in {folder} has shape {table.shape}, without {columns}.")
    rows = table if table.shape[1] == columns and table.shape[0] != columns else table.T
    indices = rows.astype(np.int32) - 1
    if indices.min() < 0 or indices.max() >= vertices:
        raise ValueError(f"The face model in {folder} has an index outside its {vertices} vertices.")
    return indices


def _wind_outwards(mean: NDArray, triangles: NDArray[np.int32]) -> NDArray[np.int32]:
    """Turn all triangles over if the face, which looks along +z, shows their backs."""
    corners = mean[triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return triangles if normals[:, 2].sum() > 0 else np.ascontiguousarray(triangles[:, ::-1])
