"""A multilinear face model: identity times expression, by a higher-order SVD of a set of meshes in correspondence.

A face is the core tensor times the weights of its identity and those of its expression::

    f(a, b) = core x (1, a) x (1, b) = mean + identity part a + expression part b + mixed part (a, b)

The constant is the first direction of each mode, and the SVD is of what it leaves: so ``f(0, 0)`` is the mean face, a
linear face model is the special case without a mixed part, and the weights of the set are uncorrelated, with mean 0 and
variance 1. FaceWarehouse takes the SVD without that, and has weights whose size means nothing by itself.

References
----------
Vlasic, Brand, Pfister, Popovic, 2005. Face transfer with multilinear models.
Cao, Weng, Zhou, Tong, Zhou, 2014. FaceWarehouse: a 3D facial expression database for visual computing. Section 4.
De Lathauwer, De Moor, Vandewalle, 2000. A multilinear singular value decomposition. Property 10 (the bound).
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array
from .face_model import UNITS, FaceModel
from .similarity import fit_similarity

ARRAYS = (
    *("core", "triangles", "landmarks", "identity_weights", "expression_weights"),
    *("identity_variances", "expression_variances"),
)
NAMES = "expression_names"
# Coordinates that are worked on at once: of 500 meshes 40 MB.
BLOCK = 10_000
# Share of the greatest variance below which one is the rounding of float32.
ROUNDING = 1e-9
# Rounds of `approximate` at most, which makes the model linear about the last one; three are enough nearly always.
ROUNDS = 10
# In its last round no weight changes by more.
STILL = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class MultilinearModel:
    """A multilinear face model in a face model's frame: x to the subject's left, y up, z towards the viewer.

    Attributes
    ----------
    core : (V, 3, 1 + I, 1 + E) float32
        ``core[:, :, 0, 0]`` is the mean face, ``core[:, :, 1:, 0]`` what a weight of identity adds to it,
        ``core[:, :, 0, 1:]`` one of expression, and the rest what a pair of them does.
    triangles : (F, 3) int32
        0-based, counter-clockwise seen from outside.
    landmarks : (68,) int32
        Vertices of the 68 iBUG points.
    identity_weights, expression_weights : (N, I) and (M, E) float64
        Of the set's N identities and M expressions.
    identity_variances, expression_variances : (N,) and (M,) float64
        Squared singular values of the two unfoldings, greatest first: how much of the set each direction makes up.
    expression_names : tuple of M str
        Of the set's expressions.
    """

    core: NDArray[np.float32]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]
    identity_weights: Array
    expression_weights: Array
    identity_variances: Array
    expression_variances: Array
    expression_names: tuple[str, ...]


def make_multilinear(
    meshes: NDArray[np.floating],
    ranks: tuple[int, int],
    triangles: NDArray[np.int32],
    landmarks: NDArray[np.int32],
    expression_names: Sequence[str],
) -> MultilinearModel:
    """Decompose a set of meshes.

    Parameters
    ----------
    meshes : (N, M, V, 3) float
        Each of N identities with each of M expressions, in correspondence and laid over each other.
    ranks : (int, int)
        Directions of identity and of expression that are kept, beside the constant one. What the set does not have, to
        the rounding of float32, is not there to be kept: the model may have fewer.
    triangles : (F, 3) int32
    landmarks : (68,) int32
    expression_names : sequence of M str

    Returns
    -------
    MultilinearModel
        Its squared error of the set is at most the sum of the variances that are left out, over both modes.

    Raises
    ------
    ValueError
        If the set is none, has a value that is not finite, or is of one mesh.
    """
    if meshes.ndim != 4 or meshes.shape[3] != 3 or len(expression_names) != meshes.shape[1]:
        raise ValueError(
            f"The set of meshes has shape {meshes.shape} and {len(expression_names)} names; expected (identities, "
            "expressions, vertices, 3), and a name for each expression."
        )
    identities, expressions = meshes.shape[:2]
    if identities * expressions < 2:
        raise ValueError("A face model needs at least two meshes: another identity, or another expression.")
    flat = meshes.reshape(identities, expressions, -1)
    grams = np.zeros((identities, identities)), np.zeros((expressions, expressions))
    for block in _blocks(flat):
        if not np.isfinite(block).all():
            raise ValueError("A mesh of the set has a coordinate that is not finite.")
        for mode, gram in enumerate(grams):
            unfolded = np.moveaxis(block, mode, 0).reshape(len(gram), -1)
            unfolded = unfolded - unfolded.mean(axis=0)
            gram += unfolded @ unfolded.T
    bases, variances = zip(*(_directions(gram, rank) for gram, rank in zip(grams, ranks, strict=True)), strict=True)
    of_identity, of_expression = (basis / len(basis) for basis in bases)
    # First over the identities, (I, M, D), then over the expressions, (I, D, E).
    core = [np.tensordot(np.tensordot(of_identity, block, (0, 0)), of_expression, (1, 0)) for block in _blocks(flat)]
    shape = (*meshes.shape[2:], *(basis.shape[1] for basis in bases))
    joined = np.moveaxis(np.concatenate(core, axis=1).astype(np.float32), 0, 1).reshape(shape)
    return MultilinearModel(
        core=np.ascontiguousarray(joined),
        triangles=triangles,
        landmarks=landmarks,
        identity_weights=bases[0][:, 1:],
        expression_weights=bases[1][:, 1:],
        identity_variances=variances[0],
        expression_variances=variances[1],
        expression_names=tuple(expression_names),
    )


def _blocks(flat: NDArray) -> list[Array]:
    """Make blocks (N, M, K) of a set's coordinates (N, M, D), one after the other, in double precision."""
    return [np.asarray(flat[..., i : i + BLOCK], np.float64) for i in range(0, flat.shape[2], BLOCK)]


