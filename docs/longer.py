"""Print the tables of networks that learnt longer, or of 256 px, from kept files: ``python -m docs.longer``."""

import json
from pathlib import Path

import click
import numpy as np
import pandas as pd

from model.scores import statistics
from model.scores.summary import ALL
from model.scores.summary import BINS as MEAN_OF_BINS
from pipeline.store.arrays import Array
from stages.pages.losses import still_falling
from stages.pages.results_text import interval, markdown

RESULTS = Path(__file__).parent / "results"
KEPT = RESULTS / "longer"
BEFORE = RESULTS / "real/metrics/thesis.json"
VARIANTS = ("prn", "joint", "frozen", "final", "3ddfa", "prn_l1", "final_l1")
PAIRS = (
    ("frozen", "prn"),
    ("joint", "prn"),
    ("final", "prn"),
    ("final", "joint"),
    ("final", "3ddfa"),
    ("prn", "prn_l1"),
    ("final", "final_l1"),
)
BINS, ROUGH = "bins", "rough"
# Errors by their columns in per_seed.csv, or as `errors` makes them of these, and what the tables call them.
ERRORS = {
    "thesis_mesh": "mesh (`thesis_mesh`)",
    "thesis_68": "68 landmarks, xyz (`thesis_68`)",
    "nme68_2d": "68 landmarks, xy (`nme68_2d`)",
    BINS: "mean of the yaw bins",
    "dense_3d": "dense, xyz",
    ROUGH: "triangles at 15 degrees or more",
}
# What is said of each network of 256 px, by its folder.
SIDE = RESULTS / "side_256"
NETWORKS = {
    "encoder_decoder": ("the encoder-decoder alone (`best`, width 16, 5 halvings)", "288,000", "81 s"),
    "refined": ("with the thesis's refinement on it", "288,000 and 64,000", "149 s"),
}
# Of the bootstrap, which only fewer than three seeds ask for.
RESAMPLES, SEED = 1000, 1


@click.command()
def main() -> None:
    """Print all three."""
    click.echo(f"{variants_table()}\n{differences_table()}\n{side_table()}")


def errors(variant: str, error: str) -> Array:
    """An error in percent of each photo, a row a seed.

    The mean of a row of `BINS` is the mean of the three bins' means: a photo weighs as much as its bin has few.
    """
    table = pd.read_csv(KEPT / variant / "per_seed.csv")
    column = {BINS: "nme68_2d", ROUGH: "smooth_prediction"}.get(error, error)
    values = table.pivot(index="seed", columns="sample_id", values=column)
    if error == ROUGH:
        values = 100 - values
    found = values.to_numpy(np.float64)
    if error != BINS:
        return found
    yaw = pd.read_csv(KEPT / "photos.csv").set_index("sample_id")["yaw_deg"].loc[values.columns]
    bins = statistics.yaw_bin(yaw)
    counts = np.bincount(bins)
    return found * (len(bins) / (len(counts) * counts[bins]))


def variants_table() -> str:
    """Table of the means over photos and seeds."""
    header = ("variant", "seeds (still falling)", "passes", "mesh after 100,000 passes", *ERRORS.values())
    before = json.loads(BEFORE.read_text(encoding="utf-8"))
    rows = []
    for variant in VARIANTS:
        losses = pd.read_csv(KEPT / variant / "seeds.csv")
        runs = [run for _, run in losses.groupby("seed")]
        falling = sum(bool(still_falling(run)) for run in runs)
        means = [interval(*statistics.mean_interval(errors(variant, error), RESAMPLES, SEED)) for error in ERRORS]
        learnt = f"{len(runs)} ({falling})", f"{losses['passes'].max():,}"
        rows.append((f"`{variant}`", *learnt, f"{before[variant]['thesis_mesh_over_seeds']:.2f}", *means))
    return markdown(header, rows)


def differences_table() -> str:
    """Table of the differences of two variants, each with its interval, and its verdict where they are told apart."""
    rows = [(f"`{one}` less `{other}`", *(_difference(one, other, error) for error in ERRORS)) for one, other in PAIRS]
    return markdown(("", *ERRORS.values()), rows)


def _difference(one: str, other: str, error: str) -> str:
    first, second = errors(one, error), errors(other, error)
    found = statistics.difference_interval(first, second, RESAMPLES, SEED)
    verdict = statistics.verdict(found, min(len(first), len(second)))
    return interval(*found, "+.2f") + (f", {verdict}" if verdict in ("better", "worse") else "")


def side_table() -> str:
    """Table of the networks of 256 px: of one seed each, with intervals over the photos."""
    names = ("passes", "time", "`nme68_2d` (95 % interval)", "yaw 0-30 / 30-60 / 60-90", "mean of the yaw bins")
    fitted = ("dense, xyz", "triangles under 15 degrees", "fitted: `nme68_2d`, bins, dense")
    rows = []
    for folder, told in NETWORKS.items():
        own, fit = (_means(SIDE / folder / f"{name}.csv") for name in ("protocols", "fitted"))
        by_bin = " / ".join(f"{own['nme68_2d', group][0]:.2f}" for group in statistics.YAW_BINS)
        errors = [interval(*own["nme68_2d", ALL]), by_bin, interval(*own["nme68_2d", MEAN_OF_BINS])]
        errors += [f"{own['dense_3d', ALL][0]:.2f}", f"{own['smooth_prediction', ALL][0]:.1f}"]
        shown = [("nme68_2d", ALL), ("nme68_2d", MEAN_OF_BINS), ("dense_3d", ALL)]
        rows.append((*told, *errors, ", ".join(f"{fit[one][0]:.2f}" for one in shown)))
    return markdown(("network", *names, *fitted), rows)


def _means(path: Path) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Mean and interval of each error and group of a table of protocols."""
    rows = pd.read_csv(path).to_dict("records")
    return {(row["error"], row["group"]): (row["mean"], row["low"], row["high"]) for row in rows}


if __name__ == "__main__":
    main()
