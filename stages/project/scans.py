"""Scores of meshes in files against scans: each face's errors, their statistics, and what failed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.store.arrays import Array
from pipeline.store.checks import check
from pipeline.store.progress import show_progress
from stages.project.results import FAILED_COLUMNS
from stages.project.scan_benchmarks import BENCHMARKS, DISTANCE
from stages.project.scan_units import UNITS


def score_scans(
    protocol: str, scans: Path, predictions: Path, template: Path | None, unit: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Score all predictions that belong to a folder of scans.

    Parameters
    ----------
    protocol : {'now', 'realy', 'm3dfb'}
    scans, predictions : Path
        Folders as docs/evaluation.md has them, section 'Against scans'.
    template : Path or None
        What is known of the predictions' mesh; `now` needs none.
    unit : {'um', 'mm', 'cm', 'm'}
        Of the scans.

    Returns
    -------
    scores : DataFrame
        Of each face the mean of each error, mm, and for `now` number, median and standard deviation.
    described : DataFrame
        Of each error over all faces, and over those of each folder: number of faces, median, mean, standard deviation.
    failed : DataFrame
        Faces without a usable scan or prediction, with the reason.
    metrics : dict of str to float
        The benchmark's own numbers, mm.

    Raises
    ------
    ValueError
        If there are no scans, nothing could be scored, or the template is missing or no such file.
    """
    benchmark = BENCHMARKS[protocol]
    check(template is not None or protocol == "now", f"--protocol {protocol} needs --template, see docs/evaluation.md.")
    about = None if template is None else benchmark.read_template(template)
    faces = benchmark.list_faces(scans, predictions)
    check(bool(faces), f"{scans} holds no scans as --protocol {protocol} has them, see docs/evaluation.md.")
    rows, measured, failed = [], [], []
    for face in show_progress(faces, "score", "face"):
        try:
            found = benchmark.measure(face, predictions, about, UNITS[unit])
        except (ValueError, OSError, RuntimeError) as error:  # the last of a solver that finds no end
            failed.append((face.sample_id, "score", str(error)))
        else:
            rows.append({"sample_id": face.sample_id} | _describe_face(found, benchmark.pooled))
            measured.append((face.sample_id, found))
    first = f" First: {failed[0][2]}" if failed else ""
    check(bool(rows), f"Nothing in {predictions} could be scored against {scans}.{first}")
    described = pd.DataFrame(_describe_all(measured, benchmark.pooled))
    return pd.DataFrame(rows), described, pd.DataFrame(failed, columns=FAILED_COLUMNS), _metrics(described, protocol)


def _describe_face(found: Mapping[str, Array], pooled: bool) -> dict[str, float]:
    if not pooled:
        return {f"{name}_mm": float(values.mean()) for name, values in found.items()}
    values = found[DISTANCE]
    numbers = {"median_mm": np.median(values), "mean_mm": values.mean(), "std_mm": values.std()}
    return {"points": len(values)} | {name: float(number) for name, number in numbers.items()}


def _describe_all(measured: list[tuple[str, dict[str, Array]]], pooled: bool) -> Iterator[dict[str, Any]]:
    """Rows of the table of errors, of all faces first, then of those of each folder that their names begin with."""
    groups = pd.Series([sample_id.rpartition("/")[0].rpartition("/")[2] for sample_id, _ in measured])
    names = dict.fromkeys(name for _, found in measured for name in found)
    for name in names:
        for group in ("all", *sorted(set(groups) - {""})):
            chosen = [
                found[name]
                for (_, found), its in zip(measured, groups, strict=True)
                if group in ("all", its) and name in found
            ]
            if chosen:
                values = np.concatenate(chosen) if pooled else np.array([each.mean() for each in chosen])
                yield {
                    "error": f"{name}_mm",
                    "group": group,
                    "faces": len(chosen),
                    "median": float(np.median(values)),
                    "mean": float(values.mean()),
                    "std": float(values.std(ddof=0 if pooled or len(values) == 1 else 1)),
                }


def _metrics(described: pd.DataFrame, protocol: str) -> dict[str, float]:
    of_all = described[described["group"] == "all"].set_index("error")
    if BENCHMARKS[protocol].pooled:
        return {f"{name}_mm": round(float(of_all[name].iloc[0]), 4) for name in ("median", "mean", "std")}
    means = {str(name): round(float(value), 4) for name, value in of_all["mean"].items()}
    if protocol == "realy":
        means["all_mm"] = round(float(of_all["mean"].mean()), 4)
    return means
