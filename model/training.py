"""Train a network and apply it, on any backend of Keras (thesis, sections 3.4.5 and 4.2)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

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
        Told each epoch's row as soon as it is complete.

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
    best_loss, best_epoch, best_weights = math.inf, 0, model.get_weights()
    history = []
    for epoch in range(config.epochs):
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
        if row["val_loss"] < best_loss:
            best_loss, best_epoch, best_weights = row["val_loss"], epoch, model.get_weights()
        if epoch - best_epoch >= config.patience:
            break
    model.set_weights(best_weights)
    return history


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
