"""The linear face model (3DMM): keep it as one HDF5, deform it, and know it at other vertices than its own."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..store.files import while_unchanged

UNITS = "micrometre"
NAMES = "expression_names"
ARRAYS = ("mean", "shape_basis", "expression_basis", "triangles", "landmarks")


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
    expression_names : tuple of E str
        Of the expression vectors; empty where they have no meaning of their own, as BFM's have none.
    """

    mean: NDArray[np.float32]
    shape_basis: NDArray[np.float32]
    expression_basis: NDArray[np.float32]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]
    expression_names: tuple[str, ...] = ()

    @functools.cached_property
    def linear_map(self) -> NDArray[np.float32]:
        """All vectors and the mean as rows, (S + E + 1, V * 3): so laid out, the product of a batch is fastest."""
        columns = np.concatenate([self.shape_basis, self.expression_basis, self.mean[:, :, None]], axis=2)
        return np.ascontiguousarray(columns.reshape(self.mean.size, -1).T)


def name_expressions(model: FaceModel) -> tuple[str, ...]:
    """Names of a model's E expression vectors; ``expression1`` and so on where they have none."""
    count = model.expression_basis.shape[2]
    return model.expression_names or tuple(f"expression{number}" for number in range(1, count + 1))


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


def at_vertices(model: FaceModel, take: Callable[[NDArray], NDArray]) -> FaceModel:
    """Face model of other vertices, each of which is a fixed weighted mean of the model's own, or one of them.

    Parameters
    ----------
    model : FaceModel
        With V vertices.
    take : callable
        Makes (K, ...) of (V, ...) float32: linear, and the same for the mean and each vector, since the model is
        linear too. Applied to these once, it need not be applied to any mesh.

    Returns
    -------
    FaceModel
        Of K vertices, without triangles and landmarks.
    """
    return FaceModel(
        mean=take(model.mean),
        shape_basis=take(model.shape_basis),
        expression_basis=take(model.expression_basis),
        triangles=np.zeros((0, 3), np.int32),
        landmarks=np.zeros(0, np.int32),
        expression_names=model.expression_names,
    )


@functools.lru_cache(maxsize=1)
def at_landmarks(model: FaceModel) -> FaceModel:
    """Keep the 68 landmarks of a model as its only vertices, see `at_vertices`; the last result is kept."""
    return at_vertices(model, lambda values: values[model.landmarks])


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
    """Write the model as one HDF5 file; a model without names of its expressions has no dataset of them."""
    from ..store.shards import write_dataset, writing  # HDF5 is not imported for photos

    with writing(path) as file:
        file.attrs["units"] = UNITS
        for name in ARRAYS:
            file[name] = getattr(model, name)
        if model.expression_names:
            write_dataset(file, NAMES, np.array(model.expression_names))


@while_unchanged
def load_model(path: Path) -> FaceModel:
    """Read what `save_model` wrote."""
    from ..store.shards import read_dataset, reading

    with reading(path) as file:
        names = tuple(read_dataset(file[NAMES])) if NAMES in file else ()
        return FaceModel(**{name: file[name][:] for name in ARRAYS}, expression_names=names)
