"""The losses of section 3.4.4 against values worked out by hand, and their gradients against finite differences."""

import numpy as np
import pytest

from model.settings import LossConfig, LossTerms, RegionWeights
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling

pytestmark = pytest.mark.slow

SIZE, UNIT = 16, 8  # px; of tanh at this size
SCALING = Scaling("tanh", SIZE)
# Landmark i at row 1 + i // 14, column i % 14.
TEXELS = np.array([(1 + i // 14, i % 14) for i in range(68)], np.int32)
MASK = np.zeros((SIZE, SIZE), bool)
MASK[0:9, 3:9] = True  # 6 x 8 texels off the rim
WEIGHTS = np.where(MASK, 0.3, 0).astype(np.float32)
WEIGHTS[5, 5] = 1
LAYOUT = UVLayout(None, None, MASK, WEIGHTS, TEXELS)
TRUE, PREDICTED = np.random.default_rng(0).normal(0, 0.3, (2, 2, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def losses(keras):
    from model import losses

    return losses


@pytest.fixture(scope="module")
def each(losses):
    """Each term alone: position, symmetry and smoothness of both samples."""
    return [
        value(losses, terms()),
        np.asarray(losses.landmark_symmetry(TEXELS, SCALING)(None, PREDICTED)),
        np.asarray(losses.laplacian_smoothness(MASK, SCALING)(None, PREDICTED)),
    ]


def terms(regions=True, position=1.0, symmetry=0.0, smoothness=0.0):
    return LossTerms(regions, position, symmetry, smoothness)


def value(losses, config):
    return np.asarray(losses.combined(config, "l1", LAYOUT, SCALING)(TRUE, PREDICTED), np.float64)


def gradient_of(loss, true, predicted):
    import tensorflow as tf

    at = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(true, at))
    return tape.gradient(total, at).numpy().astype(np.float64)


def test_each_landmark_off_the_midline_is_in_one_of_29_pairs(losses):
    pairs = losses.SYMMETRIC_PAIRS.tolist()
    assert len(pairs) == 29
    in_pairs = [landmark for pair in pairs for landmark in pair]
    assert len(set(in_pairs)) == 58
    assert set(range(68)) - set(in_pairs) == {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}


def test_equation_3_2_is_the_mean_difference_of_the_distances_to_the_tip_of_the_nose(losses):
    # All landmarks are at the nose but those that are moved here.
    maps = np.zeros((3, SIZE, SIZE, 3), np.float32)

    def move(sample, landmark, px):
        maps[sample, TEXELS[landmark, 0], TEXELS[landmark, 1]] += np.array(px, np.float32) / UNIT

    # Both 5 px away: symmetric.
    move(0, 36, (3, 4, 0))
    move(0, 45, (0, 0, -5))
    # 5 against 2 px, and 1 against 0 px; the chin has no partner.
    move(1, 36, (3, 4, 0))
    move(1, 45, (0, 2, 0))
    move(1, 48, (0, 0, 1))
    move(1, 8, (9, 9, 9))
    move(2, 30, (2, 0, 0))
    move(2, 36, (1, 0, 0))
    move(2, 45, (-1, 0, 0))
    still, moved, nose = np.asarray(losses.landmark_symmetry(TEXELS, SCALING)(None, maps))
    assert still == pytest.approx(0, abs=1e-3)
    assert moved == pytest.approx((3 + 1) / 29, abs=1e-3)
    # Seen from the nose, which moved by 2 px: 36 is 1 px away and 45 is 3; all others are 2 px away.
    assert nose == pytest.approx(2 / 29, abs=1e-3)


def test_equation_3_3_is_the_mean_distance_to_the_mean_of_the_four_neighbours_inside_the_face(losses):
    # A plane is smooth; a peak of 8 px is 8 px off itself, and pulls each of its four neighbours by 2 px.
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    maps = np.stack([np.stack([2 * columns, 3 * rows, columns - rows], axis=-1)] * 3) / UNIT
    maps[1, 5, 5, 2] += 8 / UNIT
    maps[2, 13, 13, 2] += 8 / UNIT
    plane, peak, outside = np.asarray(losses.laplacian_smoothness(MASK, SCALING)(None, maps))
    assert plane == pytest.approx(0, abs=1e-3)
    assert peak == pytest.approx((8 + 4 * 2) / (6 * 8), abs=1e-3)
    assert outside == pytest.approx(0, abs=1e-3)
    with pytest.raises(ValueError, match="face mask is empty"):
        losses.laplacian_smoothness(np.zeros((SIZE, SIZE), bool), SCALING)


def test_equation_3_4_adds_them_up_with_their_factors(losses, each):
    found = value(losses, terms(position=2.0, symmetry=0.5, smoothness=3.0))
    assert found == pytest.approx(2 * each[0] + 0.5 * each[1] + 3 * each[2], rel=1e-5)


def test_without_regions_all_texels_weigh_the_same(losses):
    expected = UNIT * np.abs(PREDICTED - TRUE).sum(-1).mean((1, 2))
    assert value(losses, terms(regions=False)) == pytest.approx(expected, rel=1e-5)


def test_the_regions_weigh_as_the_params_say(losses):
    """By default as the thesis says: the landmark's texel 1, the face 0.3; here the face 2, the landmark 0.5."""
    error = UNIT * np.abs(PREDICTED - TRUE).sum(-1)
    face = MASK.copy()
    face[5, 5] = False
    for weights, (landmark, rest) in ((RegionWeights(), (1, 0.3)), (RegionWeights(0.5, 7.0, 2.0), (0.5, 2.0))):
        config = LossConfig("l1", final=terms(), weights=weights)
        expected = (landmark * error[:, 5, 5] + rest * error[:, face].sum(axis=1)) / (landmark + rest * face.sum())
        found = losses.make_losses(["final"], config, LAYOUT, SCALING)["final"](TRUE, PREDICTED)
        assert np.asarray(found) == pytest.approx(expected, rel=1e-5)


def test_each_output_has_its_own_loss(losses, each):
    config = LossConfig("l1", terms(smoothness=1.0), terms())
    by_output = losses.make_losses(["brief", "final"], config, LAYOUT, SCALING)
    for name, expected in (("brief", each[0] + each[2]), ("final", each[0])):
        assert np.asarray(by_output[name](TRUE, PREDICTED)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("norm", "config"),
    [
        ("l1", terms()),
        ("l2", terms()),
        ("euclidean", terms()),
        ("l1", terms(position=1e-6, symmetry=1.0)),
        ("l1", terms(position=1e-6, smoothness=1.0)),
    ],
    ids=["l1", "l2", "euclidean", "symmetry", "smoothness"],
)
def test_the_gradient_is_that_of_the_value(losses, norm, config):
    loss = losses.combined(config, norm, LAYOUT, SCALING)
    gradient = gradient_of(loss, TRUE, PREDICTED)
    assert np.isfinite(gradient).all()
    rng, gaps = np.random.default_rng(1), []
    for _ in range(5):
        # Mostly uphill: along a direction across the gradient rounding would be all there is.
        direction = (gradient / abs(gradient).max() + 0.1 * rng.normal(size=gradient.shape)).astype(np.float32)
        step = 1e-3
        ends = [np.asarray(loss(TRUE, PREDICTED + sign * step * direction), np.float64).sum() for sign in (1, -1)]
        numeric, exact = (ends[0] - ends[1]) / (2 * step), (gradient * direction).sum()
        gaps.append(abs(numeric - exact) / abs(exact))
    assert np.median(gaps) < 0.02


@pytest.mark.parametrize("norm", ["l1", "euclidean"])
def test_the_gradient_is_finite_where_a_map_is_flat_and_exact(losses, norm):
    flat = np.zeros((1, SIZE, SIZE, 3), np.float32)
    loss = losses.combined(terms(symmetry=1.0, smoothness=1.0), norm, LAYOUT, SCALING)
    assert np.isfinite(gradient_of(loss, flat, flat)).all()


class TestWeightedDistance:
    # Two texels of weight 1 and 0.4, 64 px in a unit: of differences (1, -2, 0) px and (0, 3, 4) px.
    mask = np.array([[1, 0.4], [0, 0]], np.float32)
    scaling = Scaling("tanh", 128)

    def distance(self, losses, norm):
        true = np.zeros((2, 2, 2, 3), np.float32)
        predicted = true.copy()
        predicted[0, 0, 0] = np.array([1, -2, 0]) / 64
        predicted[0, 0, 1] = np.array([0, 3, 4]) / 64
        predicted[:, 1, 1] = 9
        return np.asarray(losses.weighted_distance(self.mask, self.scaling, norm)(true, predicted)).tolist()

    def test_the_l1_loss_is_the_weighted_mean_of_the_absolute_differences_in_px(self, losses):
        # (1 x (1 + 2 + 0) + 0.4 x (0 + 3 + 4)) / 1.4; the texel of weight 0 has no say, nor the other sample.
        assert self.distance(losses, "l1") == pytest.approx([5.8 / 1.4, 0])

    def test_the_l2_loss_is_the_weighted_mean_of_the_squared_distances(self, losses):
        # (1 x (1 + 4) + 0.4 x (9 + 16)) / 1.4
        assert self.distance(losses, "l2") == pytest.approx([15 / 1.4, 0])

    def test_the_euclidean_loss_is_the_weighted_mean_of_the_distances_in_px(self, losses):
        # (1 x sqrt(1 + 4) + 0.4 x sqrt(9 + 16)) / 1.4; where nothing differs, the 1e-4 px that keep it smooth.
        assert self.distance(losses, "euclidean") == pytest.approx([(5**0.5 + 0.4 * 5) / 1.4, 1e-4], rel=1e-5)

    def test_an_empty_weight_mask_is_refused(self, losses):
        with pytest.raises(ValueError, match=r"^The weight mask is 0 everywhere"):
            losses.weighted_distance(0 * self.mask, self.scaling)


def test_the_cross_entropy_of_voxels_is_the_mean_of_minus_the_logarithms_of_what_was_right(losses):
    true = np.array([[[[1, 0], [1, 0]]], [[[1, 1], [1, 1]]]], np.uint8)
    predicted = np.array([[[[0.5, 0.25], [0.75, 0.5]]], [[[1, 1], [1, 0.5]]]], np.float32)
    # Of 0.5, 0.75, 0.75 and 0.5; of 1, 1, 1 and 0.5.
    expected = [-(2 * np.log(0.5) + 2 * np.log(0.75)) / 4, -np.log(0.5) / 4]
    assert np.asarray(losses.voxel_cross_entropy(true, predicted)) == pytest.approx(expected, abs=1e-6)
