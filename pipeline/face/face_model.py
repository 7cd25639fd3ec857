"""The linear face model (3DMM): read BFM as 3DDFA publishes it, keep it as one HDF5, deform it."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..raw.matlab import read_arrays
from ..store.shards import reading, while_unchanged, writing

UNITS = "micrometre"
SHAPE_FILE, EXPRESSION_FILE = "Model_Shape.mat", "Model_Exp.mat"
LANDMARKS = 68


@dataclasses.dataclass(frozen=True, eq=False)
class FaceModel:
    """A linear face model in its own frame: x to the subject's left, y up, z towards the viewer.

    Attributes
    ----------
    mean : (V, 3) float32
        Neutral mean face, in micrometres for BFM.
    shape_basis : (V, 3, S) float32
        Identity vectors, for coefficients as the annotations have them.
    expression_basis : (V, 3, E) float32
        Expression vectors, likewise.
    triangles : (F, 3) int32
        0-based, counter-clockwise seen from outside.
    landmarks : (68,) int32
        Vertices of the 68 iBUG points.
    """

    mean: NDArray[np.float32]
    shape_basis: NDArray[np.float32]
    expression_basis: NDArray[np.float32]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]

    @functools.cached_property
    def linear_map(self) -> NDArray[np.float32]:
        """All vectors and the mean as rows, (S + E + 1, V * 3): so laid out, the product of a batch is fastest."""
        columns = np.concatenate([self.shape_basis, self.expression_basis, self.mean[:, :, None]], axis=2)
        return np.ascontiguousarray(columns.reshape(self.mean.size, -1).T)


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


def deform(model: FaceModel, coefficients: NDArray) -> NDArray[np.float32]:
    """Deform the mean face, for a batch in one matrix product.

    Parameters
    ----------
    model : FaceModel
        With S identity and E expression vectors.
    coefficients : (N, S + E) float
        Identity, then expression, raw as annotated.

    Returns
    -------
    (N, V, 3) float32
        Model frame.
    """
    weights = np.ones((len(coefficients), len(model.linear_map)), np.float32)
    weights[:, :-1] = coefficients
    return (weights @ model.linear_map).reshape(-1, *model.mean.shape)


@functools.lru_cache(maxsize=1)
def at_landmarks(model: FaceModel) -> FaceModel:
    """Keep the 68 landmarks of a model as its only vertices; the last result is kept."""
    return FaceModel(
        mean=model.mean[model.landmarks],
        shape_basis=model.shape_basis[model.landmarks],
        expression_basis=model.expression_basis[model.landmarks],
        triangles=np.zeros((0, 3), np.int32),
        landmarks=np.arange(LANDMARKS, dtype=np.int32),
    )


def select_coefficients(model: FaceModel, shape: NDArray, expression: NDArray) -> NDArray[np.float32]:
    """Keep the leading coefficients that the model has vectors for.

    Parameters
    ----------
    model : FaceModel
        With S identity and E expression vectors; S and E may be smaller than what was annotated.
    shape : (N, >=S) float
    expression : (N, >=E) float

    Returns
    -------
    (N, S + E) float32

    Raises
    ------
    ValueError
        If the annotation has fewer coefficients than the model has vectors: it was made with another model.
    """
    kept = []
    parts = (("shape", shape, model.shape_basis), ("expression", expression, model.expression_basis))
    for name, values, basis in parts:
        count = basis.shape[2]
        if values.shape[1] < count:
            raise ValueError(
                f"The annotation has {values.shape[1]} {name} coefficients, the face model {count} {name} vectors; "
                "they belong to different models."
            )
        kept.append(values[:, :count])
    return np.concatenate(kept, axis=1).astype(np.float32)


def save_model(path: Path, model: FaceModel) -> None:
    """Write the model as one HDF5 file."""
    with writing(path) as file:
        file.attrs["units"] = UNITS
        for field in dataclasses.fields(model):
            file[field.name] = getattr(model, field.name)


@while_unchanged
def load_model(path: Path) -> FaceModel:
    """Read what `save_model` wrote."""
    with reading(path) as file:
        return FaceModel(**{field.name: file[field.name][:] for field in dataclasses.fields(FaceModel)})


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
