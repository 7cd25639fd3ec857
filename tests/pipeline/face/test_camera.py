import numpy as np
import pytest

from pipeline.face.camera import euler_angles, project, rotation_matrix, transform_pose, wrap_angle, wrap_degrees
from pipeline.face.similarity import apply_similarity, make_similarity

QUARTER = np.pi / 2


def test_positive_angles_turn_as_3ddfa_defines_them():
    x, y, z = np.eye(3)
    assert rotation_matrix(QUARTER, 0, 0) @ y == pytest.approx(-z)
    assert rotation_matrix(0, QUARTER, 0) @ z == pytest.approx(-x)
    assert rotation_matrix(0, 0, QUARTER) @ y == pytest.approx(x)


def test_pitch_is_applied_last():
    # Roll takes y to x, then yaw x to z, then pitch z to y.
    assert rotation_matrix(QUARTER, QUARTER, QUARTER) @ [0, 1, 0] == pytest.approx([0, 1, 0])


def test_euler_angles_invert_the_rotation_also_at_profile():
    rng = np.random.default_rng(1)
    for angles in [*rng.uniform([-3, -1.5, -3], [3, 1.5, 3], (100, 3)), [0.3, QUARTER, 0.2], [0.3, -QUARTER, 0.2]]:
        rotation = rotation_matrix(*angles)
        assert rotation_matrix(*euler_angles(rotation)) == pytest.approx(rotation, abs=1e-7)


def test_a_vertex_lands_on_the_0_based_pixel_with_y_down():
    # Unturned, scaled by 2, moved to (11, 21) in 1-based pixels with y up, in a photo 100 px high.
    pose = [0, 0, 0, 11, 21, 5, 2]
    assert project(np.array([[0, 0, 0], [1, 2, 3]]), pose, 100) == pytest.approx(np.array([[10, 79, 5], [12, 75, 11]]))


def test_face3d_convention_is_one_pixel_right_and_one_up_of_ours():
    pose = [0.1, 0.2, 0.3, 11, 21, 5, 2]
    ours, theirs = (project(np.ones((1, 3)), pose, 100, name) for name in ("annotation", "face3d"))
    assert theirs - ours == pytest.approx(np.array([[1, -1, 0]]))


def test_an_unknown_convention_is_refused_by_name():
    with pytest.raises(ValueError, match="'matlab'"):
        project(np.ones((1, 3)), np.ones(7), 100, "matlab")


def test_the_pose_of_an_aligned_image_projects_to_the_moved_points():
    rng = np.random.default_rng(2)
    for _ in range(50):
        pose = [*rng.uniform(-9, 9, 3), *rng.uniform(-300, 300, 3), rng.uniform(0.1, 2)]
        similarity = make_similarity(rng.uniform(0.1, 3), rng.uniform(-4, 4), rng.normal(size=2), rng.normal(size=2))
        vertices = rng.normal(size=(5, 3))
        moved = apply_similarity(similarity, project(vertices, pose, 450))
        assert project(vertices, transform_pose(pose, 450, similarity, 64), 64) == pytest.approx(moved, abs=1e-8)


def test_angles_wrap_into_a_half_open_circle():
    assert np.rad2deg(wrap_angle(np.deg2rad([-351.0, 190.0, 180.0, 10.0]))) == pytest.approx([9, -170, -180, 10])
    assert wrap_degrees([-351.0, 190.0, 180.0, 10.0]).tolist() == [9, -170, -180, 10]
