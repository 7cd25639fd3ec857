"""Every variant of params.yaml trains, in a child process: TensorFlow's crashes end it, and only it (DESIGN: heap)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.project.params import read_params

pytestmark = pytest.mark.slow

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml")
# One that applies another's weights as they are has nothing to train.
VARIANTS = [
    name for name, overrides in PARAMS["variants"].items() if (overrides or {}).get("train", {}).get("epochs") != 0
]

CHILD = """
import dataclasses, json, sys
import numpy as np
import scipy.sparse
from model.backend import prepare_keras

prepare_keras()
import keras
from model import regression, training
from model.scaling import Scaling
from pipeline.store.encoding import encode_positions
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from stages.project.variants import read_variant

size, count = 32, 4
rng = np.random.default_rng(0)
mask = np.ones((size, size), bool)
texels = rng.integers(0, size, (68, 2)).astype(np.int32)
operator = scipy.sparse.csr_array(rng.dirichlet(np.ones(9), size * size).astype(np.float32))
layout = UVLayout(np.zeros((9, 2)), operator, mask, np.full((size, size), 0.3, np.float32), texels)
face = FaceModel(rng.normal(0, 6, (9, 3)).astype(np.float32), rng.normal(0, 1, (9, 3, 2)).astype(np.float32),
                 rng.normal(0, 1, (9, 3, 1)).astype(np.float32), np.zeros((0, 3), np.int32), np.zeros(0, np.int32))
pose = np.column_stack([rng.normal(0, 0.3, (count, 3)), rng.normal(16, 2, (count, 3)), rng.uniform(0.8, 1.2, count)])
samples = {"image": rng.integers(0, 255, (count, size, size, 3)), "pose": pose,
           "coefficients": rng.normal(0, 1, (count, 3)),
           "position_map": rng.uniform(0, size, (count, 1, 1, 3)) + rng.normal(0, 1, (count, size, size, 3))}
photos = samples["image"].astype(np.float32) / 255
answer = {}
for name in json.loads(sys.argv[1]):
    settings = read_variant(name)
    network = dataclasses.replace(settings.network, width=2, levels=2, residual_blocks=1, residual_width=4,
                                  residual_head_width=4)
    if network.regresses == "coefficients":
        task = regression.coefficients(network, layout, face, lambda: [samples])
    else:
        task = regression.position_maps(network, settings.loss, Scaling(settings.train.scaling, size), layout)
    keras.utils.set_random_seed(1)
    model = task.build()
    losses, judges = task.make_losses(model)
    labels = task.to_label(samples)
    answer[name] = {}
    for phase in training.phases(settings.train.strategy, "brief" in losses, False):
        learner = training.make_learner(model, phase, losses, judges, settings.train)
        by_output = dict.fromkeys(learner.losses, labels)
        logs = [learner.network.train_on_batch(photos, by_output, return_dict=True) for _ in range(20)]
        answer[name][phase.name] = [float(log["loss"]) for log in logs]
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def answer() -> dict:
    command = [sys.executable, "-c", CHILD, json.dumps(VARIANTS)]
    child = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_learns_in_each_of_its_phases(answer, name):
    overrides = PARAMS["variants"][name] or {}
    strategy = overrides.get("train", {}).get("strategy", PARAMS["train"]["strategy"])
    network = overrides.get("network", {})
    alone = network.get("residual") is False or network.get("regresses") == "coefficients" or strategy == "joint"
    expected = ["all"] if alone else ["brief", "refinement"] + ["all"] * (strategy == "staged")
    assert list(answer[name]) == expected
    # From random weights by a tenth; a later phase begins with statistics of few steps, and need only begin to learn.
    first, *_, last = next(iter(answer[name].values()))
    assert last < 0.9 * first
    for steps in answer[name].values():
        assert 0 < min(steps) < steps[0]


def test_every_row_of_the_thesis_is_a_variant_and_starts_from_one_that_is_trained():
    rows = PARAMS["thesis"]["variants"]
    assert set(rows) <= set(PARAMS["variants"]) - {"final"}
    assert {row["init"] for row in rows.values()} <= {*rows, "random"}
