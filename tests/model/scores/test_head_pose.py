"""The pose's errors, from turns whose angles are known."""

import numpy as np
import pytest

from model.scores.head_pose import LIMIT_DEG, POSE, score_pose
from pipeline.face.camera import euler_angles, rotation_matrix


def score(pose, truth):
    return score_pose(np.deg2rad(pose), np.deg2rad(truth))


def test_the_errors_are_those_of_the_angles_and_their_mean():
    errors = score((10, -20, 5), (13, -26, 4))
    assert [errors[f"pose_{name}"] for name in ("pitch", "yaw", "roll")] == pytest.approx([3, 6, 1])
    assert errors["pose_mae"] == pytest.approx(10 / 3)
    assert set(errors) == set(POSE) - {"pose_floor"}


@pytest.mark.parametrize("axis", range(3))
def test_a_turn_about_one_axis_of_the_head_at_rest_has_its_own_angle_as_the_geodesic_error(axis):
    pose = np.zeros(3)
    pose[axis] = 7
    assert score(pose, np.zeros(3))["pose_geodesic"] == pytest.approx(7)


def test_the_geodesic_error_of_a_half_turn_and_of_nothing():
    assert score((180, 0, 0), (0, 0, 0))["pose_geodesic"] == pytest.approx(180)
    assert score((30, 40, 50), (30, 40, 50))["pose_geodesic"] == pytest.approx(0, abs=1e-9)
    # As little as a thousandth of a degree is told, where the arc cosine has lost its digits.
    assert score((30, 40.001, 50), (30, 40, 50))["pose_geodesic"] == pytest.approx(0.001, rel=1e-6)


def test_near_a_yaw_of_90_degrees_pitch_and_roll_are_far_off_where_the_pose_is_not():
    errors = score((40, 89, 41), (0, 89, 0))
    assert errors["pose_pitch"] == pytest.approx(40)
    assert errors["pose_roll"] == pytest.approx(41)
    assert errors["pose_geodesic"] < 2


def test_angles_are_wrapped_as_the_files_have_them():
    assert score((0, 9, 0), (0, -351, 0))["pose_mae"] == pytest.approx(0, abs=1e-9)
    assert score((179, 0, 0), (-181 + 360, 0, 0))["pose_mae"] is None
    assert score((-3, 0, 0), (358, 0, 0))["pose_pitch"] == pytest.approx(1)


def test_a_yaw_beyond_90_degrees_is_met_by_a_rotation_that_is_read_below():
    truth = np.deg2rad([4, 95, -3])
    read = euler_angles(rotation_matrix(*truth))
    assert abs(np.rad2deg(read[1])) < 90
    errors = score_pose(read, truth)
    assert errors["pose_mae"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [-1, 1])
def test_an_image_with_an_angle_beyond_the_limit_has_no_error(axis, sign):
    truth = np.zeros(3)
    truth[axis] = sign * (LIMIT_DEG + 0.1)
    assert set(score(np.zeros(3), truth).values()) == {None}
    truth[axis] = sign * (LIMIT_DEG - 0.1)
    assert None not in score(np.zeros(3), truth).values()
