"""Training on small synthetic samples."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from model import feed
from model.settings import LossConfig, LossTerms, NetworkConfig, TrainConfig
from pipeline.face.face_model import FaceModel
from pipeline.store.samples import locate, read_samples
from pipeline.store.shards import list_shards, write_shard
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling
from stages.project.params_file import read_params
from tests.helpers.places import ROOT
from tests.helpers.train_project import NETWORK, SIZE, make_samples

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

TERMS = LossTerms(regions=True, position=1.0, symmetry=0.0, smoothness=0.0)
LAYOUT = UVLayout(
    None, None, np.ones((SIZE, SIZE), bool), np.ones((SIZE, SIZE), np.float32), np.zeros((68, 2), np.int32)
)
# Which a network that regresses maps does not look at.
FACE = FaceModel(
    np.zeros((1, 3), np.float32),
    *[np.zeros((1, 3, 1), np.float32)] * 2,
    np.zeros((0, 3), np.int32),
    np.zeros(0, np.int32),
)
# Overrides of the network, by the name of what it is.
NETWORKS: dict[str, dict] = {"final": {}, "thesis": {"residual_join": "thesis"}, "prn": {"residual": False}}


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> list[Path]:
    """Eight samples."""
    folder = tmp_path_factory.mktemp("samples")
    samples = make_samples(8, seed=0)
    write_shard(folder / "00000.h5", samples | {"sample_id": np.array([f"a/{i}" for i in range(8)], object)}, {})
    return list_shards(folder)


@pytest.fixture(scope="module")
def training(keras):
    from model import training

    return training


def configure(**changes) -> TrainConfig:
    settings = {
        "variant": "final",
        "policy": "full",
        "level": "on",
        "scaling": "tanh",
        "strategy": "joint",
        "init": "random",
        "lr": 0.01,
        "halve_every": 110,
        "budget": 110 * 8,
        "patience": 110,
        "batch_size": 4,
        "seeds": [1],
        "xla": False,
        "precision": "float32",
        "devices": 1,
    }
    return TrainConfig(**settings | changes)


class Untrained(NamedTuple):
    task: Any
    model: Any
    samples: feed.Feed
    losses: dict


def make(shards, batch=4, **changes) -> Untrained:
    import keras

    from model import regression

    network = NetworkConfig(**NETWORK | changes)
    task = regression.make_regression(network, LossConfig("l1", TERMS, TERMS), Scaling("tanh", SIZE), LAYOUT, FACE)
    keras.utils.set_random_seed(1)
    model = task.build()
    samples = feed.Feed(locate(shards), batch, task.to_label)
    return Untrained(task, model, samples, task.make_losses(model))


def train(made: Untrained, settings: TrainConfig, work: Path, report=lambda _: None):
    """Train it, and judge it by the samples that it learns from."""
    from model import training
    from model.step import stored

    plan = training.phases(settings.strategy, "brief" in made.losses, False)
    feeds = (made.samples, made.samples)
    return training.train(made.model, *feeds, made.losses, stored, made.task.unit, settings, 1, plan, report, work)


@pytest.fixture(scope="module")
def learnt(shards, keras, tmp_path_factory) -> tuple:
    """The main model that has learnt the samples by heart, and how."""
    made = make(shards)
    return made, train(made, configure(), tmp_path_factory.mktemp("final") / "work")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_learns_a_few_samples_by_heart(shards, tmp_path, name):
    # All at once, since which four are normalised together changes what a photo of a single colour looks like.
    trained = train(make(shards, batch=8, **NETWORKS[name]), configure(batch_size=8), tmp_path / "work")
    losses = [row["loss"] for row in trained.history]
    assert losses[-1] < losses[0] / 3


def loss_now(training, made):
    from model.step import stored

    step = training.make_step(made.model, training.Phase("all", "final"), made.losses, stored, None)
    return training.evaluate(step, made.samples)["final"]


def test_the_weights_kept_are_the_best_on_the_validation_samples(training, learnt):
    made, trained = learnt
    assert loss_now(training, made) == pytest.approx(trained.best_loss, rel=1e-5)


def test_predictions_are_in_px_and_agree_with_the_loss_that_was_reached(training, learnt):
    from model import prediction

    made, _ = learnt
    chosen = made.samples.samples
    maps = np.concatenate([each for _, each in prediction.predict(made.model, chosen, 4, made.task.to_output, None)])
    true = read_samples(made.samples.samples, ["position_map"])["position_map"]
    shift = (maps - true)[..., 2].mean(axis=(1, 2), keepdims=True)
    error = np.abs(maps - true)
    error[..., 2] = np.abs((maps - true)[..., 2] - shift)
    assert error.sum(axis=-1).mean() == pytest.approx(loss_now(training, made), rel=0.05)


def script_validation(training, monkeypatch, made, losses) -> list:
    """Let evaluations find the given losses; the weights at each of them."""
    script, weights = iter(losses), []

    def scripted(learner, *_):
        weights.append(made.model.get_weights())
        return {"final": next(script), "brief": 0.0}

    monkeypatch.setattr(training, "evaluate", scripted)
    return weights


def are_equal(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture(scope="module")
def scripted(training, shards, tmp_path_factory):
    """A validation loss that is best in epoch 2, with nothing new for 3 epochs: the rows, and whether the weights are
    those of each epoch.
    """
    made = make(shards)
    settings = configure(lr=0.004, budget=20 * 8, halve_every=2, patience=3)
    with pytest.MonkeyPatch.context() as patch:
        weights = script_validation(training, patch, made, [5.0, 4.0, 4.5, 4.0, 4.1])
        trained = train(made, settings, tmp_path_factory.mktemp("scripted") / "work")
    return trained.history, [are_equal(made.model.get_weights(), kept) for kept in weights]


def test_training_stops_when_the_last_epochs_brought_nothing_and_goes_back_to_the_best(scripted):
    rows, restored = scripted
    assert [row["val_loss"] for row in rows] == [5.0, 4.0, 4.5, 4.0, 4.1]
    assert restored == [False, True, False, False, False]


def test_the_rate_is_halved_on_schedule(scripted):
    assert [row["lr"] for row in scripted[0]] == pytest.approx([0.004, 0.004, 0.002, 0.002, 0.001])


class Staged(NamedTuple):
    """Rows of a staged run, and which values moved in each of its epochs: of the encoder-decoder, of the refinement."""

    rows: list[dict]
    brief: list[np.ndarray]
    refinement: list[np.ndarray]


@pytest.fixture(scope="module")
def staged(training, shards, tmp_path_factory) -> Staged:
    from model.networks import brief_part

    made = make(shards)
    seen, evaluate = [made.model.get_weights()], training.evaluate

    def looking(learner, *rest):
        seen.append(made.model.get_weights())
        return evaluate(learner, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "evaluate", looking)
        trained = train(
            made, configure(strategy="staged", budget=3 * 2 * 8), tmp_path_factory.mktemp("staged") / "work"
        )
    inside = {id(variable) for variable in brief_part(made.model).weights}
    brief = np.array([id(variable) in inside for variable in made.model.weights])
    moved = [
        np.array([not np.array_equal(a, b) for a, b in zip(old, new, strict=True)])
        for old, new in itertools.pairwise(seen)
    ]
    return Staged(trained.history, [epoch[brief] for epoch in moved], [epoch[~brief] for epoch in moved])


def test_a_staged_run_trains_the_encoder_decoder_then_the_refinement_then_both(staged):
    assert [row["phase"] for row in staged.rows] == ["brief", "brief", "refinement", "refinement", "all", "all"]
    assert [row["passes"] for row in staged.rows] == [8, 16, 24, 32, 40, 48]
    # All of the encoder-decoder's weights and batch statistics move, or none; the same of the refinement's.
    for epoch, brief, refinement in ((0, True, False), (1, True, False), (3, False, True), (5, True, True)):
        assert set(staged.brief[epoch].tolist()) == {brief}
        assert set(staged.refinement[epoch].tolist()) == {refinement}
    assert min(len(staged.brief[0]), len(staged.refinement[0])) > 10


def test_the_fixed_output_keeps_its_loss_and_the_brief_phase_watches_its_own(staged):
    rows = staged.rows
    assert all(row["loss"] == row["brief_loss"] and row["val_loss"] == row["val_brief_loss"] for row in rows[:2])
    # The refinement begins where the encoder-decoder was best, not where it was last.
    fixed = {row["val_brief_loss"] for row in rows[2:4]}
    assert len(fixed) == 1
    assert fixed.pop() == pytest.approx(min(row["val_loss"] for row in rows[:2]), rel=1e-6)


def test_weights_of_an_earlier_phase_are_kept_if_no_later_epoch_was_better(training, shards, tmp_path, monkeypatch):
    made = make(shards)
    # The refinement alone is better than what all parts reach together.
    weights = script_validation(training, monkeypatch, made, [9.0, 8.0, 3.0, 2.0, 2.5, 2.2])
    trained = train(made, configure(strategy="staged", budget=3 * 2 * 8), tmp_path / "work")
    assert trained.best_loss == 2.0
    restored = [are_equal(made.model.get_weights(), kept) for kept in weights]
    assert restored == [False, False, False, True, False, False]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_16_bits_learns_and_puts_out_float32(set_precision, shards, tmp_path, precision):
    set_precision(precision)
    made = make(shards)
    losses = [row["loss"] for row in train(made, configure(budget=30 * 8), tmp_path / "work").history]
    assert made.model.get_layer("encoder_conv").compute_dtype == precision.removeprefix("mixed_")
    assert {str(output.dtype) for output in made.model.output.values()} == {"float32"}
    assert losses[-1] < losses[0] / 1.5


def test_a_loss_that_is_no_number_stops_with_a_sentence_and_leaves_the_last_good_weights(shards, tmp_path, monkeypatch):
    made, rows, read = make(shards), [], read_samples

    def no_numbers_from_the_second_round_on(chosen, names):
        arrays = read(chosen, names)
        if rows:
            arrays["position_map"] *= np.nan
        return arrays

    monkeypatch.setattr(feed, "read_samples", no_numbers_from_the_second_round_on)
    # Batches are read ahead: some rounds still learn from whole ones.
    sentence = r"^The loss became nan in round \d+ of phase all, at a rate of 0\.01\. Lower train\.lr"
    with pytest.raises(ValueError, match=sentence):
        train(made, configure(budget=40 * 8), tmp_path / "work", rows.append)
    assert all(np.isfinite(weights).all() for weights in made.model.get_weights())


def test_an_average_of_the_weights_is_what_is_judged_and_kept_and_a_resumed_run_ends_with_the_same(shards, tmp_path):
    settings = configure(
        lr=0.003,
        budget=160,
        schedule="cosine",
        warm_up=0.1,
        average=0.9,
        optimizer="adamw",
        weight_decay=0.01,
        clip=1.0,
    )
    whole, stopped = make(shards), make(shards)
    rows = train(whole, settings, tmp_path / "whole").history

    class KilledError(Exception):
        pass

    def kill(row):
        if row["passes"] == 80:
            raise KilledError

    with pytest.raises(KilledError):
        train(stopped, settings, tmp_path / "work", kill)
    again = make(shards)
    resumed = train(again, settings, tmp_path / "work")
    assert resumed.history == rows
    assert are_equal(whole.model.get_weights(), again.model.get_weights())
    # The rate rises in the first four of 40 steps and falls to nothing: the last weights are kept, whatever was best.
    # Told is that of the last step of a round of two: a quarter of the way up from a 25th.
    assert rows[0]["lr"] == pytest.approx(0.003 * (0.04 + 0.96 / 4))
    assert rows[-1]["lr"] == pytest.approx(0, abs=1e-4)
    assert resumed.best_loss == rows[-1]["val_loss"]


def test_along_a_cosine_the_last_weights_are_kept_whatever_was_best(training, shards, tmp_path, monkeypatch):
    made = make(shards)
    weights = script_validation(training, monkeypatch, made, [5.0, 4.0, 4.5])
    trained = train(made, configure(schedule="cosine", budget=3 * 8), tmp_path / "work")
    assert trained.best_loss == 4.5
    assert [are_equal(made.model.get_weights(), kept) for kept in weights] == [False, False, True]


@pytest.mark.parametrize(
    ("strategy", "refined", "initialised", "expected"),
    [
        ("joint", True, False, [("all", "final")]),
        ("joint", True, True, [("all", "final")]),
        ("staged", False, False, [("all", "final")]),
        ("frozen", True, False, [("brief", "brief"), ("refinement", "final")]),
        ("frozen", True, True, [("refinement", "final")]),
        ("staged", True, False, [("brief", "brief"), ("refinement", "final"), ("all", "final")]),
        ("staged", True, True, [("refinement", "final"), ("all", "final")]),
    ],
)
def test_a_strategy_is_a_list_of_what_learns_and_what_is_watched(training, strategy, refined, initialised, expected):
    assert [tuple(phase) for phase in training.phases(strategy, refined, initialised)] == expected


def test_batches_go_on_where_the_phases_before_ended_and_are_late_from_a_share_of_the_steps_on(training):
    asked = []

    class Batches:
        def endless(self, *arguments):
            asked.append(arguments)
            yield from ({"number": number} for number in itertools.count())

    step = SimpleNamespace(network=SimpleNamespace(output={"brief": None, "final": None}))
    # Five rounds of four steps; three rounds were made in phases before this one, and two in it.
    rounds, settings = training.Rounds(5, 4), configure(euclidean_from=0.5, growth=0.25)
    fed = list(itertools.islice(training._feed(Batches(), step, settings, rounds, 7, 3, 2), 4))
    assert asked == [(7, (3 + 2) * 4, 5)]
    assert [batch["number"] for batch, _ in fed] == [0, 1, 2, 3]
    # Steps 8 to 11 of 20, in batches of 4.
    assert [batch["late"].tolist() for batch, _ in fed] == [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
    assert [set(truth) for _, truth in fed] == [{"brief", "final"}] * 4


def test_each_sample_of_a_batch_has_the_loss_of_its_time(keras):
    from model.step import TrainingStep, stored

    photo = keras.Input((2, 2, 3))
    network = keras.Model(photo, {"final": photo})

    def constant(value):
        return lambda true, _: 0 * keras.ops.sum(true, axis=(1, 2, 3)) + value

    zeros = np.zeros((3, 2, 2, 3), np.float32)
    batch = {"photo": zeros, "label": zeros, "late": np.array([0, 1, 0], np.float32)}
    step = TrainingStep(network, stored, {"final": (constant(1.0), constant(2.0))})
    assert np.asarray(step(batch)["final"]).tolist() == [1, 2, 1]


def test_a_network_is_judged_by_its_early_loss_as_the_mean_over_samples_not_batches(training):
    class Network:
        output: ClassVar = {"final": None}

        def predict_on_batch(self, photos):
            return {"final": photos}

    class Samples:
        batch_size = 2

        def ordered(self):
            for values in ([1.0, 2.0], [6.0]):
                yield {"photo": np.array(values, np.float32), "label": np.zeros(len(values), np.float32)}

    losses = (lambda true, values: values - true, lambda _, values: 100 * values)
    step = SimpleNamespace(network=Network(), losses_of={"final": losses})
    assert training.evaluate(step, Samples()) == {"final": 3.0}


def test_a_budget_is_shared_by_phases_and_a_round_is_an_epoch_at_least(training):
    def planned(budget, samples, phases):
        return tuple(training.plan_rounds(configure(budget=budget), samples, phases))

    # Batches of 4. 8 samples are 2 steps an epoch.
    assert planned(48, 8, 3) == (2, 2)
    assert planned(48, 8, 1) == (6, 2)
    assert planned(8000, 8, 1) == (20, 100)
    assert planned(8000, 8, 2) == (20, 50)
    assert planned(4, 8, 1) == (1, 1)
    # The embedded set has 168 photos, alone, with two copies and with three: each strategy makes all of the passes.
    params = read_params(ROOT / "params.yaml")
    batch, budget = params["train"]["batch_size"], params["recipes"]["thesis"]["budget"]
    for photos in (168, 3 * 168, 4 * 168):
        for phases in (1, 2, 3):
            config = configure(budget=budget, batch_size=batch)
            rounds = training.plan_rounds(config, photos, phases)
            assert phases * rounds.number * rounds.steps * batch == budget, (photos, phases)
    # An epoch of 101 samples has 26 steps, and 250 steps 9 whole ones: rounds of 28.
    assert planned(1000, 101, 1) == (9, 28)
