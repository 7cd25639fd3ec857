"""Train a variant, and predict the position maps of the test part, so that scoring needs no TensorFlow.

``python -m stages.train`` trains the main model, ``python -m stages.train NAME`` another variant of params.yaml.
"""

import hashlib
import importlib.metadata
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pipeline
from model import regression
from model.backend import prepare_keras
from model.feed import Feed
from model.regression import Regression
from model.scaling import Scaling
from model.settings import RANDOM
from pipeline.face.face_model import load_model
from pipeline.store.resume import digest_code, end, sole_writer
from pipeline.store.samples import Sample, locate, read_labels
from pipeline.store.shards import list_shards
from pipeline.store.tables import read_table
from pipeline.uv.position_map import UVLayout, load_uv
from stages.project.params import DataParams, check, read, read_params, sentences
from stages.project.predictions import write_predictions
from stages.project.train_history import history_writer, write_history
from stages.project.variants import MAIN_RUN, VariantSettings, read_variant

if TYPE_CHECKING:
    from model.training import Trained

AUGMENTED = Path("data/augmented")
POSITION_MAPS = Path("data/position_maps")
SPLIT = Path("data/split.csv")
MODEL = Path("data/face_model/model.h5")
UV = Path("data/uv_embedding/uv.h5")
OUTPUT = Path("runs")
# Beside the work of the data stages, the last of which ends its own when training begins.
WORK = Path("work/shards")
ROOT = Path(pipeline.__path__[0]).parent
CODE = ("pipeline", "model", "stages")


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Train the main model, or VARIANT."""
    start = time.perf_counter()
    with sentences():
        settings, data = read_variant(variant), read("data", DataParams)
        layout = load_uv(UV)
        check(layout.size == data.size, f"{UV} has maps of {layout.size} px, data.size is {data.size}: run dvc repro.")
        samples = find_samples(settings, data)
        task = choose_regression(settings, layout, samples["train"])
        feeds = {
            part: Feed(found, settings.train.batch_size, task.datasets, task.to_label)
            for part, found in samples.items()
        }
        folder = OUTPUT / (variant or MAIN_RUN)
        folder.mkdir(parents=True, exist_ok=True)
        work = WORK / f"train@{folder.name}"
        with sole_writer(work, click.echo):
            checkpoint = work / checkpoint_key(settings, data.size, feeds)
            trained = run(settings, layout, task, feeds, folder, checkpoint)
            end(work)
    seconds, seen = time.perf_counter() - start, len(trained.history) * len(feeds["train"].samples)
    click.echo(
        f"train: {settings.variant}, {len(feeds['train'].samples)} samples in, {len(feeds['validation'].samples)} to "
        f"validate on, {len(feeds['test'].samples)} predictions out; validation loss {trained.best_loss:.3g} after "
        f"{len(trained.history)} epochs; {seen / seconds:.0f} samples/s, {100 * trained.waiting:.1f} % of the steps' "
        "time spent waiting for samples"
    )


def choose_regression(settings: VariantSettings, layout: UVLayout, training: Sequence[Sample]) -> Regression:
    """Say what a variant's network regresses; `training` are the samples to learn from."""
    if settings.network.regresses == "coefficients":
        return regression.coefficients(
            settings.network, layout, load_model(MODEL), lambda: read_labels(training, ("pose", "coefficients"))
        )
    scaling = Scaling(settings.train.scaling, layout.size)
    return regression.position_maps(settings.network, settings.loss, scaling, layout)


