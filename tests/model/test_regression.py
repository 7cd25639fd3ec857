"""What a network starts from and learns by, by hand."""

import numpy as np
import pytest
import scipy.sparse

from model import regression
from model.regression import Statistics, make_regression, measure_statistics, mirrored_maps
from model.settings import LossConfig, LossTerms, NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling

SIZE = 2
# Vertices are texels; identity moves all of them to the right, expression up.
FACE = FaceModel(
    np.array([[0, 0, 1], [1, 0, 2], [0, 1, 3], [1, 1, 4]], np.float32),
    np.tile(np.array([[1], [0], [0]], np.float32), (4, 1, 1)),
    np.tile(np.array([[0], [1], [0]], np.float32), (4, 1, 1)),
    np.zeros((0, 3), np.int32),
    np.zeros(0, np.int32),
)
MASK = np.array([[True, True], [True, False]])
LAYOUT = UVLayout(
    np.zeros((4, 2)),
    scipy.sparse.csr_array(np.eye(4, dtype=np.float32)),
    MASK,
    np.where(MASK, 1, 0).astype(np.float32),
    np.zeros((68, 2), np.int32),
)
NETWORK = NetworkConfig("position_map", 2, 1)
TERMS = LossTerms(regions=True)
SCALING = Scaling("tanh", SIZE)


def labels(count, *coefficients):
    """Frontal faces of scale 1 whose annotation has its origin at pixel 0, 0."""
    return {"pose": np.tile([0.0, 0, 0, 1, SIZE, 0, 1], (count, 1)), "coefficients": np.array(coefficients)}


def test_a_network_starts_from_the_mean_of_samples_that_are_spread_over_all(monkeypatch):
    monkeypatch.setattr(regression, "AVERAGED", 2)
    batches = [labels(2, [0.0, 0], [100, 100]), labels(3, [100.0, 100], [2, 8], [100, 100])]
    found = measure_statistics(batches, FACE, LAYOUT)
    # Of five the first and the fourth: 1 px to the right and 4 up, which in the photo is y = -y - 4.
    assert found.mean_map.tolist() == [[[1, -4, 1], [2, -4, 2]], [[1, -5, 3], [2, -5, 4]]]
    assert found.mean_map.dtype == np.float32
    # The camera is the same in all; the coefficients of all five count.
    assert found.whitening.mean == pytest.approx([1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 302 / 5, 308 / 5])
    assert found.whitening.deviation[:12].tolist() == [0] * 12
    assert found.whitening.deviation[12] == pytest.approx(np.std([0, 100, 100, 2, 100]))


def test_labels_are_centred_over_the_face_and_come_back_in_px():
    task = make_regression(NETWORK, LossConfig("l1", TERMS, TERMS), SCALING, LAYOUT, FACE)
    # A map of 2 px: its centre is 0.5, a unit 1 px; z of the three texels of the face has the mean 3.
    maps = np.array([[[[0, 1, 2], [1, 0, 3]], [[2, 0, 4], [0, 0, 99]]]], np.float32)
    assert task.unit == 1
    scaled = task.to_label(maps)
    assert scaled.tolist() == [[[[-0.5, 0.5, -1], [0.5, -0.5, 0]], [[1.5, -0.5, 1], [-0.5, -0.5, 96]]]]
    assert task.to_output(scaled).tolist() == (maps - [0, 0, 3]).tolist()


def test_a_mirrored_map_by_hand():
    maps = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    assert mirrored_maps(maps).tolist() == [[[[-2, 4, 5], [1, 1, 2]], [[-8, 10, 11], [-5, 7, 8]]]]


