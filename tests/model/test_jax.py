"""Training on JAX: the stage as it is, and batches shared by two and four devices that the host pretends to have."""

import importlib.util
from typing import NamedTuple
from unittest import mock

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

FOUR_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
COUNTS = (1, 2, 4)


class Trained(NamedTuple):
    """What a number of devices made of the same batches."""

    held: list[list[tuple]]  # by array of the batches: device and shape of each part
    losses: list[float]
    weights: list[np.ndarray]
    statistics: list[np.ndarray]  # moving means and variances
    variance: float  # the moving variance after one batch of `TWO_HALVES`


# Each half of the batch is of one value, so that two devices or more, each by itself, would see no variance at all.
TWO_HALVES = np.repeat([0.0, 10.0], 4).reshape(8, 1, 1, 1)


def train_on(counts: tuple[int, ...]) -> list[Trained]:
    """Train a network for three steps with batches of 8, on the first so many of JAX's devices in turn."""
    prepare_keras(backend="jax")
    import jax
    import keras

    # In float64 what is the same sum in another order agrees to 12 digits, and anything else shows.
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    trained = []
    for count in counts:
        keras.distribution.set_distribution(None)
        prepare_devices(count)
        trained.append(Trained(*train_network(), variance_of_one_layer()))
    return trained


def prepare_devices(count: int) -> None:
    """Share batches as a stage does, in float64."""
    import keras

    prepare_keras("float64", devices=count, backend="jax")
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(1)


def train_network() -> tuple:
    """Three steps of the project's network: `held`, `losses`, `weights` and `statistics` of `Trained`."""
    import keras
    from keras.src.backend.jax import trainer

    from model.networks import build_network

    model = build_network(16, NetworkConfig("position_map", 2, 1, 0.75), Scaling("tanh", 16))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    held, losses = [], []

    def looking(data, *rest):
        shared = distribute(data, *rest)
        for array in keras.tree.flatten(shared):
            if hasattr(array, "addressable_shards"):
                held.append(sorted((str(shard.device), *shard.data.shape) for shard in array.addressable_shards))
        return shared

    distribute = trainer._distribute_data
    with mock.patch.object(trainer, "_distribute_data", looking):
        rng = np.random.default_rng(0)
        for _ in range(3):
            photos, labels = rng.random((8, 16, 16, 3)), rng.uniform(-1, 1, (8, 16, 16, 3))
            losses.append(float(model.train_on_batch(photos, labels, return_dict=True)["loss"]))
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    statistics = [np.asarray(kept) for layer in layers for kept in (layer.moving_mean, layer.moving_variance)]
    return held, losses, [np.asarray(weights) for weights in model.get_weights()], statistics


def variance_of_one_layer() -> float:
    """Moving variance of a layer of batch normalisation after one step on `TWO_HALVES`; it began as 1."""
    import keras

    from model.normalisation import BatchNormalization

    layer = BatchNormalization(momentum=0.75)
    model = keras.Sequential([keras.layers.Input((1, 1, 1)), layer])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    model.train_on_batch(TWO_HALVES, TWO_HALVES)
    return float(np.asarray(layer.moving_variance)[0])


@pytest.fixture(scope="module")
def trained():
    return dict(zip(COUNTS, run_alone(train_on, COUNTS, **FOUR_DEVICES), strict=True))


@pytest.mark.parametrize("count", COUNTS[1:])
def test_devices_hold_equal_parts_of_each_batch(trained, count):
    assert len(trained[count].held) >= 6  # three steps' photos and labels
    for parts in trained[count].held:
        assert [part[1:] for part in parts] == [(8 // count, 16, 16, 3)] * count
        assert len({part[0] for part in parts}) == count
    assert all(len(parts) == 1 for parts in trained[1].held)


@pytest.mark.parametrize("count", COUNTS[1:])
def test_devices_learn_together_what_one_does(trained, count):
    """The same sums in another order; what is left is float32's rounding, in which Keras keeps rates and losses."""
    one, some = trained[1], trained[count]
    assert some.losses == pytest.approx(one.losses, rel=1e-6)
    assert one.losses[2] < one.losses[0]
    for these, those in ((some.weights, one.weights), (some.statistics, one.statistics)):
        assert max(float(np.abs(a - b).max()) for a, b in zip(these, those, strict=True)) < 1e-6
    moved = [np.abs(kept - start).max() for kept, start in zip(one.statistics, [0.0, 1.0] * 99, strict=False)]
    assert min(moved) > 0.01


@pytest.mark.parametrize("count", COUNTS)
def test_the_statistics_that_are_kept_are_the_whole_batch_s(trained, count):
    # 0 and 10 in equal parts: 25. Devices that each took their own, or the mean of them, would keep 0.75.
    assert trained[count].variance == pytest.approx(0.75 * 1 + 0.25 * 25, rel=1e-6)


def test_the_stage_trains_on_four_of_jax_s_devices(tmp_path):
    folder = prepare_project(tmp_path)
    network = {"levels": 2, "residual_blocks": 1}
    change_params(folder, train={"seeds": [1], "devices": 4, "batch_size": 4, "backend": "jax"}, network=network)
    result = run_stage(folder, **FOUR_DEVICES)
    assert result.returncode == 0, result.stderr
    assert "12 samples in, 3 to validate on" in result.stdout
    assert "train: JAX on cpu, float32, the step compiled by XLA" in result.stdout
    rows = read_rows(folder / "runs/main/history.csv")
    assert [row["phase"] for row in rows] == ["brief", "brief", "refinement", "refinement", "all", "all"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_more_devices_than_there_are_is_refused(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(folder, train={"devices": 8, "batch_size": 8, "backend": "jax"})
    result = run_stage(folder, **FOUR_DEVICES)
    assert result.returncode == 1
    assert "train.devices is 8; JAX finds 4: cpu:0, cpu:1, cpu:2, cpu:3." in result.stderr


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
