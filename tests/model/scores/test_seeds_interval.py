"""The interval of a difference over seeds and images, against simulated methods whose difference is known."""

import numpy as np
import pytest
import scipy.stats

from model.scores.statistics import (
    bootstrap_interval,
    difference_interval,
    mean_interval,
    paired_interval,
    seeds_interval,
    verdict,
)

TRUE = 0.4
RUNS, IMAGES, SEEDS = 1500, 300, 3


def simulate(rng, seed_spread, image_spread, noise):
    """Errors (seeds, images) of two methods: images are hard for both, one gains more on some, seeds shift them all."""
    hard, gains = rng.gamma(2, 2, IMAGES), rng.normal(TRUE, image_spread, IMAGES)
    errors = [
        base + rng.normal(0, spread, (SEEDS, 1)) + rng.normal(0, noise, (SEEDS, IMAGES))
        for base, spread in zip((hard + gains, hard), seed_spread, strict=True)
    ]
    return errors[0], errors[1]


@pytest.mark.parametrize(
    ("seed_spread", "image_spread", "noise"),
    [((0.3, 0.3), 0.0, 0.5), ((0.3, 0.3), 1.0, 0.5), ((0.3, 0.05), 1.0, 0.5), ((0.1, 0.1), 3.0, 1.0), ((0, 0), 1, 0.3)],
)
def test_the_interval_holds_the_true_difference_in_95_percent_of_the_cases(seed_spread, image_spread, noise):
    rng = np.random.default_rng(0)
    found = [seeds_interval(*simulate(rng, seed_spread, image_spread, noise)) for _ in range(RUNS)]
    covered = np.mean([interval.low <= TRUE <= interval.high for interval in found])
    assert covered == pytest.approx(0.95, abs=0.02)
    assert np.mean([interval.mean for interval in found]) == pytest.approx(TRUE, abs=0.03)


def test_the_interval_of_a_mean_holds_the_true_mean_in_95_percent_of_the_cases():
    rng = np.random.default_rng(0)
    # Photos have a mean error of 4, to which one method adds the difference.
    found = [mean_interval(simulate(rng, (0.3, 0.3), 0.0, 0.5)[0], 10, 1) for _ in range(RUNS)]
    covered = np.mean([interval.low <= 4 + TRUE <= interval.high for interval in found])
    assert covered == pytest.approx(0.95, abs=0.02)


def test_the_mean_of_three_seeds_has_the_spread_of_photos_and_seeds_by_hand():
    # Means of the seeds 1, 3 and 5, of the photos 2 and 4: variances of the mean 4 / 3 and 2 / 2.
    interval = mean_interval([[0, 2], [2, 4], [4, 6]], 10, 1)
    variance = 4 / 3 + 1
    half = scipy.stats.t.ppf(0.975, variance**2 / ((4 / 3) ** 2 / 2 + 1 / 1)) * variance**0.5
    assert interval == pytest.approx((3, 3 - half, 3 + half))


def test_the_mean_of_fewer_seeds_has_the_interval_of_the_photos_alone():
    errors = np.random.default_rng(0).gamma(2, 2, (2, 50))
    assert mean_interval(errors, 200, 1) == bootstrap_interval(errors.mean(axis=0), 200, 1)


def test_the_photos_of_one_seed_alone_are_far_too_sure():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        first, second = simulate(rng, (0.3, 0.3), 1.0, 0.5)
        found.append(bootstrap_interval(first[0] - second[0], 300, 1))
    assert np.mean([interval.low <= TRUE <= interval.high for interval in found]) < 0.4


def test_by_hand():
    # Means of the seeds 1 and 3, and 0 and 0; differences of the two photos 1 and 3.
    interval = seeds_interval([[0, 2], [2, 4]], [[0, 0], [0, 0]])
    variance = 2 / 2 + 2 / 2
    freedom = variance**2 / (1 / 1 + 1 / 1)
    half = scipy.stats.t.ppf(0.975, freedom) * variance**0.5
    assert interval == pytest.approx((2, 2 - half, 2 + half))
    assert verdict(interval, 3) == "not told apart"


def test_seeds_that_agree_leave_the_interval_of_the_photos():
    errors = np.random.default_rng(1).gamma(2, 2, (1, 400))
    other = errors + np.random.default_rng(2).normal(0.2, 1, (1, 400))
    interval = seeds_interval(np.repeat(other, 3, axis=0), np.repeat(errors, 3, axis=0))
    expected = scipy.stats.ttest_rel(other[0], errors[0]).confidence_interval()
    assert interval[1:] == pytest.approx((expected.low, expected.high))


def test_equal_methods_have_no_difference():
    assert seeds_interval(np.ones((3, 5)), np.ones((3, 5))) == (0, 0, 0)


@pytest.mark.parametrize("shapes", [((1, 5), (3, 5)), ((3, 1), (3, 1)), ((3, 5), (3, 4))])
def test_one_seed_one_image_or_other_images_are_refused(shapes):
    first, second = map(np.zeros, shapes)
    with pytest.raises(ValueError, match=r"two or more of each|same images: got 5 and 4"):
        seeds_interval(first, second)


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (2, 5), (3, 3), (4, 3)])
def test_with_fewer_than_three_seeds_of_either_the_interval_is_of_the_images_alone(seeds):
    rng = np.random.default_rng(5)
    first, second = (rng.normal(mean, 1, (count, 20)) for mean, count in zip((1, 2), seeds, strict=True))
    found = difference_interval(first, second, 200, 4)
    if min(seeds) >= 3:
        assert found == seeds_interval(first, second)
    else:
        assert found == paired_interval(first.mean(axis=0), second.mean(axis=0), 200, 4)
