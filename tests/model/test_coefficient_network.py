"""3DDFA's network and its loss, against values worked out by hand, brute force and finite differences."""

import importlib.util
import itertools

import numpy as np
import pytest

from model.backend import prepare_keras
from model.coefficients import Whitening, at_texels_of, measure_moves, measure_whitening, to_maps, to_parameters
from model.settings import NetworkConfig
from pipeline.face.face_model import FaceModel
from tests.helpers.processes import run_alone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]


def face_model(mean, shape, expression):
    arrays = (np.array(array, np.float32) for array in (mean, shape, expression))
    return FaceModel(*arrays, np.zeros((0, 3), np.int32), np.zeros(0, np.int32))


def build(size, width, whitening):
    from model.coefficient_network import build_coefficient_network

    config = NetworkConfig("coefficients", width, 5, 0.9, True, 1, 1, 1, "logits", 1, 1)
    return build_coefficient_network(size, config, whitening)


def make_loss(face, mask, whitening):
    from model.coefficient_network import weighted_parameter_loss

    return weighted_parameter_loss(measure_moves(at_texels_of(face, mask)), whitening)


# A map of 2 x 2 texels of which two count; the root mean square of their x, y and z is 5, 10 and 2, that of the shape
# vector's lengths 5, of the expression vector's 1. The camera magnifies twice, and its z translation is constant.
FAR = [900, 900, 900]
TEXELS = face_model(
    [[1, 2, 2], FAR, FAR, [7, -14, -2]],
    np.array([[3, 4, 0], FAR, FAR, [0, 0, 5]])[..., None],
    np.array([[0, 1, 1], FAR, FAR, [0, 0, 0]])[..., None],
)
MASK = np.array([[True, False], [False, True]])
WHITENING = Whitening(
    mean=np.array([2, 0, 0, 30, 0, -2, 0, 40, 0, 0, 2, 0, 0, 0.0]),
    deviation=np.array([0.1, 0.1, 0.1, 4] * 2 + [0.1, 0.1, 0.1, 0] + [0.5, 3]),
)
# What the loss must be of the three samples of `loss_by_hand`.
# Moves in px: A_11 of x, 0.1 x 2 x 5 = 1; t_x, 4 x 0.5 = 2; A_23 of z, 0.1 x 3 x 2 = 0.6; the shape coefficient,
# 0.5 x 1 x (2 x 5) = 5; the expression coefficient, 3 x 0.5 x (2 x 1) = 3.
FIRST = (1 / 5 * 2**2 + 2 / 5 * 0.5**2 + 0.6 / 5 * 3**2 + 5 / 5 * 1**2 + 3 / 5 * 0.5**2) / 14
# The true shape coefficient is 1: z is 2 and -2 + 5. A_13 moves by 0.1 rms(z), t_y by 4.
SECOND = (0.1 * ((2**2 + 3**2) / 2) ** 0.5 / 4 + 1) / 14


def loss_by_hand():
    deviation = WHITENING.deviation.astype(np.float32)
    # In deviations from the mean; the constant's would be its own.
    true, error = np.zeros((3, 14), np.float32), np.zeros((3, 14), np.float32)
    error[0, [0, 3, 6, 12, 13]] = 2, 0.5, -3, 1, -0.5
    true[1, 12] = 2
    error[1, [2, 7]] = 1, -1
    true, error = (WHITENING.mean + true * deviation).astype(np.float32), error * deviation
    return np.asarray(make_loss(TEXELS, MASK, WHITENING)(true, true + error)).tolist()


def train_a_little():
    """Train 30 steps: the losses, the last layer's weights before and after, and the constant parameter put out."""
    import keras

    keras.utils.set_random_seed(0)
    network = build(32, 2, WHITENING)
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss={"final": make_loss(TEXELS, MASK, WHITENING)})
    photos = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    labels = np.tile(WHITENING.mean + WHITENING.deviation.astype(np.float32), (4, 1)).astype(np.float32)
    before = [weights.copy() for weights in network.get_layer("final").get_weights()]
    steps = [float(network.train_on_batch(photos, {"final": labels})) for _ in range(30)]
    after = network.get_layer("final").get_weights()
    return steps, before, after, np.unique(network.predict_on_batch(photos)["final"][:, 11]).tolist()


def test_the_loss_weighs_each_squared_error_by_how_far_it_alone_moves_the_face():
    assert loss_by_hand() == pytest.approx([FIRST, SECOND, 0], rel=1e-5)


def test_the_last_layer_is_fixed_and_puts_a_constant_parameter_out_as_its_constant():
    steps, before, after, constant = train_a_little()
    assert before
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert constant == [0]
    assert steps[-1] < 0.5 * steps[0]


def by_hand_on_this_backend():
    prepare_keras()
    return loss_by_hand(), *train_a_little()


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_loss_and_network_give_the_same_on_jax():
    loss, steps, _, _, constant = run_alone(by_hand_on_this_backend, KERAS_BACKEND="jax")
    assert loss == pytest.approx([FIRST, SECOND, 0], rel=1e-5)
    assert constant == [0]
    assert steps[-1] < 0.5 * steps[0]