def _directions(gram: Array, rank: int) -> tuple[Array, Array]:
    """Weights (K, 1 + R) of the K members of a mode, the constant first, each with a mean square of 1; the variances.

    `gram` (K, K) is of the unfolding whose mean was taken off, so that the others have none.
    """
    variances, vectors = np.linalg.eigh(gram)
    variances, vectors = np.clip(variances[::-1], 0, None), vectors[:, ::-1]
    kept = vectors[:, : min(rank, np.count_nonzero(variances > ROUNDING * max(variances[0], 1e-30)))]
    # An eigenvector has no sign of its own.
    kept = kept * np.sign(kept[np.abs(kept).argmax(axis=0), range(kept.shape[1])])
    return np.column_stack([np.ones(len(gram)), kept * np.sqrt(len(gram))]), variances


def deform(model: MultilinearModel, identity: NDArray, expression: NDArray) -> NDArray[np.float32]:
    """Vertices (V, 3) float32 of the face with weights (I,) of identity and (E,) of expression, model frame."""
    left = model.core.reshape(-1, model.core.shape[3]) @ _with_one(expression).astype(np.float32)
    return (left.reshape(-1, model.core.shape[2]) @ _with_one(identity).astype(np.float32)).reshape(-1, 3)


def _with_one(weights: NDArray) -> Array:
    return np.concatenate([[1.0], weights])


def at_vertices(model: MultilinearModel, take: Callable[[NDArray], NDArray]) -> MultilinearModel:
    """Model at other vertices, as `face_model.at_vertices`: without triangles and landmarks."""
    return dataclasses.replace(
        model,
        core=take(model.core),
        triangles=np.zeros((0, 3), np.int32),
        landmarks=np.zeros(0, np.int32),
    )


