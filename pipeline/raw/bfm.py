"""The Basel Face Model as 3DDFA publishes it, two Matlab files, or as face3d writes it, one."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel
from ..face.landmarks import LANDMARKS
from .matlab import read_arrays, read_struct

SHAPE_FILE, EXPRESSION_FILE = "Model_Shape.mat", "Model_Exp.mat"
# The same, as it is called in another archive of 3DDFA's authors.
OTHER_EXPRESSION_FILE = "Model_Expression.mat"
# What face3d's script makes of them, under names of its own.
FACE3D_FILE, FACE3D_NAME = "BFM.mat", "model"
FACE3D_FIELDS = {
    "mu_shape": "shapeMU",
    "w": "shapePC",
    "tri": "tri",
    "keypoints": "kpt_ind",
    "mu_exp": "expMU",
    "w_exp": "expPC",
}


def load_bfm(folder: Path) -> FaceModel:
    """Read BFM in one of the layouts that it is passed on in.

    Parameters
    ----------
    folder : Path
        With ``Model_Shape.mat`` and ``Model_Exp.mat`` or ``Model_Expression.mat``, as 3DDFA publishes them, or with
        ``BFM.mat``, as face3d writes it.

    Returns
    -------
    FaceModel
        ``mean = mu_shape + mu_exp``, each as a column or a row. Matlab's 1-based indices, of whatever integer type,
        become 0-based int32, and triangles that wind inwards, as BFM's do, are turned over.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If an array is missing or has an unusable shape.
    """
    arrays = _read_face3d(folder / FACE3D_FILE) if _has_face3d(folder) else _read_3ddfa(folder)
    size = arrays["mu_shape"].size
    for name in ("mu_exp", "w", "w_exp"):
        array = arrays[name]
        fits = array.size == size if name == "mu_exp" else array.ndim == 2 and array.shape[0] == size
        if size % 3 or not fits:
            raise ValueError(f"{name} of the face model in {folder} has shape {array.shape}; expected {size} rows.")
    mean = arrays["mu_shape"].astype(np.float64).ravel() + arrays["mu_exp"].ravel()
    mean = mean.reshape(-1, 3).astype(np.float32)
    return FaceModel(
        mean=mean,
        shape_basis=_basis(arrays["w"]),
        expression_basis=_basis(arrays["w_exp"]),
        triangles=_wind_outwards(mean, _indices(arrays["tri"], 3, len(mean), folder)),
        landmarks=_indices(arrays["keypoints"], LANDMARKS, len(mean), folder).ravel(),
    )


def _has_face3d(folder: Path) -> bool:
    return (folder / FACE3D_FILE).is_file() and not (folder / SHAPE_FILE).is_file()


def _read_face3d(path: Path) -> dict[str, NDArray]:
    fields = read_struct(path, FACE3D_NAME, list(FACE3D_FIELDS.values()))
    return {name: fields[field] for name, field in FACE3D_FIELDS.items()}


def _read_3ddfa(folder: Path) -> dict[str, NDArray]:
    expression = folder / EXPRESSION_FILE
    if not expression.is_file() and (folder / OTHER_EXPRESSION_FILE).is_file():
        expression = folder / OTHER_EXPRESSION_FILE
    for path in (folder / SHAPE_FILE, expression):
        if not path.is_file():
            raise FileNotFoundError(f"The face model {path} is missing; docs/data.md says where to get it.")
    arrays = read_arrays(folder / SHAPE_FILE, ("mu_shape", "w", "tri", "keypoints"))
    return arrays | read_arrays(expression, ("mu_exp", "w_exp"))


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
