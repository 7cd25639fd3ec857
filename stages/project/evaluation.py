"""The scores of a run: of its maps, of the face model fitted to them, and of its maps of crops by found landmarks.

Of a network that regresses volumes: of the surfaces of these, which no face model is fitted to.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.scores import smoothness
from model.scores.summary import Metrics, describe, error_curves, smoothness_curves, summarise
from model.settings import TrainConfig
from pipeline.face.face_model import load_model
from pipeline.face.fit import load_prior
from pipeline.store.checks import check
from pipeline.store.progress import show_progress
from pipeline.store.samples import Sample
from pipeline.uv.map_fit import fit_map
from pipeline.uv.position_map import load_uv, texel_model
from pipeline.uv.scaling import Scaling
from pipeline.uv.surface import Surface, load_surface
from stages.project import samples
from stages.project.json_file import write_json
from stages.project.params import Subset
from stages.project.paths import (
    EVALUATION,
    LAYOUT,
    MAIN_RUN,
    MODEL,
    PRIOR,
    SOURCES_METRICS,
    found_predictions_of,
    predictions_of,
    scores_of,
)
from stages.project.predictions import MAPS, VOLUMES, Predictions
from stages.project.published import read_benchmark
from stages.project.result_params import EvaluateParams
from stages.project.results import (
    FAILED_COLUMNS,
    FITTED,
    HEADLINES,
    RAW,
    Source,
    source_row,
    write_scores,
    write_seeds,
    write_sources,
)
from stages.project.scoring import Judge, Prediction, score_samples, score_volumes

ANNOTATION, NOT_LEVELLED = "annotation", "none"
# Whose the box is, by the stage that `boxes` of a subset names.
BOXES = {"meshes": ANNOTATION, "detected": "mtcnn"}


def evaluate(
    root: Path,
    run: str,
    train: TrainConfig,
    params: EvaluateParams,
    subsets: Mapping[str, Subset],
    found: Iterable[str],
) -> Metrics:
    """Score the predictions in ``runs/<run>`` of the project at `root` and write what comes of it.

    Parameters
    ----------
    root : Path
        The project's root.
    run : str
        Folder in runs/: a variant's name, or that of the main run.
    train : TrainConfig
        What the run was trained with: the level of its crops, and the scaling of its output.
    params : EvaluateParams
    subsets : dict of str to Subset
        Those of data.subsets, which say where the boxes of the test part are from.
    found : iterable of str
        Sources of landmarks that the test part has been cropped by once more.

    Returns
    -------
    Metrics
        The metrics of the run's network, in percent. They and the tables go to ``runs/<run>/scores``, the few that
        compare experiments, of the main run, also to metrics/evaluation.json. The same of the fitted maps, and of the
        maps of crops by each source, goes to folders in there, and the few numbers of all these to
        metrics/sources.json. per_seed.csv has the errors of each seed's network.

    Raises
    ------
    ValueError
        If nothing can be scored, or a prediction is missing or not finite.
    """
    surface = load_surface(root / MODEL, root / LAYOUT)
    test_ids = samples.read_part(root, "test")
    check(bool(test_ids), "The test part of data/split is empty: there is nothing to evaluate.")
    places = samples.locate(root, train.level, test_ids)
    check(bool(places), f"None of the {len(test_ids)} test samples has a position map: every one was rejected.")
    failures = samples.list_failures(root, train.level, test_ids, places)
    baseline = samples.mean_training_map(root, train.level, surface.face_mask)
    judge = make_judge(root, surface, Scaling(train.scaling, len(surface.face_mask)), baseline, params)
    folder, levelled = root / scores_of(run), train.level == "on"
    names = {subset: BOXES[subsets[subset].boxes] for subset in sorted(set(map(samples.subset_of, test_ids)))}
    annotated = Source(", ".join(dict.fromkeys(names.values())), ANNOTATION if levelled else NOT_LEVELLED)
    rows = []
    with Predictions(root / predictions_of(run)) as predictions:
        errors = _errors_of_seeds(root, f"evaluate {run}", judge, places, predictions)
        metrics = _write(errors[predictions.seed], failures, params, folder)
        write_seeds(folder, {seed: each.table for seed, each in errors.items()})
        rows.append(source_row(RAW, annotated, metrics))
        if predictions.kind == MAPS:
            fit = _errors(root, f"evaluate {run}, fitted", judge, places, predictions.read, MAPS, fitted=True)
            rows.append(source_row(FITTED, annotated, _write(fit, failures, params, folder / FITTED)))
    for source in found:
        with Predictions(root / found_predictions_of(run, source)) as predictions:
            seen = [place for place in places if place.sample_id in predictions.rows]
            lost = samples.list_not_found(root, source, train.level, {place.sample_id for place in places})
            errors = _errors_of_seeds(root, f"evaluate {run}, {source}", judge, seen, predictions)
            scored = _write(errors[predictions.seed], [*failures, *lost], params, folder / source)
            write_seeds(folder / source, {seed: each.table for seed, each in errors.items()})
        rows.append(source_row(source, Source(source, source if levelled else NOT_LEVELLED), scored))
    write_sources(folder, rows)
    if run == MAIN_RUN:
        write_json(root / EVALUATION, {name: metrics[name] for name in HEADLINES if name in metrics})
        write_json(root / SOURCES_METRICS, {row.pop("map"): row for row in rows})
    return metrics


def make_judge(
    root: Path, surface: Surface, scaling: Scaling, mean_map: NDArray[np.float64], params: EvaluateParams
) -> Judge:
    """Gather what all predictions of a run are scored by."""
    model, prior = load_model(root / MODEL), load_prior(root / PRIOR)
    texels = texel_model(model, load_uv(root / LAYOUT))
    return Judge(
        surface,
        scaling,
        mean_map,
        read_benchmark(root / params.benchmark),
        reference=model.mean[surface.vertices],
        fit=lambda position_map: fit_map(position_map, texels, surface.face_mask, prior),
        prior=prior,
        identities=model.shape_basis.shape[2],
    )


class Scored(NamedTuple):
    """Errors of samples, as in per_image.csv, the histograms of `score_samples`, and who has no score and why."""

    table: pd.DataFrame
    histograms: NDArray[np.int64] | None
    failures: list[tuple[str, ...]]


def _errors(
    root: Path,
    title: str,
    judge: Judge,
    places: Sequence[Sample],
    predict: Prediction,
    kind: str,
    fitted: bool = False,
) -> Scored:
    """Score maps, as they are or fitted, or volumes of samples."""
    check(bool(places), f"{title}: there is no prediction to score.")
    histograms, failures = None, list[tuple[str, ...]]()
    truths = samples.read_truths(root, places)
    if kind == VOLUMES:
        rows = score_volumes(truths, predict, judge.surface, failures)
    else:
        histograms = np.zeros((2, len(smoothness.CURVE_ANGLES_DEG) - 1), np.int64)
        rows = score_samples(truths, predict, judge, histograms, fitted)
    scored = list(show_progress(rows, title, "photo", len(places)))
    check(bool(scored), f"{title}: nothing could be scored. First: {failures[0][2] if failures else ''}")
    table = pd.DataFrame(scored).sort_values("sample_id", ignore_index=True)
    yaw = judge.benchmark.replace_yaw(table["sample_id"], samples.annotated_yaw(root, table["sample_id"]))
    table.insert(1, "yaw_deg", yaw)
    # The metrics come from the rounded table, so that each can be computed from per_image.csv to the last digit.
    return Scored(table.round(4), histograms, failures)


def _errors_of_seeds(
    root: Path, title: str, judge: Judge, places: Sequence[Sample], predictions: Predictions
) -> dict[int, Scored]:
    """Score what each seed's network predicts, that of the run first, see `_errors`."""
    errors = {predictions.seed: _errors(root, title, judge, places, predictions.read, predictions.kind)}
    for seed in predictions.other_seeds:
        predict = functools.partial(predictions.read, seed=seed)
        errors[seed] = _errors(root, f"{title}, seed {seed}", judge, places, predict, predictions.kind)
    return errors


def _write(scored: Scored, failures: Sequence[tuple[str, ...]], params: EvaluateParams, folder: Path) -> Metrics:
    """Write metrics and tables of errors to a folder; returns the metrics."""
    table, failed = scored.table, pd.DataFrame([*failures, *scored.failures], columns=FAILED_COLUMNS)
    described = describe(table, params.share_under, params.bootstrap, params.seed)
    metrics = summarise(table, described, len(failed))
    tables = {"per_image": table, "protocols": described, "failed": failed, "ced": error_curves(table)}
    if scored.histograms is not None:
        tables["smoothness"] = smoothness_curves(scored.histograms)
    write_scores(folder, metrics, tables)
    return metrics
