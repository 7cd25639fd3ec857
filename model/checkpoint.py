"""The state of a training run after an epoch, kept so that a run that was killed goes on from there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops
from numpy.typing import NDArray

from pipeline.store.shards import reading, writing

Row = dict[str, Any]


@dataclass(frozen=True)
class State:
    """What a run has come to.

    Attributes
    ----------
    history : list of dict
        A row an epoch.
    best_weights : list of array
        All of the network's weights, in Keras's order, as they were after the best epoch so far.
    """

    history: list[Row]
    best_weights: Sequence[NDArray]


def write_checkpoint(path: Path, model: keras.Model, optimizer: keras.Optimizer, state: State) -> None:
    """Keep the state after an epoch, with the network's weights and the optimizer's variables."""
    groups = {
        "weights": model.get_weights(),
        "optimizer": [ops.convert_to_numpy(variable) for variable in optimizer.variables],
        "best_weights": state.best_weights,
    }
    with writing(path) as file:
        file.attrs["history"] = json.dumps(state.history)
        for group, arrays in groups.items():
            for number, array in enumerate(arrays):
                file[f"{group}/{number}"] = array


def read_state(path: Path) -> State:
    """Read the rows and the best weights that `write_checkpoint` kept."""
    with reading(path) as file:
        return State(json.loads(file.attrs["history"]), _arrays(file["best_weights"]))


def restore(path: Path, model: keras.Model, optimizer: keras.Optimizer) -> None:
    """Set a network and its built optimizer to what `write_checkpoint` kept."""
    with reading(path) as file:
        weights, variables = _arrays(file["weights"]), _arrays(file["optimizer"])
    model.set_weights(weights)
    for variable, value in zip(optimizer.variables, variables, strict=True):
        variable.assign(value)


def _arrays(group: Any) -> list[NDArray]:
    return [group[str(number)][()] for number in range(len(group))]
