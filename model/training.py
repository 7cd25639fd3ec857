"""Train a network and apply it, on any backend of Keras (thesis, sections 3.4.5, 4.2 and 4.5)."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from tqdm import tqdm

from model.checkpoint import Row, State, read_state, restore, write_checkpoint
from model.feed import Feed
from model.losses import Loss
from model.networks import brief_part
from model.settings import TrainConfig
from pipeline.store.samples import Sample

Report = Callable[[Row], None]
Losses = Mapping[str, Loss]


class Phase(NamedTuple):
    """A part of a run, in which one part of the network learns.

    Attributes
    ----------
    name : {'brief', 'refinement', 'all'}
        What learns: the encoder-decoder alone, the refinement on a fixed encoder-decoder, or both.
    watched : str
        The output whose loss on the validation samples ends the phase and chooses its weights.
    """

    name: str
    watched: str


class Learner(NamedTuple):
    """A compiled network, or the part of one that a phase computes, the losses of its outputs, and their judges."""

    network: keras.Model
    losses: Losses
    judges: Losses


class Trained(NamedTuple):
    """How a network was trained.

    Attributes
    ----------
    history : list of dict
        A row an epoch.
    best_loss : float
        The final output's lowest loss on the validation samples; infinite where nothing was trained.
    waiting : float
        Share of the time of the training steps that they waited for samples.
    """

    history: list[Row]
    best_loss: float
    waiting: float


def phases(strategy: str, refined: bool, initialised: bool) -> list[Phase]:
    """List the parts of a run.

    Parameters
    ----------
    strategy : {'joint', 'frozen', 'staged'}
        joint: all parts learn together. frozen: the encoder-decoder learns, and is then fixed while the refinement
        learns (section 4.5, second set). staged: after these two, all parts learn together (section 4.2).
    refined : bool
        Whether the network has a refinement; without one there is one part, and no strategy.
    initialised : bool
        Whether the encoder-decoder starts with weights that were trained before; it then is not trained alone again.

    Returns
    -------
    list of Phase
    """
    together = Phase("all", "final")
    if strategy == "joint" or not refined:
        return [together]
    brief = [] if initialised else [Phase("brief", "brief")]
    fixed = [*brief, Phase("refinement", "final")]
    return fixed if strategy == "frozen" else [*fixed, together]


def train(
    model: keras.Model,
    training: Feed,
    validation: Feed,
    losses: Losses,
    judges: Losses,
    config: TrainConfig,
    seed: int,
    plan: Sequence[Phase],
    report: Report,
    checkpoint: Path,
) -> Trained:
    """Train a network in phases, and leave it with the weights that were best on the validation samples.

    In each phase Adam minimises the sum of the losses of the outputs that learn, from `lr`, halved every `halve_every`
    epochs. It ends after `epochs` epochs, or after `patience` of them in which the validation loss of the phase's
    output reached no new minimum; the next begins with the weights that were best for it. The thesis does not say
    whether its rate begins anew when the parts are unfrozen: here it does, since what was frozen has yet to move.

    Parameters
    ----------
    model : keras.Model
        From photos to a dict of outputs with the keys of `losses`; changed in place.
    training, validation : Feed
    losses : dict of str to Loss
        `final`, and whatever else the model puts out.
    judges : dict of str to Loss
        What is measured of these outputs on the validation samples.
    config : TrainConfig
    seed : int
        Of the order of the samples.
    plan : sequence of Phase
        See `phases`.
    report : callable
        Told each epoch's row as soon as it is complete, those of an earlier run that is resumed first.
    checkpoint : Path
        Where the state after each epoch is kept. If it is there, training goes on from it; on the same machine it ends
        with the weights of a run that was never stopped.

    Returns
    -------
    Trained
        Its rows have `epoch` from 1, `phase`, `lr`, and losses on the training and on the validation samples: `loss`
        and `val_loss` of the phase's output, `brief_loss` and `val_brief_loss` of the encoder-decoder's where the
        network puts it out.

    Raises
    ------
    ValueError
        If a loss is not finite; the model then has the best weights so far.
    """
    state = read_state(checkpoint) if checkpoint.is_file() else State([], model.get_weights())
    for row in state.history:
        report(row)
    seconds = waited = 0.0
    for number, phase in enumerate(plan):
        later = {following.name for following in plan[number + 1 :]}
        if any(row["phase"] in later for row in state.history):
            continue
        learner = make_learner(model, phase, losses, judges, config)
        if any(row["phase"] == phase.name for row in state.history):
            restore(checkpoint, model, learner.network.optimizer)
        while not _has_ended(_rows(state.history, [phase]), config):
            try:
                row, spent, idle = _epoch(learner, phase, training, validation, config, seed, state.history)
            except ValueError:
                model.set_weights(state.best_weights)
                raise
            seconds, waited = seconds + spent, waited + idle
            history = [*state.history, row]
            # Weights of an earlier phase stay the best if they watched the same output and no epoch since was better.
            rivals = _rows(history, [other for other in plan if other.watched == phase.watched])
            improved = _best_epoch(rivals) == len(rivals) - 1
            state = State(history, model.get_weights() if improved else state.best_weights)
            report(row)
            write_checkpoint(checkpoint, model, learner.network.optimizer, state)
        model.set_weights(state.best_weights)
    finals = _rows(state.history, [phase for phase in plan if phase.watched == "final"])
    best_loss = min((row["val_loss"] for row in finals), default=math.inf)
    return Trained(state.history, best_loss, waited / seconds if seconds else 0.0)


def make_learner(model: keras.Model, phase: Phase, losses: Losses, judges: Losses, config: TrainConfig) -> Learner:
    """Fix what does not learn in a phase, and compile what it computes, with a new optimizer."""
    if "brief" in losses:
        for layer in brief_part(model).layers:
            # Fixed batch normalisation also keeps its statistics: Keras applies it as in inference.
            layer.trainable = phase.name != "refinement"
    network = brief_part(model) if phase.name == "brief" else model
    losses = {name: loss for name, loss in losses.items() if name in network.output}
    # The fixed output's loss is only looked at.
    weights = {name: float(phase.name != "refinement" or name == phase.watched) for name in losses}
    optimizer = keras.optimizers.Adam(config.lr)
    network.compile(optimizer=optimizer, loss=dict(losses), loss_weights=weights, jit_compile=config.xla)
    # Variables that Keras makes while TensorFlow traces the first step make it trace that step a second time: making
    # the optimizer's and the losses' variables here halves the time of the first step.
    network.optimizer.build(network.trainable_variables)
    zeros = {name: np.zeros((1, *output.shape[1:]), np.float32) for name, output in network.output.items()}
    network.compute_loss(y=zeros, y_pred=zeros)
    return Learner(network, losses, judges)


def _rows(history: list[Row], of: Sequence[Phase]) -> list[Row]:
    names = {phase.name for phase in of}
    return [row for row in history if row["phase"] in names]


def _best_epoch(rows: list[Row]) -> int:
    """Index of the first row with the lowest validation loss."""
    return int(np.argmin([row["val_loss"] for row in rows]))


def _has_ended(rows: list[Row], config: TrainConfig) -> bool:
    """Whether a phase has had all its epochs, or the last `patience` brought nothing on the validation samples."""
    if not rows or len(rows) >= config.epochs:
        return len(rows) >= config.epochs
    return len(rows) - 1 - _best_epoch(rows) >= config.patience


def _epoch(
    learner: Learner,
    phase: Phase,
    training: Feed,
    validation: Feed,
    config: TrainConfig,
    seed: int,
    history: list[Row],
) -> tuple[Row, float, float]:
    """Train and validate one epoch; returns its row, the seconds of its steps, and those spent waiting for samples."""
    lr = config.lr * 0.5 ** (len(_rows(history, [phase])) // config.halve_every)
    learner.network.optimizer.learning_rate = lr
    number = len(history)
    trained, seconds, waited = _train_epoch(learner, training, seed, number)
    validated = evaluate(learner, validation)
    row: Row = {"epoch": number + 1, "phase": phase.name, "lr": lr}
    for prefix, values in (("", trained), ("val_", validated)):
        row[f"{prefix}loss"] = values[phase.watched]
        if "brief" in values:
            row[f"{prefix}brief_loss"] = values["brief"]
    return row, seconds, waited


def _train_epoch(learner: Learner, feed: Feed, seed: int, epoch: int) -> tuple[dict[str, float], float, float]:
    """Train one epoch; returns each output's mean loss on the way, the seconds it took, and those of waiting."""
    network, losses = learner.network, learner.losses
    totals = dict.fromkeys(losses, 0.0)
    start, waited = time.perf_counter(), 0.0
    steps = tqdm(range(1, feed.steps + 1), unit="step", desc=f"epoch {epoch + 1}", leave=False, disable=None)
    with contextlib.closing(feed.shuffled(seed, epoch)) as batches:
        for step in steps:
            asked = time.perf_counter()
            photos, labels = next(batches)
            waited += time.perf_counter() - asked
            logs = network.train_on_batch(photos, dict.fromkeys(losses, labels), return_dict=True)
            if not math.isfinite(logs["loss"]):
                raise ValueError(
                    f"The loss became {logs['loss']:g} in step {step} of epoch {epoch + 1}, at a rate of "
                    f"{float(network.optimizer.learning_rate):g}. Lower train.lr, or look for broken samples."
                )
            for name in losses:
                # Keras logs an only output's loss as `loss` alone.
                totals[name] += float(logs.get(f"{name}_loss", logs["loss"]))
    seconds = time.perf_counter() - start
    return {name: total / feed.steps for name, total in totals.items()}, seconds, waited


