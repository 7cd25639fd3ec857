"""Everything that turns a found face into a mesh, opened once for many photos."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from pipeline.crops import active_shape, dlib_faces
from pipeline.crops.face_finding import Face, find_faces, first_crop
from pipeline.face.face_model import FaceModel, load_model
from pipeline.photo.reconstruction import Predict, Reconstruction, find_landmarks, reconstruct
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import Surface, load_surface
from stages.photo.network import EXPORTED, open_predictor
from stages.project.params import CropParams, DataParams, read
from stages.project.strict import check
from stages.project.variants import read_variant

MODEL, LAYOUT, SHAPES = Path("data/face_model/model.h5"), Path("data/uv_embedding/uv.h5"), Path("data/asm/model.h5")
DETECTORS, LANDMARKERS = ("mtcnn", "dlib"), ("network", "asm", "dlib")
Image = NDArray[np.uint8]
# From a photo and a face in it to the 68 landmarks (68, >=2) in pixels of the photo.
Landmarker = Callable[[Image, Face], NDArray[np.float64]]
Finder = Callable[[Image], list[Face]]
Command = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class FacePipeline:
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


def network_options(command: Command) -> Command:
    """Give a command the options that `open_pipeline` takes."""
    file = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--dlib-model", type=file, help="dlib's shape predictor of 68 points."),
        click.option("--detector", type=click.Choice(DETECTORS), default="mtcnn", show_default=True),
        click.option("--landmarks", type=click.Choice(LANDMARKERS), default="network", show_default=True),
        click.option("--weights", type=file, help="Weights (.h5) of the network in params.yaml."),
        click.option("--model", type=file, help=f"Exported .onnx or .tflite; by default {EXPORTED}."),
    ):
        command = option(command)
    return command


def open_pipeline(
    model: Path | None, weights: Path | None, landmarks: str, detector: str, dlib_model: Path | None, threads: int
) -> FacePipeline:
    """Read the network, the face model and its layout, and choose what finds the landmarks.

    Parameters
    ----------
    model, weights : Path or None
        See `stages.photo.network.open_predictor`.
    landmarks : {'network', 'asm', 'dlib'}
        `network`: a first pass over a crop that is placed by the detector alone.
    detector : {'mtcnn', 'dlib'}
        What finds the faces; dlib's knows upright ones from the front only.
    dlib_model : Path or None
        The file of dlib's shape predictor, for `dlib`.
    threads : int
        That the network may use.

    Raises
    ------
    ValueError
        If a file is missing or does not fit params.yaml.
    """
    data, margin = read("data", DataParams), read("crop", CropParams).margin
    predict = open_predictor(read_variant(), data.size, threads, model, weights)
    for path in (MODEL, LAYOUT):
        check(path.is_file(), f"{path} is missing: run `dvc repro uv_embedding`.")
    face, operator, surface = load_model(MODEL), load_uv(LAYOUT).operator, load_surface(MODEL, LAYOUT)
    find = {
        "network": lambda: _by_network(predict, surface, margin, data.size),
        "asm": _by_asm,
        "dlib": lambda: _by_dlib(_open_dlib(dlib_model), margin),
    }[landmarks]()
    finder = find_faces if detector == "mtcnn" else partial(dlib_faces.find_faces, _open_dlib(dlib_model))
    return FacePipeline(finder, predict, find, face, surface, operator, margin, data.size)


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


def only_face(photo: Image, path: Path, pipeline: FacePipeline) -> Face:
    """The largest face of a photo, which is only named in errors.

    Raises
    ------
    ValueError
        If there is none.
    """
    faces = pipeline.find_faces(photo)
    check(bool(faces), f"No face was found in {path}.")
    return faces[0]
