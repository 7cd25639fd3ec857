"""Train a network and apply it, on any backend of Keras (thesis, sections 3.4.5 and 4.2)."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from tqdm import tqdm

from model.feed import Feed, Sample
from model.losses import Loss
from model.networks import build_network
from model.scaling import Scaling, to_pixels
from model.settings import NetworkConfig, TrainConfig
from pipeline.shards import reading, writing

Row = dict[str, float]
Report = Callable[[Row], None]


def new_model(size: int, network: NetworkConfig, config: TrainConfig) -> keras.Model:
    """Build a network whose first weights depend on nothing but the seed."""
    keras.utils.set_random_seed(config.seed)
    return build_network(size, network, Scaling(config.scaling, size))


def train(
    model: keras.Model,
    training: Feed,
    validation: Feed,
    losses: Mapping[str, Loss],
    config: TrainConfig,
    report: Report,
    checkpoint: Path,
) -> list[Row]:
    """Train all parts of a network together, and leave it with the weights that were best on the validation samples.

    Adam minimises the sum of the outputs' losses; its rate is halved every `halve_every` epochs. After `patience`
    epochs in which the validation loss of the final output reached no new minimum, training ends.

    Parameters
    ----------
    model : keras.Model
        From photos to a dict of maps with the keys of `losses`; changed in place.
    training, validation : Feed
    losses : dict of str to Loss
        `final`, and whatever else the model puts out.
    config : TrainConfig
    report : callable
        Told each epoch's row as soon as it is complete, those of an earlier run that is resumed first.
    checkpoint : Path
        Where the state after each epoch is kept. If it is there, training goes on from it; on the same machine it ends
        with the weights of a run that was never stopped.

    Returns
    -------
    list of dict
        One row an epoch: `epoch` from 1, `lr`, and each output's loss on the training and on the validation samples,
        `loss` and `val_loss` for the final one, `brief_loss` and `val_brief_loss`.

    Raises
    ------
    ValueError
        If a loss is not finite; the model then has the best weights so far.
    """
    _compile(model, losses, config)
    history: list[Row] = []
    best_weights = model.get_weights()
    if checkpoint.is_file():
        history, best_weights = read_checkpoint(checkpoint, model)
        for row in history:
            report(row)
    while len(history) < config.epochs and not _has_settled(history, config.patience):
        epoch = len(history)
        lr = config.lr * 0.5 ** (epoch // config.halve_every)
        model.optimizer.learning_rate = lr
        try:
            trained = _train_epoch(model, training, config.seed, epoch, losses)
        except ValueError:
            model.set_weights(best_weights)
            raise
        validated = evaluate(model, validation, losses)
        row = {"epoch": epoch + 1, "lr": lr, **_named(trained, ""), **_named(validated, "val_")}
        history.append(row)
        report(row)
        if _best_epoch(history) == epoch:
            best_weights = model.get_weights()
        write_checkpoint(checkpoint, model, history, best_weights)
    model.set_weights(best_weights)
    return history


def write_checkpoint(path: Path, model: keras.Model, history: list[Row], best_weights: list[NDArray]) -> None:
    """Keep the state after an epoch: weights, the optimizer's variables, the best weights so far, the rows so far."""
    groups = {
        "weights": model.get_weights(),
        "optimizer": [ops.convert_to_numpy(variable) for variable in model.optimizer.variables],
        "best_weights": best_weights,
    }
    with writing(path) as file:
        file.attrs["history"] = json.dumps(history)
        for group, arrays in groups.items():
            for number, array in enumerate(arrays):
                file[f"{group}/{number}"] = array


def read_checkpoint(path: Path, model: keras.Model) -> tuple[list[Row], list[NDArray]]:
    """Set a compiled model to what `write_checkpoint` kept; returns the rows and the best weights."""
    with reading(path) as file:
        groups = {name: [group[str(number)][()] for number in range(len(group))] for name, group in file.items()}
        history = json.loads(file.attrs["history"])
    model.set_weights(groups["weights"])
    for variable, value in zip(model.optimizer.variables, groups["optimizer"], strict=True):
        variable.assign(value)
    return history, groups["best_weights"]


