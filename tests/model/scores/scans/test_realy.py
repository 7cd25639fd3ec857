"""REALY's errors of regions on a face that a formula draws; 9 mm are one of REALY's units, as on its scans."""

import numpy as np
import pytest
import scipy.spatial
from scipy.spatial.transform import Rotation

from model.scores.scans import realy
from tests.helpers.scanned_face import cut_regions, face_mesh, keypoints, on_face

UNIT = 9.0
TURN = Rotation.from_euler("xyz", [25, -40, 10], degrees=True).as_matrix()
VERTICES, TRIANGLES = face_mesh(49)
# Keypoints are vertices of the scan: REALY looks for the nearest one, and a coarse mesh has none near enough.
PLACES = VERTICES[scipy.spatial.cKDTree(VERTICES[:, :2]).query(keypoints())[1], :2]


@pytest.fixture(scope="module")
def errors_of():
    """Errors in mm of the face's mesh with another height than the scan, at REALY's keypoints, too."""
    regions = {
        name: realy.Region(each.vertices / UNIT, each.triangles)
        for name, each in cut_regions(VERTICES, TRIANGLES).items()
    }
    vertices, triangles = face_mesh(64)

    def score(change, place=lambda points: points):
        moved = (points + [0, 0, 1] * change(points)[:, None] for points in (vertices, on_face(PLACES)))
        mesh, marks = map(place, moved)
        found = realy.errors(mesh, triangles, marks, regions, on_face(PLACES) / UNIT)
        return {name: UNIT * error for name, error in found.items()}

    return score


def nothing(points):
    return np.zeros(len(points))


def test_a_face_of_other_vertices_in_another_unit_and_place_has_hardly_an_error(errors_of):
    found = errors_of(nothing, lambda points: 0.4 * points @ TURN.T + [7, -3, 20])
    assert list(found) == ["nose", "mouth", "forehead", "cheek"]
    assert max(found.values()) < 0.06


def test_what_is_wrong_in_one_region_shows_in_that_one_alone(errors_of):
    known = errors_of(nothing)
    hump = {
        "nose": lambda p: 4 * np.exp(-(p[:, 0] ** 2 + (p[:, 1] - 8) ** 2) / (2 * 6**2)),
        "cheek": lambda p: 4 * np.exp(-((p[:, 0] - 45) ** 2 + (p[:, 1] + 8) ** 2) / (2 * 6**2)),
    }
    for name, change in hump.items():
        more = {region: error - known[region] for region, error in errors_of(change).items()}
        assert more.pop(name) > 0.15
        assert max(more.values()) < 0.005


def test_a_region_that_is_out_of_its_place_as_a_whole_is_put_back(errors_of):
    """A mouth 3 mm in front of its place costs the mouth nothing: each region is aligned for itself. Its rim does."""

    def forward(points):
        inside = (np.abs(points[:, 0]) < 36) & (points[:, 1] < -22) & (points[:, 1] > -58)
        return 3.0 * inside

    found = errors_of(forward)
    assert found["mouth"] < 0.06
    assert found["cheek"] > 0.3


def test_the_scale_is_the_ratio_of_absolute_coordinates():
    """Of seven points twice as wide, once as high: (2 w + h) / (w + h), and not what least squares would take."""
    marks = np.zeros((85, 3))
    marks[list(realy.SEVEN)] = [[-3, 1, 0], [-1, 1, 0], [1, 1, 0], [3, 1, 0], [0, -1, 0], [-1, -2, 0], [1, -2, 0]]
    marks[:, 1] -= marks[list(realy.SEVEN), 1].mean()
    wider = marks * [2, 1, 1] + [5, 6, 7]
    width, tall = np.abs(marks[list(realy.SEVEN)]).sum(axis=0)[:2]
    fit = realy.align_globally(marks, wider)
    assert fit.scale == pytest.approx((2 * width + tall) / (width + tall))
    assert fit.rotation == pytest.approx(np.eye(3), abs=1e-12)
    assert fit.translation == pytest.approx([5, 6, 7])
