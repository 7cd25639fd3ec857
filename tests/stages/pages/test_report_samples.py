"""Which test samples the report shows."""

import numpy as np
import pandas as pd
import pytest

from stages.pages.report_samples import choose_samples


def make_table(count):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sample_id": [f"test/{index:03d}" for index in range(count)],
            "nme68_2d": rng.permutation(np.arange(count, dtype=float)),
            "yaw_deg": rng.uniform(-90, 90, count),
        }
    )


def test_best_median_and_worst_are_chosen_and_yaw_is_spread():
    table = make_table(101)
    chosen = choose_samples(table, 12)
    errors = {why: sorted(rows["nme68_2d"]) for why, rows in chosen.groupby("why")}
    assert errors["best"] == [0, 1]
    assert errors["median"] == [49, 50]
    assert errors["worst"] == [99, 100]
    yaw = chosen[chosen["why"] == "yaw"]["yaw_deg"]
    assert len(yaw) == 6
    assert yaw.max() - yaw.min() > 150
    assert chosen["sample_id"].is_unique


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_small_sets_are_shown_whole_and_no_image_twice(count):
    chosen = choose_samples(make_table(count), 12)
    assert sorted(chosen["sample_id"]) == sorted(make_table(count)["sample_id"])
    assert len(choose_samples(make_table(count), 1)) == 1
