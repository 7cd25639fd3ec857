"""What finds faces and their points for the photo commands."""

import dataclasses

import numpy as np
import pytest
import skimage.data

from pipeline.commands.finding import with_mesh
from pipeline.crops.face_finding import Face
from pipeline.crops.face_mesh import MeshFace, find_faces, look_again, open_networks
from pipeline.crops.landmark_map import table_map


@pytest.fixture(scope="module")
def networks():
    return open_networks()


def test_a_face_that_has_its_points_is_looked_at_again_for_a_landmark_map_alone(networks, embedded):
    photo = skimage.data.astronaut()
    seen = find_faces(photo, networks)[0]
    assert with_mesh(np.zeros((1, 1, 3), np.uint8), seen, embedded, {}) is seen
    again = with_mesh(photo, seen, dataclasses.replace(embedded, landmark_map=table_map()), networks)
    assert np.array_equal(again.mesh, look_again(photo, seen, networks["mesh"]).mesh)
    apart = np.linalg.norm(again.mesh - seen.mesh, axis=1)
    assert 0 < apart.mean() < 0.02 * seen.box[2:].mean()


def test_a_face_of_another_detector_keeps_its_place_and_gets_points(networks, embedded):
    photo = np.ascontiguousarray(np.rot90(skimage.data.astronaut(), 2))
    points = 511 - np.array([[203.0, 101], [246, 103], [223, 126], [203, 140], [245, 140]])
    found = with_mesh(photo, Face(np.array([511 - 275.0, 511 - 180, 100, 120]), points, 0.97, 2), embedded, networks)
    assert isinstance(found, MeshFace)
    assert found.confidence > 0.9
    assert np.abs(found.points[:3] - points[:3]).max() < 6
    assert found.quarter_turns == 2
