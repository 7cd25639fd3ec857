"""3DDFA's network, which places the face of its parameters, against values worked out by hand."""

import importlib.util
import itertools

import numpy as np
import pytest

from model.backend import prepare_keras
from model.coefficients import Whitening, measure_whitening, to_maps, to_parameters
from model.settings import NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling, to_network
from tests.helpers.processes import run_alone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]


SIZE = 32
RNG = np.random.default_rng(1)


def face_model(size, count):
    """A model of `count` vectors whose vertices are the texels."""
    vertices = size * size
    return FaceModel(
        RNG.normal(0, 6e4, (vertices, 3)).astype(np.float32),
        RNG.normal(0, 2e-2, (vertices, 3, count - 2)).astype(np.float32),
        RNG.normal(0, 2e3, (vertices, 3, 2)).astype(np.float32),
        np.zeros((0, 3), np.int32),
        np.zeros(0, np.int32),
    )


def layout_of(size):
    mask = np.zeros((size, size), bool)
    mask[2:-2, 3:-3] = True
    return UVLayout(None, None, mask, mask.astype(np.float32), np.zeros((68, 2), np.int32))


def build(size, width, whitening, count, face=None, scaling="tanh"):
    from model.coefficient_network import build_coefficient_network

    config = NetworkConfig("coefficients", width, 5, 0.9)
    face = face or face_model(size, count)
    return build_coefficient_network(layout_of(size), config, whitening, face, Scaling(scaling, size))


def draw(rng, count):
    """Parameters of that many faces with 5 coefficients."""
    turns_and_moves = [rng.normal(0, 0.5, (count, 3)), rng.normal(16, 3, (count, 3))]
    pose = np.column_stack([*turns_and_moves, rng.uniform(1e-4, 2e-4, count)])
    coefficients = np.column_stack([rng.normal(2e5, 1e6, (count, 3)), rng.normal(0, 1, (count, 2))])
    return to_parameters(pose, coefficients, SIZE)


def placed_and_expected(scaling):
    """Maps that the last layer makes of parameters, and those that the camera gives, in the network's range."""
    face, parameters = face_model(SIZE, 5), draw(np.random.default_rng(2), 4)
    network = build(SIZE, 2, Whitening(np.zeros(17), np.ones(17)), 5, face, scaling)
    maps = np.asarray(network.get_layer("final")(parameters.astype(np.float32)))
    return maps, to_network(to_maps(parameters, face), Scaling(scaling, SIZE), layout_of(SIZE).face_mask)


@pytest.mark.parametrize("scaling", ["tanh", "linear", "sigmoid", "prnet"])
def test_the_last_layer_places_the_face_of_its_parameters(scaling):
    maps, expected = placed_and_expected(scaling)
    # A unit is 16 px and more: to a thousandth of a pixel.
    assert np.abs(maps - expected).max() < 1e-3 / 16


def placed_on_jax():
    prepare_keras(backend="jax")
    return placed_and_expected("tanh")


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_it_places_the_same_on_jax():
    maps, expected = run_alone(placed_on_jax)
    assert np.abs(maps - expected).max() < 1e-3 / 16


def test_it_learns_eight_faces_by_heart_and_what_is_fixed_stays(keras):
    """Eight photos of noise, each with its own face; the distance of the placed vertices is what it learns by."""
    from model.losses import weighted_distance

    rng = np.random.default_rng(3)
    faces, face = draw(rng, 8), face_model(SIZE, 5)
    photos = rng.random((8, SIZE, SIZE, 3), np.float32)
    whitening = measure_whitening([faces])
    keras.utils.set_random_seed(1)
    network, scaling, mask = build(SIZE, 4, whitening, 5, face), Scaling("tanh", SIZE), layout_of(SIZE).face_mask
    fixed = [network.get_layer(name).get_weights() for name in ("parameters", "final")]
    loss = weighted_distance(mask.astype(np.float32), scaling)
    labels = to_network(to_maps(faces, face), scaling, mask)
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss={"final": loss})
    losses = []
    for step in range(600):
        network.optimizer.learning_rate = 0.004 * 0.5 ** (step // 150)
        losses.append(float(network.train_on_batch(photos, {"final": labels})))
    assert losses[0] > 2
    assert losses[-1] < 0.2 * losses[0]
    for name, before in zip(("parameters", "final"), fixed, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, network.get_layer(name).get_weights(), strict=True))


def test_the_network_halves_the_photo_to_4_px_and_has_no_strided_1x1_convolution():
    network = build(256, 16, Whitening(np.zeros(62), np.ones(62)), 50)
    convolutions = [layer for layer in network.layers if hasattr(layer, "kernel_size")]
    assert [(layer.kernel_size[0], layer.strides[0], *layer.output.shape[1:]) for layer in convolutions] == [
        (3, stride, side, side, channels)
        for side, channels in ((128, 32), (64, 64), (32, 128), (16, 256), (8, 256), (4, 256))
        for stride in (2, 1)
    ]