def test_a_volume_is_the_solid_of_the_map_in_the_training_step_too():
    size = 16
    across, down = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    # A pyramid on a square of 2 by 2, the tip towards the viewer; identity moves it to the right.
    height = 1 - np.maximum(np.abs(across), np.abs(down))
    mean = np.stack([across, -down, height], axis=-1).reshape(-1, 3).astype(np.float32)
    basis = np.tile(np.array([[1], [0], [0]], np.float32), (size * size, 1, 1))
    face = FaceModel(mean, basis, 0 * basis, FACE.triangles, FACE.landmarks)
    operator = scipy.sparse.csr_array(np.eye(size * size, dtype=np.float32))
    mask = np.ones((size, size), bool)
    layout = UVLayout(np.zeros((size * size, 2)), operator, mask, mask.astype(np.float32), np.zeros((68, 2), np.int32))
    network = NetworkConfig("volume", 2, 1)
    task = make_regression(network, LossConfig(), Scaling("tanh", size), layout, face)
    # 6 px to a unit; moved by 1.2 px.
    camera = np.array([[[6, 0, 0, 7.4], [0, -6, 0, 7.6], [0, 0, 6, 99]]])
    coefficients = np.array([[0.2, 0]])
    maps = (mean.astype(np.float64) @ camera[0, :, :3].T + camera[0, :, 3] + [1.2, 0, 0]).reshape(1, size, size, 3)
    stored, online = task.to_label(maps), task.to_online_label(camera, coefficients)
    assert np.array_equal(stored, online)
    # Half as wide as at the base, which is 12 px, where it is half as high; the grid's middle is its mean depth.
    y, x, z = np.indices((size, size, size))
    high = 6 * height.mean() + z - 7.5
    inside = (high > 0) & (np.maximum(np.abs(x - 8.6), np.abs(y - 7.6)) < 6 - high)
    # But for its tip, which is no texel: 2 in 100.
    assert (stored[0] != inside).sum() < 0.02 * inside.sum()
    # A mirror image's comes back as the photo's own.
    assert np.array_equal(task.mirrored(stored)[..., ::-1, :], stored)
    assert task.unit == 1
    # Of three samples, one further to the right.
    pose = np.array([[0, 0, 0, 8.4, size - 7.6, 0, 6.0]] * 3)
    samples = {"pose": pose, "coefficients": np.array([[0.2, 0], [0.2, 0], [0.7, 0]])}
    found = measure_statistics([samples], face, layout, volume=True).mean_volume
    moved = task.to_online_label(camera, np.array([[0.7, 0]]))
    assert found == pytest.approx((2 * stored[0] + moved[0]) / 3)
    assert measure_statistics([samples], face, layout).mean_volume is None


@pytest.mark.slow
def test_a_network_of_volumes_starts_from_the_logits_of_their_mean(keras):
    mean = np.array([[[0, 0.25], [0.5, 1]], [[0.75, 0.5], [0.001, 0.5]]], np.float32)
    statistics = Statistics(None, None, mean)
    network = NetworkConfig("volume", 2, 1)
    built = make_regression(network, LossConfig(), SCALING, LAYOUT, FACE, statistics).build()
    # What none or all of the samples have is taken as 1 and 99 in 100.
    odds = np.array([[[1 / 99, 1 / 3], [1, 99]], [[3, 1], [1 / 99, 1]]])
    assert np.exp(built.get_layer("mean_volume").get_weights()[0]) == pytest.approx(odds, rel=1e-5)
    slices = built.get_layer("slices")
    slices.set_weights([0 * weights for weights in slices.get_weights()])
    volume = built.predict_on_batch(np.ones((1, SIZE, SIZE, 3), np.float32))["final"][0]
    assert volume == pytest.approx(odds / (1 + odds), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "late"), [("l1", 5.0), ("euclidean", 5.0), ("l2", 25.0)])
def test_what_is_learnt_by_late_is_the_distance_where_it_was_the_sum_of_differences(keras, norm, late):
    task = make_regression(NETWORK, LossConfig(norm, TERMS, TERMS), SCALING, LAYOUT, FACE)
    true = np.zeros((1, SIZE, SIZE, 3), np.float32)
    predicted = true + np.array([0, 3, -4], np.float32)  # px
    both = task.make_losses(type("Built", (), {"output": ["final"]}))["final"]
    values = [float(np.asarray(loss(true, predicted))[0]) for loss in both]
    assert values == pytest.approx([7.0 if norm == "l1" else late, late], rel=1e-5)
