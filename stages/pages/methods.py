"""Every method by every protocol: our variants, the survey's, and others that `python -m stages.score` has scored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from model.scores.protocols import PROTOCOLS
from model.scores.statistics import Interval
from model.scores.summary import ALL
from pipeline.store.tables import read_table
from stages.pages.costs import Cost
from stages.pages.page import interval_text, mean_text
from stages.project.json_file import read_metrics
from stages.project.paths import scores_of, survey_scores_of
from stages.project.results import METRICS
from stages.project.survey_params import ANNOTATED, FEWER_LANDMARKS, KINDS, SurveyParams

# What every row shows; what a method lacks of the other protocols is left empty.
NEEDED = ("images", "failed", "nme68_2d", "nme68_2d_low", "nme68_2d_high")
SHOWN = tuple(dict.fromkeys((*NEEDED, "nme68_2d_bins", *PROTOCOLS)))
OWN_LANDMARKS = ("nme68_2d", "nme68_2d_low", "nme68_2d_high", "nme68_2d_bins", "nme68_3d", "thesis_68")
TRUTH = ["sample_id", "truth", "yaw_deg"]
# Degrees; annotated angles are written with four digits.
SAME_YAW = 0.01
Metrics = dict[str, Any]
ENDS = ("low", "high")
PROTOCOLS_TABLE = "protocols.csv"


def read_foreign(folder: Path, ours: pd.DataFrame) -> tuple[dict[str, Metrics], list[str]]:
    """Read what `python -m stages.score` wrote of other methods.

    Parameters
    ----------
    folder : Path
    ours : DataFrame
        per_image.csv of our main run.

    Returns
    -------
    methods : dict of str to mapping
        Metrics by what their rows are called, in the order of their files: the file's name, and how the photos and
        truths that they are scored on differ from ours.
    left_out : list of str
        A sentence for each file that cannot be shown.
    """
    methods: dict[str, Metrics] = {}
    left_out: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            metrics = read_metrics(path, NEEDED, SHOWN, "write it with `python -m stages.score`")
            note = _compare_truths(path.with_name(f"{path.stem}_per_image.csv"), ours)
            ends = read_surface_ends(path.with_name(f"{path.stem}_protocols.csv"))
        except (ValueError, OSError) as error:
            left_out.append(str(error))
        else:
            methods[f"{path.stem} (scored from its files{note})"] = metrics | ends
    return methods, left_out


def read_survey(root: Path, params: SurveyParams) -> tuple[dict[str, Metrics], list[str]]:
    """Read what the stage `survey` wrote of the project at `root`.

    Returns
    -------
    methods : dict of str to mapping
        Metrics by the names of the methods.
    left_out : list of str
        A sentence for each method that cannot be shown.
    """
    methods: dict[str, Metrics] = {}
    left_out: list[str] = []
    for name, method in params.methods.items():
        path = root / survey_scores_of(name) / METRICS
        if not path.parent.is_dir():
            left_out.append(f"{name} was not run: `dvc repro ablation/dvc.yaml:survey@{name}` does.")
            continue
        try:
            metrics = read_metrics(path, NEEDED[:2], SHOWN, f"run `python -m stages.survey {name}`")
            # An error of fewer landmarks is none to set beside that of 68.
            own = OWN_LANDMARKS if method.kind in FEWER_LANDMARKS else ()
            own_errors = {error: value for error, value in metrics.items() if error not in own}
            methods[name] = own_errors | read_surface_ends(path.with_name(PROTOCOLS_TABLE))
        except (ValueError, OSError) as error:
            left_out.append(str(error))
    return methods, left_out


def read_run(root: Path, run: str) -> Metrics:
    """Read the metrics of a run of the project at `root` that has not all errors.

    Raises
    ------
    FileNotFoundError
        If there are none.
    ValueError
        If they are damaged.
    """
    path = root / scores_of(run) / METRICS
    metrics = read_metrics(path, NEEDED[:2], SHOWN, f"evaluate the variant {run!r} again")
    return metrics | read_surface_ends(path.with_name(PROTOCOLS_TABLE))


def read_surface_ends(path: Path) -> dict[str, float]:
    """Read the interval of the surface's error from a table of protocols; empty where there is none.

    Raises
    ------
    ValueError
        If the table is damaged.
    """
    if not path.is_file():
        return {}
    rows = list(read_table(path, ("error", "group"), ENDS))
    found = [row for row in rows if (row["error"], row["group"]) == ("surface", ALL)]
    return surface_ends(found[0]) if found else {}


def surface_ends(row: Mapping[str, Any]) -> dict[str, float]:
    """Interval of the surface's error, by the names that `method_row` knows, of a row of a table of protocols."""
    return {f"surface_{end}": float(row[end]) for end in ENDS}


