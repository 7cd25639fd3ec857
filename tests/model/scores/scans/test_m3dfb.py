"""M3DFB's errors where one knows them; tests/real has its published table."""

import numpy as np
import pytest
import scipy.optimize
from scipy.spatial.transform import Rotation

from model.scores.scans import m3dfb

SIDE = 21
TURN = Rotation.from_euler("xyz", [25, -40, 170], degrees=True).as_matrix()


def sheet():
    """A bulging sheet, its 51 landmarks spread over it, and the first five that count those in its frame's corners."""
    x, y = (side.ravel() for side in np.meshgrid(np.linspace(-60, 60, SIDE), np.linspace(-60, 60, SIDE)))
    vertices = np.column_stack([x, y, 40 - (x**2 + y**2) / 200])
    numbers = np.random.default_rng(3).choice(SIDE**2, m3dfb.LANDMARKS, replace=False)
    return vertices, m3dfb.Template(numbers, vertices)


def test_a_mesh_in_another_unit_turned_and_shifted_has_no_error():
    scan, template = sheet()
    predicted = 0.02 * scan @ TURN.T + [5, 6, 7]
    found = m3dfb.errors(predicted, scan, scan[template.landmarks], template)
    assert list(found) == ["true", "e1", "e12"]
    for errors in found.values():
        assert errors == pytest.approx(np.zeros(SIDE**2), abs=1e-9)


def test_only_vertices_of_a_scan_that_has_them_are_compared_one_by_one():
    scan, template = sheet()
    shuffled = np.random.default_rng(0).permutation(scan)
    found = m3dfb.errors(scan, np.vstack([shuffled, [[0, 0, -500]]]), scan[template.landmarks], template)
    assert list(found) == ["e1", "e12"]
    assert found["e1"].max() < 1e-9
    assert found["e12"].max() < 1e-9


def test_what_slides_along_the_surface_is_seen_by_the_true_error_and_hardly_by_the_nearest_points():
    """Vertices of a plane shifted along it, but for the five that align it: 6 mm off, and on the plane still."""
    x, y = (side.ravel() for side in np.meshgrid(np.arange(-60, 61, 1.5), np.arange(-60, 61, 1.5)))
    scan = np.column_stack([x, y, np.zeros_like(x)])
    template = m3dfb.Template(np.random.default_rng(3).choice(len(x), m3dfb.LANDMARKS, replace=False), scan)
    predicted = scan + np.array([6, 0, 0])
    aligned_by = template.landmarks[m3dfb.RIGID]
    predicted[aligned_by] = scan[aligned_by]
    found = m3dfb.errors(predicted, scan, scan[template.landmarks], template)
    assert found["true"].mean() == pytest.approx(6 * (1 - 5 / len(x)))
    assert found["e1"].mean() < 0.4


def test_elastic_alignment_brings_landmarks_to_their_places_and_moves_nothing_further():
    vertices, template = sheet()
    rng = np.random.default_rng(5)
    for scale in (0.1, 1.0, 3.0):
        wanted = vertices[template.landmarks] + scale * rng.normal(size=(m3dfb.LANDMARKS, 3))
        warped = m3dfb.align_elastically(vertices, wanted, template.landmarks)
        most = np.abs(wanted - vertices[template.landmarks]).max(axis=0)
        moved = np.abs(warped - vertices)[:: m3dfb.BOUNDED].max(axis=0)
        assert (moved <= most * (1 + 1e-9)).all()
    # A sum of its own kind it draws exactly, at all vertices.
    farthest = np.linalg.norm(vertices - vertices[template.landmarks[0]], axis=1)
    target = vertices + (1 - farthest / farthest.max())[:, None] * [1, -2, 0.5]
    warped = m3dfb.align_elastically(vertices, target[template.landmarks], template.landmarks)
    assert warped == pytest.approx(target, abs=1e-6)


def test_the_nearest_point_within_bounds_is_what_a_general_solver_finds():
    rng = np.random.default_rng(0)
    for _ in range(5):
        matrix, wanted = rng.normal(size=(12, 4)), rng.normal(size=4)
        most = np.abs(wanted).max()
        limits = scipy.optimize.LinearConstraint(matrix, -most, most)
        known = scipy.optimize.minimize(
            lambda x, to=wanted: ((x - to) ** 2).sum(),
            np.zeros(4),
            constraints=limits,
            method="SLSQP",
            tol=1e-12,
        )
        assert m3dfb._nearest_within(matrix, wanted) == pytest.approx(known.x, abs=1e-5)


def test_the_correction_of_two_vertices_is_what_one_computes_by_hand():
    """They lie 2 apart along x and their points 2 and 0 away: the Laplacian has (2, -2), and the matrix is
    [[1 + w, -1/2], [-1/2, 1 + w]], of which (1, -1) is an eigenvector to 3/2 + w."""
    vertices = np.array([[0.0, 0, 0], [2, 0, 0]])
    nearest = vertices + np.array([[2.0, 0, 0], [0, 0, 0]])
    for weight in (0.5, 2.5):
        correction = m3dfb.topology_correction(vertices, nearest, np.full(2, weight))
        assert correction[:, 0] == pytest.approx([2 / (1.5 + weight), -2 / (1.5 + weight)])
        assert correction[:, 1:] == pytest.approx(np.zeros((2, 2)))


def test_points_that_are_equally_far_in_one_direction_need_no_correction():
    vertices, _ = sheet()
    correction = m3dfb.topology_correction(vertices, vertices + np.array([3, -2, 7]), np.ones(SIDE**2))
    assert correction == pytest.approx(np.zeros_like(vertices), abs=1e-9)


def test_weights_are_those_of_the_landmarks_and_never_below_one():
    """At a landmark 1/0.01 counts; with all of them in one place, one eye's distance away, 1/1 and 1/(1 - 0.48)."""
    mean = np.zeros((60, 3))
    numbers = np.arange(m3dfb.LANDMARKS)
    mean[numbers[m3dfb.LEFT_EYE]] = [1, 0, 0]
    mean[55:] = [[0, 1, 0], [0, 5, 0], [0, -5, 0], [0, 0, 9], [0, 0, -1]]
    weights = m3dfb.vertex_weights(m3dfb.Template(numbers, mean))
    assert (weights >= 1).all()
    # Of the 35 that weigh one is the other eye, at a distance of sqrt 2 from the vertex.
    distance = (34 + np.sqrt(2)) / 35
    assert weights[55] == pytest.approx(np.sqrt((1 + 1 / (distance - 0.48)) / 2))
    assert weights[56] == 1


def test_a_prediction_without_extent_is_refused():
    scan, template = sheet()
    with pytest.raises(ValueError, match="all lie in one place"):
        m3dfb.errors(np.ones_like(scan), scan, scan[template.landmarks], template)
    twice = m3dfb.Template(np.concatenate([template.landmarks[:50], template.landmarks[:1]]), scan)
    with pytest.raises(ValueError, match="Landmarks of the prediction lie in one place"):
        m3dfb.errors(scan, scan, scan[twice.landmarks] + np.eye(51, 3), twice)
