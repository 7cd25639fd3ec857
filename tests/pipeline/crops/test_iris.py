"""The irises of a public-domain photo, whose places and width one sees in it."""

import numpy as np
import pytest
import skimage.data

from pipeline.crops.blaze_face import halvings
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
