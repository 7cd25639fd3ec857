"""Make a bundle of a face model: Face Mesh's points on it, its correction, its layout, and a finer mesh."""

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..crops.face_mesh import Network
from ..face.correction import correction_matrix
from ..face.face_model import FaceModel, at_vertices
from ..face.fit import Prior
from ..face.subdivision import loop_operator
from ..uv.embedding import embed
from ..uv.masks import face_mask
from ..uv.operator import make_operator
from ..uv.position_map import UVLayout, nearest_texels, render_map
from ..uv.surface import make_surface
from .bundle import Bundle
from .registration import Correspondence, model_at, register

# A mesh of fewer vertices is shown finer: its triangles would be seen.
FINE = 10_000


def make_layout(model: FaceModel, size: int) -> UVLayout:
    """Lay the mean mesh of a face model out in the square, as the stage `uv_embedding` does."""
    embedding = embed(model.mean, model.triangles)
    uv = embedding.uv[: len(model.mean)]
    operator = make_operator(embedding, size)
    mask = face_mask(render_map(operator, model.mean[None])[0], uv[model.landmarks])
    return UVLayout(uv, operator, mask, mask.astype(np.float32), nearest_texels(uv[model.landmarks], size))


def make_bundle(
    model: FaceModel,
    prior: Prior,
    networks: dict[str, Network],
    files: dict[str, bytes],
    size: int,
    about: dict[str, Any],
) -> Bundle:
    """Make a bundle from a face model; Face Mesh looks at it, and it is laid out anew.

    Parameters
    ----------
    model : FaceModel
        With triangles and landmarks.
    prior : Prior
    networks : dict of str to Network
        Opened, see `pipeline.crops.face_mesh.open_networks`.
    files : dict of str to bytes
        See `Bundle`.
    size : int
        Side of the position map in texels.
    about : dict
        See `Bundle`.

    Returns
    -------
    Bundle

    Raises
    ------
    ValueError
        If Face Mesh sees no face in a picture of the model.
    """
    found = register(model, networks)
    spread = scipy.sparse.eye_array(len(model.mean), format="csr")
    triangles = model.triangles
    if len(model.mean) < FINE:
        spread, triangles = loop_operator(triangles, len(model.mean))
    finer = dataclasses.replace(
        at_vertices(model, lambda values: _spread(spread, values)), triangles=triangles, landmarks=model.landmarks
    )
    layout = make_layout(finer, size)
    shown = make_surface(layout.uv, triangles, model.landmarks, layout.face_mask)
    inside = scipy.sparse.diags_array(layout.face_mask.ravel().astype(np.float32)) @ layout.operator
    beyond = np.setdiff1d(inside.indices[inside.data != 0], shown.vertices)
    kept = np.concatenate([shown.vertices, beyond])
    spread = spread.tocsr()[kept]
    used = np.unique(np.concatenate([spread.indices, found.vertices.ravel(), model.landmarks]))
    number = np.zeros(len(model.mean), np.int32)
    number[used] = np.arange(len(used))
    points = Correspondence(number[found.vertices], found.weights)
    own = np.isin(model.triangles, used).all(axis=1)
    correction = correction_matrix(model.triangles, len(model.mean), found.vertices, found.weights)[used]
    small = dataclasses.replace(
        at_vertices(model, lambda values: values[used]),
        triangles=number[model.triangles[own]],
        landmarks=number[model.landmarks],
    )
    return Bundle(
        small,
        model_at(small, points),
        at_vertices(small, lambda values: values[small.landmarks]),
        prior,
        correction,
        spread[:, used].tocsr().astype(np.float32),
        dataclasses.replace(shown, vertices=np.arange(len(shown.vertices))),
        inside.tocsc()[:, kept].tocsr().astype(np.float32),
        files,
        about,
    )


def _spread(operator: scipy.sparse.csr_array, values: NDArray) -> NDArray[np.float32]:
    return (operator @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:]).astype(np.float32)
