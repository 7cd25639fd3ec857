"""Time full-size networks on other runtimes beside TensorFlow, and their training step (`make bench-model`).

Prints a table, then one line of JSON. The networks have the thesis's size and random weights, since what a
multiplication takes does not depend on its numbers. TensorFlow runs the network as it was trained, as a compiled
function of one photo, without what Keras's `predict` adds; the others run what the stage `export` writes.
"""

import dataclasses
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from benchmarks import openvino_networks
from model import regression
from model.backend import prepare_keras
from model.export import FORMATS, Run, export, open_network
from model.feed import Feed, OnlineFeed
from model.regression import Regression
from pipeline.crops.online import crop_with_border, pad_rows
from pipeline.face.face_model import FaceModel
from pipeline.store.encoding import encode_positions
from pipeline.store.samples import locate
from pipeline.store.shards import write_shard
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling
from stages.project.overrides import override, read_overrides
from stages.project.params import AugmentedParams
from stages.project.params_file import read, read_params
from stages.project.variants import VariantSettings, resolve_variant

# Twice as many samples as the feed reads ahead, so that it reads while the steps are timed.
SIZE, BATCH, SAMPLES = 256, 4, 64
# Variants whose networks are timed.
NETWORKS = ("best", "prn", "prn_refine_fast", "final")
COEFFICIENTS = (40, 10)
TENSORFLOW = "tensorflow"
# ONNX Runtime has no float16 layers for processors: it turns each to float32 and back, and only the file is smaller.
# OpenVINO is there where it is installed.
RUNTIMES = (TENSORFLOW, *(name for name in FORMATS if name != "onnx_float16"), *openvino_networks.RUNTIMES)
THREADS = (1, 2)
# How often each way of training has its turn.
TURNS = 3
Timing = tuple[str, int]
Ask = Callable[[Timing], list[float]]


def full_size(variant: str) -> VariantSettings:
    """Settings of a variant at the thesis's scale; our own network learns by the online policy."""
    settings = resolve_variant(override(read_params(), read_overrides()), variant)
    online = read("augmented", AugmentedParams).policies["online"] if settings.network.lean else None
    return dataclasses.replace(settings, augmentation=online)


def make_regression(settings: VariantSettings) -> Regression:
    """Position maps with made-up places of the face and the landmarks."""
    rng = np.random.default_rng(0)
    face_mask = np.zeros((SIZE, SIZE), np.bool_)
    face_mask[20:-20, 20:-20] = True
    layout = UVLayout(
        uv=np.zeros((1, 2)),
        operator=scipy.sparse.csr_array(np.zeros((SIZE * SIZE, 1), np.float32)),
        face_mask=face_mask,
        weight_mask=face_mask.astype(np.float32),
        landmark_texels=rng.integers(20, SIZE - 20, (68, 2)).astype(np.int32),
    )
    none = np.zeros((0, 3), np.int32)
    # As many vectors as BFM's, that labels are made of in the training step.
    shape, expression = (np.zeros((1, 3, count), np.float32) for count in COEFFICIENTS)
    face = FaceModel(np.zeros((1, 3), np.float32), shape, expression, none, none[:, 0])
    scaling = Scaling(settings.train.scaling, SIZE)
    return regression.make_regression(settings.network, settings.loss, scaling, layout, face)


def make_network(variant: str) -> Any:
    """Build a network with random weights, and batch statistics of what it computes."""
    import keras

    keras.utils.set_random_seed(0)
    model = make_regression(full_size(variant)).build()
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    # With its first statistics an untrained network computes next to nothing after a few layers.
    model(make_photos(2), training=True)
    return model


def make_photos(count: int) -> NDArray[np.float32]:
    """Smooth random photos in [0, 1], (count, SIZE, SIZE, 3)."""
    coarse = np.random.default_rng(1).random((count, 16, 16, 3), np.float32)
    return np.stack([cv2.resize(image, (SIZE, SIZE)) for image in coarse])


