"""The gap between two methods' cumulative error curves, with a band that covers all of it at once."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from model.scores.statistics import INTERVAL_PERCENT, SEEDS_NEEDED, Interval
from pipeline.store.arrays import Array

# Errors that the curves are compared at, at most: of more, as many in even steps of their order.
_POINTS = 1000


@dataclasses.dataclass(frozen=True)
class CurveGap:
    """How much higher one cumulative error curve lies than another.

    Attributes
    ----------
    errors : (M,) float64
        Percent, ascending.
    gap : (M,) float64
        In percent of the images: positive where more of the first method's images have at most this error.
    half : float
        The true gap lies nowhere farther than this from `gap`, with 95 % confidence.
    """

    errors: Array
    gap: Array
    half: float

    @property
    def at(self) -> float:
        """The error at which the gap is the largest, the first of several."""
        return float(self.errors[np.argmax(self.gap)])

    @property
    def largest(self) -> Interval:
        """The largest gap: as the band holds all errors at once, it does not mind that the largest was looked for."""
        top = float(self.gap.max())
        return Interval(top, top - self.half, top + self.half)


def curve_gap(first: ArrayLike, second: ArrayLike, resamples: int, seed: int) -> CurveGap:
    """Compare the cumulative error curves of two methods on the same images, the means over the seeds of each.

    The largest of many differences is not 0 where the methods are equal, so an interval at that error alone would be
    too sure. The band's half width is what 95 % of the resamples keep to at every error: images are drawn anew. Where
    both methods have `SEEDS_NEEDED`, normal deviations with the spread of each one's seeds are added, and the band is
    widened as Student's t is with their degrees of freedom.

    Parameters
    ----------
    first, second : (S, N) and (T, N) array_like
        Errors of the same N images in the same order, a row a seed.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    CurveGap

    Raises
    ------
    ValueError
        If the two are not of the same number of images, or of none.
    """
    groups = [np.asarray(errors, np.float64) for errors in (first, second)]
    images = groups[0].shape[1]
    if groups[1].shape[1] != images:
        raise ValueError(f"Paired errors need the same images: got {images} and {groups[1].shape[1]}.")
    if not images:
        raise ValueError("No errors to draw a curve of: the test part is empty.")
    points = np.unique(np.concatenate([errors.ravel() for errors in groups]))
    points = points[np.linspace(0, len(points) - 1, min(len(points), _POINTS)).round().astype(int)]
    # Percent a seed, image and point; a curve a seed; the gap of each image.
    under = [100.0 * (errors[:, :, None] <= points) for errors in groups]
    by_image = under[0].mean(axis=0) - under[1].mean(axis=0)
    gap = by_image.mean(axis=0)
    rng = np.random.default_rng([seed, images])
    drawn = rng.multinomial(images, np.full(images, 1 / images), resamples) @ by_image / images - gap
    widening = 1.0
    if min(map(len, groups)) >= SEEDS_NEEDED and images > 1:
        curves = [each.mean(axis=1) for each in under]
        for each in curves:
            spread = (each - each.mean(axis=0)) / np.sqrt(len(each) * (len(each) - 1))
            drawn = drawn + rng.standard_normal((resamples, len(each))) @ spread
        widening = _widening([by_image, *curves])
    half = widening * np.percentile(np.abs(drawn).max(axis=1), INTERVAL_PERCENT)
    return CurveGap(points, gap, float(half))


def _widening(groups: Sequence[Array]) -> float:
    """Quantile of Student's t in quantiles of the normal distribution, where the sum of the means (M,) varies most.

    It has Welch and Satterthwaite's degrees of freedom; `groups` are (N, M) each.
    """
    variances = np.array([each.var(axis=0, ddof=1) / len(each) for each in groups])
    parts = variances[:, variances.sum(axis=0).argmax()]
    if not parts.any():
        return 1.0
    freedom = parts.sum() ** 2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, groups, strict=True))
    tail = 0.5 + INTERVAL_PERCENT / 200
    return float(scipy.stats.t.ppf(tail, freedom) / scipy.stats.norm.ppf(tail))
