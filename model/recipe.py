"""By what a phase of a training goes: the schedule of its rate, and its optimizer."""

from collections.abc import Callable
from typing import Any

import keras

from model.settings import TrainConfig

# From the number of a phase's step to its rate: one of Keras's schedules.
Rate = Callable[[Any], Any]
# An average of the weights reaches back over a phase's steps divided by this at most.
AVERAGED_SHARE = 20


def make_rate(config: TrainConfig, steps: int, epoch: int) -> Rate:
    """Make the schedule of a phase's rate: of `steps` steps, of which `epoch` are an epoch."""
    schedules = keras.optimizers.schedules
    if config.schedule == "cosine":
        rising = round(config.warm_up * steps)
        if not rising:
            return schedules.CosineDecay(config.lr, steps)
        return schedules.CosineDecay(
            config.lr / 25, max(1, steps - rising), warmup_target=config.lr, warmup_steps=rising
        )
    # Keras has a rate up to and with its bound.
    bounds = [bound - 1 for bound in range(config.halve_every * epoch, steps, config.halve_every * epoch)]
    return schedules.PiecewiseConstantDecay(
        bounds or [steps], [config.lr * 0.5**number for number in range(max(2, len(bounds) + 1))]
    )


def make_optimizer(config: TrainConfig, steps: int, rate: Rate, unit: float) -> keras.Optimizer:
    """Make the optimizer of a phase of so many steps; `unit` is in px, as losses are, and `config.clip` is not."""
    options: dict[str, Any] = {"global_clipnorm": config.clip * unit if config.clip else None}
    if config.average:
        options |= {"use_ema": True, "ema_momentum": min(config.average, 1 - min(1.0, AVERAGED_SHARE / steps))}
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)
