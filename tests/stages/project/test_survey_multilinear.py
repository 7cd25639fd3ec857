"""The survey's row of a multilinear face model."""

import numpy as np

from pipeline.face.camera import project
from pipeline.face.multilinear import deform, make_multilinear, save_multilinear
from stages.project.survey_methods import KINDS, SurveyFace, Tools

HEIGHT = 300
POSE = np.array([0.1, -0.4, 0.05, 150.0, 160.0, 0.0, 1e-3])


def test_the_face_of_the_model_comes_back_from_its_landmarks(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, size=(2, 100))
    mean = np.stack([7e4 * x, 9e4 * y, 6e4 * (1 - 0.6 * x**2 - 0.3 * y**2)], axis=1)
    parts = 3e3 * rng.normal(size=(100, 3, 3, 2))
    people, expressions = np.column_stack([np.ones(8), rng.normal(size=(8, 2))]), rng.normal(size=(6, 2))
    meshes = mean + np.einsum("vdij,ni,mj->nmvd", parts, people, expressions)
    landmarks = np.arange(20, 88, dtype=np.int32)
    model = make_multilinear(meshes, (2, 2), np.array([[0, 1, 2]], np.int32), landmarks, "abcdef")
    save_multilinear(tmp_path / "model.h5", model)
    vertices = project(deform(model, np.array([0.5, -0.5]), np.array([0.3, 0.8])), POSE, HEIGHT)
    face = SurveyFace("a", np.zeros((HEIGHT, HEIGHT, 3), np.uint8), vertices[landmarks, :2])
    found = KINDS["multilinear"].method(face, Tools(None, None, None, None, tmp_path / "model.h5"))
    assert found.shape == (100, 3)
    # The prior draws a little: 68 points of 2 % of the face say more.
    assert np.linalg.norm(found - vertices, axis=1).mean() < 0.05 * np.ptp(vertices[:, 1])
    assert np.abs(found - vertices)[landmarks, :2].mean() < 0.01 * np.ptp(vertices[:, 1])
