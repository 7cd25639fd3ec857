"""The landmarks read off Face Mesh beside those of the annotations, on real photos."""

import numpy as np
import pytest

from model.scores.protocols import error_3ddfa
from pipeline.crops.face_mesh import find_faces, open_networks
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.landmarks import EYES, OUTER_EYE_CORNERS
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo

# As many as are left of each 33rd photo.
LEAST = 25


@pytest.fixture(scope="module")
def found(aflw_pairs):
    """Landmarks read and true (N, 68, 2), of the largest face of photos with a yaw under 30 degrees."""
    networks, read, true = open_networks(), [], []
    for photo, annotation in aflw_pairs[::33]:
        truth = read_annotation(annotation)
        if abs(np.rad2deg(truth.pose[1])) < 30:
            faces = find_faces(read_photo(photo), networks)
            assert faces, photo.name
            read.append(read_landmarks(faces[0].mesh[:, :2]))
            true.append(truth.true_landmarks[:, :2])
    assert len(read) >= LEAST
    return np.array(read), np.array(true)


def test_the_error_of_faces_from_the_front_is_below_four_percent(found):
    errors = error_3ddfa(*found)
    assert np.median(errors) < 3.2
    assert np.max(errors) < 7


def test_the_points_of_the_eyes_are_nearer_than_a_tenth_of_their_distance(found):
    read, true = found
    right, left = OUTER_EYE_CORNERS
    distance = np.linalg.norm(true[:, right] - true[:, left], axis=1)
    away = np.linalg.norm(read[:, EYES] - true[:, EYES], axis=2).mean(axis=1) / distance
    assert np.median(away) < 0.035
    assert away.max() < 0.1


def test_no_landmark_lies_to_one_side_on_average(found):
    read, true = found
    size = np.sqrt(np.ptp(true, axis=1).prod(axis=1))
    shift = np.mean((read - true) / size[:, None, None], axis=(0, 1))
    assert np.abs(shift).max() < 0.008