def linear_about(model: MultilinearModel, identity: NDArray, expression: NDArray) -> FaceModel:
    """Linear face model that is the multilinear one to first order about some weights.

    With one of the two kept there, it is the multilinear model itself. About (0, 0) it is the model without its mixed
    part: what is commonly made of scans, a mean and vectors of identity and of expression, with coefficients of mean 0
    and variance 1.

    Parameters
    ----------
    model : MultilinearModel
    identity, expression : (I,) and (E,) float

    Returns
    -------
    FaceModel
        With I and E vectors, for the weights themselves as coefficients.
    """
    of_identity = model.core @ _with_one(expression)
    of_expression = np.einsum("vdie,i->vde", model.core, _with_one(identity))
    # f(a, b) less the identity vectors' share of it, less the expression vectors'.
    mean = of_identity[..., 0] - of_expression[..., 1:] @ expression
    return FaceModel(
        mean=mean.astype(np.float32),
        shape_basis=of_identity[..., 1:].astype(np.float32),
        expression_basis=of_expression[..., 1:].astype(np.float32),
        triangles=model.triangles,
        landmarks=model.landmarks,
    )


def approximate(model: MultilinearModel, vertices: NDArray, rounds: int = ROUNDS) -> Array:
    """Weights (I + E,) of the face that is nearest to some vertices, in the model's frame, by least squares.

    Parameters
    ----------
    model : MultilinearModel
    vertices : (V, 3) float
    rounds : int
        Each is a linear model's least squares, about the result of the one before; the first about the mean face, so
        that one round is what the model without its mixed part gives.

    Returns
    -------
    (I + E,) float64
    """
    count = model.core.shape[2] - 1
    weights = np.zeros(count + model.core.shape[3] - 1)
    for _ in range(rounds):
        linear = linear_about(model, weights[:count], weights[count:])
        basis = np.concatenate([linear.shape_basis, linear.expression_basis], axis=2).reshape(-1, len(weights))
        before, weights = weights, np.linalg.lstsq(basis.astype(np.float64), (vertices - linear.mean).ravel())[0]
        if np.abs(weights - before).max(initial=0) < STILL:
            break
    return weights


def align_meshes(meshes: NDArray[np.float32], mean: NDArray) -> NDArray[np.float32]:
    """Lay meshes (N, M, V, 3) over a mean face (V, 3) by a similarity each: pose and size are the camera's to say."""
    aligned = np.zeros_like(meshes)
    for place in np.ndindex(*meshes.shape[:2]):
        fit = fit_similarity(meshes[place], mean)
        aligned[place] = fit.scale * meshes[place] @ fit.rotation.T + fit.translation
    return aligned


def mixed_share(model: MultilinearModel) -> float:
    """Share of the set's variance that a linear model of the same directions leaves out: that of the mixed part."""
    squares = (model.core.astype(np.float64) ** 2).sum(axis=(0, 1))
    varying = squares.sum() - squares[0, 0]
    return float(squares[1:, 1:].sum() / varying) if varying else 0.0


def save_multilinear(path: Path, model: MultilinearModel) -> None:
    """Write a model as one HDF5 file."""
    from ..store.shards import write_dataset, writing  # HDF5 is not imported for photos

    with writing(path) as file:
        file.attrs["units"] = UNITS
        for name in ARRAYS:
            write_dataset(file, name, getattr(model, name))
        write_dataset(file, NAMES, np.array(model.expression_names))


def load_multilinear(path: Path) -> MultilinearModel:
    """Read what `save_multilinear` wrote.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is damaged or another file.
    """
    from ..store.shards import read_shard

    arrays = read_shard(path, [*ARRAYS, NAMES])
    core, names = arrays["core"], tuple(arrays.pop(NAMES))
    expected = len(arrays["identity_weights"]), len(names)
    found = tuple(len(arrays[f"{mode}_variances"]) for mode in ("identity", "expression"))
    ranks = tuple(1 + arrays[f"{mode}_weights"].shape[1] for mode in ("identity", "expression"))
    if core.ndim != 4 or core.shape[1:] != (3, *ranks) or found != expected or not np.isfinite(core).all():
        raise ValueError(f"{path} is no multilinear face model: its parts do not belong together. Make it again.")
    return MultilinearModel(**arrays, expression_names=names)
