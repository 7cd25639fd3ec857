"""Another method's predictions in files, and the annotations that they are scored against."""

import numpy as np
import scipy.io
import scipy.sparse

from pipeline.face.camera import project
from pipeline.face.face_model import FaceModel
from pipeline.uv.surface import make_surface
from stages.project.foreign import Mesh
from stages.project.published import Benchmark
from tests.helpers.small_project import (
    GRID,
    SIZE,
    face_map,
    grid_triangles,
    grid_uv,
    landmark_vertices,
)

NOTHING_PUBLISHED = Benchmark({}, {})
HEIGHT = 90
# Pose_Para: pitch, yaw, roll, tx, ty, tz, scale.
POSES = {
    "one": (0, 0, 0, 40, 50, 0, 1.0),
    "two": (0.1, -0.5, 0.2, 45, 40, 9, 1.5),
    "three": (0, 7.0, 0, 50, 50, 3, 0.8),
}


def make_mesh() -> Mesh:
    """A bulging sheet whose texels are its vertices; in the model's frame, y up."""
    uv = grid_uv(GRID)
    vertices = ((face_map(uv).reshape(-1, 3) - [16, 16, 0]) * [1, -1, 1]).astype(np.float32)
    model = FaceModel(
        vertices, np.zeros((*vertices.shape, 1)), np.zeros((*vertices.shape, 1)), grid_triangles(), landmark_vertices()
    )
    mask = np.ones((SIZE, SIZE), bool)
    nearest = np.rint(np.linspace(0, GRID - 1, SIZE)).astype(int)
    columns = (nearest[:, None] * GRID + nearest).ravel()
    operator = scipy.sparse.csr_array((np.ones(SIZE**2), (np.arange(SIZE**2), columns)), shape=(SIZE**2, GRID**2))
    return Mesh(model, make_surface(uv.reshape(-1, 2), model.triangles, model.landmarks, mask), operator)


def vertices_of(mesh, name):
    return project(mesh.model.mean, np.array(POSES[name], float), HEIGHT)


def write_annotation(path, pose, landmarks=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"Shape_Para": np.zeros((199, 1)), "Exp_Para": np.zeros((29, 1)), "Pose_Para": np.array(pose, float)[None]}
    if landmarks is not None:
        # As published: from 1.
        values["pt3d_68"] = (landmarks + np.array([1, 1, 0])).T
    scipy.io.savemat(path, values)


def save(folder, name, points):
    path = folder / f"set/{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, points)


def box_size(points):
    return np.sqrt(np.prod(np.ptp(points[:, :2], axis=0)))
