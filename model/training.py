"""Train a network, on any backend of Keras (thesis, sections 3.4.5, 4.2 and 4.5)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.checkpoint import Row, State, read_state, restore, write_checkpoint
from model.feed import Batch, Feed, OnlineFeed, steps_of_epoch
from model.losses import Loss
from model.networks import brief_part
from model.prediction import apply
from model.recipe import Rate, make_optimizer, make_rate
from model.settings import TrainConfig
from model.step import Preparation, TrainingStep, itself
from pipeline.store.progress import open_bar

Report = Callable[[Row], None]
# Of the loss before and after `train.euclidean_from`.
Losses = Mapping[str, tuple[Loss, Loss]]
# Validations, and with them checkpoints, of a phase; none within an epoch.
ROUNDS = 20


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


class Rounds(NamedTuple):
    """How many times a phase is validated, and the steps before each time."""

    number: int
    steps: int


class Trained(NamedTuple):
    """How a network was trained.

    Attributes
    ----------
    history : list of dict
        A row a validation.
    best_loss : float
        The final output's loss on the validation samples with the weights that are kept; infinite where nothing was
        trained.
    """

    history: list[Row]
    best_loss: float


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


def plan_rounds(config: TrainConfig, samples: int, phases: int) -> Rounds:
    """Divide a run's budget among its phases, and a phase into rounds that end with a validation.

    Parameters
    ----------
    config : TrainConfig
    samples : int
        To learn from.
    phases : int

    Returns
    -------
    Rounds
        At least an epoch each.
    """
    epoch = steps_of_epoch(samples, config.batch_size)
    steps = max(1, round(config.budget / config.batch_size / phases))
    count = max(1, min(ROUNDS, steps // epoch))
    return Rounds(count, max(1, round(steps / count)))


def train(
    model: keras.Model,
    training: Feed | OnlineFeed,
    validation: Feed,
    losses: Losses,
    prepare: Preparation,
    unit: float,
    config: TrainConfig,
    seed: int,
    plan: Sequence[Phase],
    report: Report,
    checkpoint: Path,
) -> Trained:
    """Train a network in phases, and leave it with the weights that were best on the validation samples.

    In each phase the optimizer minimises the sum of the losses of the outputs that learn. It ends after its share of
    `budget`, or after `patience` validations in which the loss of the phase's output reached no new minimum; the next
    begins with the weights that were best for it. The thesis does not say whether its rate begins anew when the parts
    are unfrozen: here it does, since what was frozen has yet to move.

    Parameters
    ----------
    model : keras.Model
        From photos to a dict of outputs with the keys of `losses`; changed in place.
    training : Feed or OnlineFeed
    validation : Feed
    losses : dict of str to (Loss, Loss)
        `final`, and whatever else the model puts out; the second of each from `euclidean_from` on.
    prepare : callable
        From a batch of `training` to photos and labels.
    unit : float
        Pixels in a unit of the network's range.
    config : TrainConfig
    seed : int
        Of the order of the samples, and of what is drawn for each.
    plan : sequence of Phase
        See `phases`.
    report : callable
        Told each row as soon as it is complete, those of an earlier run that is resumed first.
    checkpoint : Path
        Where the state after each round is kept. If it is there, training goes on from it; on the same machine it ends
        with the weights of a run that was never stopped.

    Returns
    -------
    Trained
        Its rows have `passes` (of a sample, from the start), `phase`, `lr`, and losses on the training and on the
        validation samples: `loss` and `val_loss` of the phase's output, `brief_loss` and `val_brief_loss` of the
        encoder-decoder's where the network puts it out.

    Raises
    ------
    ValueError
        If a loss is not finite; the model then has the best weights so far.
    """
    state = read_state(checkpoint) if checkpoint.is_file() else State([], model.get_weights())
    for row in state.history:
        report(row)
    rounds = plan_rounds(config, len(training.samples), max(1, len(plan)))
    for number, phase in enumerate(plan if config.budget else ()):
        later = {following.name for following in plan[number + 1 :]}
        if any(row["phase"] in later for row in state.history):
            continue
        step = make_step(model, phase, losses, prepare, getattr(training, "crops", None))
        rate = make_rate(config, rounds.number * rounds.steps, steps_of_epoch(len(training.samples), config.batch_size))
        compile_step(step, phase, config, rounds, rate, unit)
        if any(row["phase"] == phase.name for row in state.history):
            restore(checkpoint, model, step.optimizer)
        keeper = Keeper(step, model, phase, plan, config, rounds, rate, validation, report, checkpoint, state)
        done = len(keeper.rows)
        if not keeper.has_ended():
            step.fit(
                _feed(training, step, config, rounds, seed, number * rounds.number, done),
                steps_per_epoch=rounds.steps,
                initial_epoch=done,
                epochs=rounds.number,
                callbacks=[keeper],
                shuffle=False,
                verbose=0,
            )
        state = keeper.state
        model.set_weights(state.best_weights)
        if keeper.fault:
            raise ValueError(keeper.fault)
    finals = _rows(state.history, [phase for phase in plan if phase.watched == "final"])
    reached = [row["val_loss"] for row in (finals[-1:] if config.schedule == "cosine" else finals)]
    return Trained(state.history, min(reached, default=math.inf))


def make_step(
    model: keras.Model, phase: Phase, losses: Losses, prepare: Preparation, crops: NDArray | None
) -> TrainingStep:
    """Fix what does not learn in a phase, and join what it computes with what it learns by."""
    if "brief" in losses:
        for layer in brief_part(model).layers:
            # Fixed batch normalisation also keeps its statistics: Keras applies it as in inference.
            layer.trainable = phase.name != "refinement"
        # Keras keeps what it compiled to predict, and on several devices that is of what learnt then.
        model.predict_function = None
    network = brief_part(model) if phase.name == "brief" else model
    return TrainingStep(network, prepare, {name: losses[name] for name in network.output}, crops)


def compile_step(
    step: TrainingStep, phase: Phase, config: TrainConfig, rounds: Rounds, rate: Rate, unit: float
) -> None:
    """Give a step its optimizer, and have it compiled where the backend does that safely.

    On JAX a step that is not compiled runs operation by operation, 15 times slower; on TensorFlow `config.xla` says.
    """
    optimizer = make_optimizer(config, rounds.number * rounds.steps, rate, unit)
    if config.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    # The fixed output's loss is only looked at.
    weights = {name: float(phase.name != "refinement" or name == phase.watched) for name in step.network.output}
    compiled = config.xla or keras.backend.backend() == "jax"
    step.compile(optimizer=optimizer, loss=dict.fromkeys(weights, itself), loss_weights=weights, jit_compile=compiled)
    # Variables that Keras makes while TensorFlow traces the first step make it trace that step a second time: making
    # the optimizer's and the losses' variables here halves the time of the first step.
    optimizer.build(step.trainable_variables)
    zeros = dict.fromkeys(weights, np.zeros(1, np.float32))
    step.compute_loss(y=zeros, y_pred=zeros)


class Keeper(keras.callbacks.Callback):
    """After each round of a phase: validates, tells the row, keeps the best weights and a checkpoint, ends the phase.

    Attributes
    ----------
    state : State
        What the run has come to.
    fault : str
        Why it cannot go on; empty while it can.
    """

    # What Keras calls after a step only moves a bar: a thread does, so that no step waits until the one before is done.
    async_safe = True

    def __init__(
        self,
        step: TrainingStep,
        whole: keras.Model,
        phase: Phase,
        plan: Sequence[Phase],
        config: TrainConfig,
        rounds: Rounds,
        rate: Rate,
        validation: Feed,
        report: Report,
        checkpoint: Path,
        state: State,
    ) -> None:
        super().__init__()
        self.step, self.whole, self.phase, self.plan, self.config, self.rounds = (
            step,
            whole,
            phase,
            plan,
            config,
            rounds,
        )
        self.rate, self.validation, self.report, self.checkpoint, self.state = (
            rate,
            validation,
            report,
            checkpoint,
            state,
        )
        self.fault = ""
        self.progress: Any = None

    @property
    def rows(self) -> list[Row]:
        """Of this phase."""
        return _rows(self.state.history, [self.phase])

    def has_ended(self) -> bool:
        """Whether the phase has had all its rounds, or the last `patience` of them brought nothing."""
        count = len(self.rows)
        return count >= self.rounds.number or (count > 0 and count - 1 - _best_row(self.rows) >= self.config.patience)

    def on_epoch_begin(self, epoch: int, *_: Any, **__: Any) -> None:
        """Show a bar of the phase's steps; a round ends it, since its line is printed there."""
        name = f"train: {self.phase.name}, round {epoch + 1} of at most {self.rounds.number}"
        total, done = self.rounds.number * self.rounds.steps, epoch * self.rounds.steps
        self.progress = open_bar(name, "step", total, done)

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Move the bar."""
        if self.progress is not None:
            self.progress.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Close the round."""
        if self.progress is not None:
            self.progress.close()
        losses = {name: _loss_in(logs, name) for name in self.step.network.output}
        optimizer = self.step.optimizer
        # Of the last step that was made.
        rate = float(ops.convert_to_numpy(self.rate((epoch + 1) * self.rounds.steps - 1)))
        if not all(map(math.isfinite, losses.values())):
            self.fault = (
                f"The loss became {losses[self.phase.watched]:g} in round {epoch + 1} of phase {self.phase.name}, at a "
                f"rate of {rate:g}. Lower train.lr, or look for broken samples."
            )
            self.step.stop_training = True
            return
        learnt = _copies(self.step.trainable_variables)
        # Where there is an average of the weights, it is what is judged and kept; training goes on from the weights.
        optimizer.finalize_variable_values(self.step.trainable_variables)
        # On JAX both would lie in one place, which applying the network gives away: a copy for the network.
        _assign(self.step.trainable_variables, _copies(self.step.trainable_variables))
        judged = evaluate(self.step, self.validation)
        passes = (len(self.state.history) + 1) * self.rounds.steps * self.config.batch_size
        row: Row = {"passes": passes, "phase": self.phase.name, "lr": rate}
        for prefix, values in (("", losses), ("val_", judged)):
            row[f"{prefix}loss"] = values[self.phase.watched]
            if "brief" in values:
                row[f"{prefix}brief_loss"] = values["brief"]
        history = [*self.state.history, row]
        # Weights of an earlier phase stay the best if they watched the same output and no round since was better.
        rivals = _rows(history, [other for other in self.plan if other.watched == self.phase.watched])
        # Along a cosine the last weights are the best, and a few validation samples would only choose at random.
        improved = self.config.schedule == "cosine" or _best_row(rivals) == len(rivals) - 1
        self.state = State(history, self.whole.get_weights() if improved else self.state.best_weights)
        _assign(self.step.trainable_variables, learnt)
        self.report(row)
        write_checkpoint(self.checkpoint, self.whole, optimizer, self.state)
        if self.has_ended():
            self.step.stop_training = True