def evaluate(learner: Learner, feed: Feed) -> dict[str, float]:
    """Mean of what judges each output over all samples of a feed, the network in inference mode."""
    values: dict[str, list[NDArray]] = {name: [] for name in learner.losses}
    for photos, labels in feed.ordered():
        outputs = apply(learner.network, photos, feed.batch_size)
        for name in values:
            values[name].append(ops.convert_to_numpy(learner.judges[name](labels, outputs[name])))
    return {name: float(np.concatenate(parts).mean(dtype=np.float64)) for name, parts in values.items()}


def predict(model: keras.Model, feed: Feed) -> Iterator[tuple[Sequence[Sample], Any]]:
    """Apply a network to the samples of a feed, a batch at a time; yields the samples and their final outputs."""
    start = 0
    for photos, _ in feed.ordered():
        yield feed.samples[start : start + len(photos)], apply(model, photos, feed.batch_size)["final"]
        start += len(photos)


def apply(network: keras.Model, photos: NDArray[np.float32], batch_size: int) -> dict[str, NDArray[np.float32]]:
    """Apply a network to at most a batch of photos, filled up so that only one shape is ever compiled."""
    padding = np.zeros((batch_size - len(photos), *photos.shape[1:]), np.float32)
    outputs = network.predict_on_batch(np.concatenate([photos, padding]))
    return {name: np.asarray(output[: len(photos)]) for name, output in outputs.items()}
