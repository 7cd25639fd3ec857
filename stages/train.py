"""Train a variant, and predict the position maps of the test part, so that scoring needs no TensorFlow.

``python -m stages.train`` trains the main model, ``python -m stages.train NAME`` another variant of params.yaml.
"""

import contextlib
import csv
import hashlib
import importlib.metadata
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import click
import numpy as np
from numpy.typing import NDArray

from model.feed import Feed, Sample, locate, read_samples
from model.scaling import Scaling
from pipeline.encoding import encode_positions
from pipeline.position_map import UVLayout, load_uv
from pipeline.resume import digest_code, end, sole_writer
from pipeline.shards import append_images, list_shards, write_dataset, writing
from stages.params import DataParams, check, read, sentences
from stages.tables import read_table
from stages.variants import MAIN_RUN, VariantSettings, read_variant

AUGMENTED = Path("data/augmented")
POSITION_MAPS = Path("data/position_maps")
SPLIT = Path("data/split.csv")
UV = Path("data/uv_embedding/uv.h5")
OUTPUT = Path("runs")
# Beside the work of the data stages, the last of which ends its own when training begins.
WORK = Path("work/shards")
ROOT = Path(__file__).parents[1]


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Train the main model, or VARIANT."""
    start = time.perf_counter()
    with sentences():
        settings, data = read_variant(variant), read("data", DataParams)
        layout = load_uv(UV)
        check(layout.size == data.size, f"{UV} has maps of {layout.size} px, data.size is {data.size}: run dvc repro.")
        feeds = make_feeds(settings, data, layout)
        folder = OUTPUT / (variant or MAIN_RUN)
        folder.mkdir(parents=True, exist_ok=True)
        work = WORK / f"train@{folder.name}"
        with sole_writer(work, click.echo):
            checkpoint = work / f"{checkpoint_key(settings, data.size, feeds)}.h5"
            history = run(settings, data.size, layout, feeds, folder, checkpoint)
            end(work)
    best = min(history, key=lambda row: row["val_loss"])
    seconds, seen = time.perf_counter() - start, len(history) * len(feeds["train"].samples)
    click.echo(
        f"train: {settings.variant}, {len(feeds['train'].samples)} samples in, {len(feeds['validation'].samples)} to "
        f"validate on, {len(feeds['test'].samples)} predictions out; validation loss {best['val_loss']:.3g} px in "
        f"epoch {best['epoch']} of {len(history)}; {seen / seconds:.0f} samples/s"
    )


def make_feeds(settings: VariantSettings, data: DataParams, layout: UVLayout) -> dict[str, Feed]:
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
    scaling = Scaling(config.scaling, data.size)
    return {part: Feed(found, config.batch_size, scaling, layout.face_mask) for part, found in samples.items()}


def checkpoint_key(settings: VariantSettings, size: int, feeds: dict[str, Feed]) -> str:
    """Name what training is made from: code, libraries, settings, and the shards by their size and time."""
    shards = sorted({sample.shard for feed in feeds.values() for sample in feed.samples})
    status = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in shards]
    backend = (importlib.metadata.version("keras"), os.environ.get("KERAS_BACKEND", "tensorflow"))
    code = digest_code(ROOT, ("pipeline", "model", "stages"))
    return hashlib.sha256(repr((code, backend, settings, size, status)).encode()).hexdigest()[:32]


def run(
    settings: VariantSettings, size: int, layout: UVLayout, feeds: dict[str, Feed], folder: Path, checkpoint: Path
) -> list[dict[str, float]]:
    """Train, or go on from a checkpoint, and predict; returns the history."""
    prepare_keras()
    from model import losses, training

    model = training.new_model(size, settings.network, settings.train)
    model_losses = losses.make_losses(model.output, settings.loss, layout, feeds["train"].scaling)
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        history = training.train(
            model,
            feeds["train"],
            feeds["validation"],
            model_losses,
            settings.train,
            report=history_writer(file),
            checkpoint=checkpoint,
        )
    model.save_weights(folder / "model.weights.h5")
    predictions = training.predict(model, feeds["test"])
    write_predictions(folder / "predictions.h5", predictions, len(feeds["test"].samples), size)
    return history


def prepare_keras() -> None:
    """Import Keras with what has to be set before: TensorFlow unless told otherwise, quiet, and deterministic."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    with _quiet_stderr():
        import keras  # noqa: F401


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what TensorFlow's C++ parts write on import whatever the log level; Python's errors still get through."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def history_writer(file: TextIO) -> Callable[[dict[str, float]], None]:
    """Make a function that appends an epoch's row to a csv file at once, so that a plot of it can be followed."""
    writer = csv.writer(file, lineterminator="\n")

    def write(row: dict[str, float]) -> None:
        if row["epoch"] == 1:
            writer.writerow(row)
        writer.writerow([f"{value:.6g}" for value in row.values()])
        file.flush()
        losses = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name.endswith("loss"))
        click.echo(f"epoch {row['epoch']}: {losses} px, rate {row['lr']:.3g}")

    return write


def write_predictions(
    path: Path, predictions: Iterable[tuple[Sequence[Sample], NDArray[np.float32]]], count: int, size: int
) -> None:
    """Write predicted maps as they come, each with the similarity of its crop; memory holds one batch.

    Parameters
    ----------
    path : Path
        Its datasets: sample_id, similarity (N, 3, 3) float64, and position_map (N, size, size, 3) in fixed point.
    predictions : iterable of (samples, position maps in px)
    count, size : int
        N, and the side of the maps in px.

    Raises
    ------
    ValueError
        If there are more or fewer than `count`.
    """
    with writing(path) as file:
        ids: list[str] = []
        similarities = []
        for samples, position_map in predictions:
            ids += [sample.sample_id for sample in samples]
            similarities.append(read_samples(samples, ["similarity"])["similarity"])
            append_images(file, "position_map", encode_positions(position_map, size))
        write_dataset(file, "sample_id", np.array(ids, object))
        write_dataset(file, "similarity", np.concatenate(similarities))
        check(
            len(ids) == count,
            f"{path} got {len(ids)} predictions for {count} test samples; this is a mistake in the stage.",
        )


if __name__ == "__main__":
    main()