def describe_survey(params: SurveyParams) -> dict[str, str]:
    """What the survey's methods are, and whose landmarks they see, by their names."""
    seen = {ANNOTATED: "by annotated landmarks, which no photo of one's own has: a bound"}
    return {
        name: f"{KINDS[method.kind]}; {seen.get(method.landmarks, f'by landmarks of {method.landmarks}')}"
        for name, method in params.methods.items()
    }


def _compare_truths(path: Path, ours: pd.DataFrame) -> str:
    """Say in what the photos of a method's per_image.csv, or their truths, differ from ours; empty if in nothing.

    Raises
    ------
    ValueError
        If the file is no such table.
    """
    if not path.is_file():
        return "; on which photos is not known"
    try:
        theirs = pd.read_csv(path, usecols=TRUTH, dtype={"sample_id": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} is no table of `python -m stages.score` ({' '.join(str(error).split())}).") from error
    ours = ours[TRUTH]
    # Theirs are named from the folder of truth that was given, ours from the subset.
    stems = [table["sample_id"].str.rpartition("/")[2].rename("stem") for table in (theirs, ours)]
    whole = theirs["sample_id"].isin(ours["sample_id"]).all()
    keys = [theirs["sample_id"], ours["sample_id"]] if whole else stems
    pairs = theirs.assign(key=keys[0]).merge(ours.assign(key=keys[1]), on="key", suffixes=("", "_ours"))
    same = (pairs["truth"] == pairs["truth_ours"]) & ((pairs["yaw_deg"] - pairs["yaw_deg_ours"]).abs() < SAME_YAW)
    if len(pairs) == len(theirs) == len(ours) and same.all():
        return ""
    return (
        f"; not comparable: {int(same.sum())} of its {len(theirs)} photos are among our {len(ours)} with the same truth"
    )


def method_header() -> tuple[str, ...]:
    """Head of the rows of `method_row`."""
    # Without their underscores the names can be broken into lines, so that the table is no wider than the page.
    first, *others = (name.replace("_", " ") for name in PROTOCOLS)
    mean = (f"{first}, mean over seeds", "95 % interval")
    head = ("method", "ms a face", "MB", "seeds", "images", "failed", *mean, f"{first}, kept network", "mean of bins")
    return (*head, *others)


def method_row(
    name: str, metrics: Metrics, seeds: object = "", over_seeds: Interval | None = None, cost: Cost | None = None
) -> tuple[object, ...]:
    """One method's row from metrics as metrics/evaluation.json has them, and its cost.

    Where it has several seeds, of which the metrics are of the network that is kept, their number and the mean error
    of the 68 landmarks over all of them come first. Of errors that the method lacks nothing is said.
    """
    kept = metrics.get("nme68_2d", "")
    mean, *ends = over_seeds or (kept, *(metrics[end] for end in ("nme68_2d_low", "nme68_2d_high") if end in metrics))
    counts = (seeds, metrics["images"], metrics["failed"], mean, interval_text(*ends) if ends else "")
    head = (name, *(cost or ("", "")), *counts, kept if over_seeds else "", metrics.get("nme68_2d_bins", ""))
    return (*head, *(_with_ends(error, metrics) for error in list(PROTOCOLS)[1:]))


def _with_ends(error: str, metrics: Metrics) -> object:
    """An error, with its interval where that is known; empty where the method lacks it."""
    ends = [metrics[f"{error}_{end}"] for end in ENDS if f"{error}_{end}" in metrics]
    return mean_text(metrics[error], *ends) if ends and error in metrics else metrics.get(error, "")
