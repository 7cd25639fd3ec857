"""The 68 landmarks read off Face Mesh: the table's symmetry, and a photo beside its mirror image."""

import numpy as np
import pytest
import skimage.data

from pipeline.crops.face_mesh import POINTS, find_faces, open_networks
from pipeline.crops.mesh_landmarks import FIRST, PAIRS, SECOND, WEIGHT, read_landmarks
from pipeline.face.landmarks import CHIN, LANDMARKS, LEFT_EYE, MIRRORED, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE


def test_there_is_a_row_for_each_landmark_and_its_weight_keeps_near_the_points():
    assert len(PAIRS) == LANDMARKS
    assert all(0 <= number < POINTS for number in (*FIRST, *SECOND))
    assert set(WEIGHT) <= {-0.5, -0.25, 0.25, 0.5, 0.75}
    assert (FIRST != SECOND).all()


def test_a_landmark_lies_on_the_line_of_its_two_points():
    mesh = np.zeros((2, POINTS, 3))
    # The first of the jaw: (234, 177, -0.5), beyond the silhouette's point.
    mesh[1, 234], mesh[1, 177] = (10, 20, 30), (14, 22, 28)
    landmarks = read_landmarks(mesh)
    assert landmarks.shape == (2, LANDMARKS, 3)
    assert landmarks[1, 0].tolist() == [8, 19, 31]
    assert not landmarks[0].any()


def test_reading_commutes_with_what_keeps_lines():
    rng = np.random.default_rng(0)
    mesh, linear, shift = rng.normal(size=(POINTS, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    assert read_landmarks(mesh @ linear + shift) == pytest.approx(read_landmarks(mesh) @ linear + shift)
    assert read_landmarks(mesh[:, :2]) == pytest.approx(read_landmarks(mesh)[:, :2])


def test_mirrored_landmarks_are_of_one_weight():
    assert (WEIGHT[MIRRORED] == WEIGHT).all()


@pytest.fixture(scope="module")
def seen():
    """Points of the photo and of its mirror image, brought back; the face's size in px."""
    photo, networks = skimage.data.astronaut(), open_networks()
    meshes = [find_faces(np.ascontiguousarray(each), networks)[0] for each in (photo, photo[:, ::-1])]
    back = meshes[1].mesh * [-1, 1, 1] + [photo.shape[1] - 1, 0, 0]
    return meshes[0].mesh, back, float(meshes[0].box[2:].mean())


def test_the_mirrored_photo_has_the_mirrored_landmarks(seen):
    mesh, back, size = seen
    away = np.linalg.norm(read_landmarks(back)[MIRRORED, :2] - read_landmarks(mesh)[:, :2], axis=1) / size
    assert np.median(away) < 0.025
    assert away.max() < 0.035


def test_mirrored_landmarks_are_read_off_mirrored_points(seen):
    # A point's mirror image is the one that Face Mesh sees in its place in the mirrored photo.
    mesh, back, size = seen
    for numbers in (FIRST, SECOND):
        assert np.linalg.norm(back[numbers] - mesh[numbers[MIRRORED]], axis=1).max() < 0.05 * size


def test_eyes_nose_mouth_and_chin_are_where_the_picture_has_them(seen):
    landmarks = read_landmarks(seen[0])[:, :2]
    # By eye, in px of the picture; a face of 100 px.
    expected = {
        (RIGHT_EYE.start,): (194, 100.5),
        (RIGHT_EYE.start + 3,): (211, 101.5),
        (LEFT_EYE.start,): (238, 104),
        (LEFT_EYE.start + 3,): (258, 103.5),
        (NOSE_TIP,): (223, 126),
        (MOUTH_CORNERS[0],): (204, 140),
        (MOUTH_CORNERS[1],): (245, 140.5),
        (CHIN,): (221, 177),
    }
    for (number,), place in expected.items():
        assert np.linalg.norm(landmarks[number] - place) < 6.5, number
