"""Training on small synthetic samples, in child processes: a crash of TensorFlow fails a test, pytest goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from ruamel.yaml import YAML

from pipeline.encoding import encode_positions
from pipeline.position_map import UVLayout, save_uv
from pipeline.shards import read_shard, reading, write_shard
from stages.variants import MAIN_RUN
from tests.test_variants import PARAMS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SIZE = 32
NETWORK = {
    "regresses": "position_map",
    "width": 2,
    "levels": 5,
    "batch_norm_momentum": 0.9,
    "residual": True,
    "residual_blocks": 2,
    "residual_width": 4,
    "residual_head_width": 4,
    "residual_join": "logits",
    "residual_stages": 1,
    "residual_shrink": 1,
}

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
from pipeline.position_map import UVLayout
from pipeline.shards import list_shards

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
    samples = feed.Feed(feed.locate(list_shards(folder)), 4, task.datasets, task.to_label)
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


def make_samples(count: int, seed: int) -> dict[str, np.ndarray]:
    """Make photos whose colour tells the place of a slanted square, and its map."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE))
    maps, photos = [], []
    for _ in range(count):
        x, y, scale = rng.uniform([10, 10, 5], [22, 22, 10])
        maps.append(np.stack([x + scale * across, y + scale * down, 20 + scale * across * down], axis=-1))
        photo = np.zeros((SIZE, SIZE, 3)) + np.array([x, y, 2 * scale]) * 8
        photos.append(photo + rng.integers(0, 20, photo.shape))
    return {
        "image": np.array(photos).astype(np.uint8),
        "position_map": encode_positions(np.array(maps), SIZE),
        "similarity": rng.normal(size=(count, 3, 3)),
    }


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


