"""NoW's distances on surfaces where one knows them."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from model.scores.scans import now
from tests.helpers.scanned_face import SEVEN, face_mesh, on_face

TURN = Rotation.from_euler("xyz", [25, -40, 10], degrees=True).as_matrix()


def placed(points):
    """In another unit, turned and shifted."""
    return 0.013 * np.asarray(points) @ TURN.T + [3, -4, 5]


@pytest.fixture(scope="module")
def scan():
    return face_mesh(81)[0], on_face(SEVEN)


@pytest.fixture(scope="module")
def mesh():
    return face_mesh(120)


def test_points_one_millimetre_before_and_behind_a_plane_are_one_millimetre_from_it():
    """The first of any fit's errors would be 0 if the plane could follow; as many lie on either side everywhere."""
    x, y = np.meshgrid(np.arange(-60, 61, 2.0), np.arange(-60, 61, 2.0))
    signs = np.where((np.indices(x.shape).sum(axis=0) % 2) == 0, 1.0, -1.0)
    scan = np.column_stack([x.ravel(), y.ravel(), signs.ravel()])
    landmarks = np.column_stack([SEVEN, np.zeros(7)])
    plane = np.array([[-300, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]], float)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    distances = now.errors(placed(plane), triangles, placed(landmarks), scan, landmarks)
    assert len(distances) == len(scan)
    assert distances == pytest.approx(np.ones(len(scan)), abs=2e-3)


def test_a_sphere_of_another_size_and_place_is_laid_over_the_scanned_one():
    rng = np.random.default_rng(0)
    ball = trimesh.creation.icosphere(subdivisions=5, radius=100)
    directions = rng.normal(size=(4000, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scan = directions * (100 + np.where(np.arange(4000) % 2, 0.5, -0.5))[:, None]
    landmarks = np.column_stack([SEVEN, np.sqrt(100**2 - (SEVEN**2).sum(axis=1))])
    # The landmarks are found badly, which the surface makes good.
    off = landmarks + rng.normal(0, 2, landmarks.shape)
    distances = now.errors(placed(ball.vertices), ball.faces, placed(off), scan, landmarks)
    # A chord of the mesh is up to 0.05 mm inside of the sphere.
    assert distances.mean() == pytest.approx(0.5, abs=0.02)
    assert distances.std() < 0.06


def test_a_face_of_other_vertices_is_found_wherever_it_lies(scan, mesh):
    off = on_face(SEVEN) + np.random.default_rng(1).normal(0, 1.5, (7, 3))
    distances = now.errors(placed(mesh[0]), mesh[1], placed(off), *scan)
    assert distances.mean() < 0.02
    assert distances.max() < 0.25


def test_a_bump_costs_what_it_stands_out_where_it_is(scan, mesh):
    """2 mm on one cheek: the fit gives way by a little, everywhere else it costs next to nothing."""
    vertices, triangles = mesh
    bump = 2 * np.exp(-((vertices[:, 0] - 35) ** 2 + (vertices[:, 1] + 5) ** 2) / (2 * 6**2))
    distances = now.errors(vertices + bump[:, None] * [0, 0, 1], triangles, on_face(SEVEN), *scan)
    points = scan[0][now.in_face(*scan)]
    away = np.linalg.norm(points[:, :2] - [35, -5], axis=1)
    assert 1.2 < distances[away < 3].mean() < 2
    assert distances[away > 25].mean() < 0.08


def test_the_order_of_points_vertices_and_triangles_does_not_matter(scan, mesh):
    rng = np.random.default_rng(2)
    vertices, triangles = mesh
    vertices = vertices + 0.5 * np.sin(vertices[:, ::-1] / 7)
    points, order, mixed = (rng.permutation(len(each)) for each in (scan[0], vertices, triangles))
    first = now.errors(vertices, triangles, on_face(SEVEN), *scan)
    second = now.errors(vertices[order], np.argsort(order)[triangles][mixed], on_face(SEVEN), scan[0][points], scan[1])
    assert np.sort(second) == pytest.approx(np.sort(first), abs=1e-2)
    assert second.mean() == pytest.approx(first.mean(), abs=1e-3)


def test_the_cut_is_a_ball_above_the_nose_as_wide_as_the_face_is():
    """Eyes 90 mm apart, 50 mm above the nose's bottom: 1.4 x 70 mm about a point 15 mm above it."""
    landmarks = np.array([[-45, 50, 0], [-15, 50, 0], [15, 50, 0], [45, 50, 0], [0, 0, 0], [-25, -20, 0], [25, -20, 0]])
    centre, radius = np.array([0, 15, 0]), 98.0
    for direction in np.vstack([np.eye(3), -np.eye(3)]):
        points = np.array([centre + (radius - 0.01) * direction, centre + (radius + 0.01) * direction])
        assert now.in_face(points, landmarks).tolist() == [True, False]


def test_a_scan_in_another_unit_than_its_landmarks_is_told(scan, mesh):
    with pytest.raises(ValueError, match="has no point of the face: its landmarks are not in its unit"):
        now.errors(*mesh, on_face(SEVEN), 1000 * scan[0], scan[1] + 5)