def find_samples(settings: VariantSettings, data: DataParams) -> dict[str, list[Sample]]:
    """Find the samples of the three parts: augmented ones to learn from, plain ones to validate and test on."""
    config = settings.train
    check(
        config.level in data.levels, f"train.level is {config.level!r}, but data.levels has {', '.join(data.levels)}."
    )
    part_of = {row["sample_id"]: row["part"] for row in read_table(SPLIT)}
    subsets = {sample_id.rpartition("/")[0] for sample_id, part in part_of.items() if part != "train"}
    plain = [
        path
        for subset in data.subsets
        if subset in subsets
        for path in list_shards(POSITION_MAPS / f"{subset}-{config.level}")
    ]
    samples = {
        "train": locate(list_shards(AUGMENTED / f"{config.policy}-{config.level}")),
        "validation": locate(plain, [sample_id for sample_id, part in part_of.items() if part == "validation"]),
        "test": locate(plain, [sample_id for sample_id, part in part_of.items() if part == "test"]),
    }
    for part, found in samples.items():
        check(bool(found), f"There is no sample for {part}; see {SPLIT} and the reject lists of the data stages.")
    strays = [sample.sample_id for sample in samples["train"] if part_of.get(sample.sample_id) != "train"]
    check(
        not strays,
        f"{len(strays)} samples to learn from are not in the training part, first {strays[:1]}: run dvc repro.",
    )
    return samples


def checkpoint_key(settings: VariantSettings, size: int, feeds: dict[str, Feed]) -> str:
    """Name what training is made from: code, libraries, settings, and the files by their size and time."""
    files = sorted({sample.shard for feed in feeds.values() for sample in feed.samples})
    initial = weights_of(settings.train.init)
    files += [initial] if initial.is_file() else []
    status = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    backend = (importlib.metadata.version("keras"), os.environ.get("KERAS_BACKEND", "tensorflow"))
    code = digest_code(ROOT, CODE)
    return hashlib.sha256(repr((code, backend, settings, size, status)).encode()).hexdigest()[:32]


def run(
    settings: VariantSettings,
    layout: UVLayout,
    task: Regression,
    feeds: dict[str, Feed],
    folder: Path,
    checkpoint: Path,
) -> "Trained":
    """Train from each seed, or go on from its checkpoint, and predict with the best; returns how that was trained."""
    config = settings.train
    prepare_keras(config.precision, config.xla, config.devices)
    import keras

    from model import training
    from model.networks import copy_weights

    initial = initial_network(config.init, settings, layout)
    every: list[tuple[int, Trained]] = []
    for seed in config.seeds:
        keras.utils.set_random_seed(seed)
        model = task.build()
        if initial is not None:
            copy_weights(initial, model)
        with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
            trained = training.train(
                model,
                feeds["train"],
                feeds["validation"],
                *task.make_losses(model),
                config,
                seed,
                training.phases(config.strategy, "brief" in model.output, initial is not None),
                report=history_writer(file),
                checkpoint=checkpoint.with_name(f"{checkpoint.name}-{seed}.h5"),
            )
        if all(trained.best_loss < other.best_loss for _, other in every):
            best, weights = trained, model.get_weights()
        every.append((seed, trained))
    model.set_weights(weights)
    # A compiled network's file would hold its optimizer's variables too, twice as many as its weights.
    keras.Model(model.input, model.output).save_weights(weights_of(folder.name))
    write_history(folder / "history.csv", best.history)
    write_history(folder / "seeds.csv", [{"seed": seed} | row for seed, each in every for row in each.history])
    predictions = ((samples, task.to_maps(final)) for samples, final in training.predict(model, feeds["test"]))
    write_predictions(folder / "predictions.h5", predictions, len(feeds["test"].samples), layout.size)
    return best


def weights_of(run: str) -> Path:
    """Weights of a run, by its folder's name."""
    return OUTPUT / run / "model.weights.h5"


def initial_network(init: str, settings: VariantSettings, layout: UVLayout) -> Any:
    """Build the network whose weights the encoder-decoder starts from; None where it starts at random.

    Raises
    ------
    FileNotFoundError
        If there are no such weights.
    """
    if init == RANDOM:
        return None
    path = weights_of(init)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: train the variant {init!r} first, or make it from a checkpoint by stages.import_prnet."
        )
    # What is no variant are weights from elsewhere, which are of the encoder-decoder.
    variants = read_params()["variants"]
    network = read_variant(init).network if init in variants else replace(settings.network, residual=False)
    scaling = Scaling(settings.train.scaling, layout.size)
    model = regression.position_maps(network, settings.loss, scaling, layout).build()
    try:
        model.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"{path} does not fit the network of section network (width {network.width}, {network.levels} levels)."
        ) from error
    return model


if __name__ == "__main__":
    main()
