"""What finds the landmarks of the test part, as `crop.found` names it."""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.crops import active_shape, face_finding
from pipeline.crops.detection import choose_face
from pipeline.crops.landmark_map import apply_map, load_map
from stages.project.annotated_face import annotated_face
from stages.project.paths import LANDMARK_MAP, SHAPES

# From a photo and the annotated landmarks, which say no more than whose face it is, to the landmarks (68, 2) of it.
Finder = Callable[[NDArray[np.uint8], NDArray], NDArray[np.float64] | None]


def open_finder(source: str) -> Finder:
    """Open what finds landmarks: `facemesh`, its points by the stage `landmark_map`, or `asm` in MTCNN's faces."""
    return functools.partial(_by_mesh, load_map(LANDMARK_MAP)) if source == "facemesh" else _by_shapes


def _by_mesh(learnt: NDArray, photo: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float64] | None:
    face = annotated_face(photo, landmarks)
    return None if face is None else apply_map(learnt, face.mesh, face.confidence, face.keypoints)[:, :2]


def _by_shapes(photo: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float64] | None:
    faces = face_finding.find_faces(photo)
    chosen = choose_face(np.array([face.box for face in faces]).reshape(-1, 4), landmarks)
    return None if chosen is None else active_shape.fit(active_shape.load_model(SHAPES), photo, faces[chosen].points)
