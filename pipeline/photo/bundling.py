"""Make a bundle of a face model: Face Mesh's points on it, its correction, its layout, and a finer mesh."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..crops.face_mesh import PACKAGE, open_files, read_files
from ..face.correction import correction_matrix
from ..face.face_model import FaceModel, at_vertices
from ..face.fit import Prior
from ..face.subdivision import loop_operator
from ..store.arrays import Array
from ..store.sparse import from_scipy
from ..uv.embedding import boundary_loops, embed
from ..uv.masks import face_mask
from ..uv.operator import make_operator
from ..uv.position_map import UVLayout, nearest_texels, render_map, sample_map
from ..uv.surface import Surface, adjacent_triangles
from .bundle import Bundle
from .registration import Correspondence, model_at, register

# Side of the position map in texels. Between the lips, which a smiling mouth parts, the texture needs some.
SIZE = 512
NETWORKS_LICENCE = (
    f"BlazeFace and Face Mesh, Copyright Google (Apache-2.0), as in the package {PACKAGE.replace('==', ' ')}"
)
# A mesh of fewer vertices is shown finer: its triangles would be seen.
FINE = 10_000
# How often the rim of what is cut out is evened out: it follows texels, and then the mesh's own edges. Twelve times
# would fold triangles of the procedural face over at its corners.
EVENED = 8


def make_layout(model: FaceModel, size: int) -> UVLayout:
    """Lay the mean mesh of a face model out in the square, as the stage `uv_embedding` does."""
    embedding = embed(model.mean, model.triangles)
    uv = embedding.uv[: len(model.mean)]
    operator = make_operator(embedding, size)
    mask = face_mask(render_map(operator, model.mean[None])[0], uv[model.landmarks])
    return UVLayout(uv, operator, mask, mask.astype(np.float32), nearest_texels(uv[model.landmarks], size))


def make_bundle(
    model: FaceModel, prior: Prior, name: str, licence: str, files: Mapping[str, bytes] | None = None
) -> Bundle:
    """Make a bundle from a face model; Face Mesh looks at it, and it is laid out anew.

    Parameters
    ----------
    model : FaceModel
        With triangles and landmarks.
    prior : Prior
    name, licence : str
        Of the face model, for people.
    files : mapping of str to bytes, optional
        The networks, as `read_files` gives them; by default those of the installed package.

    Returns
    -------
    Bundle
        Without a network that regresses position maps.

    Raises
    ------
    ValueError
        If Face Mesh sees no face in a picture of the model, or the prior is of another model.
    FileNotFoundError
        If the networks of Face Mesh are not installed.
    """
    vectors = model.shape_basis.shape[2] + model.expression_basis.shape[2]
    if len(prior.mean) != vectors:
        raise ValueError(f"The prior is of {len(prior.mean)} coefficients, the face model has {vectors} vectors.")
    files = read_files() if files is None else dict(files)
    found, layout = register(model, open_files(files, 1)), make_layout(model, SIZE)
    spread, triangles = show(layout.face_mask, layout.uv, model.triangles)
    uv: Array = spread @ layout.uv
    texels = scipy.sparse.diags_array(layout.face_mask.ravel().astype(np.float32)) @ layout.operator
    texels.eliminate_zeros()
    used = np.unique(np.concatenate([spread.indices, texels.indices, found.vertices.ravel(), model.landmarks]))
    number = np.zeros(len(model.mean), np.int32)
    number[used] = np.arange(len(used))
    own = np.isin(model.triangles, used).all(axis=1)
    small = dataclasses.replace(
        at_vertices(model, lambda values: values[used]),
        triangles=number[model.triangles[own]],
        landmarks=number[model.landmarks],
    )
    spread = spread[:, used].tocsr().astype(np.float32)
    surface = Surface(
        layout.uv[model.landmarks],
        uv,
        triangles,
        adjacent_triangles(triangles),
        layout.face_mask,
        number[model.landmarks].astype(np.int64),
        np.asarray(spread.argmax(axis=1)).ravel().astype(np.int64),
    )
    return Bundle(
        small,
        model_at(small, Correspondence(number[found.vertices], found.weights)),
        at_vertices(small, lambda values: values[small.landmarks]),
        prior,
        correction_matrix(model.triangles, len(model.mean), found.vertices, found.weights)[used],
        from_scipy(spread),
        surface,
        from_scipy(texels.tocsc()[:, used].tocsr().astype(np.float32)),
        files,
        {"name": name, "licences": {"face model": licence, "networks": NETWORKS_LICENCE}},
    )


def show(
    face_mask: NDArray[np.bool_], uv: Array, triangles: NDArray[np.integer]
) -> tuple[scipy.sparse.csr_array, NDArray[np.int64]]:
    """Cut the face out of a mesh, make it finer if it is coarse, and close its holes.

    Parameters
    ----------
    face_mask : (S, S) bool
        Texels of the face.
    uv : (C, 2) float64
    triangles : (F, 3) int

    Returns
    -------
    spread : (V, C) sparse float64
        From the mesh's vertices to those of the part that is shown.
    triangles : (G, 3) int64
        Of these.
    """
    inside = sample_map(face_mask[..., None].astype(np.float64), uv)[:, 0] > 1 - 1e-9
    shown = prune(triangles[inside[triangles].all(axis=1)].astype(np.int64))
    spread = scipy.sparse.eye_array(len(uv), format="csr")
    if len(uv) < FINE:
        spread, finer = loop_operator(shown, len(uv))
        shown = finer.astype(np.int64)
    kept = np.unique(shown)
    shown = np.searchsorted(kept, shown)
    rim, *holes = boundary_loops(shown.astype(np.int32))
    spread = even_out(rim, len(kept)) @ spread.tocsr()[kept]
    # As the layout closes them, so that texels and mesh agree: by a vertex in the middle of each.
    middles = [scipy.sparse.csr_array(spread.tocsr()[loop].mean(axis=0)[None]) for loop in holes]
    fans = [
        np.stack([np.roll(loop, -1), loop, np.full(len(loop), len(kept) + number)], axis=1)
        for number, loop in enumerate(holes)
    ]
    return scipy.sparse.vstack([spread, *middles]).tocsr(), np.concatenate([shown, *fans])


def even_out(rim: NDArray[np.integer], count: int) -> scipy.sparse.csr_array:
    """Matrix (V, V) that draws the vertices of a rim, a closed loop of them, towards the middle of their neighbours."""
    shape = (count, count)
    ones = np.ones(len(rim))
    neighbours = scipy.sparse.coo_array((ones, (rim, np.roll(rim, 1))), shape=shape) + scipy.sparse.coo_array(
        (ones, (rim, np.roll(rim, -1))), shape=shape
    )
    own = np.ones(count)
    own[rim] = 0.5
    once = scipy.sparse.csr_array(scipy.sparse.diags_array(own) + 0.25 * neighbours)
    several = scipy.sparse.eye_array(count, format="csr")
    for _ in range(EVENED):
        several = once @ several
    return several


def prune(triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop the triangles that hang on a mesh by one edge, and those that then do: without them its rim is smooth."""
    while True:
        edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        _, of, uses = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
        free = (uses[of.ravel()].reshape(-1, 3) == 1).sum(axis=1)
        if not (free > 1).any():
            return triangles
        triangles = triangles[free < 2]
