"""Every method by every protocol: our variants, the survey's, and others that `python -m stages.score` has scored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from model.scores.protocols import PROTOCOLS
from model.scores.statistics import Interval
from stages.pages.costs import Cost
from stages.pages.page import interval_text
from stages.project.json_file import read_metrics
from stages.project.paths import scores_of, survey_scores_of
from stages.project.results import METRICS
from stages.project.survey_params import ANNOTATED, KINDS, SurveyParams

# What every row shows; what a method lacks of the other protocols is left empty.
NEEDED = ("images", "failed", "nme68_2d", "nme68_2d_low", "nme68_2d_high")
SHOWN = tuple(dict.fromkeys((*NEEDED, "nme68_2d_bins", *PROTOCOLS)))
TRUTH = ["sample_id", "truth", "yaw_deg"]
# Degrees; annotated angles are written with four digits.
SAME_YAW = 0.01
Metrics = Mapping[str, Any]


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
        except (ValueError, OSError) as error:
            left_out.append(str(error))
        else:
            methods[f"{path.stem} (scored from its files{note})"] = metrics
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
    for name in params.methods:
        path = root / survey_scores_of(name) / METRICS
        try:
            methods[name] = read_metrics(path, NEEDED[:2], SHOWN, f"run `python -m stages.survey {name}`")
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
    return read_metrics(root / scores_of(run) / METRICS, NEEDED[:2], SHOWN, f"evaluate the variant {run!r} again")


def describe_survey(params: SurveyParams) -> dict[str, str]:
    """What the survey's methods are, and whose landmarks they see, by their names."""
    seen = {ANNOTATED: "annotated landmarks, which are truth"}
    return {
        name: f"{KINDS[method.kind]}; {seen.get(method.landmarks, f'landmarks by {method.landmarks}')}"
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
    return (*head, *(metrics.get(error, "") for error in list(PROTOCOLS)[1:]))
