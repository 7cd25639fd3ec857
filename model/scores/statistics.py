"""From one error an image to the numbers that a table or a figure shows."""

from typing import NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from pipeline.face.camera import wrap_degrees
from pipeline.store.arrays import Array

YAW_BINS = ("yaw_00_30", "yaw_30_60", "yaw_60_90")
INTERVAL_PERCENT = 95.0
# Fewer seeds of a method say too little of the others: two methods have a difference then, and no verdict.
SEEDS_NEEDED = 3

# Numbers drawn at once by the bootstrap: bounds its memory whatever the number of images.
_DRAWS = 1_000_000


class Interval(NamedTuple):
    """A mean and the interval that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float


def yaw_bin(yaw_deg: ArrayLike) -> NDArray[np.int64]:
    """Sort annotated yaw into the three bins of the 3ddfa protocol.

    Parameters
    ----------
    yaw_deg : array_like
        Degrees; wrapped to [-180, 180) here, since the files have -351.

    Returns
    -------
    int64 of the same shape
        0 where ``|yaw| <= 30`` degrees, 1 in (30, 60], 2 above.
    """
    return np.digitize(np.abs(wrap_degrees(yaw_deg)), [30.0, 60.0], right=True).astype(np.int64)


def yaw_bin_means(errors: ArrayLike, yaw_deg: ArrayLike) -> dict[str, float]:
    """Mean error of each yaw bin that holds an image; an empty bin has no entry.

    Parameters
    ----------
    errors, yaw_deg : (N,) array_like
        Percent, and degrees.
    """
    errors, bins = np.asarray(errors, np.float64), yaw_bin(yaw_deg)
    return {name: float(errors[bins == index].mean()) for index, name in enumerate(YAW_BINS) if np.any(bins == index)}


def mean_of_yaw_bins(errors: ArrayLike, yaw_deg: ArrayLike) -> float | None:
    """Mean of the three bins' means, the number that 3DDFA and SynergyNet publish.

    Parameters
    ----------
    errors, yaw_deg : (N,) array_like
        Percent, and degrees.

    Returns
    -------
    float or None
        Percent; None where a bin is empty: the mean of the others would be another protocol's number.
    """
    means = yaw_bin_means(errors, yaw_deg)
    return float(np.mean(list(means.values()))) if len(means) == len(YAW_BINS) else None


def cumulative_curve(errors: ArrayLike, thresholds: ArrayLike) -> Array:
    """Cumulative error distribution.

    Parameters
    ----------
    errors : (N,) array_like
    thresholds : (T,) array_like

    Returns
    -------
    (T,) float64
        Percent of the errors that are at most each threshold.

    Raises
    ------
    ValueError
        If there are no errors.
    """
    ordered = np.sort(np.asarray(errors, np.float64))
    if not ordered.size:
        raise ValueError("No errors to draw a curve of: the test part is empty.")
    return 100.0 * np.searchsorted(ordered, np.asarray(thresholds, np.float64), side="right") / ordered.size


def bootstrap_interval(values: ArrayLike, resamples: int, seed: int) -> Interval:
    """Percentile bootstrap of a mean.

    Parameters
    ----------
    values : (N,) array_like
        One value an image.
    resamples : int
        How many times N images are drawn with replacement.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    Interval
        The mean of `values` and its 95 % interval.

    Raises
    ------
    ValueError
        If there are no values.
    """
    values = np.asarray(values, np.float64)
    if not values.size:
        raise ValueError("No values to take a mean of: the test part is empty.")
    return _interval(float(np.mean(values)), _bootstrap_means(values, resamples, seed))


def bins_interval(errors: ArrayLike, yaw_deg: ArrayLike, resamples: int, seed: int) -> Interval | None:
    """Bootstrap `mean_of_yaw_bins`: the images of each bin are drawn apart, so that no bin becomes empty.

    Returns
    -------
    Interval or None
        None where a bin is empty.
    """
    mean = mean_of_yaw_bins(errors, yaw_deg)
    if mean is None:
        return None
    errors, bins = np.asarray(errors, np.float64), yaw_bin(yaw_deg)
    means = [_bootstrap_means(errors[bins == index], resamples, seed) for index in range(len(YAW_BINS))]
    return _interval(mean, np.mean(means, axis=0))


def _bootstrap_means(values: Array, resamples: int, seed: int) -> Array:
    rng = np.random.default_rng([seed, values.size])
    rows = max(1, _DRAWS // values.size)
    means = [
        values[rng.integers(values.size, size=(min(rows, resamples - start), values.size))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(means)


def _interval(mean: float, means: Array) -> Interval:
    tail = (100.0 - INTERVAL_PERCENT) / 2
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Interval(mean, float(low), float(high))


def paired_interval(first: ArrayLike, second: ArrayLike, resamples: int, seed: int) -> Interval:
    """Bootstrap the mean difference ``first - second`` of two methods on the same images in the same order.

    The pairs are drawn together: images that are hard for both methods widen neither side of the interval.

    Raises
    ------
    ValueError
        If the two are not of the same number of images, or of none.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"Paired errors need the same images: got {first.size} and {second.size}.")
    return bootstrap_interval(first - second, resamples, seed)


