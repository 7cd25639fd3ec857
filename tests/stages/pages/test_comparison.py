"""Comparisons of variants by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from model.scores.curve_gap import CurveGap
from model.scores.statistics import Interval
from stages.pages.comparison import (
    Comparison,
    Correlation,
    Difference,
    LargestGain,
    Summary,
    compare,
    largest_gain,
    passes_in_all,
    rank_correlation,
    summarise,
)
from stages.pages.thesis_reference import Claim
from stages.pages.thesis_tables import conclusion_rows
from stages.project.result_params import EvaluateParams
from stages.project.results import Results

PARAMS = EvaluateParams(bootstrap=100, seed=1, share_under=5.0, benchmark="none")
SUMMARIES = {
    "prn": Summary(3, 4032, 2, 0, 2.0, 3.0, 97.0, 0.0),
    "final": Summary(4, 12096, None, 0, 2.0, 3.0, 97.0, 0.0),
}


def results_with(name, *passes):
    """A variant that was validated after so many passes."""
    none, history = pd.DataFrame(), pd.DataFrame({"passes": passes})
    return Results(name, {}, none, none, none, none, none, none, history, none, none)


def test_passes_are_counted_from_the_first_weights_on():
    results = {
        "best": results_with("best", 500, 1000),
        "prn": results_with("prn", 40, 80),
        "frozen": results_with("frozen", 20),
        "more": results_with("more", 3),
        "tuned": results_with("tuned", 7),
        "author": results_with("author"),
    }
    starts = {"best": "random", "prn": "random", "frozen": "prn", "more": "frozen", "tuned": "main", "author": "prnet"}
    assert {name: passes_in_all(name, results, starts) for name in results} == {
        "best": 1000,
        "prn": 80,
        "frozen": 100,
        "more": 103,
        # From the main run's weights.
        "tuned": 1007,
        # Of what is imported nothing is known.
        "author": 0,
    }


def test_a_rank_correlation_is_spearman_s():
    # Ranks 1 2 3 4 and 1 2 4 3: 1 - 6 * 2 / (4 * 15).
    found = rank_correlation(np.array([1.0, 2, 3, 9]), np.array([10.0, 20, 80, 30]), PARAMS)
    assert found.rho == 0.8
    assert found.low <= found.rho <= found.high


@pytest.mark.parametrize(("first", "second"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0, 3.0], [4.0, 4.0, 4.0])])
def test_without_ranks_there_is_no_correlation(first, second):
    assert rank_correlation(np.array(first), np.array(second), PARAMS) is None


def test_the_metrics_file_has_variants_correlation_and_claims():
    summary = Summary(3, 700, 2, 1, 2.0, 3.0, 97.0, 5.0, {"nme68_2d": Interval(4.0, 3.5, 4.5)})
    difference = Difference(-1.0, -2.0, -0.5, 30.0, 15.0, 60.0, 3, 1)
    gap = CurveGap(np.array([1.0, 2.25, 3.0]), np.array([20.0, 40.0, 0.0]), 12.5)
    gains = {("joint", "prn", "thesis_68"): LargestGain(gap, 3, 1)}
    metrics = Comparison({"prn": summary}, Correlation(0.5, 0.25, 0.75), {"a": difference}, gains).as_metrics()
    assert metrics == {
        "prn": {
            "seeds": 3,
            "passes": 700,
            "falling": 2,
            "jumps": 1,
            "thesis_68": 2.0,
            "thesis_mesh": 3.0,
            "smooth_15deg": 97.0,
            "worst_rise": 5.0,
            "nme68_2d_over_seeds": 4.0,
            "nme68_2d_over_seeds_low": 3.5,
            "nme68_2d_over_seeds_high": 4.5,
        },
        "rank_correlation": {"rho": 0.5, "low": 0.25, "high": 0.75},
        "claims": {
            "a": {
                "difference": -1.0,
                "low": -2.0,
                "high": -0.5,
                "lower_by": 30.0,
                "lower_by_low": 15.0,
                "lower_by_high": 60.0,
                "seeds": 3,
                "against_seeds": 1,
            }
        },
        "largest_gains": {
            "joint prn thesis_68": {
                "gain": 40.0,
                "low": 27.5,
                "high": 52.5,
                "error": 2.25,
                "seeds": 3,
                "against_seeds": 1,
            }
        },
    }
    untold = dataclasses.replace(summary, falling=None)
    assert set(metrics["prn"]) - set(Comparison({"prn": untold}, None, {}).as_metrics()["prn"]) == {"falling"}
    assert Comparison({}, None, {}).as_metrics() == {"rank_correlation": {}, "claims": {}, "largest_gains": {}}


def results_of(variant, smooth, thesis_mesh, by=(0.0,)):
    """A variant of four images with these columns, to which each seed adds a number."""
    images = pd.DataFrame({"sample_id": list("abcd"), "smooth_prediction": smooth, "thesis_mesh": thesis_mesh})
    columns = ["smooth_prediction", "thesis_mesh"]
    table = pd.concat(images.assign(seed=seed, **(images[columns] + more)) for seed, more in enumerate(by))
    empty = pd.DataFrame()
    return Results(variant, {}, empty, empty, empty, empty, empty, empty, empty, empty, table)


AHEAD_MESH = [3.0, 4, 5, 4]
AHEAD = results_of("final", [97.0, 98, 96, 97], AHEAD_MESH)
BEHIND = results_of("prn", [95.0, 95, 95, 95], [5.0, 5, 5, 5])


@pytest.mark.parametrize(
    ("metric", "difference", "lower_by"),
    # Of smoothness 97 against 95 %: errors of 3 against 5 %. Of the mesh 4 against 5 %.
    [("smooth_15deg", -2.0, 40.0), ("thesis_mesh", -1.0, 20.0)],
)
def test_the_smaller_error_is_lower_by_its_share_of_the_other_and_better(metric, difference, lower_by):
    ahead, behind = compare(AHEAD, BEHIND, metric, PARAMS), compare(BEHIND, AHEAD, metric, PARAMS)
    assert (ahead.difference, ahead.lower_by) == (difference, lower_by)
    assert ahead.low < ahead.difference < ahead.high
    assert (behind.difference, behind.low, behind.high) == (-difference, -ahead.high, -ahead.low)
    assert ahead.lower_by_low <= ahead.lower_by <= ahead.lower_by_high
    assert (ahead.lower_by_low, ahead.lower_by_high) == pytest.approx((-20 * ahead.high, -20 * ahead.low), abs=0.02)
    # Lower by less than nothing: 2 of 3 %, and 1 of 4 %.
    assert behind.lower_by == pytest.approx(-100 * abs(difference) / (5 - abs(difference)), abs=1e-3)
    assert ahead.high <= 0 <= behind.low
    assert (ahead.seeds, ahead.against_seeds, ahead.verdict, behind.verdict) == (1, 1, None, None)


@pytest.mark.parametrize(("by", "verdict"), [(5.0, "better"), (2.0, "not told apart")])
def test_three_seeds_of_each_give_a_verdict_whose_interval_has_the_spread_of_the_seeds(by, verdict):
    errors = np.array([3.0, 4, 5, 4])
    ours, other = (results_of(name, errors, values, (-1, 0, 1)) for name, values in (("a", errors), ("b", errors + by)))
    found = compare(ours, other, "thesis_mesh", PARAMS)
    # Equal differences of all images, means of seeds 1 apart: the variance is 1/3 + 1/3, with Welch's
    # (2/3)^2 / (2 (1/3)^2 / 2) = 4 degrees of freedom, whose t is 2.776.
    half = 2.776445 * np.sqrt(2 / 3)
    assert (found.difference, found.low, found.high) == (-by, round(-by - half, 3), round(half - by, 3))
    assert (found.seeds, found.against_seeds, found.verdict) == (3, 3, verdict)
    assert found.lower_by == pytest.approx(100 * by / (4 + by), abs=1e-3)


@pytest.mark.parametrize("seeds", [3, 2])
def test_the_largest_gain_is_of_all_seeds_on_the_same_images(seeds):
    # Of 4 images with 3, 4, 5, 4 three are at most 4, of those with 5 none; all seeds agree.
    ours, other = (
        results_of(name, AHEAD_MESH, mesh, (0.0,) * seeds) for name, mesh in (("a", AHEAD_MESH), ("b", [5.0] * 4))
    )
    found = largest_gain(ours, other, "thesis_mesh", PARAMS)
    assert (found.seeds, found.against_seeds) == (seeds, seeds)
    assert (found.curve.at, found.curve.largest.mean) == (4.0, 75.0)
    changed = dataclasses.replace(other, per_seed=other.per_seed.replace("d", "e"))
    with pytest.raises(ValueError, match="were not evaluated on the same images"):
        largest_gain(ours, changed, "thesis_mesh", PARAMS)


def test_the_order_of_the_rows_of_the_seeds_means_nothing():
    ours, other = (results_of("a", AHEAD_MESH, mesh, (-1, 0, 1)) for mesh in (AHEAD_MESH, [5.0] * 4))
    mixed = dataclasses.replace(ours, per_seed=ours.per_seed.sample(frac=1, random_state=3))
    assert compare(mixed, other, "thesis_mesh", PARAMS) == compare(ours, other, "thesis_mesh", PARAMS)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[1:],
        lambda table: pd.concat([table, table[:1]]),
        lambda table: pd.concat([table[1:], table[1:2]]),
        lambda table: pd.concat([table, table[:1].assign(sample_id="e")]),
    ],
    ids=["one less", "one twice", "one for another", "one more"],
)
def test_seeds_that_were_evaluated_on_different_images_are_refused(change):
    ours, other = (results_of(name, AHEAD_MESH, AHEAD_MESH, (-1, 0, 1)) for name in ("prn", "final"))
    mixed = dataclasses.replace(ours, per_seed=change(ours.per_seed))
    for first, second in ((mixed, other), (other, mixed)):
        with pytest.raises(ValueError, match=r"^The seeds of prn were not evaluated on the same images: evaluate it"):
            compare(first, second, "thesis_mesh", PARAMS)


def test_runs_of_different_images_are_refused():
    other = dataclasses.replace(BEHIND, per_seed=BEHIND.per_seed.replace("d", "e"))
    with pytest.raises(ValueError, match=r"^final and prn were not evaluated on the same images: evaluate both again"):
        compare(AHEAD, other, "thesis_mesh", PARAMS)


def test_a_claim_is_of_its_first_variant_against_the_second_and_told_so():
    claims = [
        Claim("ours", "4.6", "final", "prn", "smooth_15deg", "better"),
        Claim("theirs", "4.6", "prn", "final", "smooth_15deg", "better"),
    ]
    ahead, behind = (
        results_of(name, smooth, AHEAD_MESH, (-0.1, 0, 0.1))
        for name, smooth in (("final", [97.0, 98, 96, 97]), ("prn", [95.0, 95, 95, 95]))
    )
    found = {
        c.name: compare(*((ahead, behind) if c.variant == "final" else (behind, ahead)), c.metric, PARAMS)
        for c in claims
    }
    told = {row[1]: row[-2:] for row in conclusion_rows(claims, Comparison(SUMMARIES, None, found))}
    assert told == {
        "final against prn": ("better", "holds"),
        "prn against final": ("worse", "does not hold"),
    }


def test_jumps_are_rises_of_more_than_a_tenth_and_each_seed_rises_and_falls_for_itself():
    losses = {1: [10.0, 10.9, 11.2, 9.0], 2: [5.0, 5.6, 5.0, 5.4]}
    seeds = pd.concat(
        pd.DataFrame({"seed": seed, "passes": [8, 16, 24, 32], "phase": "all", "val_loss": values})
        for seed, values in losses.items()
    )
    means = {"thesis_68": 2.0, "thesis_mesh": 3.0, "smooth_prediction": 97.0, "smooth_truth": 99.0}
    protocols = pd.DataFrame([{"error": name, "group": "all", "mean": mean} for name, mean in means.items()])
    # Of each error, two photos of 1 and 3 by seed 1, and of 2 and 4 by seed 2: a photo's mean is 1.5 or 3.5.
    per_seed = pd.DataFrame({"seed": [1, 1, 2, 2], "sample_id": list("abab")})
    for name in ("nme68_2d", "thesis_68", "thesis_mesh", "smooth_prediction"):
        per_seed[name] = [1.0, 3, 2, 4]
    summary = summarise(dataclasses.replace(AHEAD, seeds=seeds, protocols=protocols, per_seed=per_seed), 96, PARAMS)
    # 9, 12 and -10 %; 12, 0 and 8 %. The first ends below its best before, the second does not.
    errors = {"thesis_68": 2.0, "thesis_mesh": 3.0, "smooth_15deg": 97.0}
    means = dict.fromkeys(("nme68_2d", "thesis_68", "thesis_mesh", "smooth_15deg"), Interval(2.5, 1.5, 3.5))
    assert summary == Summary(seeds=2, passes=96, falling=1, jumps=2, **errors, worst_rise=12.0, over_seeds=means)


def test_a_mean_over_three_seeds_has_the_spread_of_photos_and_seeds():
    columns = ["nme68_2d", "thesis_68", "thesis_mesh", "smooth_prediction"]
    result = results_of("final", [97.0, 98, 96, 97], AHEAD_MESH, (-1, 0, 1))
    more = result.per_seed.assign(nme68_2d=1.0, thesis_68=2.0)
    tables = {error: more.pivot(index="seed", columns="sample_id", values=error) for error in columns}
    expected = {error: by_hand(table.to_numpy()) for error, table in tables.items()}
    protocols = pd.DataFrame([{"error": name, "group": "all", "mean": 1.0} for name in columns])
    seeds = pd.DataFrame({"seed": [], "phase": [], "passes": [], "val_loss": []})
    summary = summarise(dataclasses.replace(result, per_seed=more, protocols=protocols, seeds=seeds), 1, PARAMS)
    for (name, found), error in zip(summary.over_seeds.items(), columns, strict=True):
        assert found == pytest.approx(expected[error], abs=6e-4), name


def by_hand(errors):
    """Mean of the errors (seeds, photos), and Student's interval with the variances of photos and of seeds."""
    means = [errors.mean(axis=axis) for axis in (0, 1)]
    parts = [(mean.var(ddof=1) / mean.size, mean.size - 1) for mean in means]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / count for part, count in parts) if variance else 1
    half = scipy.stats.t(freedom).ppf(0.975) * variance**0.5
    return errors.mean(), errors.mean() - half, errors.mean() + half
