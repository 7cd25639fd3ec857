"""Score a variant's predictions for the test part: metrics, errors of each image, and curves.

``python -m stages.evaluate`` scores the main variant into metrics/evaluation.json, ``python -m stages.evaluate NAME``
an ablation's into metrics/ablation/NAME.json.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from model import smoothness
from model.evaluation import error_3ddfa
from model.scoring import Surface, make_surface, read_points, score
from model.summary import error_curves, smoothness_curves, summarise
from pipeline.face_model import load_model
from pipeline.position_map import load_uv
from stages import truth
from stages.params import check, read, sentences
from stages.results import EvaluateParams
from stages.variants import MAIN_RUN, read_variant


def evaluate(root: Path, run: str, level: str, metrics_path: Path, params: EvaluateParams) -> dict:
    """Score the predictions in ``runs/<run>`` of the project at `root` and write what comes of it.

    Parameters
    ----------
    root : Path
        The project's root.
    run : str
        Folder in runs/: a variant's name, or that of the main run.
    level : {'on', 'off'}
        Level of the crops that the variant was trained and applied on.
    metrics_path : Path
        Where the metrics go; per_image.csv, ced.csv and smoothness.csv go to the run's folder.
    params : EvaluateParams

    Returns
    -------
    dict
        The metrics, in percent.
    """
    folder = root / "runs" / run
    model, layout = load_model(root / "data/face_model/model.h5"), load_uv(root / "data/uv_embedding/uv.h5")
    surface = make_surface(layout.uv, model.triangles, model.landmarks, layout.face_mask)
    test_ids = truth.read_part(root, "test")
    check(bool(test_ids), "The test part of data/split.csv is empty: there is nothing to evaluate.")
    places = truth.locate(root, level, test_ids)
    check(bool(places), f"None of the {len(test_ids)} test samples has a position map: every one was rejected.")
    baseline = truth.mean_training_map(root, level, layout.face_mask)
    histograms = np.zeros((2, len(smoothness.CURVE_ANGLES_DEG) - 1), np.int64)
    with truth.Predictions(folder / "predictions.h5") as predictions:
        rows = score_samples(truth.read_truths(root, places), predictions, baseline, surface, histograms)
        progress = tqdm(rows, total=len(places), unit="image", desc=f"evaluate {run}", disable=None)
        table = pd.DataFrame(progress).sort_values("sample_id", ignore_index=True)
    table.insert(1, "yaw_deg", truth.annotated_yaw(root, table["sample_id"]))
    # The metrics come from the rounded table, so that each can be computed from per_image.csv to the last digit.
    table = table.round(4)
    metrics = summarise(table, len(test_ids) - len(table), params.bootstrap, params.seed)
    table.to_csv(folder / "per_image.csv", index=False, float_format="%.4f", lineterminator="\n")
    error_curves(table).to_csv(folder / "ced.csv", index=False, float_format="%.4g", lineterminator="\n")
    smoothness_curves(histograms).to_csv(
        folder / "smoothness.csv", index=False, float_format="%.6g", lineterminator="\n"
    )
    metrics_path.parent.mkdir(parents=True, exist_ok=True)
    metrics_path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return metrics


def score_samples(
    truths: Iterable[truth.Truth],
    predictions: truth.Predictions,
    mean_map: NDArray[np.float64],
    surface: Surface,
    histograms: NDArray[np.int64],
) -> Iterator[dict]:
    """Score one sample after the other; adds the angles of true and predicted meshes to `histograms` (2, 180)."""
    for sample in truths:
        position_map, similarity = predictions.read(sample.sample_id)
        predicted = read_points(position_map, similarity, surface)
        true = read_points(sample.position_map, sample.similarity, surface)
        guess = read_points(mean_map, sample.similarity, surface)
        row: dict = {"sample_id": sample.sample_id, "truth": "pt3d_68" if sample.annotated else "model"}
        row |= score(predicted, true, sample.landmarks)
        row["mean_map_68_2d"] = float(error_3ddfa(guess.landmarks, sample.landmarks))
        for index, (name, points) in enumerate((("truth", true), ("prediction", predicted))):
            cosines = smoothness.adjacent_cosines(points.vertices, surface.triangles, surface.pairs)
            row[f"smooth_{name}"] = smoothness.smooth_share(cosines)
            histograms[index] += smoothness.angle_histogram(cosines)
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
        metrics = evaluate(Path(), variant or MAIN_RUN, settings.train.level, path, params)
    click.echo(
        f"evaluate: {settings.train.variant}, {metrics['images']} test images scored, {metrics['failed']} failed; 68 "
        f"landmarks in 2D {metrics['nme68_2d']['mean']} %, {metrics['mean_map']['ratio']} of the mean map's error"
    )


if __name__ == "__main__":
    main()
