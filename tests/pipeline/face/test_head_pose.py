"""Head pose of a mesh: by known cameras, and against the annotations of real photos."""

import cv2
import numpy as np
import pytest

from pipeline.commands.pictures import FRONT_EDGES, draw_head_box
from pipeline.face.camera import project, wrap_angle
from pipeline.face.face_model import deform, select_coefficients
from pipeline.face.head_pose import BOX_EDGES, estimate_pose, head_box
from pipeline.raw.annotations import read_annotation
from pipeline.raw.bfm import load_bfm

HEIGHT = 450


def reference():
    """A lopsided cloud of points, in micrometres."""
    return np.random.default_rng(0).normal(size=(200, 3)) * [50_000, 60_000, 40_000] + [0, 9_000, 20_000]


@pytest.mark.parametrize("degrees", [(0, 0, 0), (20, -60, 10), (-15, 85, -40), (5, 10, 175), (0, 0, -90)])
def test_the_camera_that_placed_the_mesh_is_found(degrees):
    pose = np.array([*np.deg2rad(degrees), 200.0, 230.0, -7.0, 1.5e-3])
    found = estimate_pose(project(reference(), pose, HEIGHT), reference(), HEIGHT)
    assert np.abs(wrap_angle(found[:3] - pose[:3])).max() < 1e-9
    assert found[3:] == pytest.approx(pose[3:], rel=1e-9)


def test_a_head_turned_to_its_left_has_a_yaw_of_that_sign_and_a_roll_is_clockwise_on_the_screen():
    """By eye, not by the formula: the nose tip, and the line from the right to the left eye."""
    face = np.array([[-30, 30, 0], [30, 30, 0], [0, 0, 40], [0, -50, 10], [0, 60, 0]], float)
    pixels = face * [1, -1, 1] + [100, 100, 0]
    assert estimate_pose(pixels, face, 200)[:3] == pytest.approx([0, 0, 0], abs=1e-9)
    # The subject's left is at the right of the photo; a clockwise turn takes it down.
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = (pixels - [100, 100, 0]) @ turn.T + [100, 100, 0]
    assert turned[1, 1] > turned[0, 1]
    assert np.rad2deg(estimate_pose(turned, face, 200)[:3]) == pytest.approx([0, 0, 30], abs=1e-6)


def test_the_box_holds_the_head_and_its_face_is_nearer_than_its_back():
    pose = np.array([0, np.deg2rad(30), 0, 200.0, 230.0, 0, 0.8e-3])
    corners = head_box(reference(), pose, HEIGHT)
    points = project(reference(), pose, HEIGHT)
    hull = cv2.convexHull(corners[:, :2].astype(np.float32))
    assert all(cv2.pointPolygonTest(hull, point, True) > -0.01 for point in points[:, :2].astype(np.float32).tolist())
    assert len(BOX_EDGES) == 12
    lengths = [np.linalg.norm(corners[i] - corners[j]) for i, j in BOX_EDGES]
    assert len({round(length, 6) for length in lengths}) == 3
    front = {corner for edge in FRONT_EDGES for corner in edge}
    assert len(front) == len(FRONT_EDGES) == 4
    assert corners[sorted(front), 2].mean() > corners[:, 2].mean()
    photo = np.zeros((HEIGHT, HEIGHT, 3), np.uint8)
    drawn = draw_head_box(photo, corners)
    assert not photo.any()
    for corner in corners[:, :2].round().astype(int):
        assert drawn[corner[1], corner[0]].any()


@pytest.mark.slow
def test_the_true_meshes_of_real_photos_have_their_annotated_pose(face_data_or_none):
    """What is left is what the mean face lacks of a person's own shape and expression."""
    if face_data_or_none is None:
        pytest.skip("FACE_DATA has no real photos")
    model = load_bfm(face_data_or_none / "bfm")
    errors = []
    for path in sorted((face_data_or_none / "AFLW2000").glob("*.mat"))[::50]:
        annotation = read_annotation(path)
        coefficients = select_coefficients(model, annotation.shape[None], annotation.expression[None])
        vertices = project(deform(model, coefficients)[0], annotation.pose, HEIGHT)
        pose = estimate_pose(vertices, model.mean, HEIGHT)
        errors.append(np.rad2deg(np.abs(wrap_angle(pose[:3] - annotation.pose[:3]))))
    pitch, yaw, roll = np.mean(errors, axis=0)
    assert len(errors) == 30
    assert pitch < 2.5
    assert yaw < 1
    assert roll < 1.5
