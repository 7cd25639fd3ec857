"""What a pair says twice, by faces whose distances are known by hand."""

import numpy as np
import pytest

from pipeline.face.landmarks import MIRRORED
from pipeline.raw.agreement import doubt_model, find_disagreement, find_other_shape, landmark_distances

NONE = np.full((68, 3), np.nan), np.full((68, 2), np.nan)


def moved(x, y, z):
    return face() + np.array([x, y, z])


def face(seed=0):
    """Points whose box is 100 px wide and 64 high: a size of 80 px."""
    points = np.random.default_rng(seed).uniform(0, 1, (68, 3))
    points = (points - points.min(0)) / np.ptp(points, axis=0)
    return points * [100, 64, 50] + [20, 30, 0]


def test_distances_are_in_percent_of_the_root_of_width_times_height():
    true = face()
    distances = landmark_distances(moved(3, 4, 1000), true)  # 5 px of 80; z is not looked at
    assert distances == pytest.approx(np.full(68, 6.25))


@pytest.mark.parametrize(("percent", "refused"), [(0, False), (9.9, False), (10.1, True), (60, True)])
def test_a_mesh_beyond_ten_percent_of_pt3d_68_is_refused(percent, refused):
    true = face()
    fault = find_disagreement("image00002", moved(0.8 * percent, 0, 0), true, NONE[1])
    assert (fault is not None) == refused
    if refused:
        assert f"{percent:.3g} % of the face's size from pt3d_68" in fault
        assert "resized, padded or cropped" in fault


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("value", [1e30, -1e30, 900.0])
def test_a_single_coordinate_that_is_far_off_is_refused(axis, value):
    true = face()
    true[33, axis] = value
    assert find_disagreement("image00002", face(), true, NONE[1]) is not None


def test_true_landmarks_without_extent_are_refused():
    assert find_disagreement("a", face(), np.ones((68, 3)), NONE[1]) is not None


def test_z_may_begin_anywhere_but_not_run_the_other_way():
    true = face()
    assert find_disagreement("a", moved(0, 0, 700), true, NONE[1]) is None
    assert find_disagreement("a", true * [1, 1, -1], true, NONE[1]) is not None


@pytest.mark.parametrize("stem", ["HELEN_232194_1_0", "HELEN_232194_1_7", "holiday"])
def test_marks_are_compared_up_or_down_where_there_is_nothing_better(stem):
    marks = face()[:, :2]
    assert find_disagreement(stem, face(), NONE[0], marks) is None
    assert find_disagreement(stem, face()[MIRRORED], NONE[0], marks) is None  # a flip whose points are not exchanged
    resized = moved(0, 0.3 * 80, 0)
    assert "from pt2d" in find_disagreement(stem, resized, NONE[0], marks)


def test_marks_of_a_head_that_was_turned_since_may_lie_aside():
    turned = moved(40, 6, 0)
    assert find_disagreement("AFW_134212_1_3", turned, NONE[0], face()[:, :2]) is None
    assert find_disagreement("AFW_134212_1_0", turned, NONE[0], face()[:, :2]) is not None


def test_pt3d_68_decides_where_there_are_both():
    assert find_disagreement("AFW_134212_1_0", face(), face(), face()[:, :2] + 500) is None


def test_nothing_to_compare_with_is_no_contradiction():
    assert find_disagreement("a", face(), *NONE) is None


@pytest.mark.parametrize(
    ("region", "size", "refused"),
    [
        ((532, -100, 1120, 488), (450, 450), False),
        ((532, -100, 1120, 488), (600, 600), False),  # of the same ratio: what else is wrong, landmarks say
        ((532, -100, 1120, 488), (450, 400), True),
        ((532, -100, 1120, 488), (455, 450), True),
        ((1, 1, 224, 160), (224, 160), False),
        ((10, 10, 60, 61), (450, 450), False),  # rounded
        ((5, 5, 5, 5), (450, 400), False),  # no region
        ((np.nan,) * 4, (450, 400), False),
    ],
)
def test_a_photo_in_another_ratio_than_its_region_is_refused(region, size, refused):
    fault = find_other_shape(np.array(region, float), *size)
    assert (fault is not None) == refused
    if refused:
        assert f"{size[0]} x {size[1]} px is not in the ratio of roi" in fault


def test_a_model_above_one_and_a_half_percent_is_doubted():
    assert doubt_model(1.5) is None
    assert "0-based keypoints" in doubt_model(1.78)
    assert "mirrored" in doubt_model(34)