def prepare_project(folder: Path) -> Path:
    """Everything that the stage reads: 12 training, 3 validation and 5 test samples in two subsets."""
    parts = {"A": ["train"] * 8 + ["validation"] * 3, "B": ["test"] * 5}
    rows = []
    for subset, parts_of in parts.items():
        ids = [f"{subset}/{i}" for i in range(len(parts_of))]
        rows += [(name, name, part) for name, part in zip(ids, parts_of, strict=True)]
        samples = make_samples(len(ids), seed=len(ids)) | {"sample_id": np.array(ids, object)}
        write_shard(folder / f"data/position_maps/{subset}-on/00000.h5", samples, {})
    copies = make_samples(12, seed=3) | {"sample_id": np.array([f"A/{i % 8}" for i in range(12)], object)}
    write_shard(folder / "data/augmented/full-on/00000.h5", copies, {})
    with (folder / "data/split.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("sample_id", "identity", "part"), *rows])
    ones = np.ones((SIZE, SIZE))
    operator = scipy.sparse.csr_array(np.ones((SIZE * SIZE, 1), np.float32))
    layout = UVLayout(np.zeros((1, 2)), operator, ones > 0, ones.astype(np.float32), np.zeros((68, 2), np.int32))
    save_uv(folder / "data/uv_embedding/uv.h5", layout)
    data = {
        "root": "raw",
        "subsets": {"A": "A", "B": "B"},
        "size": SIZE,
        "levels": ["on"],
        "samples_per_shard": 8,
        "max_reject_fraction": 0.0,
    }
    train = PARAMS["train"] | {"lr": 0.01, "epochs": 2, "strategy": "staged", "seeds": [2, 1]}
    write_params(folder, PARAMS | {"data": data, "network": NETWORK, "train": train})
    return folder


def write_params(folder: Path, params: dict) -> None:
    YAML().dump(params, folder / "params.yaml")


def change_params(folder: Path, **changes: dict) -> None:
    """Change keys of sections of params.yaml."""
    params = YAML(typ="safe").load(folder / "params.yaml")
    write_params(folder, params | {section: params[section] | keys for section, keys in changes.items()})


STAGE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from stages.train import main; main()"


def run_stage(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", STAGE, str(ROOT), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment
    )


@pytest.fixture(scope="module")
def projects(tmp_path_factory) -> list[Path]:
    """The stage, run twice from the same input."""
    folders = [prepare_project(tmp_path_factory.mktemp(name)) for name in ("first", "second")]
    with ThreadPoolExecutor() as pool:
        for child in pool.map(run_stage, folders):
            assert child.returncode == 0, child.stderr
            assert "12 samples in, 3 to validate on, 5 predictions out" in child.stdout
            assert child.stderr == ""
    return folders


@pytest.mark.parametrize("name", ["model.weights.h5", "history.csv", "seeds.csv", "predictions.h5"])
def test_two_runs_of_the_stage_write_the_same_bytes(projects, name):
    first, second = (folder / "runs" / MAIN_RUN / name for folder in projects)
    assert first.read_bytes() == second.read_bytes()


def test_the_stage_predicts_each_test_sample_once_with_the_similarity_of_its_crop(projects):
    predictions = read_shard(projects[0] / "runs" / MAIN_RUN / "predictions.h5")
    truth = read_shard(projects[0] / "data/position_maps/B-on/00000.h5")
    assert predictions["sample_id"].tolist() == [f"B/{i}" for i in range(5)]
    np.testing.assert_array_equal(predictions["similarity"], truth["similarity"])
    assert predictions["position_map"].shape == (5, SIZE, SIZE, 3)
    # tanh reaches half a side beyond the centre of the image, and half a side in depth.
    assert np.abs(predictions["position_map"] - [15.5, 15.5, 0]).max() <= 16.01


def history_of(checkpoint: Path) -> list[dict]:
    with reading(checkpoint) as file:
        return json.loads(file.attrs["history"])


@pytest.mark.parametrize("rows_before_the_kill", [1, 2, 4, 7])
def test_training_that_was_killed_ends_with_the_bytes_of_a_run_that_was_not(projects, tmp_path, rows_before_the_kill):
    """Killed in and between phases of the first seed, and in the second."""
    folder = prepare_project(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(ROOT)], cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stdout is not None
    for _ in range(rows_before_the_kill):
        assert child.stdout.readline().startswith("epoch ")
    time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    kept = sorted((folder / "work/shards/train@main").glob("*.h5"))
    assert rows_before_the_kill - 1 <= sum(len(history_of(path)) for path in kept) < 12
    result = run_stage(folder)
    assert result.returncode == 0, result.stderr
    for name in ("model.weights.h5", "history.csv", "seeds.csv", "predictions.h5"):
        ours, undisturbed = (root / "runs" / MAIN_RUN / name for root in (folder, projects[0]))
        assert ours.read_bytes() == undisturbed.read_bytes(), name


def read_rows(path: Path) -> list[dict]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_history_has_a_row_an_epoch_of_the_seed_that_was_best(projects):
    rows = read_rows(projects[0] / "runs" / MAIN_RUN / "history.csv")
    assert list(rows[0]) == ["epoch", "phase", "lr", "loss", "brief_loss", "val_loss", "val_brief_loss"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    every = read_rows(projects[0] / "runs" / MAIN_RUN / "seeds.csv")
    assert [row.pop("seed") for row in every] == ["2"] * 6 + ["1"] * 6
    assert every[:6] != every[6:]
    best = [min(float(row["val_loss"]) for row in part[2:]) for part in (every[:6], every[6:])]
    assert rows == (every[:6] if best[0] < best[1] else every[6:])


def load_weights(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with reading(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None)
    return found


def test_a_variant_starts_from_another_one_s_weights_and_does_not_train_them_alone_again(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(
        folder,
        train={"seeds": [1], "strategy": "frozen"},
        variants={"applied": {"train": {"epochs": 0}, "network": {"residual": False}}},
        thesis={"variants": {"prn": "random", "coarse": "prn", "applied": "prn"}},
    )
    missing = run_stage(folder, "coarse")
    assert missing.returncode == 1
    assert "runs/prn/model.weights.h5 is missing: train the variant 'prn' first" in missing.stderr
    for variant in ("prn", "coarse", "applied"):
        result = run_stage(folder, variant)
        assert result.returncode == 0, result.stderr
    assert {row["phase"] for row in read_rows(folder / "runs/coarse/history.csv")} == {"refinement"}
    start, refined = (load_weights(folder / f"runs/{variant}/model.weights.h5") for variant in ("prn", "coarse"))
    shared = set(start) & set(refined)
    assert len(shared) > 100
    values = [array.tobytes() for array in refined.values()]
    assert all(array.tobytes() in values for array in start.values())
    # Weights that are applied as they are predict what their own run predicted.
    assert read_rows(folder / "runs/applied/history.csv") == []
    ours, theirs = ((folder / f"runs/{variant}/predictions.h5").read_bytes() for variant in ("applied", "prn"))
    assert ours == theirs


def test_weights_of_another_width_are_refused(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(
        folder,
        train={"seeds": [1], "epochs": 1},
        variants={"wide": {"network": {"width": 4}}},
        thesis={"variants": {"prn": "random", "wide": "elsewhere"}},
    )
    assert run_stage(folder, "prn").returncode == 0
    (folder / "runs/prn").rename(folder / "runs/elsewhere")
    result = run_stage(folder, "wide")
    assert result.returncode == 1
    assert "runs/elsewhere/model.weights.h5 does not fit the network of section network (width 4, 5 le" in result.stderr


def test_more_than_one_device_needs_jax(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(folder, train={"devices": 2})
    result = run_stage(folder, KERAS_BACKEND="tensorflow")
    assert result.returncode == 1
    assert "train.devices is 2, but Keras shares batches between devices only on JAX" in result.stderr


def test_a_sample_of_another_part_among_those_to_learn_from_is_refused_before_tensorflow_starts(tmp_path):
    folder = prepare_project(tmp_path)
    strays = make_samples(2, seed=3) | {"sample_id": np.array(["A/0", "B/1"], object)}
    write_shard(folder / "data/augmented/full-on/00000.h5", strays, {})
    child = run_stage(folder)
    assert child.returncode == 1
    assert "1 samples to learn from are not in the training part, first ['B/1']" in child.stderr