def make_shards(folder: Path) -> None:
    """Write samples that compress about as well as photos, as they are stored and compact."""
    photos = make_photos(SAMPLES)
    crops = [crop_with_border((255 * photo).astype(np.uint8), np.eye(3), SIZE) for photo in photos]
    write_shard(
        folder / "00000.h5",
        {
            "image": (255 * photos).astype(np.uint8),
            "position_map": encode_positions(SIZE * photos, SIZE),
            "crop": pad_rows(crops),
            "pose": np.ones((SAMPLES, 7), np.float32),
            "coefficients": np.zeros((SAMPLES, sum(COEFFICIENTS)), np.float32),
            "sample_id": np.array([f"made/{number}" for number in range(SAMPLES)], object),
        },
        {},
    )


def write_files(connection: Connection, folder: Path, variant: str) -> None:
    """Write a network's weights and its exported files; sends the sizes of the latter in MB."""
    prepare_keras()
    from model.inference import inference_form

    model = make_network(variant)
    model.save_weights(folder / "model.weights.h5")
    files = export(inference_form(model), folder, make_photos(2))
    connection.send({name: path.stat().st_size / 1e6 for name, path in files.items()})


def serve_tensorflow(connection: Connection, folder: Path, variant: str, threads: int) -> None:
    """Answer with the milliseconds that TensorFlow takes; its threads are fixed when it starts."""
    prepare_keras()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = make_regression(full_size(variant)).build()
    model.load_weights(folder / "model.weights.h5")
    compiled = tf.function(
        lambda photo: model(photo, training=False)["final"],
        input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)],
    )
    serve(connection, {(TENSORFLOW, threads): lambda photo: compiled(tf.constant(photo)).numpy()})


def serve_files(connection: Connection, folder: Path) -> None:
    """Answer with the milliseconds that the other runtimes take."""
    serve(
        connection,
        {
            (runtime, threads): openvino_networks.open_runtime(runtime, folder, threads)
            if runtime in openvino_networks.RUNTIMES
            else open_network(folder / FORMATS[runtime], threads)
            for runtime in RUNTIMES
            if runtime != TENSORFLOW
            for threads in THREADS
        },
    )


def serve(connection: Connection, runs: Mapping[Timing, Run]) -> None:
    """Time a run for each name that is received, until there is none; the first of each time is not counted."""
    photo = make_photos(1)
    for run in runs.values():
        run(photo)
    connection.send("ready")
    while (name := connection.recv()) is not None:
        milliseconds = []
        for _ in range(4):
            start = time.perf_counter()
            runs[name](photo)
            milliseconds.append(1e3 * (time.perf_counter() - start))
        connection.send(milliseconds[1:])


def time_training(
    connection: Connection, folder: Path, variant: str, steps: int, precision: str = "float32", xla: bool = False
) -> None:
    """Train a few steps on samples from shards.

    Sends images a second, and how many times as long they take as steps on one batch that lies in memory, ready for the
    network: what reading and, where the variant's policy is online, augmentation cost.
    """
    prepare_keras(precision, xla)
    from model import recipe, training
    from model.step import stored

    settings = full_size(variant)
    config = dataclasses.replace(settings.train, precision=precision, xla=xla)
    task = make_regression(settings)
    model = task.build()
    samples = locate([folder / "00000.h5"])
    stored_feed = Feed(samples, BATCH, task.to_label)
    feed = OnlineFeed(samples, BATCH, settings.augmentation, SIZE) if settings.augmentation else stored_feed
    prepare = task.make_preparation() if settings.augmentation else stored
    phase, rounds = training.Phase("all", "final"), training.Rounds(1, steps)
    rate = recipe.make_rate(config, steps, steps)
    late = np.zeros(BATCH, np.float32)
    batches, in_memory = feed.endless(seed=0, start=0), next(stored_feed.ordered()) | {"late": late}
    ways = {
        "feed": training.make_step(model, phase, task.make_losses(model), prepare, getattr(feed, "crops", None)),
        "memory": training.make_step(model, phase, task.make_losses(model), stored, None),
    }
    for step in ways.values():
        training.compile_step(step, phase, config, rounds, rate, task.unit)
    truth = dict.fromkeys(model.output, late)
    seconds: dict[str, list[float]] = {"feed": [], "memory": []}
    # In turn, since others may use the machine. In the first turn the steps are traced and compiled.
    for _ in range(1 + TURNS):
        for name, step in ways.items():
            start = time.perf_counter()
            for _ in range(steps):
                step.train_on_batch(next(batches) | {"late": late} if name == "feed" else in_memory, truth)
            seconds[name].append(time.perf_counter() - start)
    taken = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    batches.close()
    connection.send((BATCH * steps / taken["feed"], taken["feed"] / taken["memory"]))


