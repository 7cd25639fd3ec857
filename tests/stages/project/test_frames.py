"""What `score` says of predictions that seem to be meant in another frame, order or unit."""

import numpy as np
import pytest

from pipeline.face.landmarks import MIRRORED
from tests.helpers.foreign_scores import HEIGHT


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (lambda p: p, None),
        (lambda p: p + np.array([0, 0, -70]), None),
        # Errors of a real method: noise of some pixels is no frame.
        (lambda p: p + np.random.default_rng(0).normal(0, 3, p.shape), None),
        (
            lambda p: p + np.array([1, 1, 0]),
            "They have another origin: the 68 landmarks in 2D would be 0.00 % off, rec",
        ),
        (lambda p: p - p.mean(axis=0), "They have another origin: "),
        (
            lambda p: p * [1, -1, 1] + [0, HEIGHT - 1, 0],
            "Y grows upwards in them: the 68 landmarks in 2D would be 0.00 %",
        ),
        (lambda p: (p - p.mean(axis=0)) * [1, -1, 1], "Y grows upwards in them: "),
        (lambda p: p[:, [1, 0, 2]], "X and y are exchanged in them: "),
        (lambda p: p * [-1, 1, 1] + [99, 0, 0], "X grows to the left in them: the 68 landmarks in 2D would be 0.00 %"),
        (lambda p: p * [3, 3, 1], "They are in pixels of another size, such as a crop's: "),
        (lambda p: p * [1, 1, -1], "Z grows away from the viewer in them: z would be 0.00 % off, negated, instead of "),
    ],
)
def test_a_wrong_frame_is_named_where_another_would_score_several_times_better(hints_of, change, start):
    hints, _ = hints_of(change)
    assert len(hints) == (start is not None)
    assert all(hint.startswith(start) for hint in hints)


@pytest.mark.parametrize("offset", [(1, 1, 0), (1, -1, 0), (0, -1, 0)])
def test_one_pixel_off_is_told_though_the_method_is_off_by_as_much_itself(hints_of, offset):
    rng = np.random.default_rng(1)
    hints, _ = hints_of(lambda p: p + rng.normal(0, 0.5, p.shape) + np.array(offset))
    assert [hint[:23] for hint in hints] == ["They lie one pixel off "]
    assert not hints_of(lambda p: p + rng.normal(0, 1, p.shape) + np.array([0.5, 0.5, 0]))[0]
    assert not hints_of(lambda p: p + rng.normal(0, 1, p.shape))[0]
    assert not hints_of(lambda p: p + rng.normal(0, 1, p.shape) + np.array([2, 0, 0]))[0]


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (lambda p: p[MIRRORED], "Right and left are exchanged in the order of their landmarks: the 68"),
        (lambda p: p[MIRRORED] * [-1, 1, 1] + [99, 0, 0], "They are of the mirrored photo: the 68"),
        (lambda p: np.vstack([p[1:], p[:1]]), "They begin with the second landmark: the 68"),
        (lambda p: np.vstack([p[:1], p[:-1]]), "They have a point before the first landmark: the 68"),
        (lambda p: np.vstack([p[1:], p[:1]])[:, :2], "They begin with the second landmark: the 68"),
        (lambda p: p[::-1], None),
    ],
)
def test_another_order_of_the_landmarks_is_named(hints_of, mesh, change, start):
    hints, _ = hints_of(lambda vertices: change(vertices[mesh.model.landmarks]))
    assert [hint[: len(start)] for hint in hints if "in 2D" in hint] == ([] if start is None else [start])


@pytest.mark.parametrize(
    ("factor", "start"),
    [
        (1.9, None),
        (4.0, "Z is in another unit in them: z would be 0.00 % off, scaled by one number for all images, instead of "),
        (0.1, "Z is in another unit in them: z would be 0.00 % off, scaled by one number for all images, instead of "),
        (-4.0, "Z grows away from the viewer in them, in another unit: z would be 0.00 % off, negated and scaled by "),
    ],
)
def test_another_unit_of_depth_is_named_with_how_far_it_is_off(hints_of, factor, start):
    """Errors of a method's own, of which a half as much again is no unit; 1.9 times of no error but the unit's is."""
    rng = np.random.default_rng(0)
    noise = 0.0 if start else 3.0
    hints, _ = hints_of(lambda p: (p + rng.normal(0, noise, p.shape)) * [1, 1, factor])
    assert [hint[: len(start)] for hint in hints] == ([] if start is None else [start])
    assert all(f"(it spreads {abs(factor):.3g} times as far as the true one)" in hint for hint in hints)


def test_one_number_scales_the_depth_of_all_images_and_not_each_its_own(hints_of):
    factors = iter([0.02, 1.0, 50.0, 4.0, 4.0, 0.001])
    hints, _ = hints_of(lambda p: p * [1, 1, next(factors)])
    assert hints == []
    # One flat face changes nothing of what the others have in common.
    hints, _ = hints_of(lambda p: p * [1, 1, next(factors)])
    assert [hint[:19] for hint in hints] == ["Z is in another uni"]
    assert "(it spreads 4 times as far as the true one)" in hints[0]


def test_a_hint_needs_an_error_three_times_as_large(hints_of, mesh):
    """Shifted by d and off by e at right angles to it, the error is 3 e where d is e times the root of 8."""
    sides = np.resize([-1.0, 1.0], 68)[:, None]

    def off(shift):
        return hints_of(lambda p: p[mesh.model.landmarks] + np.array([shift, 0, 0]) + sides * [0, 1, 0])[0]

    assert off(0.9 * 8**0.5) == []
    assert [hint[:24] for hint in off(1.1 * 8**0.5)] == ["They have another origin"]


def test_one_landmark_that_is_lost_hides_no_frame_and_counts_in_the_mean_offset(hints_of, mesh):
    """It is 300 px off, the others 20: recentred 300 / 68 = 4.4 px are left, a fifth of what there is."""
    lost = np.zeros((68, 3))
    lost[7, 1] = 300
    hints, table = hints_of(lambda p: p[mesh.model.landmarks] + lost + np.array([20, 0, 0]))
    assert [hint[:24] for hint in hints] == ["They have another origin"]
    assert table["offset_y_px"].tolist() == pytest.approx([300 / 68] * 3, abs=1e-3)


def test_the_frame_that_is_told_is_the_best_and_not_any_that_is_better(hints_of):
    rng = np.random.default_rng(0)
    hints, _ = hints_of(lambda p: p * [1.15, 1.15, 1] + rng.normal(0, 0.1, p.shape))
    assert [hint[:32] for hint in hints] == ["They are in pixels of another si"]


def test_y_and_z_may_both_be_wrong(hints_of):
    hints, _ = hints_of(lambda p: (p - p.mean(axis=0)) * [1, -1, -1])
    assert [hint[:9] for hint in hints] == ["Y grows u", "Z grows a"]


def test_the_mean_offset_is_in_pixels_of_the_photo_right_and_down(hints_of):
    hints, table = hints_of(lambda p: p + np.array([2, -0.5, 0]))
    assert table["offset_x_px"].tolist() == pytest.approx([2.0] * 3, abs=1e-3)
    assert table["offset_y_px"].tolist() == pytest.approx([-0.5] * 3, abs=1e-3)
    assert "(mean offset x +2.00, y -0.50 px)" in hints[0]
