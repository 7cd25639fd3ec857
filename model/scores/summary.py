"""From the errors of the images to a metrics file, the table of protocols and the curves of the figures."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.scores import smoothness, statistics
from model.scores.protocols import PROTOCOLS

CED_THRESHOLDS = np.arange(201) / 10
CED_COLUMNS = ("nme68_2d", "dense_3d", "thesis_68", "thesis_mesh", "mean_map_68_2d")
ERRORS = (*PROTOCOLS, "mean_map_68_2d")
# Described beside the errors: the shares and the signed errors that the thesis speaks of.
OTHERS = ("smooth_prediction", "smooth_truth", "bias_x", "bias_y", "bias_z")
ALL, BINS = "all", "mean of the three bins"
# Metrics of a run by name: counts, and percent; which errors there are depends on what the truth holds.
Metrics = dict[str, int | float]


def describe(table: pd.DataFrame, share_under: float, resamples: int, seed: int) -> pd.DataFrame:
    """Describe each error over all images and over those of each yaw bin.

    Parameters
    ----------
    table : DataFrame
        As in per_image.csv; a column that it lacks has no rows, and an image without a value is left out.
    share_under : float
        Percent.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row for each error and group (`all`, the yaw bins that hold an image, where none is empty the mean of the
        three, and `all` and that mean of each subset of the samples ``<subset>/<stem>``): images, mean with its 95 %
        interval, median, 90th percentile, and of an error the percent of the images where it is at most `share_under`.
    """
    rows = [
        {"error": name, "group": group, **numbers}
        for name in (*ERRORS, *OTHERS)
        if name in table and table[name].notna().any()
        for group, numbers in _groups(table.dropna(subset=[name]), name, share_under, resamples, seed)
    ]
    return pd.DataFrame(rows)


def _groups(
    table: pd.DataFrame, name: str, share_under: float, resamples: int, seed: int
) -> Iterator[tuple[str, dict[str, float]]]:
    bins = statistics.yaw_bin(table["yaw_deg"])
    subsets = table["sample_id"].str.rpartition("/")[0]
    groups = [
        (ALL, table[name]),
        *((text, table[name][bins == index]) for index, text in enumerate(statistics.YAW_BINS)),
        *((str(subset), values) for subset, values in table[name].groupby(subsets) if subset),
    ]
    for group, values in groups:
        if len(values):
            interval = statistics.bootstrap_interval(values, resamples, seed)
            yield (
                group,
                {
                    "images": len(values),
                    **interval._asdict(),
                    "median": float(values.median()),
                    "p90": float(values.quantile(0.9)),
                }
                | (
                    {"share_under": share_under, "share": float(100 * (values <= share_under).mean())}
                    if name in ERRORS
                    else {}
                ),
            )
    by_subset = ((f"{subset}, {BINS}", rows) for subset, rows in table.groupby(subsets) if subset)
    for group, rows in ((BINS, table), *by_subset):
        of_bins = statistics.bins_interval(rows[name], rows["yaw_deg"], resamples, seed)
        if of_bins is not None:
            yield group, {"images": len(rows), **of_bins._asdict()}


def summarise(table: pd.DataFrame, described: pd.DataFrame, failed: int) -> Metrics:
    """Make the metrics file, whose rows `dvc metrics diff` compares.

    Parameters
    ----------
    table : DataFrame
        As in per_image.csv.
    described : DataFrame
        From `describe`.
    failed : int
        Test samples without a score.

    Returns
    -------
    Metrics
        Percent is rounded to 3 digits. What the table does not hold has no entry.
    """
    means = {(row["error"], row["group"]): row for row in described.to_dict("records")}
    headline = means.get(("nme68_2d", ALL))
    metrics: Metrics = {"images": len(table), "failed": failed}
    if headline is not None:
        metrics |= {"nme68_2d": headline["mean"], "nme68_2d_low": headline["low"], "nme68_2d_high": headline["high"]}
    if ("nme68_2d", BINS) in means:
        metrics["nme68_2d_bins"] = means["nme68_2d", BINS]["mean"]
    names = {name: name for name in PROTOCOLS if name != "nme68_2d"} | {"smooth_prediction": "smooth_15deg"}
    metrics |= {text: means[name, ALL]["mean"] for name, text in names.items() if (name, ALL) in means}
    if headline is not None and ("mean_map_68_2d", ALL) in means:
        metrics["mean_map_ratio"] = headline["mean"] / means["mean_map_68_2d", ALL]["mean"]
    return {name: value if isinstance(value, int) else round(value, 3) for name, value in metrics.items()}


def error_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Percent of the images with at most each error."""
    curves = {name: statistics.cumulative_curve(table[name], CED_THRESHOLDS) for name in CED_COLUMNS}
    return pd.DataFrame({"error": CED_THRESHOLDS} | curves)


def smoothness_curves(histograms: NDArray[np.int64]) -> pd.DataFrame:
    """Percent of the adjacent triangles whose angle is less than each whole degree."""
    angles = smoothness.CURVE_ANGLES_DEG
    return pd.DataFrame(
        {
            "angle_deg": angles.astype(int),
            "cosine": np.cos(np.deg2rad(angles)).round(6),
            "truth": smoothness.angle_curve(histograms[0]),
            "prediction": smoothness.angle_curve(histograms[1]),
        }
    )
