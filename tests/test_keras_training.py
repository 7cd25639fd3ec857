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
from model import feed, losses, training
from model.scaling import Scaling
from model.settings import LossConfig, LossTerms, NetworkConfig, TrainConfig
from pipeline.position_map import UVLayout
from pipeline.shards import list_shards

folder, network = Path(sys.argv[1]), json.loads(sys.argv[2])
size, mask = 32, np.ones((32, 32), bool)


def config(**changes):
    base = dict(variant="final", policy="full", level="on", scaling="tanh", strategy="joint", lr=0.01, epochs=110,
                batch_size=4, seed=1, halve_every=110, patience=110, xla=False)
    return TrainConfig(**base | changes)


def make(settings, **changes):
    samples = feed.Feed(feed.locate(list_shards(folder)), 4, Scaling("tanh", size), mask)
    model = training.new_model(size, NetworkConfig(**network | changes), settings)
    layout = UVLayout(None, None, mask, np.ones((size, size), np.float32), np.zeros((68, 2), np.int32))
    terms = LossTerms(regions=True, position=1.0, symmetry=0.0, smoothness=0.0)
    return model, samples, losses.make_losses(model.output, LossConfig("l1", terms, terms), layout, samples.scaling)


answer = {}
for name, changes in (("final", {}), ("thesis", {"residual_join": "thesis"}), ("prn", {"residual": False})):
    settings = config()
    model, samples, by_output = make(settings, **changes)
    kept = folder / f"{name}.kept"
    answer[name] = training.train(model, samples, samples, by_output, settings, lambda row: None, kept)
    if name == "final":
        after = training.evaluate(model, samples, by_output)["final"]
        answer["kept"] = [after, min(row["val_loss"] for row in answer[name])]
        maps = np.concatenate([maps for _, maps in training.predict(model, samples)])
        true = feed.read_samples(samples.samples, ["position_map"])["position_map"]
        shift = (maps - true)[..., 2].mean(axis=(1, 2), keepdims=True)
        error = np.abs(maps - true)
        error[..., 2] = np.abs((maps - true)[..., 2] - shift)
        answer["predicted"] = float(error.sum(axis=-1).mean())

# A scripted validation loss: best in epoch 2, then nothing new for 3 epochs.
settings = config(lr=0.004, epochs=20, halve_every=2, patience=3)
model, samples, by_output = make(settings)
script = iter([5.0, 4.0, 4.5, 4.0, 4.1])
weights = []


def scripted(model, *_):
    weights.append(model.get_weights())
    return {"final": next(script), "brief": 0.0}


real, training.evaluate = training.evaluate, scripted
answer["scripted"] = training.train(model, samples, samples, by_output, settings, lambda row: None, folder / "scripted")
answer["restored"] = [all(np.array_equal(a, b) for a, b in zip(model.get_weights(), kept)) for kept in weights]

# A label that is no number, from the second epoch on.
training.evaluate = real
settings = config(epochs=3)
model, samples, by_output = make(settings)
read = feed.read_samples


def broken(chosen, names):
    arrays = read(chosen, names)
    if broken.rows:
        arrays["position_map"] *= np.nan
    return arrays


broken.rows = []
feed.read_samples = broken
try:
    training.train(model, samples, samples, by_output, settings, broken.rows.append, folder / "broken")
except ValueError as error:
    answer["nan"] = str(error)
answer["finite"] = all(np.isfinite(w).all() for w in model.get_weights())
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
    params = PARAMS | {"data": data, "network": NETWORK, "train": PARAMS["train"] | {"lr": 0.01, "epochs": 3}}
    YAML().dump(params, folder / "params.yaml")
    return folder


def run_stage(folder: Path) -> subprocess.CompletedProcess:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from stages.train import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], cwd=folder, capture_output=True, text=True, check=False
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


@pytest.mark.parametrize("name", ["model.weights.h5", "history.csv", "predictions.h5"])
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


def test_training_that_was_killed_ends_with_the_bytes_of_a_run_that_was_not(projects, tmp_path):
    folder = prepare_project(tmp_path)
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from stages.train import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT)], cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list((folder / "work/shards/train@main").glob("*.h5")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    kept = next((folder / "work/shards/train@main").glob("*.h5"))
    with reading(kept) as file:
        epochs_done = len(json.loads(file.attrs["history"]))
    assert 1 <= epochs_done < 3
    result = run_stage(folder)
    assert result.returncode == 0, result.stderr
    for name in ("model.weights.h5", "history.csv", "predictions.h5"):
        ours, undisturbed = (root / "runs" / MAIN_RUN / name for root in (folder, projects[0]))
        assert ours.read_bytes() == undisturbed.read_bytes(), name


def test_the_history_has_a_row_an_epoch(projects):
    rows = list(csv.DictReader((projects[0] / "runs" / MAIN_RUN / "history.csv").read_text().splitlines()))
    assert list(rows[0]) == ["epoch", "lr", "loss", "brief_loss", "val_loss", "val_brief_loss"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]


def test_a_sample_of_another_part_among_those_to_learn_from_is_refused_before_tensorflow_starts(tmp_path):
    folder = prepare_project(tmp_path)
    strays = make_samples(2, seed=3) | {"sample_id": np.array(["A/0", "B/1"], object)}
    write_shard(folder / "data/augmented/full-on/00000.h5", strays, {})
    child = run_stage(folder)
    assert child.returncode == 1
    assert "1 samples to learn from are not in the training part, first ['B/1']" in child.stderr