def test_the_network_halves_the_photo_to_4_px_and_has_no_strided_1x1_convolution():
    network = build(256, 16, Whitening(np.zeros(62), np.ones(62)))
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
        network = build(size, width, Whitening(np.zeros(62), np.ones(62)))
        return sum(int(np.prod(weights.shape)) for weights in network.trainable_weights)

    # 13.4 million are the encoder-decoder's.
    assert counted(256, 16) == by_hand(256, 16) < 5e6
    assert counted(64, 8) == by_hand(64, 8)


# A made-up model of the scale of BFM, seen by turned cameras; all in float64 and without the closed form.
RNG = np.random.default_rng(1)
FACE = face_model(RNG.normal(0, 6e4, (16, 3)), RNG.normal(0, 2e-2, (16, 3, 3)), RNG.normal(0, 2e3, (16, 3, 2)))
SEEN = RNG.random((4, 4)) < 0.6
BASIS = np.concatenate([FACE.shape_basis, FACE.expression_basis], axis=2).astype(np.float64)


def draw(rng, count):
    """Parameters of that many faces."""
    turns_and_moves = [rng.normal(0, 0.5, (count, 3)), rng.normal(16, 3, (count, 3))]
    pose = np.column_stack([*turns_and_moves, rng.uniform(1e-4, 2e-4, count)])
    coefficients = np.column_stack([rng.normal(2e5, 1e6, (count, 3)), rng.normal(0, 1, (count, 2))])
    return to_parameters(pose, coefficients, 32)


def place(parameters):
    matrix = parameters[:12].reshape(3, 4)
    return (FACE.mean + BASIS @ parameters[12:]) @ matrix[:, :3].T + matrix[:, 3]


def weigh(true, guess):
    """Weights of one sample's parameters: how far each moves the face where it alone is replaced by its guess."""
    moves = []
    for i in range(len(true)):
        replaced = true.copy()
        replaced[i] = guess[i]
        moves.append(np.sqrt(np.square(place(replaced) - place(true))[SEEN.ravel()].sum(axis=1).mean()))
    return np.array(moves) / max(moves)


MEASURED = measure_whitening([draw(RNG, 200)])
VARIES = MEASURED.deviation > 0
SCALE = np.where(VARIES, MEASURED.deviation, 1)
# Rounded as the loss gets them, so that both see the same parameters.
TRUTH, GUESS = (draw(RNG, 5).astype(np.float32).astype(np.float64) for _ in range(2))
EACH_WEIGHTS = np.array([weigh(true, guess) for true, guess in zip(TRUTH, GUESS, strict=True)])


def value_and_gradient(parameters):
    import tensorflow as tf

    loss, output = make_loss(FACE, SEEN, MEASURED), tf.Variable(parameters.astype(np.float32))
    with tf.GradientTape() as tape:
        value = loss(TRUTH.astype(np.float32), output)
    return value.numpy(), tape.gradient(value, output).numpy().astype(np.float64)


def test_the_closed_form_is_what_replacing_one_parameter_after_the_other_gives():
    value, _ = value_and_gradient(GUESS)
    expected = (EACH_WEIGHTS * ((GUESS - TRUTH) / SCALE) ** 2).mean(axis=1)
    assert value.tolist() == pytest.approx(expected.tolist(), rel=1e-3)


def test_the_gradient_is_that_of_the_value_at_fixed_weights():
    def at_fixed_weights(whitened):
        return (EACH_WEIGHTS * np.square(whitened)).mean(axis=1).sum()

    gap, gradient = (GUESS - TRUTH) / SCALE, value_and_gradient(GUESS)[1] * SCALE
    rng = np.random.default_rng(2)
    for _ in range(5):
        direction, step = rng.normal(size=gap.shape) * VARIES, 1e-4
        numeric = (at_fixed_weights(gap + step * direction) - at_fixed_weights(gap - step * direction)) / (2 * step)
        assert abs(numeric - (gradient * direction).sum()) / np.abs(gradient * direction).sum() < 1e-3


def test_an_exact_prediction_costs_nothing_and_has_no_gradient():
    value, gradient = value_and_gradient(TRUTH)
    assert (np.abs(value).max(), np.abs(gradient).max()) == (0, 0)


def test_it_learns_eight_faces_by_heart(keras):
    """Eight photos of noise, each with its own face."""
    rng = np.random.default_rng(3)
    faces = draw(rng, 8)
    photos = rng.random((8, 64, 64, 3), np.float32)
    whitening = measure_whitening([faces])
    keras.utils.set_random_seed(1)
    network = build(64, 4, whitening)
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss={"final": make_loss(FACE, SEEN, whitening)})

    def distance():
        maps = to_maps(network.predict_on_batch(photos)["final"], FACE).reshape(8, 16, 3)
        return np.linalg.norm(maps - np.array([place(face) for face in faces]), axis=-1)[:, SEEN.ravel()].mean()

    before = distance()
    for step in range(600):
        network.optimizer.learning_rate = 0.004 * 0.5 ** (step // 150)
        network.train_on_batch(photos, {"final": faces.astype(np.float32)})
    assert before > 2
    assert distance() < 0.2 * before
