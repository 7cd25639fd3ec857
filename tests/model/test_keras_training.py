"""Training on small synthetic samples, in a child process: a crash of TensorFlow fails a test, pytest goes on."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.store.shards import write_shard
from tests.helpers.train_project import NETWORK, make_samples

pytestmark = pytest.mark.slow

CHILD = """
import json, sys
from pathlib import Path
import numpy as np
from model.backend import prepare_keras

prepare_keras()
import keras
from model import feed, regression, training
from model.networks import brief_part
from model.scaling import Scaling
from model.settings import LossConfig, LossTerms, NetworkConfig, TrainConfig
from pipeline.uv.position_map import UVLayout
from pipeline.store.samples import locate
from pipeline.store.shards import list_shards

folder, network = Path(sys.argv[1]), json.loads(sys.argv[2])
size, mask = 32, np.ones((32, 32), bool)
layout = UVLayout(None, None, mask, np.ones((size, size), np.float32), np.zeros((68, 2), np.int32))
terms = LossTerms(regions=True, position=1.0, symmetry=0.0, smoothness=0.0)


def config(**changes):
    base = dict(variant="final", policy="full", level="on", scaling="tanh", strategy="joint", init="random", lr=0.01,
                halve_every=110, epochs=110, patience=110, batch_size=4, seeds=[1], xla=False, precision="float32",
                devices=1)
    return TrainConfig(**base | changes)


def make(**changes):
    scaling = Scaling("tanh", size)
    task = regression.position_maps(NetworkConfig(**network | changes), LossConfig("l1", terms, terms), scaling, layout)
    keras.utils.set_random_seed(1)
    model = task.build()
    samples = feed.Feed(locate(list_shards(folder)), 4, task.datasets, task.to_label)
    return task, model, samples, task.make_losses(model)[0]


def train(settings, name, report=lambda row: None, initialised=False, **changes):
    task, model, samples, losses = make(**changes)
    plan = training.phases(settings.strategy, "brief" in losses, initialised)
    trained = training.train(model, samples, samples, losses, losses, settings, 1, plan, report, folder / name)
    return task, model, samples, losses, trained


answer = {}
for name, changes in (("final", {}), ("thesis", {"residual_join": "thesis"}), ("prn", {"residual": False})):
    task, model, samples, losses, trained = train(config(), name, **changes)
    answer[name] = trained.history
    if name == "final":
        learner = training.make_learner(model, training.Phase("all", "final"), losses, losses, config())
        answer["kept"] = [training.evaluate(learner, samples)["final"], trained.best_loss]
        maps = np.concatenate([task.to_maps(final) for _, final in training.predict(model, samples)])
        true = feed.read_samples(samples.samples, ["position_map"])["position_map"]
        shift = (maps - true)[..., 2].mean(axis=(1, 2), keepdims=True)
        error = np.abs(maps - true)
        error[..., 2] = np.abs((maps - true)[..., 2] - shift)
        answer["predicted"] = float(error.sum(axis=-1).mean())
        answer["waiting"] = trained.waiting

# Staged, with the weights of every part looked at before the first epoch and after each.
seen = []


def looking(learner, *rest):
    if not seen:
        seen.append([w.copy() for w in untrained])
    seen.append(staged.get_weights())
    return real(learner, *rest)


settings = config(strategy="staged", epochs=2)
real, training.evaluate = training.evaluate, looking
task, staged, samples, losses = make()
untrained = staged.get_weights()
plan = training.phases("staged", True, False)
trained = training.train(staged, samples, samples, losses, losses, settings, 1, plan, lambda row: None,
                         folder / "staged")
answer["staged"] = trained.history
inside = {id(v) for v in brief_part(staged).weights}
brief = np.array([id(v) in inside for v in staged.weights])
moved = [np.array([not np.array_equal(a, b) for a, b in zip(old, new)]) for old, new in zip(seen, seen[1:])]
answer["moved"] = [[bool(m[brief].all()), bool(m[brief].any()), bool(m[~brief].all()), bool(m[~brief].any())]
                   for m in moved]
# The refinement begins where the encoder-decoder was best, not where it was last.
answer["parts"] = [int(brief.sum()), int((~brief).sum())]

# A scripted validation loss: best in epoch 2, then nothing new for 3 epochs.
script = iter([5.0, 4.0, 4.5, 4.0, 4.1])
weights = []


def scripted(learner, *_):
    weights.append(model.get_weights())
    return {"final": next(script), "brief": 0.0}


training.evaluate = scripted
settings = config(lr=0.004, epochs=20, halve_every=2, patience=3)
task, model, samples, losses = make()
trained = training.train(model, samples, samples, losses, losses, settings, 1, training.phases("joint", True, False),
                         lambda row: None, folder / "scripted")
answer["scripted"] = trained.history
answer["restored"] = [all(np.array_equal(a, b) for a, b in zip(model.get_weights(), kept)) for kept in weights]

