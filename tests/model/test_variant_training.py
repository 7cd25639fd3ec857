"""Every variant of params.yaml trains, in a process of its own: a crash of TensorFlow ends it alone (DESIGN: heap)."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse

from model.backend import prepare_keras
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling
from stages.project.params_file import read_params
from stages.project.variants import read_variant
from tests.helpers.places import ROOT
from tests.helpers.processes import run_alone

pytestmark = pytest.mark.slow

PARAMS = read_params(ROOT / "params.yaml")
# One that applies another's weights as they are has nothing to train.
VARIANTS = [
    name for name, overrides in PARAMS["variants"].items() if (overrides or {}).get("train", {}).get("budget") != 0
]
SIZE, COUNT, STEPS = 32, 4, 20


def make_samples(rng):
    """Layout, face model and samples of noise."""
    mask, texels = np.ones((SIZE, SIZE), bool), rng.integers(0, SIZE, (68, 2)).astype(np.int32)
    operator = scipy.sparse.csr_array(rng.dirichlet(np.ones(9), SIZE * SIZE).astype(np.float32))
    layout = UVLayout(np.zeros((9, 2)), operator, mask, np.full((SIZE, SIZE), 0.3, np.float32), texels)
    bases = [rng.normal(0, 1, (9, 3, count)).astype(np.float32) for count in (2, 1)]
    mean, none = rng.normal(0, 6, (9, 3)).astype(np.float32), np.zeros(0, np.int32)
    face = FaceModel(mean, *bases, none.reshape(0, 3), none)
    turns_and_moves = [rng.normal(0, 0.3, (COUNT, 3)), rng.normal(16, 2, (COUNT, 3))]
    samples = {
        "image": rng.integers(0, 255, (COUNT, SIZE, SIZE, 3)),
        "pose": np.column_stack([*turns_and_moves, rng.uniform(0.8, 1.2, COUNT)]),
        "coefficients": rng.normal(0, 1, (COUNT, 3)),
        "position_map": rng.uniform(0, SIZE, (COUNT, 1, 1, 3)) + rng.normal(0, 1, (COUNT, SIZE, SIZE, 3)),
    }
    return layout, face, samples


def train_variants(names):
    """Train small networks of variants: the losses of each step, by variant and phase."""
    prepare_keras()
    import keras

    from model import recipe, regression, training
    from model.step import stored

    layout, face, samples = make_samples(np.random.default_rng(0))
    photos = samples["image"].astype(np.float32) / 255
    small = {"width": 2, "levels": 2, "residual_blocks": 1, "residual_width": 4, "residual_head_width": 4}
    found = {}
    for name in names:
        settings = read_variant(name, ROOT / "params.yaml")
        network = dataclasses.replace(settings.network, **small)
        scaling = Scaling(settings.train.scaling, SIZE)
        statistics = regression.measure_statistics([samples], face, layout)
        task = regression.make_regression(network, settings.loss, scaling, layout, face, statistics)
        keras.utils.set_random_seed(1)
        model = task.build()
        losses = task.make_losses(model)
        batch = {"photo": photos, "label": task.to_label(samples["position_map"]), "late": np.zeros(COUNT, np.float32)}
        # A rate that does not change within these few steps.
        config = dataclasses.replace(settings.train, schedule="halvings", average=0.0)
        rate = recipe.make_rate(config, STEPS, STEPS)
        found[name] = {}
        for phase in training.phases(config.strategy, "brief" in losses, False):
            step = training.make_step(model, phase, losses, stored, None)
            training.compile_step(step, phase, config, training.Rounds(1, STEPS), rate, task.unit)
            truth = dict.fromkeys(step.network.output, batch["late"])
            logs = [step.train_on_batch(batch, truth, return_dict=True) for _ in range(STEPS)]
            found[name][phase.name] = [float(log["loss"]) for log in logs]
    return found


@pytest.fixture(scope="module")
def steps_of() -> dict:
    return run_alone(train_variants, VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_learns_in_each_of_its_phases(steps_of, name):
    overrides = PARAMS["variants"][name] or {}
    strategy = overrides.get("train", {}).get("strategy", PARAMS["train"]["strategy"])
    network = overrides.get("network", {})
    alone = network.get("residual") is False or "regresses" in network or strategy == "joint"
    expected = ["all"] if alone else ["brief", "refinement"] + ["all"] * (strategy == "staged")
    assert list(steps_of[name]) == expected
    # From random weights by a tenth; a later phase begins with statistics of few steps, and need only begin to learn.
    first, *_, last = next(iter(steps_of[name].values()))
    assert last < 0.9 * first
    for steps in steps_of[name].values():
        assert 0 < min(steps) < steps[0]


def test_every_row_of_the_thesis_is_a_variant_and_starts_from_one_that_is_trained():
    rows = PARAMS["thesis"]["variants"]
    assert set(rows) <= set(PARAMS["variants"]) - {PARAMS["train"]["variant"]}
    assert {row["init"] for row in rows.values()} <= {*rows, "random"}