def _feed(
    training: Feed | OnlineFeed,
    step: TrainingStep,
    config: TrainConfig,
    rounds: Rounds,
    seed: int,
    before: int,
    done: int,
) -> Iterator[tuple[Batch, dict[str, NDArray]]]:
    """Batches from where a phase stands, each with whether it is late, and what Keras asks for as truth."""
    total = rounds.number * rounds.steps
    late_from = config.euclidean_from * total
    batches = training.endless(seed, (before + done) * rounds.steps, round(config.growth * total))
    for number, batch in enumerate(batches, done * rounds.steps):
        late = np.full(config.batch_size, number >= late_from, np.float32)
        yield batch | {"late": late}, dict.fromkeys(step.network.output, late)


def _copies(variables: Sequence[keras.Variable]) -> list[NDArray]:
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[NDArray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _loss_in(logs: Mapping[str, Any], name: str) -> float:
    """Loss of an output; Keras logs an only output's as `loss` alone."""
    return float(logs.get(f"{name}_loss", logs["loss"]))


def _rows(history: list[Row], of: Sequence[Phase]) -> list[Row]:
    names = {phase.name for phase in of}
    return [row for row in history if row["phase"] in names]


def _best_row(rows: list[Row]) -> int:
    """Index of the first row with the lowest validation loss."""
    return int(np.argmin([row["val_loss"] for row in rows]))


def evaluate(step: TrainingStep, feed: Feed) -> dict[str, float]:
    """Mean loss of each output over all samples of a feed, the network in inference mode."""
    values: dict[str, list[NDArray]] = {name: [] for name in step.network.output}
    for batch in feed.ordered():
        outputs = apply(step.network, batch["photo"], feed.batch_size)
        for name, parts in values.items():
            loss, _ = step.losses_of[name]
            parts.append(ops.convert_to_numpy(loss(batch["label"], outputs[name])))
    return {name: float(np.concatenate(parts).mean(dtype=np.float64)) for name, parts in values.items()}