def _best_epoch(history: list[Row]) -> int:
    """Index of the first epoch that reached the lowest validation loss."""
    return int(np.argmin([row["val_loss"] for row in history]))


def _has_settled(history: list[Row], patience: int) -> bool:
    """Whether the last `patience` epochs brought nothing on the validation samples."""
    return bool(history) and len(history) - 1 - _best_epoch(history) >= patience


def evaluate(model: keras.Model, feed: Feed, losses: Mapping[str, Loss]) -> Row:
    """Mean loss of each output over all samples of a feed, the network in inference mode."""
    values: dict[str, list[NDArray]] = {name: [] for name in losses}
    for photos, labels in feed.ordered():
        outputs = _apply(model, photos, feed.batch_size)
        for name, loss in losses.items():
            values[name].append(ops.convert_to_numpy(loss(labels, outputs[name])))
    return {name: float(np.concatenate(parts).mean(dtype=np.float64)) for name, parts in values.items()}


def predict(model: keras.Model, feed: Feed) -> Iterator[tuple[Sequence[Sample], NDArray[np.float32]]]:
    """Apply a network to the samples of a feed, a batch at a time.

    Parameters
    ----------
    model : keras.Model
    feed : Feed

    Yields
    ------
    samples : sequence of Sample
    position_map : (n, S, S, 3) float32
        The final output in pixels of the aligned image; z up to a constant, see `scaling.to_pixels`.
    """
    start = 0
    for photos, _ in feed.ordered():
        final = _apply(model, photos, feed.batch_size)["final"]
        yield feed.samples[start : start + len(photos)], to_pixels(final, feed.scaling)
        start += len(photos)


def _compile(model: keras.Model, losses: Mapping[str, Loss], config: TrainConfig) -> None:
    model.compile(optimizer=keras.optimizers.Adam(config.lr), loss=dict(losses), jit_compile=config.xla)
    # Variables that Keras makes while TensorFlow traces the first step make it trace that step a second time: making
    # the optimizer's and the losses' variables here halves the 20 s that the first step takes on 2 cores.
    model.optimizer.build(model.trainable_variables)
    zeros = {name: np.zeros((1, *output.shape[1:]), np.float32) for name, output in model.output.items()}
    model.compute_loss(y=zeros, y_pred=zeros)


def _train_epoch(model: keras.Model, feed: Feed, seed: int, epoch: int, losses: Mapping[str, Loss]) -> Row:
    """Train one epoch; returns each output's mean loss on the way."""
    totals = dict.fromkeys(losses, 0.0)
    batches = feed.shuffled(seed, epoch)
    bar = tqdm(batches, total=feed.steps, unit="step", desc=f"epoch {epoch + 1}", leave=False, disable=None)
    for step, (photos, labels) in enumerate(bar, start=1):
        logs = model.train_on_batch(photos, dict.fromkeys(losses, labels), return_dict=True)
        if not math.isfinite(logs["loss"]):
            raise ValueError(
                f"The loss became {logs['loss']:g} in step {step} of epoch {epoch + 1}, at a rate of "
                f"{float(model.optimizer.learning_rate):g}. Lower train.lr, or look for broken samples."
            )
        for name in losses:
            # Keras logs an only output's loss as `loss` alone.
            totals[name] += float(logs.get(f"{name}_loss", logs["loss"]))
    return {name: total / feed.steps for name, total in totals.items()}


def _apply(model: keras.Model, photos: NDArray[np.float32], batch_size: int) -> dict[str, NDArray[np.float32]]:
    """Apply the network to at most a batch of photos, filled up so that only one shape is ever compiled."""
    padding = np.zeros((batch_size - len(photos), *photos.shape[1:]), np.float32)
    outputs = model.predict_on_batch(np.concatenate([photos, padding]))
    return {name: output[: len(photos)] for name, output in outputs.items()}


def _named(losses: Row, prefix: str) -> Row:
    return {
        f"{prefix}loss" if name == "final" else f"{prefix}{name}_loss": losses[name]
        for name in sorted(losses, reverse=True)
    }
