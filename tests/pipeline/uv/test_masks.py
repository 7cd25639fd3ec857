"""Which points lie inside a polygon."""

import numpy as np
import pytest

from pipeline.uv.masks import inside_polygon

# A U: its notch, between the arms, is outside.
CORNERS = np.array([(0, 0), (6, 0), (6, 6), (4, 6), (4, 2), (2, 2), (2, 6), (0, 6)], float)


@pytest.mark.parametrize("corners", [CORNERS, CORNERS[::-1], np.roll(CORNERS, 3, axis=0)])
def test_points_are_inside_by_the_even_odd_rule(corners):
    inside = [(1, 1), (1, 5), (5, 5), (3, 1), (1, 2), (5, 2)]
    outside = [(3, 4), (-1, 1), (7, 1), (3, -1), (5, 7), (-1, 2), (7, 2), (-1, 6)]
    assert inside_polygon(np.array(inside, float), corners).all()
    assert not inside_polygon(np.array(outside, float), corners).any()


def test_a_part_that_is_enclosed_twice_is_outside():
    star = np.array([(np.sin(turn), np.cos(turn)) for turn in 4 * np.pi / 5 * np.arange(5)])
    assert inside_polygon(0.7 * star, star).all()
    assert not inside_polygon(np.zeros((1, 2)), star).any()
