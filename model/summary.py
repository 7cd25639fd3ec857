"""From the errors of the images to a metrics file and the curves of the figures."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model import smoothness, statistics
from model.evaluation import PROTOCOLS

CED_THRESHOLDS = np.arange(201) / 10
CED_COLUMNS = ("nme68_2d", "dense_3d", "thesis_68", "thesis_mesh", "mean_map_68_2d")
# The errors that carry their interval into the metrics file; the report prints one beside every mean.
HEADLINES = ("nme68_2d", "thesis_mesh")


def summarise(table: pd.DataFrame, failed: int, resamples: int, seed: int) -> dict:
    """Make the metrics from the errors of the images.

    Parameters
    ----------
    table : DataFrame
        As in per_image.csv.
    failed : int
        Test samples that have no truth to compare with, for instance because no face was found.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        Counts, and percent rounded to 3 digits. A yaw bin without an image has no entry, and then `bins` has none.
    """
    metrics: dict = {"images": len(table), "failed": failed}
    for name in PROTOCOLS:
        interval = statistics.bootstrap_interval(table[name], resamples, seed)
        metrics[name] = interval._asdict() if name in HEADLINES else {"mean": interval.mean}
    bins = statistics.mean_of_yaw_bins(table["nme68_2d"], table["yaw_deg"])
    metrics["nme68_2d"] |= ({} if bins is None else {"bins": bins}) | statistics.yaw_bin_means(
        table["nme68_2d"], table["yaw_deg"]
    )
    baseline = float(table["mean_map_68_2d"].mean())
    metrics["mean_map"] = {"nme68_2d": baseline, "ratio": metrics["nme68_2d"]["mean"] / baseline}
    metrics["smooth_15deg"] = {name: float(table[f"smooth_{name}"].mean()) for name in ("prediction", "truth")}
    return _rounded(metrics)


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


def _rounded(metrics: dict) -> dict:
    return {
        name: _rounded(value) if isinstance(value, dict) else round(value, 3) if isinstance(value, float) else value
        for name, value in metrics.items()
    }