def seeds_interval(first: ArrayLike, second: ArrayLike) -> Interval:
    """Interval of the mean difference ``first - second`` of two methods, each trained from several seeds.

    Photos and seeds are both drawn from many, and the methods are tested on the same photos. The variance of the mean
    difference is that over the photos, of the differences of each photo's mean over the seeds, and that of each
    method's seeds, of their means over the photos; Student's t has Welch and Satterthwaite's degrees of freedom. Where
    seeds decide, three of them leave a wide interval. A bootstrap over three seeds holds the truth in 74 % of the cases
    instead of 95.

    Parameters
    ----------
    first, second : (S, N) and (T, N) array_like
        Errors of the same N images in the same order, a row a seed.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        If the two are not of the same number of images, or there are fewer than two seeds or images.
    """
    groups = [np.asarray(errors, np.float64) for errors in (first, second)]
    images = {errors.shape[1] for errors in groups}
    if len(images) > 1:
        raise ValueError(f"Paired errors need the same images: got {groups[0].shape[1]} and {groups[1].shape[1]}.")
    if min(*images, *map(len, groups)) < 2:
        raise ValueError("An interval over seeds and images needs two or more of each.")
    difference = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    # Variances of the mean difference, and their degrees of freedom.
    parts = [(difference.var(ddof=1) / difference.size, difference.size - 1)]
    parts += [(errors.mean(axis=1).var(ddof=1) / len(errors), len(errors) - 1) for errors in groups]
    variance = sum(part for part, _ in parts)
    mean = float(difference.mean())
    if not variance:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    half = float(scipy.stats.t.ppf(0.5 + INTERVAL_PERCENT / 200, freedom) * np.sqrt(variance))
    return Interval(mean, mean - half, mean + half)


def difference_interval(first: ArrayLike, second: ArrayLike, resamples: int, seed: int) -> Interval:
    """Interval of the mean difference ``first - second`` of two methods, over all that `verdict` needs if it is there.

    Parameters
    ----------
    first, second : (S, N) and (T, N) array_like
        Errors of the same N images in the same order, a row a seed.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Interval
        `seeds_interval` where both have `SEEDS_NEEDED`; else `paired_interval` of the means over the seeds, which
        covers the choice of images alone.

    Raises
    ------
    ValueError
        If the two are not of the same number of images, or of none, or have all the seeds and a single image.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(len(first), len(second)) >= SEEDS_NEEDED:
        return seeds_interval(first, second)
    return paired_interval(first.mean(axis=0), second.mean(axis=0), resamples, seed)


def mean_interval(errors: ArrayLike, resamples: int, seed: int) -> Interval:
    """Interval of the mean error of one method, over all that `difference_interval` covers.

    It is that of the difference from a method without errors, which adds no variance.

    Parameters
    ----------
    errors : (S, N) array_like
        Of N images, a row a seed.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Interval
        Over images and seeds where there are `SEEDS_NEEDED`; else over the images alone.

    Raises
    ------
    ValueError
        If there are no images, or all the seeds and a single image.
    """
    errors = np.asarray(errors, np.float64)
    return difference_interval(errors, np.zeros_like(errors), resamples, seed)


def verdict(difference: Interval, seeds: int) -> str | None:
    """Say in words what the interval of ``ours - other`` says of two errors, of which the smaller is the better.

    Parameters
    ----------
    difference : Interval
        From `difference_interval`.
    seeds : int
        Of the one that has fewer.

    Returns
    -------
    str or None
        None for fewer than `SEEDS_NEEDED`: another seed may say the opposite.
    """
    if seeds < SEEDS_NEEDED:
        return None
    if difference.high < 0:
        return "better"
    if difference.low > 0:
        return "worse"
    return "not told apart"
