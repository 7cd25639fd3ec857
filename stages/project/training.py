"""The training of a run from each of its seeds, found again where a kill left it."""

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

import pipeline
from model.backend import check_backend, device_name, prepare_keras
from model.feed import Feed, OnlineFeed
from model.regression import Regression
from model.weights import WeightsFacts, digest_uv, keep_best, save_weights
from pipeline.store.resume import digest_code
from pipeline.store.samples import Sample
from pipeline.uv.position_map import UVLayout
from stages.project.paths import RUNS, seed_weights_of, weights_of
from stages.project.runs import initial_network
from stages.project.train_history import Row, history_writer, write_history
from stages.project.variants import VariantSettings

if TYPE_CHECKING:
    from model.training import Trained

ROOT = Path(pipeline.__path__[0]).parent
CODE = ("pipeline", "model", "stages")


def checkpoint_key(settings: VariantSettings, size: int, samples: Iterable[Sample]) -> str:
    """Name what training is made from: code, libraries, settings, and the files by their size and time."""
    files = sorted({sample.shard for sample in samples})
    initial = weights_of(settings.train.init)
    files += [initial] if initial.is_file() else []
    status = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    keras, code = importlib.metadata.version("keras"), digest_code(ROOT, CODE)
    return hashlib.sha256(repr((code, keras, settings, size, status)).encode()).hexdigest()[:32]


def train_seeds(
    run: str,
    settings: VariantSettings,
    layout: UVLayout,
    task: Regression,
    training_feed: Feed | OnlineFeed,
    validation: Feed,
    checkpoint: Path,
    show: Callable[[int, Row], None],
) -> "Trained":
    """Train from each seed, or go on from its checkpoint, and write the weights of each; the best are the run's.

    Parameters
    ----------
    run : str
        Folder in runs/, which gets model.weights.h5, history.csv, seeds.csv and seeds/.
    settings : VariantSettings
    layout : UVLayout
    task : Regression
    training_feed : Feed or OnlineFeed
    validation : Feed
    checkpoint : Path
        Where training is found again: a file for each seed is named after it.
    show : callable
        Told each seed and row as soon as it is complete.

    Returns
    -------
    Trained
        How the best was trained.
    """
    config, folder = settings.train, RUNS / run
    check_backend(config.backend)
    prepare_keras(config.precision, config.xla, config.devices, config.backend)
    import keras

    from model import training
    from model.networks import copy_weights
    from model.step import stored

    prepare = task.make_preparation() if isinstance(training_feed, OnlineFeed) else stored
    compiled = "compiled" if config.xla or config.backend == "jax" else "not compiled"
    click.echo(f"train: {device_name()}, {config.precision}, the step {compiled} by XLA")
    facts = WeightsFacts(settings.network, config.scaling, digest_uv(layout.uv))
    every: list[tuple[int, Trained]] = []
    # Weights that are applied as they are would be the same from every seed.
    for seed in config.seeds if config.budget else config.seeds[:1]:
        initial = initial_network(config.init, settings, layout, seed if config.budget else None)
        keras.utils.set_random_seed(seed)
        model = task.build()
        if initial is not None:
            copy_weights(initial, model)
        with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
            write = history_writer(file)
            trained = training.train(
                model,
                training_feed,
                validation,
                task.make_losses(model),
                prepare,
                task.unit,
                config,
                seed,
                training.phases(config.strategy, "brief" in model.output, initial is not None),
                report=partial(_tell_both, write, partial(show, seed)),
                checkpoint=checkpoint.with_name(f"{checkpoint.name}-{seed}.h5"),
            )
        # A compiled network's file would hold its optimizer's variables too, twice as many as its weights. By default
        # its name, which is in the file, would have the number of such networks before it.
        bare = keras.Model(model.input, model.output, name="functional")
        save_weights(seed_weights_of(run, seed), bare, facts)
        every.append((seed, trained))
    kept, best = min(every, key=lambda one: one[1].best_loss)
    keep_best(weights_of(run), {seed: seed_weights_of(run, seed) for seed, _ in every}, kept)
    write_history(folder / "history.csv", best.history)
    seeds = [{"seed": seed} | row for seed, each in every for row in each.history]
    write_history(folder / "seeds.csv", seeds, "seed")
    return best


def _tell_both(first: Callable[[Row], None], second: Callable[[Row], None], row: Row) -> None:
    first(row)
    second(row)
