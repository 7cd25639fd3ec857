"""Fit of a face model to 68 landmarks of which those of the jaw line lie on the silhouette, as 2D detectors find them.

Of a turned head the far part of the jaw line is hidden: what looks for 68 points in a photo puts them where the cheek
ends instead, so that they are no fixed vertices of the model. After each fit every hidden point of the jaw line takes
the nearest place of the occluding contour, where the surface turns from the viewer, and the model is fitted again.

References
----------
Zhu, Lei, Yan, Yi, Li, 2015. High-fidelity pose and expression normalization (landmark marching).
Bas, Smith, Bolkart, Wuhrer, 2016. Fitting a 3D morphable model to edges.
Huber et al., 2016. A multiresolution 3D morphable face model and fitting framework (eos), section 3.3.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import scipy.spatial
from numpy.typing import ArrayLike, NDArray

from ..store.arrays import Array
from .face_model import FaceModel, at_landmarks, at_vertices
from .fit import FaceFit, Prior, fit_face, place
from .landmarks import JAW, LANDMARKS, NOSE
from .rendering import vertex_normals

# Fits at most, each with the contour of the one before, and the turn in radians below which there is no other.
ROUNDS, STILL = 12, 1e-3
# How near to a landmark of the nose, in widths of the face, a vertex is of it: the nose's own contour is left out.
NEAR_NOSE = 0.1
# How far from the contour, in widths of the face, a landmark is no part of it and counts for nothing in that round.
FAR = 0.1


class Places(NamedTuple):
    """Places on a mesh: the ends (K, 2) int64 of each one's edge, and which share (K,) of it is before the place."""

    ends: NDArray[np.int64]
    shares: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Outline:
    """Where the contour of a face model is looked for.

    Attributes
    ----------
    face : FaceModel
        The vertices of the face's inside, without ears and neck, with triangles of their own.
    vertices : (K,) int64
        Which of the model's vertices they are.
    edges : (E, 2) int64
        Vertices of the face at the ends of each edge that is not of the nose.
    normals : (17, 3) float64
        Outward normals of the mean face at the jaw line, model frame.
    width : float
        Of the mean face, model units.
    """

    face: FaceModel
    vertices: NDArray[np.int64]
    edges: NDArray[np.int64]
    normals: Array
    width: float


def make_outline(model: FaceModel, vertices: NDArray[np.integer]) -> Outline:
    """Prepare the search for the contour of a face model.

    Parameters
    ----------
    model : FaceModel
    vertices : (K,) int
        Those of the face's inside, such as `Surface.vertices`.

    Returns
    -------
    Outline
    """
    chosen: NDArray[np.int64] = np.asarray(vertices, np.int64)
    number = np.full(len(model.mean), -1)
    number[chosen] = np.arange(len(chosen))
    triangles = number[model.triangles]
    triangles = triangles[(triangles >= 0).all(axis=1)].astype(np.int32)
    landmarks = model.mean[model.landmarks]
    width = float(np.ptp(landmarks[JAW, 0]))
    distances = np.asarray(scipy.spatial.cKDTree(landmarks[NOSE]).query(model.mean[chosen])[0])
    free = distances > NEAR_NOSE * width
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0).astype(np.int64)
    flipped = np.array([1, -1, 1])  # to the pixel frame and back
    normals = (flipped * vertex_normals(model.mean * flipped, model.triangles)).astype(np.float64)
    return Outline(
        dataclasses.replace(at_vertices(model, lambda values: values[chosen]), triangles=triangles),
        chosen,
        edges[free[edges].all(axis=1)],
        normals[model.landmarks[JAW]],
        width,
    )


def fit_with_contour(
    model: FaceModel, outline: Outline, landmarks: NDArray, sigma: ArrayLike, prior: Prior, height: int
) -> FaceFit:
    """Fit pose and coefficients to 68 landmarks whose hidden part of the jaw line lies on the silhouette.

    Parameters
    ----------
    model : FaceModel
    outline : Outline
        Of the model.
    landmarks : (68, 2) float
        Pixels of the photo, y down; not finite where one is not seen.
    sigma : float or (68,) float
        Standard deviation of each in px.
    prior : Prior
        Of the model's coefficients.
    height : int
        Of the photo in px.

    Returns
    -------
    FaceFit

    Raises
    ------
    ValueError
        As `fit_face` does, for the landmarks but the jaw line.
    """
    sigma = np.broadcast_to(np.asarray(sigma, np.float64), (LANDMARKS,))
    inner = sigma.copy()
    inner[JAW] = np.inf
    # The jaw line's fixed vertices would turn a head that is seen from the side.
    fit = fit_face(at_landmarks(model), landmarks, inner, prior, height)
    for _ in range(ROUNDS):
        places, known = _move_contour(outline, fit, landmarks, model.landmarks)
        again = fit_face(_at(model, places), landmarks, np.where(known, sigma, np.inf), prior, height, fit)
        turned = np.abs(again.pose[:3] - fit.pose[:3]).max()
        fit = again
        if turned < STILL:
            break
    return fit


def _at(model: FaceModel, places: Places) -> FaceModel:
    def take(values: NDArray) -> NDArray:
        shares = places.shares.astype(np.float32).reshape(-1, *(1,) * (values.ndim - 1))
        first, second = values[places.ends.T]
        return first + shares * (second - first)

    return at_vertices(model, take)


def _move_contour(
    outline: Outline, fit: FaceFit, landmarks: NDArray, fixed: NDArray[np.integer]
) -> tuple[Places, NDArray[np.bool_]]:
    """Places (68,) that landmarks are taken for, hidden ones on the contour of a fit, and which of them have one."""
    ends, shares = np.stack([fixed, fixed], axis=1).astype(np.int64), np.zeros(LANDMARKS)
    known = np.ones(LANDMARKS, bool)
    hidden = np.flatnonzero(outline.normals @ fit.camera[2, :3] < 0)
    hidden = hidden[np.isfinite(landmarks[hidden]).all(axis=1)]
    if len(hidden):
        placed = place(outline.face, fit)
        contour = occluding_contour(outline, placed)
        first, second = placed[contour.ends.T]
        points = first + contour.shares[:, None] * (second - first)
        distances, nearest = map(np.asarray, scipy.spatial.cKDTree(points[:, :2]).query(landmarks[hidden]))
        near = distances < FAR * outline.width * fit.pose[6]
        known[hidden[~near]] = False
        ends[hidden[near]] = outline.vertices[contour.ends[nearest[near]]]
        shares[hidden[near]] = contour.shares[nearest[near]]
    return Places(ends, shares), known


def occluding_contour(outline: Outline, placed: NDArray) -> Places:
    """Find where a placed face turns from the viewer.

    Parameters
    ----------
    outline : Outline
    placed : (K, 3) float
        Vertices of `outline.face`, in px, y down.

    Returns
    -------
    Places
        Of `outline.face`: on each edge whose ends' normals point to either side, where the one between them lies in the
        picture's plane.
    """
    facing = vertex_normals(placed, outline.face.triangles)[:, 2].astype(np.float64)
    first, second = facing[outline.edges].T
    turns = (first > 0) != (second > 0)
    return Places(outline.edges[turns], first[turns] / (first[turns] - second[turns]))
