"""What finds the faces of a photo, and the points that a network's crop is placed by, as options say."""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..crops.blaze_face import Network, Region, halvings
from ..crops.face_finding import Face, first_crop, points_roll
from ..crops.face_mesh import REGION, MeshFace, find_faces, follow, look_again
from ..photo.bundle import Bundle
from ..photo.fitting import read_mesh
from ..photo.map_network import MapNetwork, NetworkFacts, place_crop
from ..photo.reconstruction import Predict, find_landmarks
from ..store.arrays import Array, Image
from ..store.checks import check
from .options import ReconstructorOptions

# From a photo and a face in it to the 68 landmarks (68, >=2) in pixels of the photo.
Landmarker = Callable[[Image, Face], NDArray[np.float64]]
Finder = Callable[[Image], list[Face]]


def open_finder(options: ReconstructorOptions, networks: dict[str, Network]) -> Finder:
    """Choose what finds the faces.

    Raises
    ------
    ValueError
        If dlib is asked for, and is not installed or has no file of its predictor.
    ModuleNotFoundError
        If MTCNN is asked for, and is not installed.
    """
    if options.detector == "mtcnn":
        if importlib.util.find_spec("mtcnn") is None:  # told here, not for each photo; its import takes ten seconds
            raise ModuleNotFoundError("No module named 'mtcnn'", name="mtcnn")
        from ..crops.face_finding import find_faces as find_by_mtcnn

        return find_by_mtcnn
    if options.detector == "dlib":
        from ..crops import dlib_faces

        return functools.partial(dlib_faces.find_faces, _open_dlib(options.dlib_model))
    return lambda photo: list(find_faces(photo, networks))


def with_mesh(photo: Image, face: Face, bundle: Bundle, networks: dict[str, Network]) -> MeshFace:
    """A face with the points of Face Mesh, wherever it was found: of several looks where a landmark map reads them."""
    if not isinstance(face, MeshFace):
        region = Region(face.box[:2] + face.box[2:] / 2, REGION * float(face.box[2:].max()), points_roll(face.points))
        face = follow(halvings(photo), region, networks, face.confidence)
    return face if bundle.landmark_map is None else look_again(photo, face, networks["mesh"])


def open_landmarker(
    options: ReconstructorOptions,
    bundle: Bundle,
    network: MapNetwork,
    predict: Predict,
    networks: dict[str, Network],
) -> Landmarker:
    """Choose what finds the points that a network's crop is placed and levelled by.

    Raises
    ------
    ValueError
        If the file of an Active Shape Model or of dlib's predictor is asked for and is not there.
    """

    def by_mesh(photo: Image, face: Face) -> Array:
        seen = with_mesh(photo, face, bundle, networks)
        return read_mesh(bundle, seen.mesh, seen.confidence, seen.keypoints)

    def place_first(photo: Image, face: Face, facts: NetworkFacts) -> Array:
        if isinstance(face, MeshFace):
            return place_crop(by_mesh(photo, face), face.quarter_turns, facts)
        return first_crop(face, facts.margin, facts.size)

    if options.landmarks == "network":
        facts = network.facts
        return lambda photo, face: find_landmarks(
            photo, place_first(photo, face, facts), predict, network.surface, facts.size
        )
    if options.landmarks == "asm":
        return _open_asm()
    if options.landmarks == "dlib":
        from ..crops import dlib_faces

        predictor = _open_dlib(options.dlib_model)
        levelled = dataclasses.replace(network.facts, level=True, size=dlib_faces.SIZE)
        return lambda photo, face: dlib_faces.find_landmarks(predictor, photo, place_first(photo, face, levelled))
    return by_mesh


def _open_asm() -> Landmarker:
    from ..crops import active_shape
    from ..store.checkout import SHAPES

    check(SHAPES.is_file(), f"{SHAPES} is missing: run `dvc repro asm`, or choose --landmarks facemesh.")
    shapes = active_shape.load_model(SHAPES)
    return lambda photo, face: active_shape.fit(shapes, photo, face.points)


def _open_dlib(path: Path | None) -> Any:
    from ..crops import dlib_faces

    if path is None:
        raise ValueError("dlib needs --dlib-model, the file of its shape predictor of 68 points.")
    return dlib_faces.open_predictor(path)
