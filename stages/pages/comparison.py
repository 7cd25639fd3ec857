"""Variants compared with each other, as metrics/thesis.json has it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from model.scores import statistics
from model.scores.curve_gap import CurveGap, curve_gap
from pipeline.store.arrays import Array
from pipeline.store.checks import check
from stages.pages.losses import JUMP_PERCENT, loss_rises, still_falling
from stages.pages.thesis_reference import METRICS, Claim, Gain
from stages.project.paths import MAIN_RUN
from stages.project.result_params import EvaluateParams
from stages.project.results import Results

ROUNDED = 3
# Whose means over the seeds a summary has, by their columns in per_seed.csv.
OVER_SEEDS = {"nme68_2d": "nme68_2d"} | {
    name: metric.error for name, metric in METRICS.items() if metric.statistic == "mean"
}


@dataclasses.dataclass(frozen=True)
class Summary:
    """The errors that the thesis has of a variant, how long it learnt, and how its loss rose and fell.

    Attributes
    ----------
    seeds : int
        That it was trained from.
    passes : int
        That its network has learnt from, those of the run that it starts from included.
    falling : int or None
        Seeds whose loss was still falling at the end, see `still_falling`; None where that cannot be told.
    jumps : int
        Validations of all seeds whose loss is more than `JUMP_PERCENT` above the best before it in the same run.
    thesis_68, thesis_mesh, smooth_15deg : float
        Percent, of the network that is kept: the one that was best on the validation part.
    worst_rise : float
        The largest rise of the validation loss above its best so far, in percent; 0 where the loss only fell.
    over_seeds : dict of str to Interval
        Those of `OVER_SEEDS`: means over images and seeds in percent, see `model.scores.statistics.mean_interval`.
    """

    seeds: int
    passes: int
    falling: int | None
    jumps: int
    thesis_68: float
    thesis_mesh: float
    smooth_15deg: float
    worst_rise: float
    over_seeds: Mapping[str, statistics.Interval] = dataclasses.field(default_factory=dict)

    def as_metrics(self) -> dict[str, float]:
        """All but what cannot be told: metrics are numbers."""
        told = dataclasses.asdict(dataclasses.replace(self, over_seeds={}))
        means = {
            f"{name}_over_seeds{end}": value
            for name, interval in self.over_seeds.items()
            for end, value in zip(("", "_low", "_high"), interval, strict=True)
        }
        return {name: value for name, value in told.items() if name != "over_seeds" and value is not None} | means


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation, and the ends of its 95 % interval."""

    rho: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Difference:
    """Difference of two variants' mean errors over images and seeds.

    Attributes
    ----------
    difference, low, high : float
        In percent points, with its 95 % interval: see `model.scores.statistics.difference_interval`.
    lower_by, lower_by_low, lower_by_high : float
        By how many percent of the second's mean the first is lower, with the interval of the difference.
    seeds, against_seeds : int
        That the first and the second were trained from.
    """

    difference: float
    low: float
    high: float
    lower_by: float
    lower_by_low: float
    lower_by_high: float
    seeds: int
    against_seeds: int

    @property
    def verdict(self) -> str | None:
        """What is said of the first, see `model.scores.statistics.verdict`; None where there are too few seeds."""
        interval = statistics.Interval(self.difference, self.low, self.high)
        return statistics.verdict(interval, min(self.seeds, self.against_seeds))


@dataclasses.dataclass(frozen=True)
class LargestGain:
    """The largest gap between two variants' cumulative errors over images and seeds.

    Attributes
    ----------
    curve : CurveGap
        All along the errors.
    seeds, against_seeds : int
        That the first and the second were trained from.
    """

    curve: CurveGap
    seeds: int
    against_seeds: int

    def as_metrics(self) -> dict[str, float]:
        """Gain in percent of the images with its 95 % interval, at which error, and from how many seeds."""
        mean, low, high = self.curve.largest
        found = {"gain": mean, "low": low, "high": high, "error": self.curve.at}
        seeds = {"seeds": self.seeds, "against_seeds": self.against_seeds}
        return {**{name: round(value, ROUNDED) for name, value in found.items()}, **seeds}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All variants side by side.

    Attributes
    ----------
    variants : dict of str to Summary
        The main one first.
    rank_correlation : Correlation or None
        Of the thesis's model's errors of the 68 landmarks and of the mesh; None where they have no ranks to compare.
    claims : dict of str to Difference
        By the name of the thesis's claim; those whose two variants ran.
    gains : dict of (str, str, str) to LargestGain
        By the two variants and the metric; those whose two variants ran.
    """

    variants: dict[str, Summary]
    rank_correlation: Correlation | None
    claims: dict[str, Difference]
    gains: dict[tuple[str, str, str], LargestGain] = dataclasses.field(default_factory=dict)

    def as_metrics(self) -> dict[str, Any]:
        """What metrics/thesis.json holds."""
        return {
            **{name: summary.as_metrics() for name, summary in self.variants.items()},
            "rank_correlation": dataclasses.asdict(self.rank_correlation) if self.rank_correlation else {},
            "claims": {name: dataclasses.asdict(difference) for name, difference in self.claims.items()},
            "largest_gains": {" ".join(key): gain.as_metrics() for key, gain in self.gains.items()},
        }


def compare_variants(
    results: dict[str, Results],
    variant: str,
    claims: Sequence[Claim],
    gains: Sequence[Gain],
    params: EvaluateParams,
    starts: Mapping[str, str],
) -> Comparison:
    """Summarise each variant, and test each claim and gain of the thesis on the variants that there are.

    Parameters
    ----------
    results : dict of str to Results
        By variant, the main one first.
    variant : str
        The one whose errors are correlated.
    claims : sequence of Claim
    gains : sequence of Gain
    params : EvaluateParams
        The bootstrap's.
    starts : mapping of str to str
        By variant, the main one first: the folder in runs/ whose weights it starts from, or 'random'.

    Raises
    ------
    ValueError
        If two variants that a claim compares were not evaluated on the same images.
    """
    errors = results[variant].per_image
    return Comparison(
        {name: summarise(result, passes_in_all(name, results, starts), params) for name, result in results.items()},
        rank_correlation(errors["thesis_68"].to_numpy(), errors["thesis_mesh"].to_numpy(), params),
        {
            claim.name: compare(results[claim.variant], results[claim.against], claim.metric, params)
            for claim in claims
            if {claim.variant, claim.against} <= set(results)
        },
        {
            (gain.variant, gain.against, gain.metric): largest_gain(
                results[gain.variant], results[gain.against], gain.metric, params
            )
            for gain in gains
            if {gain.variant, gain.against} <= set(results)
        },
    )


def passes_in_all(variant: str, results: Mapping[str, Results], starts: Mapping[str, str]) -> int:
    """Count the passes of a variant's network and of those that it starts from, where these are among the results."""
    before = next(iter(starts)) if starts[variant] == MAIN_RUN else starts[variant]
    return results[variant].passes + (passes_in_all(before, results, starts) if before in results else 0)


