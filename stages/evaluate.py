"""Score a variant's predictions for the test part: metrics, errors of each image, and curves.

``python -m stages.evaluate`` scores the main variant into metrics/evaluation.json, ``python -m stages.evaluate NAME``
an ablation's into metrics/ablation/NAME.json.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from model.scaling import Scaling
from model.scores import smoothness
from model.scores.protocols import error_3ddfa
from model.scores.scoring import score, signed_bias
from model.scores.summary import describe, error_curves, smoothness_curves, summarise
from model.settings import TrainConfig
from pipeline.face.similarity import apply_similarity
from pipeline.uv.surface import Surface, load_surface, read_points
from stages.project import samples as truth
from stages.project.params import check, read, sentences
from stages.project.published import Benchmark, read_benchmark
from stages.project.results import FAILED_COLUMNS, EvaluateParams, write_csv
from stages.project.variants import MAIN_RUN, read_variant


def evaluate(root: Path, run: str, train: TrainConfig, metrics_path: Path, params: EvaluateParams) -> dict:
    """Score the predictions in ``runs/<run>`` of the project at `root` and write what comes of it.

    Parameters
    ----------
    root : Path
        The project's root.
    run : str
        Folder in runs/: a variant's name, or that of the main run.
    train : TrainConfig
        What the variant was trained with: the level of its crops, and the scaling of its output.
    metrics_path : Path
        Where the metrics go; per_image.csv, protocols.csv, failed.csv, ced.csv and smoothness.csv go to the run's
        folder.
    params : EvaluateParams

    Returns
    -------
    dict
        The metrics, in percent.
    """
    folder = root / "runs" / run
    surface = load_surface(root / "data/face_model/model.h5", root / "data/uv_embedding/uv.h5")
    test_ids = truth.read_part(root, "test")
    check(bool(test_ids), "The test part of data/split.csv is empty: there is nothing to evaluate.")
    places = truth.locate(root, train.level, test_ids)
    check(bool(places), f"None of the {len(test_ids)} test samples has a position map: every one was rejected.")
    failures = truth.list_failures(root, train.level, test_ids, places)
    baseline = truth.mean_training_map(root, train.level, surface.face_mask)
    benchmark = read_benchmark(root / params.benchmark)
    histograms = np.zeros((2, len(smoothness.CURVE_ANGLES_DEG) - 1), np.int64)
    with truth.Predictions(folder / "predictions.h5") as predictions:
        judge = Judge(surface, Scaling(train.scaling, len(surface.face_mask)), baseline, benchmark)
        rows = score_samples(truth.read_truths(root, places), predictions, judge, histograms)
        progress = tqdm(rows, total=len(places), unit="image", desc=f"evaluate {run}", disable=None)
        table = pd.DataFrame(progress).sort_values("sample_id", ignore_index=True)
    yaw = benchmark.replace_yaw(table["sample_id"], truth.annotated_yaw(root, table["sample_id"]))
    table.insert(1, "yaw_deg", yaw)
    # The metrics come from the rounded table, so that each can be computed from per_image.csv to the last digit.
    table = table.round(4)
    described = describe(table, params.share_under, params.bootstrap, params.seed)
    metrics = summarise(table, described, len(failures))
    write_csv(table, folder / "per_image.csv", "%.4f")
    write_csv(described, folder / "protocols.csv", "%.4f")
    write_csv(pd.DataFrame(failures, columns=FAILED_COLUMNS), folder / "failed.csv")
    write_csv(error_curves(table), folder / "ced.csv", "%.4g")
    write_csv(smoothness_curves(histograms), folder / "smoothness.csv", "%.6g")
    metrics_path.parent.mkdir(parents=True, exist_ok=True)
    metrics_path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return metrics


@dataclasses.dataclass(frozen=True)
class Judge:
    """What every prediction of a variant is scored by.

    Attributes
    ----------
    surface : Surface
    scaling : Scaling
        Of the variant's output.
    mean_map : (S, S, 3) float64
        The baseline's prediction, in aligned pixels.
    benchmark : Benchmark
    """

    surface: Surface
    scaling: Scaling
    mean_map: NDArray[np.float64]
    benchmark: Benchmark


def score_samples(
    truths: Iterable[truth.Truth], predictions: truth.Predictions, judge: Judge, histograms: NDArray[np.int64]
) -> Iterator[dict]:
    """Score one sample after the other; adds the angles of true and predicted meshes to `histograms` (2, 180)."""
    surface, benchmark = judge.surface, judge.benchmark
    for sample in truths:
        position_map, similarity = predictions.read(sample.sample_id)
        predicted = read_points(position_map, similarity, surface)
        true = read_points(sample.position_map, sample.similarity, surface)
        guess = read_points(judge.mean_map, sample.similarity, surface)
        row: dict = {"sample_id": sample.sample_id, "truth": "pt3d_68" if sample.annotated else "model"}
        row |= score(predicted, true, sample.landmarks)
        if benchmark.landmarks:
            second = benchmark.landmarks_of(sample.sample_id)
            row["nme68_2d_reannotated"] = None if second is None else float(error_3ddfa(predicted.landmarks, second))
        row["mean_map_68_2d"] = float(error_3ddfa(guess.landmarks, sample.landmarks))
        for index, (name, points) in enumerate((("truth", true), ("prediction", predicted))):
            cosines = smoothness.adjacent_cosines(points.vertices, surface.triangles, surface.pairs)
            row[f"smooth_{name}"] = smoothness.smooth_share(cosines)
            histograms[index] += smoothness.angle_histogram(cosines)
        aligned = apply_similarity(sample.similarity @ np.linalg.inv(similarity), position_map.astype(np.float64))
        row |= signed_bias(aligned, sample.position_map, judge.scaling, surface.face_mask)
        numbers = [value for value in row.values() if isinstance(value, float)]
        check(bool(np.isfinite(numbers).all()), f"The prediction for {sample.sample_id} is not finite: train again.")
        yield row


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Score the main variant, or the ablation VARIANT."""
    with sentences():
        settings = read_variant(variant)
        path = Path("metrics/evaluation.json" if variant is None else f"metrics/ablation/{variant}.json")
        params = read("evaluate", EvaluateParams)
        metrics = evaluate(Path(), variant or MAIN_RUN, settings.train, path, params)
    click.echo(
        f"evaluate: {settings.train.variant}, {metrics['images']} test images scored, {metrics['failed']} failed; 68 "
        f"landmarks in 2D {metrics['nme68_2d']} %, {metrics['mean_map_ratio']} of the mean map's error"
    )


if __name__ == "__main__":
    main()
