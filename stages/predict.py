"""Stage `predict`: a run's position maps, or volumes, of the test part, so that scoring needs no TensorFlow.

Apart from `train`, so that another set to test on costs predictions and no training.
"""

import time
from pathlib import Path

import click

from model.backend import check_backend, prepare_keras
from model.weights import read_seeds
from pipeline.store import samples as stored
from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards
from pipeline.uv.position_map import load_uv
from stages.project.beginning import begin_stage
from stages.project.params import CropParams
from stages.project.params_file import read
from stages.project.paths import (
    FOUND,
    LAYOUT,
    MAIN_RUN,
    RUNS,
    found_predictions_of,
    predictions_of,
    seed_weights_of,
    weights_of,
)
from stages.project.predictions import Batches, kind_of, write_predictions
from stages.project.runs import choose_regression, load_run
from stages.project.samples import locate, read_part
from stages.project.variants import settings_of


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Predict with the main run, or with VARIANT."""
    run = variant or MAIN_RUN
    with sentences():
        begin_stage(f"predict@{run}", predictions_of(run), RUNS / run / "found")
        settings, layout = settings_of(run), load_uv(LAYOUT)
        config = settings.train
        tested = locate(Path(), config.level, read_part(Path(), "test"))
        check(bool(tested), "No test sample has a position map; see the reject lists of the data stages.")
        found = {source: locate_found(source, config.level) for source in read("crop", CropParams).found}
        task = choose_regression(settings, layout)
        check_backend(config.backend)
        prepare_keras(config.precision, config.xla, config.devices, config.backend)
        from model.prediction import predict

        start = time.perf_counter()
        network = task.build()
        seed, others = read_seeds(weights_of(run))

        def predict_with(weights: Path, samples: list[stored.Sample]) -> Batches:
            load_run(network, weights, settings, layout)
            return predict(
                network, samples, config.batch_size, task.to_output, task.mirrored if config.mirror else None
            )

        def write(path: Path, samples: list[stored.Sample]) -> None:
            predictions = predict_with(weights_of(run), samples)
            # One after the other: each takes its weights when it is asked for.
            again = ((other, predict_with(seed_weights_of(run, other), samples)) for other in others)
            kind = kind_of(settings.network.regresses)
            write_predictions(path, seed, predictions, len(samples), layout.size, again, kind)

        for source, samples in found.items():
            write(found_predictions_of(run, source), samples)
        write(predictions_of(run), tested)
    count = (len(tested) + sum(map(len, found.values()))) * (1 + len(others))
    told = f" by {1 + len(others)} seeds" if others else ""
    told += "".join(f", {len(samples)} of them found by {source}" for source, samples in found.items())
    speed = count / (time.perf_counter() - start)
    click.echo(f"predict: {settings.variant}, {len(tested)} test samples in and out{told}, {speed:.0f} samples/s")


def locate_found(source: str, level: str) -> list[stored.Sample]:
    """Find the crops of the test part that a source found."""
    samples = stored.locate(list_shards(FOUND / source / level))
    check(bool(samples), f"{source} found no face of the test part: take it out of crop.found, or look at the photos.")
    return samples


if __name__ == "__main__":
    main()
