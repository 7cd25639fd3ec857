"""Stage `evaluate`: the scores of a run's predictions for the test part: metrics, errors of each image, and curves.

``python -m stages.evaluate`` scores the main run, ``python -m stages.evaluate NAME`` another variant of params.yaml.
"""

from pathlib import Path

import click

from pipeline.store.sentences import sentences
from stages.project.beginning import begin_stage
from stages.project.evaluation import evaluate
from stages.project.params import CropParams, DataParams
from stages.project.params_file import read
from stages.project.paths import MAIN_RUN, scores_of
from stages.project.result_params import EvaluateParams
from stages.project.variants import settings_of


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Score the main run, or VARIANT."""
    run = variant or MAIN_RUN
    with sentences():
        begin_stage(f"evaluate@{run}", scores_of(run))
        settings = settings_of(run)
        data, crop, params = read("data", DataParams), read("crop", CropParams), read("evaluate", EvaluateParams)
        metrics = evaluate(Path(), run, settings.train, params, data.subsets, crop.found)
    errors = f"the surface {metrics['surface']} %"
    if "nme68_2d" in metrics:
        errors = f"68 landmarks in 2D {metrics['nme68_2d']} %, {metrics['mean_map_ratio']} of the mean map's error"
    click.echo(
        f"evaluate: {settings.variant}, {metrics['images']} test images scored, {metrics['failed']} failed; {errors}"
    )


if __name__ == "__main__":
    main()
