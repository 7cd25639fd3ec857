"""Stage `evaluate`: the scores of a run's predictions for the test part: metrics, errors of each image, and curves.

``python -m stages.evaluate`` scores the main run, ``python -m stages.evaluate NAME`` another variant of params.yaml.
"""

from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from model.scaling import Scaling
from model.scores import smoothness
from model.scores.summary import describe, error_curves, smoothness_curves, summarise
from model.settings import TrainConfig
from pipeline.uv.surface import load_surface
from stages.project import samples
from stages.project.json_file import write_json
from stages.project.params import read, sentences
from stages.project.paths import EVALUATION, LAYOUT, MAIN_RUN, MODEL, predictions_of, scores_of
from stages.project.predictions import Predictions
from stages.project.published import read_benchmark
from stages.project.result_params import EvaluateParams
from stages.project.results import FAILED_COLUMNS, HEADLINES, write_scores
from stages.project.scoring import Judge, score_samples
from stages.project.strict import check
from stages.project.variants import settings_of


def evaluate(root: Path, run: str, train: TrainConfig, params: EvaluateParams) -> dict:
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

    Returns
    -------
    dict
        The metrics, in percent. They and the tables go to ``runs/<run>/scores``, the few that compare experiments,
        of the main run, also to metrics/evaluation.json.

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
    benchmark = read_benchmark(root / params.benchmark)
    histograms = np.zeros((2, len(smoothness.CURVE_ANGLES_DEG) - 1), np.int64)
    with Predictions(root / predictions_of(run)) as predictions:
        judge = Judge(surface, Scaling(train.scaling, len(surface.face_mask)), baseline, benchmark)
        rows = score_samples(samples.read_truths(root, places), predictions, judge, histograms)
        progress = tqdm(rows, total=len(places), unit="image", desc=f"evaluate {run}", disable=None)
        table = pd.DataFrame(progress).sort_values("sample_id", ignore_index=True)
    yaw = benchmark.replace_yaw(table["sample_id"], samples.annotated_yaw(root, table["sample_id"]))
    table.insert(1, "yaw_deg", yaw)
    # The metrics come from the rounded table, so that each can be computed from per_image.csv to the last digit.
    table = table.round(4)
    described = describe(table, params.share_under, params.bootstrap, params.seed)
    metrics = summarise(table, described, len(failures))
    tables = {"per_image": table, "protocols": described, "failed": pd.DataFrame(failures, columns=FAILED_COLUMNS)}
    tables |= {"ced": error_curves(table), "smoothness": smoothness_curves(histograms)}
    write_scores(root / scores_of(run), metrics, tables)
    if run == MAIN_RUN:
        write_json(root / EVALUATION, {name: metrics[name] for name in HEADLINES if name in metrics})
    return metrics


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Score the main run, or VARIANT."""
    run = variant or MAIN_RUN
    with sentences():
        settings = settings_of(run)
        metrics = evaluate(Path(), run, settings.train, read("evaluate", EvaluateParams))
    click.echo(
        f"evaluate: {settings.variant}, {metrics['images']} test images scored, {metrics['failed']} failed; 68 "
        f"landmarks in 2D {metrics['nme68_2d']} %, {metrics['mean_map_ratio']} of the mean map's error"
    )


if __name__ == "__main__":
    main()
