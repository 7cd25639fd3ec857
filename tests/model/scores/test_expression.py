"""Openings of eyes and mouth, and errors of coefficients, of a face drawn by hand."""

import numpy as np
import pytest

from model.scores.expression import CLOSED_BELOW, EXPRESSION, coefficient_error, measure_openings, score_openings
from pipeline.face.fit import Prior

UPPER_LIDS, LOWER_LIDS = [37, 38, 43, 44], [41, 40, 47, 46]
UPPER_LIPS, LOWER_LIPS = [61, 62, 63], [67, 66, 65]


def make_face(eyes, mouth, width):
    """Outer eye corners 100 px apart in x and z, lids and lips apart in y, and the mouth's corners in x."""
    face = np.zeros((68, 3))
    face[45] = [60, 0, 80]
    face[UPPER_LIDS, 1], face[LOWER_LIDS, 1] = -eyes / 2, eyes / 2
    face[UPPER_LIPS, 1], face[LOWER_LIPS, 1] = 50 - mouth / 2, 50 + mouth / 2
    face[54, 0] = width
    return face


def test_openings_are_the_mean_distances_in_space():
    face = make_face(8, 20, 60)
    face[LOWER_LIDS[0], 2] = 6  # 8 apart in y and 6 in z: 10
    openings = measure_openings(face)
    assert openings["eyes"] == pytest.approx((3 * 8 + 10) / 4)
    assert (openings["mouth"], openings["mouth_width"]) == (20, 60)


def test_errors_are_in_percent_of_the_true_distance_of_the_eyes_and_signed():
    row = score_openings(make_face(6, 30, 55), make_face(10, 22, 60))
    assert (row["eyes"], row["eyes_bias"]) == pytest.approx((4, -4))
    assert (row["mouth"], row["mouth_bias"]) == pytest.approx((8, 8))
    assert (row["mouth_width"], row["mouth_width_bias"]) == pytest.approx((5, -5))
    assert set(row) == set(EXPRESSION) - {"expression"}


def test_a_prediction_elsewhere_turned_and_as_large_has_the_same_openings():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    row = score_openings(make_face(6, 30, 55) @ turn + [7, 8, 9], make_face(10, 22, 60))
    assert (row["eyes"], row["mouth"]) == pytest.approx((4, 8))


@pytest.mark.parametrize(("name", "place"), [("eyes", 0), ("mouth", 1)])
def test_what_is_closed_counts_as_found_if_the_prediction_is_below_the_same_limit(name, place):
    limit = CLOSED_BELOW[name]

    def closed(true, found):
        faces = [make_face(*(value if i == place else 30 for i in range(3))) for value in (found, true)]
        return score_openings(*faces)[f"{name}_closed"]

    assert closed(limit - 0.1, limit - 0.2) == 100
    assert closed(limit - 0.1, limit + 0.1) == 0
    assert closed(limit + 0.1, limit - 0.1) is None


def test_a_face_without_extent_is_refused():
    with pytest.raises(ValueError, match="outer eye corners lie in one place"):
        score_openings(make_face(6, 30, 55), np.zeros((68, 3)))


def test_coefficients_are_measured_in_sigmas_of_those_of_the_expression_that_vary():
    prior = Prior(np.zeros(5), np.array([1.0, 1.0, 2.0, 0.5, 0.0]))
    truth, found = np.zeros(5), np.array([9.0, 9.0, 6.0, 2.0, 5.0])
    # Off by 3 and 4 sigma.
    assert coefficient_error(found, truth, prior, 2) == pytest.approx(np.sqrt((9 + 16) / 2))
    assert coefficient_error(found, truth, Prior(np.zeros(5), np.zeros(5)), 2) == 0