def summarise(result: Results, passes: int, params: EvaluateParams) -> Summary:
    """Take from a variant's results the errors that the thesis has, and what its loss did over all seeds.

    Raises
    ------
    ValueError
        If its seeds were not evaluated on the same images.
    """
    runs = [run for _, run in result.seeds.groupby("seed")]
    rises = np.concatenate([loss_rises(run) for run in runs] or [np.zeros(0)])
    falling = [still_falling(run) for run in runs]
    return Summary(
        seeds=result.seed_count,
        passes=passes,
        falling=None if not falling or None in falling else sum(map(bool, falling)),
        jumps=int((rises > JUMP_PERCENT).sum()),
        thesis_68=round(result.mean("thesis_68"), ROUNDED),
        thesis_mesh=round(result.mean("thesis_mesh"), ROUNDED),
        smooth_15deg=round(result.mean("smooth_prediction"), ROUNDED),
        worst_rise=round(float(rises.max(initial=0.0)), ROUNDED),
        over_seeds={name: _mean_over_seeds(result, error, params) for name, error in OVER_SEEDS.items()},
    )


def _mean_over_seeds(result: Results, error: str, params: EvaluateParams) -> statistics.Interval:
    interval = statistics.mean_interval(
        result.errors_by_seed(error).to_numpy(np.float64), params.bootstrap, params.seed
    )
    return statistics.Interval(*(round(value, ROUNDED) for value in interval))


def rank_correlation(first: NDArray, second: NDArray, params: EvaluateParams) -> Correlation | None:
    """Spearman's rank correlation of two errors (N,) of the same images, with its bootstrap interval.

    None for fewer than 3 images or equal errors, which have no ranks to compare.
    """
    errors = (first, second)
    if len(first) < 3 or min(np.ptp(values) for values in errors) == 0:
        return None
    rng = np.random.default_rng(params.seed)
    draws = rng.integers(len(first), size=(params.bootstrap, len(first)))
    ranks = [scipy.stats.rankdata(values[draws], axis=1) for values in errors]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    drawn = ((centred[0] * centred[1]).sum(axis=1)[size > 0]) / size[size > 0]
    low, high = np.percentile(drawn, [2.5, 97.5])
    rho = scipy.stats.spearmanr(*errors).statistic
    return Correlation(*(round(float(value), ROUNDED) for value in (rho, low, high)))


def compare(ours: Results, other: Results, metric: str, params: EvaluateParams) -> Difference:
    """Difference ``ours - other`` of the mean error of all seeds by one of `METRICS`.

    The error of `smooth_15deg` is the share of adjacent triangles that are *not* at an angle under 15 degrees, so that
    less is better in every metric.

    Raises
    ------
    ValueError
        If the two, or the seeds of one, were not evaluated on the same images.
    """
    first, second = _paired_errors(ours, other, metric)
    if metric == "smooth_15deg":
        first, second = 100 - first, 100 - second
    interval = statistics.difference_interval(first, second, params.bootstrap, params.seed)
    # Of no error at all there is nothing to be lower by.
    share = -100.0 / float(second.mean()) if second.any() else 0.0
    lower_by = (share * value for value in (interval.mean, interval.high, interval.low))
    # Nothing has no sign, which rounding may leave it.
    names = ("difference", "low", "high", "lower_by", "lower_by_low", "lower_by_high")
    rounded = (round(float(value), ROUNDED) + 0.0 for value in (*interval, *lower_by))
    return Difference(**dict(zip(names, rounded, strict=True)), seeds=len(first), against_seeds=len(second))


def largest_gain(ours: Results, other: Results, metric: str, params: EvaluateParams) -> LargestGain:
    """Find where the cumulative errors of all seeds, by one of `METRICS`, gain most on another variant's.

    Raises
    ------
    ValueError
        If the two, or the seeds of one, were not evaluated on the same images.
    """
    first, second = _paired_errors(ours, other, metric)
    return LargestGain(curve_gap(first, second, params.bootstrap, params.seed), len(first), len(second))


def _paired_errors(ours: Results, other: Results, metric: str) -> tuple[Array, Array]:
    """Errors of the same images in the same order, a row a seed."""
    tables = [result.errors_by_seed(METRICS[metric].error) for result in (ours, other)]
    check(
        tables[0].columns.equals(tables[1].columns),
        f"{ours.variant} and {other.variant} were not evaluated on the same images: evaluate both again.",
    )
    return tables[0].to_numpy(np.float64), tables[1].to_numpy(np.float64)
