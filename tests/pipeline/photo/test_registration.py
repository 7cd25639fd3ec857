"""The nearest points of a mesh, by hand, and where the points of Face Mesh come to lie on the procedural face."""

import numpy as np
import pytest

from pipeline.crops.face_mesh import MIRRORED, POINTS, open_networks
from pipeline.face.face_model import FaceModel
from pipeline.photo.registration import Correspondence, model_at, nearest_on_mesh, register, take
from tests.helpers.meshes import grid_mesh

# Two triangles in the plane z = 0, and one upright behind them.
VERTICES = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [4, 4, 0], [9, 0, -1], [9, 4, -1], [9, 0, 3]])
TRIANGLES = np.array([[0, 1, 2], [1, 3, 2], [4, 5, 6]])


def on_mesh(points, vertices=VERTICES, triangles=TRIANGLES):
    found = nearest_on_mesh(np.array(points, float), vertices, triangles)
    assert (found.weights >= 0).all()
    assert found.weights.sum(axis=1) == pytest.approx(1)
    return found, take(vertices, found)


def test_points_on_a_triangle_stay_with_their_weights():
    found, places = on_mesh([[1, 1, 0], [1, 2, 0], [3, 3, 0]])
    assert places == pytest.approx(np.array([[1, 1, 0], [1, 2, 0], [3, 3, 0]]))
    assert found.vertices.tolist() == [[0, 1, 2], [0, 1, 2], [1, 3, 2]]
    assert found.weights == pytest.approx(np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.25, 0.5, 0.25]]))


@pytest.mark.parametrize(
    ("point", "nearest"),
    [
        ([2, 2, 0], [2, 2, 0]),  # on the edge that two triangles share
        ([1, 1, 5], [1, 1, 0]),  # above a triangle
        ([2, -3, 1], [2, 0, 0]),  # beyond an edge
        ([-1, -2, 3], [0, 0, 0]),  # beyond a corner
        ([-5, 6, 0], [0, 4, 0]),
        ([7, 1, 0.5], [9, 1, 0.5]),  # nearer to the upright triangle
        ([9, 9, 9], [9, 1.5, 1.5]),  # beyond its long side
    ],
)
def test_a_point_off_the_mesh_comes_to_the_nearest_place_on_it(point, nearest):
    _, places = on_mesh([point])
    assert places[0] == pytest.approx(nearest)


def test_a_point_at_a_corner_has_all_its_weight():
    found, _ = on_mesh([[4, 4, 0]])
    assert found.vertices[0].tolist() == [1, 3, 2]
    assert found.weights[0] == pytest.approx([0, 1, 0])


def test_no_vertex_of_a_large_mesh_is_nearer_than_what_is_found():
    vertices, triangles = grid_mesh(30, 30)
    rng = np.random.default_rng(0)
    points = rng.uniform([-16, -16, -25], [16, 16, 2], (200, 3))
    _, places = on_mesh(points, vertices, triangles)
    away = np.linalg.norm(places - points, axis=1)
    to_vertices = np.linalg.norm(vertices[None] - points[:, None], axis=2).min(axis=1)
    to_middles = np.linalg.norm(vertices[triangles].mean(axis=1)[None] - points[:, None], axis=2).min(axis=1)
    assert (away <= np.minimum(to_vertices, to_middles) + 1e-9).all()
    _, again = on_mesh(places, vertices, triangles)
    assert again == pytest.approx(places, abs=1e-9)


def test_values_at_points_are_weighted_and_keep_their_type():
    found = Correspondence(np.array([[0, 1, 2]], np.int32), np.array([[0.5, 0.25, 0.25]]))
    values = np.array([[[8.0], [0]], [[4], [4]], [[0], [100]]], np.float32)
    taken = take(values, found)
    assert taken.dtype == np.float32
    assert taken.tolist() == [[[5], [26]]]


