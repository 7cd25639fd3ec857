"""A face model, a network and a detector that are made up, so that one knows what they find."""

import cv2
import numpy as np
import scipy.sparse

from pipeline.commands.reconstructor import Reconstructor
from pipeline.crops.alignment import align
from pipeline.crops.face_finding import Face
from pipeline.face.face_model import FaceModel
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.photo.reconstruction import read_face
from pipeline.uv.surface import make_surface
from tests.helpers.small_project import GRID, SIZE, face_map, grid_triangles, grid_uv, landmark_vertices

MARGIN = 1.5


def make_model():
    """A bulging sheet in the model's frame, y up."""
    vertices = ((face_map(grid_uv(GRID)).reshape(-1, 3) - [16, 16, 0]) * [1, -1, 1]).astype(np.float32)
    empty = np.zeros((*vertices.shape, 1), np.float32)
    return FaceModel(vertices, empty, empty, grid_triangles(), landmark_vertices())


def whole_surface(model):
    return make_surface(grid_uv(GRID).reshape(-1, 2), model.triangles, model.landmarks, np.ones((SIZE, SIZE), bool))


def predict(crop):
    """A network that finds the same face in every crop, whose z is off by 9 px."""
    return face_map(grid_uv(SIZE), dz=9.0).astype(np.float32)


def landmarks_at(similarity, surface):
    """Where that face's landmarks lie in the photo by a crop's similarity."""
    return apply_similarity(np.linalg.inv(similarity), face_map(surface.landmark_uv))


def find_squares(photo):
    """A detector that finds a face for each bright square of a photo, none in a dark one."""
    count, _, boxes, _ = cv2.connectedComponentsWithStats((photo[..., 0] > 200).astype(np.uint8))
    return [Face(boxes[i, :4].astype(float), np.zeros((5, 2)), 0.99, 0) for i in range(1, count)]


def make_reconstructor(model, surface):
    """Everything that a face goes through; its landmarks lie about the middle of its box."""
    nearest = np.rint(grid_uv(SIZE) * (GRID - 1)).astype(int)
    columns = (nearest[..., 1] * GRID + nearest[..., 0]).ravel()
    operator = scipy.sparse.csr_array(
        (np.ones(SIZE**2, np.float32), (np.arange(SIZE**2), columns)), shape=(SIZE**2, GRID**2)
    )

    def landmarks(photo, face):
        return landmarks_at(make_similarity(0.5, 0.0, face.box[:2] + face.box[2:] / 2, (15.5, 15.5)), surface)

    def regress(photo, face):
        similarity = align(landmarks(photo, face), MARGIN, True, SIZE)
        return read_face(predict(photo), similarity, surface, model.mean, len(photo))

    return Reconstructor(find_squares, regress, surface, operator, model.mean, "made up")
