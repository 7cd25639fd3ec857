"""Millimetres of a pixel, by hand: 11.7 mm of iris, and the distance of the eyes' middles."""

import numpy as np
import pytest

from pipeline.photo.metric_scale import mm_per_px


@pytest.fixture
def landmarks():
    """The eyes' six points each round (100, 200, 30) and (160, 280, 30): 100 px apart; all else far away."""
    points = np.full((68, 3), 1e6)
    ring = np.array([[-3, 0, 0], [-1, -1, 0], [1, -1, 0], [3, 0, 0], [1, 1, 0], [-1, 1, 0]])
    points[36:42], points[42:48] = np.add(ring, [100, 200, 30]), np.add(ring, [160, 280, 30])
    return points


def rim(centre, across, along):
    """Right, top, left and bottom of an ellipse."""
    return np.array([[-across, 0], [0, -along], [across, 0], [0, along]]) / 2 + centre


def test_a_pupil_distance_is_measured_between_the_middles_of_the_eyes(landmarks):
    assert mm_per_px(landmarks, pupil_distance_mm=63) == (pytest.approx(0.63), "pupil distance")


def test_a_turned_face_has_the_same_scale(landmarks):
    turned = landmarks[:, [2, 1, 0]] * [1, 1, -1]
    assert mm_per_px(turned, pupil_distance_mm=63)[0] == pytest.approx(0.63)


def test_an_iris_is_as_wide_as_the_longest_axis_of_both(landmarks):
    # 8 px wide as the face is turned, 10 px high; and the nearer one 14 px wide under a lowered lid.
    irises = np.stack([rim((100, 200), 8, 10), rim((160, 280), 14, 9)])
    assert mm_per_px(landmarks, irises) == (pytest.approx(11.7 / 14), "iris")
    # Depth, which an iris' points may have, says nothing.
    deep = np.concatenate([irises, np.full((2, 4, 1), 5.0) * np.arange(4)[:, None]], axis=2)
    assert mm_per_px(landmarks, deep)[0] == pytest.approx(11.7 / 14)


def test_the_faces_own_measure_counts_more_than_everyones(landmarks):
    irises = np.stack([rim((100, 200), 10, 10)] * 2)
    assert mm_per_px(landmarks, irises, 63) == (pytest.approx(0.63), "pupil distance")


@pytest.mark.parametrize(("length", "said"), [(0, "0 mm"), (-63, "-63 mm"), (np.nan, "nan mm"), (np.inf, "inf mm")])
def test_what_is_no_length_is_refused(landmarks, length, said):
    with pytest.raises(ValueError, match=f"A length of {said} that measures 100 px gives no scale"):
        mm_per_px(landmarks, pupil_distance_mm=length)


def test_without_a_measure_there_is_no_scale(landmarks):
    with pytest.raises(ValueError, match="without its irises or its pupil distance"):
        mm_per_px(landmarks)
    with pytest.raises(ValueError, match=r"11.7 mm that measures 0 px"):
        mm_per_px(landmarks, np.zeros((2, 4, 2)))