@contextmanager
def child(target: Callable, *arguments: Any) -> Iterator[Connection]:
    """Run a function in a fresh process; yields the other end of the connection that is its first argument."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, *arguments))
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(timeout=10)
        process.kill()
        process.join()


def answer(target: Callable, *arguments: Any) -> Any:
    """What a function sends first from a fresh process."""
    with child(target, *arguments) as connection:
        return connection.recv()


def time_runtimes(folder: Path, variant: str, rounds: int) -> dict[Timing, float]:
    """Median milliseconds a photo of every runtime on each number of threads, run in turn."""
    milliseconds: dict[Timing, list[float]] = {}
    with (
        child(serve_files, folder) as files,
        child(serve_tensorflow, folder, variant, 1) as one,
        child(serve_tensorflow, folder, variant, 2) as two,
    ):
        for connection in (files, one, two):
            connection.recv()
        for _ in range(rounds):
            for threads in THREADS:
                for runtime in RUNTIMES:
                    connection = files if runtime != TENSORFLOW else {1: one, 2: two}[threads]
                    connection.send((runtime, threads))
                    milliseconds.setdefault((runtime, threads), []).extend(connection.recv())
        for connection in (files, one, two):
            connection.send(None)
    return {name: statistics.median(values) for name, values in milliseconds.items()}


@click.command()
@click.option("--rounds", default=4, help="How often each runtime has its turn, with three photos each time.")
@click.option(
    "--steps", default=None, type=int, help="Training steps that are timed; the slowest network's are one by default."
)
@click.option(
    "--network", "networks", multiple=True, default=NETWORKS, type=click.Choice(NETWORKS), help="Only this one."
)
@click.option("--folder", type=Path, default=None, help="Where to work; a temporary folder by default.")
def main(rounds: int, steps: int | None, networks: tuple[str, ...], folder: Path | None) -> None:
    """Measure milliseconds a photo on every runtime, and images a second of the training step."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    result: dict[str, dict[str, float]] = {}
    click.echo(
        f"{'network':<16} {'runtime':<16} {'MB':>6} {'1 thread':>9} {'2 threads':>9}  ms a photo; TensorFlow / it"
    )
    for variant in networks:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            sizes = answer(write_files, Path(name), variant)
            times = time_runtimes(Path(name), variant, rounds)
            for runtime in RUNTIMES:
                one, two = (times[runtime, threads] for threads in THREADS)
                ratios = [times[TENSORFLOW, threads] / times[runtime, threads] for threads in THREADS]
                size = f"{sizes[runtime]:6.1f}" if runtime in sizes else " " * 6
                click.echo(f"{variant:<16} {runtime:<16} {size} {one:9.1f} {two:9.1f}  {ratios[0]:.2f} {ratios[1]:.2f}")
            make_shards(Path(name))
            # A step of the whole refinement takes half a minute.
            count = steps or (1 if variant == "final" else 3)
            speed, against_memory = answer(time_training, Path(name), variant, count)
            click.echo(
                f"{variant:<16} training step: {speed:.2f} images/s, {against_memory:.2f} times one from memory",
                nl=False,
            )
            for text, precision, xla in (("by XLA", "float32", True), ("in mixed_bfloat16", "mixed_bfloat16", False)):
                click.echo(
                    f", {text} {answer(time_training, Path(name), variant, count, precision, xla)[0]:.2f}", nl=False
                )
        click.echo()
        result[variant] = {runtime: round(times[runtime, 2], 1) for runtime in RUNTIMES}
        result[variant] |= {"train_images_per_s": round(speed, 3), "against_memory": round(against_memory, 3)}
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
