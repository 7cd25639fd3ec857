"""Everything that turns a found face into a mesh, opened once for many photos."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from pipeline.crops import active_shape, dlib_faces
from pipeline.crops.face_finding import Face, find_faces, first_crop
from pipeline.face.face_model import FaceModel, load_model
from pipeline.photo.photo_files import open_photo
from pipeline.photo.reconstruction import Predict, Reconstruction, find_landmarks, reconstruct
from pipeline.store.arrays import Image
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import Surface, load_surface
from stages.photo.network import open_regressor
from stages.photo.options import NetworkOptions
from stages.project.params import CropParams, DataParams, read
from stages.project.paths import LAYOUT, MODEL, SHAPES
from stages.project.strict import check
from stages.project.variants import read_variant

# From a photo and a face in it to the 68 landmarks (68, >=2) in pixels of the photo.
Landmarker = Callable[[Image, Face], NDArray[np.float64]]
Finder = Callable[[Image], list[Face]]


@dataclasses.dataclass(frozen=True)
class Reconstructor:
    """What every face of every photo is reconstructed by.

    Attributes
    ----------
    find_faces : callable
        The detector: from a photo to its faces, the largest first.
    predict : callable
        The network.
    landmarks : callable
        Finds the points that the crop is levelled by.
    model : FaceModel
    surface : Surface
    operator : (size * size, all vertices) sparse
        Of the UV layout.
    margin : float
        Side of the crop in sides of the landmarks' box.
    size : int
        Of the crop in px.
    """

    find_faces: Finder
    predict: Predict
    landmarks: Landmarker
    model: FaceModel
    surface: Surface
    operator: scipy.sparse.csr_array
    margin: float
    size: int

    def reconstruct(self, photo: Image, face: Face) -> Reconstruction:
        """Reconstruct one face of a photo (H, W, 3) uint8, see `pipeline.photo.reconstruction.reconstruct`."""
        return self.mesh(photo, self.landmarks(photo, face))

    def mesh(self, photo: Image, landmarks: NDArray) -> Reconstruction:
        """Reconstruct the face that has some landmarks (68, >=2), see `pipeline.photo.reconstruction.reconstruct`."""
        return reconstruct(photo, landmarks, self.predict, self.surface, self.model, self.margin, self.size)


def open_reconstructor(options: NetworkOptions, threads: int) -> Reconstructor:
    """Read the network, the face model and its layout, and choose what finds faces and landmarks.

    Parameters
    ----------
    options : NetworkOptions
    threads : int
        That the network may use.

    Returns
    -------
    Reconstructor

    Raises
    ------
    ValueError
        If a file is missing or does not fit params.yaml.
    """
    data, margin = read("data", DataParams), read("crop", CropParams).margin
    predict = open_regressor(read_variant(), data.size, threads, options.model, options.weights)
    for path in (MODEL, LAYOUT):
        check(path.is_file(), f"{path} is missing: run `dvc repro uv_embedding`.")
    face, operator, surface = load_model(MODEL), load_uv(LAYOUT).operator, load_surface(MODEL, LAYOUT)
    find = {
        "network": lambda: _by_network(predict, surface, margin, data.size),
        "asm": _by_asm,
        "dlib": lambda: _by_dlib(_open_dlib(options.dlib_model), margin),
    }[options.landmarks]()
    finder: Finder = find_faces
    if options.detector == "dlib":
        finder = partial(dlib_faces.find_faces, _open_dlib(options.dlib_model))
    return Reconstructor(finder, predict, find, face, surface, operator, margin, data.size)


def open_largest(path: Path, reconstructor: Reconstructor) -> tuple[Image, Reconstruction]:
    """Open a photo, and reconstruct the largest face in it.

    Returns
    -------
    photo : (H, W, 3) uint8
    face : Reconstruction

    Raises
    ------
    ValueError
        If it is no photo, or shows no face.
    """
    photo, _ = open_photo(path)
    faces = reconstructor.find_faces(photo)
    check(bool(faces), f"No face was found in {path}.")
    return photo, reconstructor.reconstruct(photo, faces[0])


def _by_network(predict: Predict, surface: Surface, margin: float, size: int) -> Landmarker:
    return lambda photo, face: find_landmarks(photo, first_crop(face, margin, size), predict, surface, size)


def _by_asm() -> Landmarker:
    check(SHAPES.is_file(), f"{SHAPES} is missing: run `dvc repro asm`, or choose --landmarks network.")
    shapes = active_shape.load_model(SHAPES)
    return lambda photo, face: active_shape.fit(shapes, photo, face.points)


def _open_dlib(path: Path | None) -> Any:
    if path is None:
        raise ValueError("dlib needs --dlib-model, the file of its shape predictor of 68 points.")
    return dlib_faces.open_predictor(path)


def _by_dlib(predictor: Any, margin: float) -> Landmarker:
    size = dlib_faces.SIZE
    return lambda photo, face: dlib_faces.find_landmarks(predictor, photo, first_crop(face, margin, size))
