"""What tables and figures say of one error an image, by hand from ten images."""

import numpy as np
import pandas as pd
import pytest

from model.scores.summary import describe, smoothness_curves, summarise

# Errors 1 to 10 %, of which one is the limit; a tenth image has no re-annotation.
ERRORS = np.arange(1.0, 11.0)
TABLE = pd.DataFrame(
    {
        "sample_id": [f"a/{number}" for number in range(4)] + [f"b/{number}" for number in range(6)],
        "yaw_deg": [0, 10, -20, 30, -40, 50, 60, 70, -80, 90.0],
        "nme68_2d": ERRORS**2,
        "nme68_2d_reannotated": [*ERRORS[:-1], np.nan],
        "mean_map_68_2d": np.full(10, 77.0),
        "smooth_truth": np.full(10, 97.0),
        "smooth_prediction": np.full(10, 80.0),
    }
)


@pytest.fixture(scope="module")
def described():
    return describe(TABLE, 16.0, 500, 3).set_index(["error", "group"])


def test_mean_median_90th_percentile_and_share_are_those_of_the_squares_to_100(described):
    row = described.loc["nme68_2d", "all"]
    assert (row["images"], row["mean"], row["median"]) == (10, 38.5, 30.5)
    # The 90th percentile of ten lies a tenth of the way from the ninth to the tenth: 81 + 0.1 (100 - 81).
    assert row["p90"] == pytest.approx(82.9)
    # 1, 4, 9 and 16 are at most 16.
    assert (row["share_under"], row["share"]) == (16, 40)


def test_an_image_without_a_value_counts_nowhere(described):
    row = described.loc["nme68_2d_reannotated", "all"]
    assert (row["images"], row["mean"]) == (9, 5)


def test_bins_and_subsets_have_their_own_images(described):
    groups = described.loc["nme68_2d"]
    assert groups.loc["yaw_00_30", "mean"] == 7.5
    assert groups.loc["yaw_30_60", "mean"] == pytest.approx((25 + 36 + 49) / 3)
    assert groups.loc["yaw_60_90", "mean"] == pytest.approx((64 + 81 + 100) / 3)
    assert groups.loc["mean of the three bins", "mean"] == pytest.approx((7.5 + 110 / 3 + 245 / 3) / 3)
    assert (groups.loc["a", "mean"], groups.loc["b", "mean"]) == (7.5, pytest.approx(355 / 6))
    assert "a, mean of the three bins" not in groups.index
    assert "1" not in groups.index


def test_the_metrics_name_each_number_for_what_it_is(described):
    metrics = summarise(TABLE, described.reset_index(), failed=4)
    assert (metrics["images"], metrics["failed"]) == (10, 4)
    assert metrics["nme68_2d"] == 38.5
    assert metrics["nme68_2d_low"] < 38.5 < metrics["nme68_2d_high"]
    assert metrics["mean_map_ratio"] == 0.5
    assert metrics["smooth_15deg"] == 80
    assert metrics["nme68_2d_reannotated"] == 5


def test_the_curves_of_smoothness_are_of_the_truth_first():
    histograms = np.zeros((2, 180), np.int64)
    histograms[0, 3], histograms[1, 60] = 7, 9
    curves = smoothness_curves(histograms)
    assert curves["truth"].tolist() == [0] * 4 + [100] * 177
    assert curves["prediction"].tolist() == [0] * 61 + [100] * 120
    assert curves["cosine"].iloc[60] == 0.5
