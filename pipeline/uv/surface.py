"""The face on a position map: where its landmarks and vertices are read, and which of its triangles are neighbours."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import load_model
from ..face.similarity import apply_similarity
from ..store.arrays import Array
from .position_map import load_uv, sample_map

if TYPE_CHECKING:  # a sixth of a second, which photos do not pay
    import scipy.sparse


@dataclasses.dataclass(frozen=True)
class Surface:
    """Where a position map is read.

    Attributes
    ----------
    landmark_uv : (68, 2) float64
    vertex_uv : (V, 2) float64
        The mesh's vertices within the face mask: nothing teaches a network the rest, whose weight is 0.
    triangles : (F, 3) int64
        Triangles of these vertices.
    pairs : (P, 2) int64
        Adjacent triangles.
    face_mask : (size, size) bool
        The face texels.
    landmarks, vertices : (68,) and (V,) int64
        The vertices of the whole mesh that `landmark_uv` and `vertex_uv` are the places of.
    """

    landmark_uv: Array
    vertex_uv: Array
    triangles: NDArray[np.int64]
    pairs: NDArray[np.int64]
    face_mask: NDArray[np.bool_]
    landmarks: NDArray[np.int64]
    vertices: NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Points:
    """What is read from one map, in pixels of the raw photo: landmarks (68, 3), vertices (V, 3), texels (T, 3)."""

    landmarks: Array
    vertices: Array
    texels: Array


def make_surface(uv: NDArray, triangles: NDArray, landmarks: NDArray, face_mask: NDArray[np.bool_]) -> Surface:
    """Choose the part of the mesh that the face mask covers.

    Parameters
    ----------
    uv : (V, 2) float
        Place of each vertex of the whole mesh in the unit square.
    triangles : (F, 3) int
    landmarks : (68,) int
        Vertices of the landmarks.
    face_mask : (size, size) bool

    Returns
    -------
    Surface
        A vertex belongs where the four texels that a bilinear reading takes are all in the mask.

    Raises
    ------
    ValueError
        If the mask covers no vertex.
    """
    inside = sample_map(face_mask[..., None].astype(np.float64), uv)[:, 0] > 1 - 1e-9
    if not inside.any():
        raise ValueError("The face mask covers no vertex of the mesh: make the UV embedding anew, or larger.")
    number = np.cumsum(inside) - 1
    kept = number[triangles[inside[triangles].all(axis=1)]]
    landmarks = np.asarray(landmarks, np.int64)
    return Surface(
        uv[landmarks], uv[inside], kept, adjacent_triangles(kept), face_mask, landmarks, np.flatnonzero(inside)
    )


def load_surface(model_path: Path, uv_path: Path) -> Surface:
    """Make the surface of a project from its face model and UV layout.

    Parameters
    ----------
    model_path : Path
        What `save_model` wrote.
    uv_path : Path
        What `save_uv` wrote.

    Returns
    -------
    Surface
        See `make_surface`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If one is damaged, or the mask covers no vertex.
    """
    model, layout = load_model(model_path), load_uv(uv_path)
    return make_surface(layout.uv, model.triangles, model.landmarks, layout.face_mask)


def read_points(position_map: NDArray, similarity: NDArray, surface: Surface) -> Points:
    """Read landmarks, vertices and face texels from a map and take them back to the raw photo.

    Parameters
    ----------
    position_map : (size, size, 3) float
        Pixels of the aligned image.
    similarity : (3, 3) float
        Raw photo pixels to aligned pixels.
    surface : Surface

    Returns
    -------
    Points
        z is divided by the scale of the similarity.
    """
    inverse = np.linalg.inv(np.asarray(similarity, np.float64))
    position_map = np.asarray(position_map, np.float64)
    return Points(
        landmarks=apply_similarity(inverse, sample_map(position_map, surface.landmark_uv)),
        vertices=apply_similarity(inverse, sample_map(position_map, surface.vertex_uv)),
        texels=apply_similarity(inverse, position_map[surface.face_mask]),
    )


def mesh_points(vertices: NDArray, surface: Surface, operator: "scipy.sparse.csr_array") -> Points:
    """Take from a whole mesh what `read_points` reads from a map, for methods that put out meshes.

    Parameters
    ----------
    vertices : (all vertices, 3) float
        Pixels of the raw photo.
    surface : Surface
    operator : (size * size, all vertices) sparse float32
        Of the UV layout: makes the texels.

    Returns
    -------
    Points
    """
    vertices = np.asarray(vertices, np.float64)
    texels = (operator @ vertices)[surface.face_mask.ravel()]
    return Points(vertices[surface.landmarks], vertices[surface.vertices], texels)


def adjacent_triangles(triangles: NDArray) -> NDArray[np.int64]:
    """Pairs of triangles that share an edge.

    Parameters
    ----------
    triangles : (F, 3) int
        Vertices of each triangle.

    Returns
    -------
    (P, 2) int64
        Rows of `triangles`. An edge of only one triangle, at the rim, makes no pair.
    """
    triangles = np.asarray(triangles, np.int64)
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owners = np.repeat(np.arange(len(triangles)), 3)
    order = np.lexsort((owners, edges[:, 1], edges[:, 0]))
    edges, owners = edges[order], owners[order]
    shared = (edges[1:] == edges[:-1]).all(axis=1)
    return np.stack([owners[:-1][shared], owners[1:][shared]], axis=1)
