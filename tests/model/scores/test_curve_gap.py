"""The largest gap of two cumulative error curves, by hand and against simulated methods whose gap is known."""

import numpy as np
import pytest
from scipy.stats import norm

from model.scores.curve_gap import curve_gap

IMAGES = 60


def test_the_largest_gap_and_its_error_by_hand():
    found = curve_gap([[1.0, 2, 3, 9]], [[4.0, 2, 5, 6]], 100, 1)
    assert found.errors.tolist() == [1, 2, 3, 4, 5, 6, 9]
    # First has 1, 2, 3, 3, 3, 3, 4 of the four images up to these errors, second 0, 1, 1, 2, 3, 4, 4.
    assert found.gap.tolist() == [25, 25, 50, 25, 0, -25, 0]
    assert (found.at, found.largest.mean) == (3, 50)
    assert found.largest == (50, 50 - found.half, 50 + found.half)


def test_the_curves_are_the_means_over_the_seeds():
    found = curve_gap([[1.0, 3], [2, 3]], [[3.0, 3]], 100, 1)
    # Of the first one image in four at 1, two at 2, all at 3; of the second all at 3.
    assert found.errors.tolist() == [1, 2, 3]
    assert found.gap.tolist() == [25, 50, 0]


def test_equal_methods_have_no_gap_and_no_band():
    errors = np.arange(12.0).reshape(3, 4)
    assert curve_gap(errors, errors, 100, 1).largest.mean == 0
    assert curve_gap(errors[:1], errors[:1], 100, 1).largest == (0, 0, 0)


def test_many_errors_are_looked_at_in_even_steps_from_the_least_to_the_largest():
    found = curve_gap([np.arange(0.0, 3000)], [np.arange(0.5, 3000)], 100, 1)
    assert (len(found.errors), found.errors[0], found.errors[-1]) == (1000, 0, 2999.5)
    assert np.diff(found.errors).max() <= 3.5


def test_other_images_or_none_are_refused():
    with pytest.raises(ValueError, match="same images: got 2 and 3"):
        curve_gap(np.zeros((1, 2)), np.zeros((1, 3)), 100, 1)
    with pytest.raises(ValueError, match="the test part is empty"):
        curve_gap(np.zeros((3, 0)), np.zeros((3, 0)), 100, 1)


def simulate(rng, gain, seeds, seed_spread):
    """Errors (seeds, images) of two methods, the first lower by `gain`: images are hard for both, seeds shift them."""
    hard = rng.normal(10, 2, IMAGES)
    return [
        hard - less + rng.normal(0, 1, (seeds, IMAGES)) + rng.normal(0, seed_spread, (seeds, 1)) for less in (gain, 0)
    ]


@pytest.mark.parametrize(
    ("gain", "seeds", "seed_spread"), [(1.0, 1, 0.0), (0.0, 1, 0.0), (1.0, 3, 0.5), (0.0, 3, 0.5), (2.0, 4, 0.2)]
)
def test_the_band_holds_the_true_largest_gap_in_95_percent_of_the_cases_or_more(gain, seeds, seed_spread):
    rng = np.random.default_rng(3)
    # Both curves are of normal errors of this spread, whose middles are `gain` apart: the gap is largest between them.
    spread = np.sqrt(2**2 + 1 + seed_spread**2)
    true = 100 * (2 * norm.cdf(gain / 2 / spread) - 1)
    found = [curve_gap(*simulate(rng, gain, seeds, seed_spread), 100, 1).largest for _ in range(200)]
    covered = np.mean([interval.low <= true <= interval.high for interval in found])
    assert covered >= 0.94
    # The largest found is above the largest there is: its interval has to reach below.
    assert np.mean([interval.mean for interval in found]) > true


def test_the_images_of_one_error_alone_would_be_too_sure_where_there_is_no_gap():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        first, second = simulate(rng, 0.0, 1, 0.0)
        at = curve_gap(first, second, 100, 1).at
        difference = 100.0 * (first[0] <= at) - 100.0 * (second[0] <= at)
        wrong += difference.mean() > 1.96 * difference.std() / np.sqrt(IMAGES)
    assert wrong / 200 > 0.15