# The refinement alone was better than what all parts reached together: its weights are kept.
script, weights = iter([9.0, 8.0, 3.0, 2.0, 2.5, 2.2]), []
settings = config(strategy="staged", epochs=2)
task, model, samples, losses = make()
trained = training.train(model, samples, samples, losses, losses, settings, 1, training.phases("staged", True, False),
                         lambda row: None, folder / "earlier")
answer["earlier"] = [trained.best_loss, *(all(np.array_equal(a, b) for a, b in zip(model.get_weights(), kept))
                                          for kept in weights)]

# A label that is no number, from the second epoch on.
training.evaluate = real
read = feed.read_samples


def broken(chosen, names):
    arrays = read(chosen, names)
    if broken.rows:
        arrays["position_map"] *= np.nan
    return arrays


broken.rows = []
feed.read_samples = broken
task, model, samples, losses = make()
try:
    training.train(model, samples, samples, losses, losses, config(epochs=3), 1, training.phases("joint", True, False),
                   broken.rows.append, folder / "broken")
except ValueError as error:
    answer["nan"] = str(error)
answer["finite"] = all(np.isfinite(w).all() for w in model.get_weights())

feed.read_samples = read
for precision in ("mixed_bfloat16", "mixed_float16"):
    keras.config.set_dtype_policy(precision)
    task, model, samples, losses, trained = train(config(epochs=30), precision)
    answer[precision] = [[row["loss"] for row in trained.history], [str(o.dtype) for o in model.output.values()],
                         str(model.get_layer("encoder_conv").compute_dtype)]
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("samples")
    samples = make_samples(8, seed=0)
    write_shard(folder / "00000.h5", samples | {"sample_id": np.array([f"a/{i}" for i in range(8)], object)}, {})
    command = [sys.executable, "-c", CHILD, str(folder), json.dumps(NETWORK)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


@pytest.mark.parametrize("name", ["final", "thesis", "prn"])
def test_a_network_learns_a_few_samples_by_heart(answer, name):
    losses = [row["loss"] for row in answer[name]]
    assert losses[-1] < losses[0] / 2.5


def test_the_weights_kept_are_the_best_on_the_validation_samples(answer):
    after, best = answer["kept"]
    assert after == pytest.approx(best, rel=1e-5)


def test_predictions_are_in_px_and_agree_with_the_loss_that_was_reached(answer):
    assert answer["predicted"] == pytest.approx(answer["kept"][0], rel=0.05)


def test_training_stops_when_the_last_epochs_brought_nothing_and_goes_back_to_the_best(answer):
    assert [row["val_loss"] for row in answer["scripted"]] == [5.0, 4.0, 4.5, 4.0, 4.1]
    assert answer["restored"] == [False, True, False, False, False]


def test_the_rate_is_halved_on_schedule(answer):
    assert [row["lr"] for row in answer["scripted"]] == [0.004, 0.004, 0.002, 0.002, 0.001]


def test_a_staged_run_trains_the_encoder_decoder_then_the_refinement_then_both(answer):
    rows = answer["staged"]
    assert [row["phase"] for row in rows] == ["brief", "brief", "refinement", "refinement", "all", "all"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    # All of the encoder-decoder's weights and batch statistics move, or none; the same of the refinement's.
    assert answer["moved"][0] == [True, True, False, False]
    assert answer["moved"][1] == [True, True, False, False]
    assert answer["moved"][3] == [False, False, True, True]
    assert answer["moved"][5] == [True, True, True, True]
    assert min(answer["parts"]) > 10


def test_the_fixed_output_keeps_its_loss_and_the_brief_phase_watches_its_own(answer):
    rows = answer["staged"]
    assert all(row["loss"] == row["brief_loss"] and row["val_loss"] == row["val_brief_loss"] for row in rows[:2])
    fixed = {row["val_brief_loss"] for row in rows[2:4]}
    assert len(fixed) == 1
    assert fixed.pop() == pytest.approx(min(row["val_loss"] for row in rows[:2]), rel=1e-6)


def test_weights_of_an_earlier_phase_are_kept_if_no_later_epoch_was_better(answer):
    assert answer["earlier"] == [2.0, False, False, False, True, False, False]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_16_bits_learns_and_puts_out_float32(answer, precision):
    losses, outputs, inside = answer[precision]
    assert inside == precision.removeprefix("mixed_")
    assert set(outputs) == {"float32"}
    assert losses[-1] < losses[0] / 1.5


def test_waiting_for_samples_is_measured(answer):
    assert 0 < answer["waiting"] < 1


def test_a_loss_that_is_no_number_stops_with_a_sentence_and_leaves_the_last_good_weights(answer):
    assert answer["nan"].startswith("The loss became nan in step 1 of epoch 2, at a rate of 0.01. Lower train.lr")
    assert answer["finite"]
