"""Training on JAX: the stage as it is, and one batch shared by two devices that the host pretends to have."""

import importlib.util
from typing import NamedTuple

import numpy as np
import pytest

from model.backend import prepare_keras
from model.settings import NetworkConfig, TrainConfig
from pipeline.uv.scaling import Scaling
from tests.helpers.processes import run_alone
from tests.helpers.train_project import change_params, prepare_project, read_rows, run_stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax"),
]

TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


class Trained(NamedTuple):
    """Three steps of training: what each device held of each array of the batches, the losses, and the weights."""

    held: list[list[tuple]]
    losses: list[float]
    weights: list[np.ndarray]


def train_on(devices: int) -> Trained:
    """Train one network with batches of 8 on as many devices as asked for; JAX starts with them."""
    prepare_keras(devices=devices, backend="jax")
    import jax
    import keras
    from keras.src.backend.jax import trainer

    from model.networks import build_network

    # In float64 what is the same sum in another order agrees to 12 digits, and anything else shows.
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(1)
    config = NetworkConfig("position_map", 4, 3, 0.9, True, 2, 8, 8, "logits", 1, 1)
    model = build_network(32, config, Scaling("tanh", 32))
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss={"brief": "mse", "final": "mse"})
    distribute, held, losses = trainer._distribute_data, [], []

    def looking(data, *rest):
        shared = distribute(data, *rest)
        for array in keras.tree.flatten(shared):
            if hasattr(array, "addressable_shards"):
                held.append(sorted((str(shard.device), *shard.data.shape) for shard in array.addressable_shards))
        return shared

    trainer._distribute_data = looking
    rng = np.random.default_rng(0)
    for _ in range(3):
        photos, labels = rng.random((8, 32, 32, 3)), rng.uniform(-1, 1, (8, 32, 32, 3))
        logs = model.train_on_batch(photos, {"brief": labels, "final": labels}, return_dict=True)
        losses.append(float(logs["loss"]))
    return Trained(held, losses, [np.asarray(weights) for weights in model.get_weights()])


def test_two_devices_hold_half_of_each_batch_and_learn_what_one_does():
    one, two = (run_alone(train_on, devices, **TWO_DEVICES) for devices in (1, 2))
    assert len(two.held) >= 9
    for shards in two.held:
        assert [shard[1:] for shard in shards] == [(4, 32, 32, 3)] * 2
        assert len({shard[0] for shard in shards}) == 2
    assert not one.held or all(len(shards) == 1 for shards in one.held)
    # The same sums in another order: batch statistics are those of the whole batch. TensorFlow's MirroredStrategy,
    # which keeps them apart, differs by 3e-4. Here only the outputs' float32 rounds.
    assert two.losses == pytest.approx(one.losses, rel=1e-6)
    gap = max(float(np.abs(a - b).max()) for a, b in zip(one.weights, two.weights, strict=True))
    assert gap < 1e-6
    assert any(np.abs(w).max() > 0.1 for w in one.weights)


def test_the_stage_trains_on_jax_and_on_two_of_its_devices(tmp_path):
    rows = {}
    for devices in (1, 2):
        folder = prepare_project(tmp_path / str(devices))
        change_params(folder, train={"seeds": [1], "devices": devices, "backend": "jax"})
        result = run_stage(folder, **TWO_DEVICES)
        assert result.returncode == 0, result.stderr
        assert "12 samples in, 3 to validate on" in result.stdout
        assert "train: JAX on cpu, float32, the step compiled by XLA" in result.stdout
        rows[devices] = read_rows(folder / "runs/main/history.csv")
    first = [float(rows[devices][0]["loss"]) for devices in (1, 2)]
    # In float32 rounding grows with the steps.
    assert first[0] == pytest.approx(first[1], rel=0.02)
    assert [row["phase"] for row in rows[2]] == ["brief", "brief", "refinement", "refinement", "all", "all"]
    assert float(rows[1][-1]["loss"]) < float(rows[1][0]["loss"])


def test_more_devices_than_there_are_is_refused(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(folder, train={"devices": 4, "backend": "jax"})
    result = run_stage(folder, **TWO_DEVICES)
    assert result.returncode == 1
    assert "train.devices is 4; JAX finds 2: cpu:0, cpu:1." in result.stderr


def train_on_jax() -> tuple[int, list[float]]:
    """Eight steps of training: how often Python ran the step's own code, and the losses."""
    prepare_keras(backend="jax")
    from model import recipe, training
    from model.networks import build_network
    from model.step import stored

    network = NetworkConfig("position_map", 2, 2, 0.9)
    model = build_network(32, network, Scaling("tanh", 32))

    def distance(true, predicted):
        return abs(predicted - true).mean(axis=(1, 2, 3))

    phase = training.Phase("all", "final")
    config = TrainConfig("made", "none", "on", "tanh", lr=0.01, budget=32, batch_size=4, seeds=[1])
    step = training.make_step(model, phase, {"final": (distance, distance)}, stored, None)
    training.compile_step(step, phase, config, training.Rounds(1, 8), recipe.make_rate(config, 8, 8), 16.0)
    rng = np.random.default_rng(0)
    photo, label = rng.random((4, 32, 32, 3), np.float32), rng.uniform(-0.5, 0.5, (4, 1, 1, 3)).astype(np.float32)
    late = np.zeros(4, np.float32)
    batch = {"photo": photo, "label": label + np.zeros((4, 32, 32, 3), np.float32), "late": late}
    step.train_on_batch(batch, {"final": late})
    traced = step.traces
    losses = [float(step.train_on_batch(batch, {"final": late})) for _ in range(8)]
    return step.traces - traced, losses


def test_a_step_is_compiled_its_code_runs_while_it_is_traced_and_never_again():
    again, losses = run_alone(train_on_jax)
    assert again == 0
    assert losses[-1] < losses[0]
