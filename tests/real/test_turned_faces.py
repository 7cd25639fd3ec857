"""Faces of photos that lie on a side or on their head come out the right way up, judged by `pt3d_68`."""

import numpy as np
import pytest

from pipeline.crops.face_mesh import find_faces, open_networks
from pipeline.photo.fitting import APART, keypoint_distance
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo

# Photos of which the detector sees a face on its head, that Face Mesh is sure of, when they are turned so many times.
PHOTOS = {
    "image00056": 2,
    "image00187": 2,
    "image00656": 2,
    "image00893": 2,
    "image02351": 2,
    "image00229": 3,
    "image03811": 3,
    "image00941": 1,
    "image02194": 1,
}
# Outer corners of the eyes and corners of the mouth, by Face Mesh's numbers and by iBUG's.
MESH, LANDMARKS = [33, 263, 61, 291], [36, 45, 48, 54]


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("name", PHOTOS)
def test_a_face_stands_as_it_is_annotated(face_data, name, quarters):
    photo = read_photo(face_data / f"AFLW2000/{name}.jpg")
    truth = read_annotation(face_data / f"AFLW2000/{name}.mat").true_landmarks[:, :2]
    height, width = photo.shape[:2]
    turned = np.ascontiguousarray(np.rot90(photo, quarters))
    points = find_faces(turned, open_networks())[0].mesh[MESH, :2]
    for _ in range(quarters):  # back by a quarter, clockwise, of a square photo
        assert height == width
        points = np.stack([height - 1 - points[:, 1], points[:, 0]], axis=1)
    size = np.sqrt(np.prod(np.ptp(truth, axis=0)))
    distance = np.linalg.norm(points - truth[LANDMARKS], axis=1).mean() / size
    # Upside down it is over 0.6.
    assert distance < 0.15


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("name", PHOTOS)
def test_the_detector_agrees_where_it_sees_a_turned_face_upright(face_data, name, quarters):
    photo = read_photo(face_data / f"AFLW2000/{name}.jpg")
    face = find_faces(np.ascontiguousarray(np.rot90(photo, quarters)), open_networks())[0]
    assert keypoint_distance(face) < APART
