"""What finds the landmarks of the test part, as `crop.found` names it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.commands.network import open_regressor
from pipeline.crops import active_shape, dlib_faces
from pipeline.crops.face_finding import choose_annotated, find_faces, first_crop
from pipeline.crops.landmark_map import apply_map, load_map
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.photo.bundle import load_bundle
from pipeline.photo.map_network import MapNetwork, place_crop
from pipeline.photo.reconstruction import Predict, find_landmarks
from pipeline.store.checkout import SHAPES
from stages.project.annotated_face import annotated_face
from stages.project.paths import LANDMARK_MAP

# From a photo and the annotated landmarks, which say no more than whose face it is, to the landmarks (68, 2) of it.
Finder = Callable[[NDArray[np.uint8], NDArray], NDArray[np.float64] | None]


def file_of(source: str, learnt: str) -> Path:
    """File of what a source has learnt, where `crop.found` names a stage's output or the file itself."""
    return {"facemesh": LANDMARK_MAP, "asm": SHAPES}.get(source, Path(learnt))


def open_finder(source: str, learnt: Path) -> Finder:
    """Open what finds landmarks.

    Parameters
    ----------
    source : {'facemesh', 'asm', 'dlib', 'network'}
        Face Mesh, its points read by the stage `landmark_map`; the Active Shape Model in MTCNN's faces; dlib; or the
        network of a bundle, in a first crop that Face Mesh places.
    learnt : Path
        See `file_of`.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If dlib is asked for and is not installed, the file is none of its predictors, or a bundle without a network.
    """
    if source == "facemesh":
        return functools.partial(_by_mesh, load_map(learnt))
    if source == "dlib":
        return functools.partial(_by_dlib, dlib_faces.open_predictor(learnt))
    if source == "network":
        network = load_bundle(learnt).network
        if network is None:
            raise ValueError(f"{learnt} has no network: name a bundle with one, such as `export` writes elsewhere.")
        return functools.partial(_by_network, network, open_regressor(network, 1))
    return functools.partial(_by_shapes, active_shape.load_model(learnt))


def _by_mesh(learnt: NDArray, photo: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float64] | None:
    face = annotated_face(photo, landmarks)
    return None if face is None else apply_map(learnt, face.mesh, face.confidence, face.keypoints)[:, :2]


def _by_shapes(
    shapes: active_shape.ActiveShapeModel, photo: NDArray[np.uint8], landmarks: NDArray
) -> NDArray[np.float64] | None:
    face = choose_annotated(find_faces(photo), landmarks)
    return None if face is None else active_shape.fit(shapes, photo, face.points)


def _by_dlib(predictor: Any, photo: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float64] | None:
    face = choose_annotated(dlib_faces.find_faces(predictor, photo), landmarks)
    if face is None:
        return None
    return dlib_faces.find_landmarks(predictor, photo, first_crop(face, 1 / dlib_faces.BOX_SHARE, dlib_faces.SIZE))


def _by_network(
    network: MapNetwork, predict: Predict, photo: NDArray[np.uint8], landmarks: NDArray
) -> NDArray[np.float64] | None:
    face = annotated_face(photo, landmarks)
    if face is None:
        return None
    first = place_crop(read_landmarks(face.mesh), face.quarter_turns, network.facts)
    return find_landmarks(photo, first, predict, network.surface, network.facts.size)[:, :2]
