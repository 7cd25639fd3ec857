"""The irises of a public-domain photo, whose places and width one sees in it."""

import numpy as np
import pytest
import skimage.data

from pipeline.crops.blaze_face import Network, halvings
from pipeline.crops.face_mesh import find_faces, open_networks
from pipeline.crops.iris import find_irises


@pytest.fixture(scope="module")
def found():
    photo, networks = skimage.data.astronaut(), open_networks()
    (face,) = find_faces(photo, networks)
    return find_irises(halvings(photo), face.mesh, networks["iris"]), face


def test_the_irises_lie_in_the_eyes_the_subjects_right_one_first(found):
    rims, face = found
    assert rims.shape == (2, 4, 2)
    middles = rims.mean(axis=1)
    # Read off the enlarged photo.
    assert middles == pytest.approx(np.array([[204.5, 100.5], [247.0, 101.0]]), abs=2.5)
    assert np.abs(middles - face.points[:2]).max() < 3


def test_the_rims_are_round_and_in_order_and_as_wide_in_both_eyes(found):
    rims, _ = found
    wide = np.linalg.norm(rims[:, 0] - rims[:, 2], axis=1)
    high = np.linalg.norm(rims[:, 1] - rims[:, 3], axis=1)
    assert wide == pytest.approx(high, rel=0.15)
    assert wide[0] == pytest.approx(wide[1], rel=0.1)
    # Pupils are 54 to 74 mm apart, irises 11.7 mm wide.
    apart = float(np.linalg.norm(rims[0].mean(axis=0) - rims[1].mean(axis=0)))
    assert 54 / 11.7 < apart / wide.mean() < 74 / 11.7


def test_a_rim_is_brought_back_from_what_the_network_sees_the_right_eye_in_a_mirror():
    """A stand-in for the network says that the rim lies round the one bright pixel, wider on one side of it."""
    photo, mesh = np.full((100, 120, 3), 90, np.uint8), np.zeros((468, 3))
    # Corners of eyes 20 px wide: squares of 46 px about (40, 40) and (70, 40), of which the network sees each px.
    mesh[[33, 133, 362, 263], :2] = [[30, 40], [50, 40], [60, 40], [80, 40]]
    photo[38, 44] = photo[43, 65] = 255  # each in one of the squares
    offsets = np.array([[0, 0], [4, 0], [0, -2], [-3, 0], [0, 2]])

    def look(seen):
        row, column = np.unravel_index(seen[0, ..., 0].argmax(), seen.shape[1:3])
        assert seen.max() == 1
        points = np.zeros((5, 3), np.float32)
        points[:, :2] = offsets + np.array([column + 0.5, row + 0.5])  # from the edge of the first pixel
        return [np.zeros((1, 213), np.float32), points.reshape(1, 15)]

    right, left = find_irises(halvings(photo), mesh, Network(look, 47))
    assert right == pytest.approx(np.array([[40, 38], [44, 36], [47, 38], [44, 40]]), abs=1e-6)
    assert left == pytest.approx(np.array([[69, 43], [65, 41], [62, 43], [65, 45]]), abs=1e-6)
