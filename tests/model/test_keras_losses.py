"""The losses of section 3.4.4 against values worked out by hand, and their gradients against finite differences.

TensorFlow takes 10 s to import, so one child process works out everything, and the tests read its answers.
"""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CHILD = """
import json
import numpy as np
from model.backend import prepare_keras

prepare_keras()
import tensorflow as tf
from model import losses
from model.scaling import Scaling
from model.settings import LossConfig, LossTerms
from pipeline.uv.position_map import UVLayout

SIZE, UNIT = 16, 8  # px; of tanh at this size
scaling = Scaling("tanh", SIZE)
answer = {"pairs": losses.SYMMETRIC_PAIRS.tolist()}

# Landmark i at row 1 + i // 14, column i % 14; all at the nose but those that a test moves.
texels = np.array([(1 + i // 14, i % 14) for i in range(68)], np.int32)
symmetry = losses.landmark_symmetry(texels, scaling)
maps = np.zeros((3, SIZE, SIZE, 3), np.float32)
def move(sample, landmark, px):
    maps[sample, texels[landmark, 0], texels[landmark, 1]] += np.array(px, np.float32) / UNIT
move(0, 36, (3, 4, 0)); move(0, 45, (0, 0, -5))            # both 5 px away: symmetric
move(1, 36, (3, 4, 0)); move(1, 45, (0, 2, 0))             # 5 against 2 px
move(1, 48, (0, 0, 1)); move(1, 8, (9, 9, 9))              # 1 against 0 px; the chin has no partner
move(2, 30, (2, 0, 0)); move(2, 36, (1, 0, 0)); move(2, 45, (-1, 0, 0))
answer["symmetry"] = np.asarray(symmetry(None, maps)).tolist()

# Smoothness: a plane is smooth; a peak of 8 px is 8 px off itself, and pulls each of its four neighbours by 2 px.
mask = np.zeros((SIZE, SIZE), bool); mask[0:9, 3:9] = True  # 6 x 8 texels off the rim
smooth = losses.laplacian_smoothness(mask, scaling)
rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
plane = np.stack([2 * columns, 3 * rows, columns - rows], axis=-1)[None] / UNIT
peak = plane.copy(); peak[0, 5, 5, 2] += 8 / UNIT
outside = plane.copy(); outside[0, 13, 13, 2] += 8 / UNIT
answer["smoothness"] = np.asarray(smooth(None, np.concatenate([plane, peak, outside]))).tolist()
try:
    losses.laplacian_smoothness(np.zeros((SIZE, SIZE), bool), scaling)
except ValueError as error:
    answer["empty"] = str(error)

weights = np.where(mask, 0.3, 0).astype(np.float32); weights[5, 5] = 1
layout = UVLayout(None, None, mask, weights, texels)
rng = np.random.default_rng(0)
true, predicted = (rng.normal(0, 0.3, (2, SIZE, SIZE, 3)).astype(np.float32) for _ in range(2))
def terms(regions=True, position=1.0, symmetry=0.0, smoothness=0.0):
    return LossTerms(regions, position, symmetry, smoothness)
def value(terms, norm="l1"):
    return np.asarray(losses.combined(terms, norm, layout, scaling)(true, predicted), np.float64)
each = [value(terms()), np.asarray(symmetry(None, predicted)), np.asarray(smooth(None, predicted))]
answer["sum"] = [value(terms(position=2.0, symmetry=0.5, smoothness=3.0)).tolist(),
                 (2 * each[0] + 0.5 * each[1] + 3 * each[2]).tolist()]
answer["without_regions"] = [value(terms(regions=False)).tolist(),
                             (UNIT * np.abs(predicted - true).sum(-1).mean((1, 2))).tolist()]
by_output = losses.make_losses(["brief", "final"], LossConfig("l1", terms(smoothness=1.0), terms()), layout, scaling)
answer["by_output"] = [np.asarray(by_output[name](true, predicted)).tolist() for name in ("brief", "final")]
answer["expected_by_output"] = [(each[0] + each[2]).tolist(), each[0].tolist()]

# Gradients: against central differences in float64.
answer["gradients"] = {}
for name, norm, config in (("l1", "l1", terms()), ("l2", "l2", terms()),
                           ("symmetry", "l1", terms(position=1e-6, symmetry=1.0)),
                           ("smoothness", "l1", terms(position=1e-6, smoothness=1.0))):
    loss = losses.combined(config, norm, layout, scaling)
    at = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(true, at))
    gradient = tape.gradient(total, at).numpy().astype(np.float64)
    gaps = []
    for _ in range(5):
        # Mostly uphill: along a direction across the gradient rounding would be all there is.
        direction = (gradient / abs(gradient).max() + 0.1 * rng.normal(size=gradient.shape)).astype(np.float32)
        step = 1e-3
        ends = [np.asarray(loss(true, predicted + sign * step * direction), np.float64).sum() for sign in (1, -1)]
        numeric, exact = (ends[0] - ends[1]) / (2 * step), (gradient * direction).sum()
        gaps.append(abs(numeric - exact) / abs(exact))
    answer["gradients"][name] = [float(np.median(gaps)), bool(np.isfinite(gradient).all())]
flat = tf.Variable(np.zeros((1, SIZE, SIZE, 3), np.float32))
with tf.GradientTape() as tape:
    total = tf.reduce_sum(losses.combined(terms(symmetry=1.0, smoothness=1.0), "l1", layout, scaling)(flat * 0, flat))
answer["finite_at_zero"] = bool(np.isfinite(tape.gradient(total, flat).numpy()).all())
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def answer() -> dict:
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def test_each_landmark_off_the_midline_is_in_one_of_29_pairs(answer):
    pairs = answer["pairs"]
    assert len(pairs) == 29
    in_pairs = [landmark for pair in pairs for landmark in pair]
    assert len(set(in_pairs)) == 58
    assert set(range(68)) - set(in_pairs) == {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}


def test_equation_3_2_is_the_mean_difference_of_the_distances_to_the_tip_of_the_nose(answer):
    still, moved, nose = answer["symmetry"]
    assert still == pytest.approx(0, abs=1e-3)
    assert moved == pytest.approx((3 + 1) / 29, abs=1e-3)
    # Seen from the nose, which moved by 2 px: 36 is 1 px away and 45 is 3; all others are 2 px away.
    assert nose == pytest.approx(2 / 29, abs=1e-3)


def test_equation_3_3_is_the_mean_distance_to_the_mean_of_the_four_neighbours_inside_the_face(answer):
    plane, peak, outside = answer["smoothness"]
    assert plane == pytest.approx(0, abs=1e-3)
    assert peak == pytest.approx((8 + 4 * 2) / (6 * 8), abs=1e-3)
    assert outside == pytest.approx(0, abs=1e-3)
    assert "face mask is empty" in answer["empty"]


def test_equation_3_4_adds_them_up_with_their_factors(answer):
    found, expected = answer["sum"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_without_regions_all_texels_weigh_the_same(answer):
    found, expected = answer["without_regions"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_each_output_has_its_own_loss(answer):
    for found, expected in zip(answer["by_output"], answer["expected_by_output"], strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["l1", "l2", "symmetry", "smoothness"])
def test_the_gradient_is_that_of_the_value(answer, name):
    gap, finite = answer["gradients"][name]
    assert finite
    assert gap < 0.02


def test_the_gradient_is_finite_where_a_map_is_flat(answer):
    assert answer["finite_at_zero"]