def test_a_model_at_points_deforms_as_the_model_does(patch_model):
    found = Correspondence(patch_model.triangles[[3, 77]], np.array([[1, 0, 0], [0.2, 0.3, 0.5]]))
    small = model_at(patch_model, found)
    corners = patch_model.triangles[[3, 77]]
    for name in ("mean", "shape_basis", "expression_basis"):
        values = getattr(patch_model, name)
        expected = 0.2 * values[corners[1, 0]] + 0.3 * values[corners[1, 1]] + 0.5 * values[corners[1, 2]]
        assert getattr(small, name)[0] == pytest.approx(values[corners[0, 0]])
        assert getattr(small, name)[1] == pytest.approx(expected, rel=1e-5)


def test_a_model_that_is_no_face_is_told():
    vertices, triangles = grid_mesh(9, 9)
    basis = np.zeros((81, 3, 1), np.float32)
    model = FaceModel(vertices.astype(np.float32), basis, basis, triangles, np.zeros(68, np.int32))
    with pytest.raises(ValueError, match=r"Face Mesh sees no face in a picture of the mesh, yaw 0, pitch 0"):
        register(model, open_networks())


# --- on the procedural face --------------------------------------------------------------------------------------

# Points of Face Mesh, the landmark in the same place, and how many mm apart they may lie: an eye's corner is where the
# lids meet for one, and where the white ends for the other.
SAME_PLACE = {33: (36, 3.5), 133: (39, 2.5), 362: (42, 2.5), 263: (45, 3.5), 61: (48, 2), 291: (54, 2), 4: (30, 1.5)}
MILLIMETRE = 1000.0


def test_corners_of_eyes_and_mouth_and_the_nose_lie_at_the_model_s(embedded):
    for point, (landmark, limit) in SAME_PLACE.items():
        away = embedded.points.mean[point] - embedded.landmarks.mean[landmark]
        assert np.linalg.norm(away) / MILLIMETRE < limit, (point, landmark)


def test_the_subject_s_right_is_right(embedded):
    # Face Mesh's eyes, brows, cheeks and corners of the mouth.
    right, left = np.array([33, 133, 70, 50, 61, 234, 172]), np.array([263, 362, 300, 280, 291, 454, 397])
    places = embedded.points.mean
    assert len(places) == POINTS
    assert (places[right, 0] < -10 * MILLIMETRE).all()
    assert (places[left, 0] > 10 * MILLIMETRE).all()
    # A symmetric face is seen nearly so; at the silhouette, the last two, a px is some millimetres of depth.
    away = np.abs(places[right] * [-1, 1, 1] - places[left]) / MILLIMETRE
    assert away[:5].max() < 4
    assert away[5:].max() < 12


def test_the_points_lie_on_the_mesh_in_the_order_of_a_face_from_top_to_bottom(embedded):
    height = embedded.points.mean[[10, 9, 168, 6, 4, 0, 17, 152], 1]
    assert (np.diff(height) < 0).all()
    again = nearest_on_mesh(
        embedded.points.mean.astype(float), embedded.model.mean.astype(float), embedded.model.triangles
    )
    assert take(embedded.model.mean, again) == pytest.approx(embedded.points.mean, abs=0.05 * MILLIMETRE)


def test_the_points_move_with_the_model(embedded):
    """Jaw open: the lower lip goes down, the upper one does not."""
    opened = embedded.points.expression_basis[:, 1, 0]
    assert opened[17] < -2 * MILLIMETRE
    assert opened[14] < -2 * MILLIMETRE
    assert abs(opened[0]) < 0.5 * MILLIMETRE
    assert abs(opened[13]) < 0.5 * MILLIMETRE
    assert abs(opened[9]) < 0.01 * MILLIMETRE


def test_the_points_on_a_symmetric_face_are_mirror_images_of_each_other(embedded):
    points = embedded.points.mean
    apart = np.abs(points - points[MIRRORED] * [-1, 1, 1])
    # The mesh is symmetric, but for the diagonals of its cells.
    assert np.median(apart) < 1e-6 * np.ptp(points[:, 1])
    assert apart.max() < 0.004 * np.ptp(points[:, 1])
