"""Score one predicted position map against the truth by every protocol."""

import dataclasses

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from model.scaling import Scaling, to_network, to_pixels
from model.scores import protocols as evaluation
from model.scores.smoothness import adjacent_triangles
from pipeline.face.camera import apply_similarity
from pipeline.uv.position_map import sample_map

Array = NDArray[np.float64]


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


def mesh_points(vertices: NDArray, surface: Surface, operator: scipy.sparse.csr_array) -> Points:
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


def score(predicted: Points, truth: Points, true_landmarks: NDArray) -> dict[str, float]:
    """Error of one image by every protocol of `model.scores.protocols.PROTOCOLS`.

    Parameters
    ----------
    predicted, truth : Points
        Pixels of the raw photo.
    true_landmarks : (68, 3) float
        Pixels of the raw photo; for AFLW2000-3D they are ``pt3d_68``, not the model's own 68 vertices.

    Returns
    -------
    dict of str to float
        Percent; not `nme68_2d_reannotated`, whose truth is another.
    """
    errors = {
        "dense_2d": evaluation.error_prnet(predicted.texels, truth.texels, dimensions=2),
        "dense_3d": evaluation.error_prnet(predicted.texels, truth.texels, dimensions=3),
        "reconstruction": evaluation.error_reconstruction(predicted.texels, truth.texels, true_landmarks),
        "thesis_mesh": evaluation.error_thesis(predicted.vertices, truth.vertices, true_landmarks),
    }
    found = score_landmarks(predicted.landmarks, true_landmarks) | {k: float(error) for k, error in errors.items()}
    return {name: found[name] for name in evaluation.PROTOCOLS if name in found}


def score_landmarks(landmarks: NDArray, true_landmarks: NDArray) -> dict[str, float]:
    """Error of one image by the protocols that need no more than the 68 landmarks.

    Parameters
    ----------
    landmarks, true_landmarks : (68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    dict of str to float
        Percent.
    """
    errors = {
        "nme68_2d": evaluation.error_3ddfa(landmarks, true_landmarks),
        "nme68_3d": evaluation.error_prnet(landmarks, true_landmarks, dimensions=3),
        "thesis_68": evaluation.error_thesis(landmarks, true_landmarks, true_landmarks),
    }
    return {name: float(error) for name, error in errors.items()}


def signed_bias(
    prediction: NDArray, truth: NDArray, scaling: Scaling, face_mask: NDArray[np.bool_]
) -> dict[str, float]:
    """Mean signed difference of two position maps along each axis: what section 4.4 calls errors in one direction.

    Parameters
    ----------
    prediction, truth : (size, size, 3) float
        Pixels of the same aligned image.
    scaling : Scaling
        Of the network that predicts. Its labels, and so its output, have no other offset of z than its own.
    face_mask : (size, size) bool

    Returns
    -------
    dict of str to float
        `bias_x` (to the right), `bias_y` (downwards) and `bias_z` (towards the viewer), in percent of the map's side.
    """
    label = to_pixels(to_network(truth, scaling, face_mask), scaling)
    bias = 100 * (np.asarray(prediction, np.float64) - label)[face_mask].mean(axis=0) / len(face_mask)
    return {f"bias_{axis}": float(value) for axis, value in zip("xyz", bias, strict=True)}
