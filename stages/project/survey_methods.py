"""The systems that the thesis surveys: a function each, from one face of a test photo to a mesh or landmarks of it."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.face import multilinear, multilinear_fit
from pipeline.face.candide import fit_candide, place_candide, read_wireframe
from pipeline.face.contour_fit import Outline, fit_with_contour, make_outline
from pipeline.face.face_model import FaceModel, at_landmarks
from pipeline.face.fit import Prior, fit_face, place
from pipeline.photo.detail import add_detail, refine
from pipeline.store.arrays import Array, Image
from pipeline.uv.position_map import UVLayout
from pipeline.uv.surface import Surface
from stages.project.paths import MODEL, PRIOR

# Standard deviation of a landmark's coordinate in sizes of the face.
SIGMA = 0.02


@dataclasses.dataclass(frozen=True)
class SurveyFace:
    """What a method sees of a face.

    Attributes
    ----------
    sample_id : str
    photo : (H, W, 3) uint8
        RGB.
    landmarks : (68, 2) float64
        Pixels of the photo, annotated or found: ``landmarks`` of the method's entry in params.yaml says which.
    """

    sample_id: str
    photo: Image
    landmarks: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Tools:
    """What a method may use beside the face.

    Attributes
    ----------
    model : FaceModel
    prior : Prior
        Of its coefficients.
    surface : Surface
    layout : UVLayout
    needs : Path
        What ``needs`` of the method's entry in params.yaml names.
    """

    model: FaceModel
    prior: Prior
    surface: Surface
    layout: UVLayout
    needs: Path


@dataclasses.dataclass(frozen=True, eq=False)
class FreeMesh:
    """A result whose vertices are not the face model's.

    Attributes
    ----------
    vertices : (N, 3) float64
        Pixels of the photo, y down, z towards the viewer with any offset.
    triangles : (F, 3) int
    landmarks : (68, 3) float64 or None
        Pixels of the photo; NaN where the system has none. None for none at all.
    """

    vertices: Array
    triangles: NDArray[np.integer]
    landmarks: Array | None = None


# (V, 3) float64: the face model's vertices in pixels of the photo, z with any offset. Or (68, 3): landmarks alone.
Result = Array | FreeMesh
Method = Callable[[SurveyFace, Tools], Result]


class Kind(NamedTuple):
    """A method, and the files that it reads beside what ``needs`` names: their size is part of its cost."""

    method: Method
    files: tuple[Path, ...] = (MODEL, PRIOR)


def fit_landmarks(face: SurveyFace, tools: Tools) -> Array:
    """Fit the face model to the landmarks, each of which is a vertex of it.

    Blanz and Vetter (1999), with the scaled orthographic camera and the landmarks alone of Bas et al. (2016).
    """
    sigma = SIGMA * np.ptp(face.landmarks, axis=0).mean()
    fit = fit_face(at_landmarks(tools.model), face.landmarks, sigma, tools.prior, len(face.photo))
    return place(tools.model, fit)


def fit_contour(face: SurveyFace, tools: Tools) -> Array:
    """Fit the face model to the landmarks, of which the hidden ones of the jaw line lie on the silhouette."""
    sigma = SIGMA * np.ptp(face.landmarks, axis=0).mean()
    fit = fit_with_contour(tools.model, _outline(tools), face.landmarks, sigma, tools.prior, len(face.photo))
    return place(tools.model, fit)


@functools.lru_cache(maxsize=1)
def _outline(tools: Tools) -> Outline:
    return make_outline(tools.model, tools.surface.vertices)


def fit_shading(face: SurveyFace, tools: Tools) -> Array:
    """Fit the face model as `fit_contour` does, and move what is seen of it by what the photo's shading tells."""
    vertices = fit_contour(face, tools)
    detail = add_detail(face.photo, vertices[tools.surface.vertices], tools.surface, refine(tools.surface, 0))
    vertices[tools.surface.vertices] = detail.vertices
    return vertices


def fit_wireframe(face: SurveyFace, tools: Tools) -> FreeMesh:
    """Fit CANDIDE-3, whose file ``needs`` names, to those of the landmarks that it has."""
    model = _wireframe(tools.needs)
    sigma = SIGMA * np.ptp(face.landmarks, axis=0).mean()
    vertices, landmarks = place_candide(model, fit_candide(model, face.landmarks, sigma, len(face.photo)))
    return FreeMesh(vertices, model.triangles, landmarks)


@functools.lru_cache(maxsize=1)
def _wireframe(path: Path) -> FaceModel:
    return read_wireframe(path)


@functools.lru_cache(maxsize=1)
def _open_multilinear(path: Path) -> tuple[multilinear.MultilinearModel, multilinear.MultilinearModel]:
    """A multilinear model, and the same at its landmarks."""
    model = multilinear.load_multilinear(path)
    return model, multilinear.at_vertices(model, lambda values: values[model.landmarks])


def fit_multilinear(face: SurveyFace, tools: Tools) -> Array:
    """Fit a multilinear face model to the landmarks: Vlasic et al. (2005), Cao et al. (2014)."""
    model, at_points = _open_multilinear(tools.needs)
    sigma = SIGMA * np.ptp(face.landmarks, axis=0).mean()
    fit = multilinear_fit.fit_multilinear(at_points, face.landmarks, sigma, len(face.photo))
    return multilinear_fit.place(model, fit)


# By the kinds of `survey_params.KINDS`.
KINDS: dict[str, Kind] = {
    "fit": Kind(fit_landmarks),
    "contour": Kind(fit_contour),
    "candide": Kind(fit_wireframe, ()),
    "multilinear": Kind(fit_multilinear, ()),
    "shading": Kind(fit_shading),
}