def test_it_is_small():
    def by_hand(size: int, width: int) -> int:
        channels = [3]
        while size > 4:
            size //= 2
            channels.append(width * min(2 ** len(channels), 16))
        pairs = sum(9 * (a + b) * b + 2 * 2 * b for a, b in itertools.pairwise(channels))
        features = width * 16
        return pairs + 16 * channels[-1] * features + features + features * 62 + 62

    def counted(size: int, width: int) -> int:
        network = build(size, width, Whitening(np.zeros(62), np.ones(62)), 50)
        return sum(int(np.prod(weights.shape)) for weights in network.trainable_weights)

    # 13.4 million are the encoder-decoder's.
    assert counted(256, 16) == by_hand(256, 16) < 5e6
    assert counted(64, 8) == by_hand(64, 8)


def cascade(keras, count=5, passes=2, seed=1):
    """A network of passes, and its faces' whitening."""
    from model.coefficient_network import build_coefficient_network

    keras.utils.set_random_seed(seed)
    whitening = measure_whitening([draw(np.random.default_rng(3), 8)])
    config = NetworkConfig("coefficients", 4, batch_norm_momentum=0.9, passes=passes)
    return build_coefficient_network(layout_of(SIZE), config, whitening, face_model(SIZE, count), Scaling("tanh", SIZE))


def test_a_second_pass_begins_as_the_first_which_is_the_network_of_one_pass(keras):
    photos = np.random.default_rng(4).random((4, SIZE, SIZE, 3), np.float32)
    whole, alone = cascade(keras), cascade(keras, passes=1)
    found = {name: np.asarray(maps) for name, maps in whole(photos).items()}
    assert list(found) == ["pass1", "final"]
    assert np.array_equal(found["pass1"], found["final"])
    for layer in alone.layers:
        for one, other in zip(layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True):
            # The face model of each was drawn anew.
            assert layer.name == "final" or np.array_equal(one, other), layer.name


def test_a_second_pass_has_the_weights_of_the_first_and_those_that_see_three_channels_more(keras):
    def counted(network):
        return sum(int(np.prod(weights.shape)) for weights in network.trainable_weights)

    one, two = cascade(keras, passes=1), cascade(keras)
    # The first convolution: 3 x 3, of 3 channels more, to twice the width of 4.
    assert counted(two) == 2 * counted(one) + 9 * 3 * 8
    assert counted(cascade(keras, passes=3)) == 3 * counted(one) + 2 * 9 * 3 * 8


def test_each_pass_learns_by_its_own_face_alone(keras):
    import tensorflow as tf

    network = cascade(keras)
    photos = np.random.default_rng(4).random((8, SIZE, SIZE, 3), np.float32)
    # As after a step: the last layer of the second pass starts at 0, and lets no gradient through.
    network.get_layer("pass2_whitened").kernel.assign(np.full((64, 17), 0.01))
    with tf.GradientTape(persistent=True) as tape:
        outputs = network(photos, training=True)
        totals = {name: tf.reduce_sum(tf.square(maps)) for name, maps in outputs.items()}
    for name, prefix in (("pass1", "pass2_"), ("final", "")):
        gradients = tape.gradient(totals[name], network.trainable_weights)
        reached = {
            w.path.split("/")[0] for w, g in zip(network.trainable_weights, gradients, strict=True) if g is not None
        }
        expected = {w.path.split("/")[0] for w in network.trainable_weights}
        second = {layer for layer in expected if layer.startswith("pass2_")}
        assert reached == (second if prefix == "" else expected - second)
        for weights, gradient in zip(network.trainable_weights, gradients, strict=True):
            assert gradient is None or np.abs(gradient.numpy()).max() > 0, weights.path


def test_the_second_pass_sees_the_face_that_the_first_has_found(keras):
    from model.pncc import draw_codes, normalised_coordinates
    from pipeline.uv.scaling import to_pixels

    network = cascade(keras)
    photos = np.random.default_rng(4).random((2, SIZE, SIZE, 3), np.float32)
    seen = keras.Model(network.input, [network.get_layer("pass2_input").output, network.output["pass1"]])
    pictures, maps = map(np.asarray, seen(photos))
    assert np.array_equal(pictures[..., :3], photos)
    mean = network.get_layer("final").get_weights()[0][-1].reshape(-1, 3)
    expected = draw_codes(to_pixels(maps, Scaling("tanh", SIZE)), normalised_coordinates(mean))
    assert np.array_equal(pictures[..., 3:], np.asarray(expected))
    assert pictures[..., 3:].max() > 0.5
