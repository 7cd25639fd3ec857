"""Stage `predict`: a run's position maps of the test part, so that scoring needs no TensorFlow.

Apart from `train`, so that another set to test on costs predictions and no training.
"""

import time
from pathlib import Path

import click

from model.backend import prepare_keras
from model.feed import Feed
from pipeline.uv.position_map import load_uv
from stages.project.params import sentences
from stages.project.paths import LAYOUT, MAIN_RUN, predictions_of, weights_of
from stages.project.predictions import write_predictions
from stages.project.runs import choose_regression
from stages.project.samples import locate, read_part
from stages.project.strict import check
from stages.project.variants import settings_of


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Predict with the main run, or with VARIANT."""
    run = variant or MAIN_RUN
    with sentences():
        settings, layout = settings_of(run), load_uv(LAYOUT)
        config = settings.train
        tested = locate(Path(), config.level, read_part(Path(), "test"))
        check(bool(tested), "No test sample has a position map; see the reject lists of the data stages.")
        task = choose_regression(settings, layout)
        prepare_keras(config.precision, config.xla, config.devices)
        from model.training import predict

        start = time.perf_counter()
        network = task.build()
        network.load_weights(weights_of(run))
        feed = Feed(tested, config.batch_size, task.datasets, task.to_label)
        predictions = ((samples, task.to_maps(final)) for samples, final in predict(network, feed))
        write_predictions(predictions_of(run), predictions, len(tested), layout.size)
    speed = len(tested) / (time.perf_counter() - start)
    click.echo(f"predict: {settings.variant}, {len(tested)} test samples in and out, {speed:.0f} samples/s")


if __name__ == "__main__":
    main()
