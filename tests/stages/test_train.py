"""The stage `train` in child processes: its files, kills, weights to start from, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from model.weights import read_seeds
from pipeline.store.shards import read_shard, reading, write_shard
from stages.project.paths import MAIN_RUN
from stages.project.predictions import Predictions
from tests.helpers.train_project import (
    PREDICT,
    ROOT,
    SIZE,
    STAGE,
    change_params,
    make_samples,
    prepare_project,
    read_rows,
    run_stage,
    source,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def projects(tmp_path_factory) -> list[Path]:
    """The stage, run twice from the same input."""
    folders = [prepare_project(tmp_path_factory.mktemp(name)) for name in ("first", "second")]
    with ThreadPoolExecutor() as pool:
        for stage, said in ((STAGE, "12 samples in, 3 to validate on"), (PREDICT, "5 test samples in and out")):
            for child in pool.map(partial(run_stage, stage=stage), folders):
                assert child.returncode == 0, child.stderr
                assert said in child.stdout
                assert child.stderr == ""
    return folders


@pytest.mark.parametrize(
    "name",
    [
        "model.weights.h5",
        "history.csv",
        "seeds.csv",
        "seeds/1.weights.h5",
        "seeds/2.weights.h5",
        "predictions.h5",
        "found/facemesh.h5",
    ],
)
def test_two_runs_of_the_stage_write_the_same_bytes(projects, name):
    first, second = (folder / "runs" / MAIN_RUN / name for folder in projects)
    assert first.read_bytes() == second.read_bytes()


def test_the_stage_predicts_each_test_sample_once_with_the_similarity_of_its_crop(projects):
    predictions = read_shard(projects[0] / "runs" / MAIN_RUN / "predictions.h5")
    truth = read_shard(projects[0] / "data/position_maps/test/B/on/00000.h5")
    assert predictions["sample_id"].tolist() == [f"B/{i}" for i in range(5)]
    np.testing.assert_array_equal(predictions["similarity"], truth["similarity"])
    assert predictions["position_map"].shape == (5, SIZE, SIZE, 3)
    # tanh reaches half a side beyond the centre of the image, and half a side in depth.
    assert np.abs(predictions["position_map"] - [15.5, 15.5, 0]).max() <= 16.01


def test_crops_of_found_faces_are_predicted_into_a_file_of_their_own(projects):
    predictions = read_shard(projects[0] / "runs" / MAIN_RUN / "found/facemesh.h5")
    found = read_shard(projects[0] / "data/found/facemesh/on/00000.h5")
    assert predictions["sample_id"].tolist() == [f"B/{i}" for i in range(4)]
    np.testing.assert_array_equal(predictions["similarity"], found["similarity"])
    others = read_shard(projects[0] / "runs" / MAIN_RUN / "predictions.h5")["position_map"][:4]
    assert (predictions["position_map"] != others).any(axis=(1, 2, 3)).all()


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
    assert child.stdout.readline().endswith("work/training/main.html\n")
    assert child.stdout.readline().startswith("train: TensorFlow")
    for _ in range(rows_before_the_kill):
        assert " passes (" in child.stdout.readline()
    time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    kept = sorted((folder / "work/shards/train@main").glob("*.h5"))
    assert rows_before_the_kill - 1 <= sum(len(history_of(path)) for path in kept) < 12
    result = run_stage(folder)
    assert result.returncode == 0, result.stderr
    for name in ("model.weights.h5", "history.csv", "seeds.csv", "seeds/1.weights.h5", "seeds/2.weights.h5"):
        ours, undisturbed = (root / "runs" / MAIN_RUN / name for root in (folder, projects[0]))
        assert ours.read_bytes() == undisturbed.read_bytes(), name


def test_the_history_has_a_row_a_validation_of_the_seed_that_was_best(projects):
    rows = read_rows(projects[0] / "runs" / MAIN_RUN / "history.csv")
    assert list(rows[0]) == ["passes", "phase", "lr", "loss", "brief_loss", "val_loss", "val_brief_loss"]
    assert [row["passes"] for row in rows] == ["12", "24", "36", "48", "60", "72"]
    every = read_rows(projects[0] / "runs" / MAIN_RUN / "seeds.csv")
    assert [row.pop("seed") for row in every] == ["2"] * 6 + ["1"] * 6
    assert every[:6] != every[6:]
    best = [min(float(row["val_loss"]) for row in part[2:]) for part in (every[:6], every[6:])]
    assert rows == (every[:6] if best[0] < best[1] else every[6:])


def test_each_seed_has_its_weights_and_its_predictions_and_the_run_s_are_the_best_one_s(projects):
    run = projects[0] / "runs" / MAIN_RUN
    kept, (other,) = read_seeds(run / "model.weights.h5")
    rows = read_rows(run / "seeds.csv")
    # The loss of `brief` is of another output.
    losses = {seed: [row for row in rows if row["seed"] == str(seed) and row["phase"] != "brief"] for seed in (1, 2)}
    best = {seed: min(float(row["val_loss"]) for row in part) for seed, part in losses.items()}
    assert {kept, other} == {1, 2}
    assert best[kept] < best[other]
    ours, same, others = (
        load_weights(run / name)
        for name in ("model.weights.h5", f"seeds/{kept}.weights.h5", f"seeds/{other}.weights.h5")
    )
    assert {name: value.tobytes() for name, value in ours.items()} == {n: v.tobytes() for n, v in same.items()}
    assert any((ours[name] != others[name]).any() for name in ours)
    # Of crops by found landmarks as of the annotated ones.
    for name, count in (("predictions.h5", 5), ("found/facemesh.h5", 4)):
        with Predictions(run / name) as predictions:
            assert (predictions.seed, predictions.other_seeds) == (kept, [other])
            for sample in range(count):
                maps = [predictions.read(f"B/{sample}", seed)[0] for seed in (None, other)]
                assert (maps[0] != maps[1]).any()


def load_weights(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with reading(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None)
    return found


def test_a_variant_starts_from_another_one_s_weights_and_does_not_train_them_alone_again(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(
        folder,
        train={"seeds": [2, 1], "strategy": "frozen", "budget": 24},
        # Weights are those of a scaling: what starts from another's has the same.
        variants={"coarse": {}, "applied": {"train": {"budget": 0}, "network": {"residual": False}}},
        thesis={"variants": {"prn": source("random"), "coarse": source("prn"), "applied": source("prn")}},
    )
    missing = run_stage(folder, "coarse")
    assert missing.returncode == 1
    assert "runs/prn/model.weights.h5 is missing: train the variant 'prn' first" in missing.stderr
    for variant in ("prn", "coarse", "applied"):
        for stage in (STAGE, PREDICT):
            result = run_stage(folder, variant, stage=stage)
            assert result.returncode == 0, result.stderr
    assert {row["phase"] for row in read_rows(folder / "runs/coarse/history.csv")} == {"refinement"}
    # Each seed starts from the other run's of the same seed.
    for seed in (1, 2):
        start, refined = (load_weights(folder / f"runs/{name}/seeds/{seed}.weights.h5") for name in ("prn", "coarse"))
        shared = set(start) & set(refined)
        assert len(shared) > 100
        values = [array.tobytes() for array in refined.values()]
        assert all(array.tobytes() in values for array in start.values())
    # Weights that are applied as they are predict what their own run's best predicted, from one seed.
    assert read_rows(folder / "runs/applied/history.csv") == []
    ours, theirs = (
        read_shard(folder / f"runs/{variant}/predictions.h5", ["position_map"]) for variant in ("applied", "prn")
    )
    np.testing.assert_array_equal(ours["position_map"], theirs["position_map"])
    with Predictions(folder / "runs/applied/predictions.h5") as predictions:
        assert predictions.other_seeds == []


def test_weights_of_another_width_are_refused(tmp_path):
    folder = prepare_project(tmp_path)
    change_params(
        folder,
        train={"seeds": [1], "budget": 12},
        variants={"wide": {"network": {"width": 4}}},
        thesis={"variants": {"prn": source("random"), "wide": source("elsewhere")}},
    )
    assert run_stage(folder, "prn").returncode == 0
    (folder / "runs/prn").rename(folder / "runs/elsewhere")
    result = run_stage(folder, "wide")
    assert result.returncode == 1
    told = "runs/elsewhere/seeds/1.weights.h5 is of another network than this: it has network.width 2."
    assert result.stderr == f"Error: {told}\n"


@pytest.mark.parametrize("stage", [STAGE, PREDICT])
def test_an_environment_that_asks_for_another_backend_is_refused(tmp_path, stage):
    result = run_stage(prepare_project(tmp_path), stage=stage, KERAS_BACKEND="torch")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: KERAS_BACKEND is torch in the environment, but train.backend is tensorflow: unset KERAS_BACKEND. The "
        "parameter train.backend chooses, tensorflow or jax, since DVC sees no environment.\n"
    )


def test_a_sample_of_another_part_among_those_to_learn_from_is_refused_before_tensorflow_starts(tmp_path):
    folder = prepare_project(tmp_path)
    strays = make_samples(2, seed=3) | {"sample_id": np.array(["A/0", "B/1"], object)}
    write_shard(folder / "data/augmented/full/on/00000.h5", strays, {})
    child = run_stage(folder)
    assert child.returncode == 1
    assert "1 samples are in no train part of the split, first ['B/1']" in child.stderr
