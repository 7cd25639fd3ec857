"""3DDFA's network and its loss, against values worked out by hand, brute force and finite differences.

TensorFlow takes 10 s to import, so one child process works out everything, and the tests read its answers.
"""

import importlib.util
import itertools
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# A map of 2 x 2 texels of which two count; the root mean square of their x, y and z is 5, 10 and 2, that of the shape
# vector's lengths 5, of the expression vector's 1. The camera magnifies twice, and its z translation is constant.
BY_HAND = """
import json
import numpy as np
from model.backend import prepare_keras

prepare_keras()
import keras
from model.coefficient_network import build_coefficient_network, weighted_parameter_loss
from model.coefficients import Whitening, at_texels_of, measure_moves, measure_whitening, to_maps, to_parameters
from model.settings import NetworkConfig
from pipeline.face.face_model import FaceModel


def face_model(mean, shape, expression):
    arrays = (np.array(array, np.float32) for array in (mean, shape, expression))
    return FaceModel(*arrays, np.zeros((0, 3), np.int32), np.zeros(0, np.int32))


def configure(width):
    return NetworkConfig("coefficients", width, 5, 0.9, True, 1, 1, 1, "logits", 1, 1)


def make_loss(face, mask, whitening):
    return weighted_parameter_loss(measure_moves(at_texels_of(face, mask)), whitening)


far = [900, 900, 900]
texels = face_model(
    [[1, 2, 2], far, far, [7, -14, -2]],
    np.array([[3, 4, 0], far, far, [0, 0, 5]])[..., None],
    np.array([[0, 1, 1], far, far, [0, 0, 0]])[..., None],
)
mask = np.array([[True, False], [False, True]])
camera = [2, 0, 0, 30, 0, -2, 0, 40, 0, 0, 2, 0]
whitening = Whitening(np.array([*camera, 0, 0.0]), np.array([0.1, 0.1, 0.1, 4] * 2 + [0.1, 0.1, 0.1, 0] + [0.5, 3]))
deviation = whitening.deviation.astype(np.float32)
loss = make_loss(texels, mask, whitening)
# In deviations from the mean; the constant's would be its own.
true, error = np.zeros((3, 14), np.float32), np.zeros((3, 14), np.float32)
error[0, [0, 3, 6, 12, 13]] = 2, 0.5, -3, 1, -0.5
true[1, 12] = 2
error[1, [2, 7]] = 1, -1
true, error = (whitening.mean + true * deviation).astype(np.float32), error * deviation
answer = {"by_hand": np.asarray(loss(true, true + error)).tolist()}

keras.utils.set_random_seed(0)
network = build_coefficient_network(32, configure(2), whitening)
network.compile(optimizer=keras.optimizers.Adam(0.01), loss={"final": loss})
photos = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
labels = np.tile(whitening.mean + deviation, (4, 1)).astype(np.float32)
fixed = [w.copy() for w in network.get_layer("final").get_weights()]
answer["steps"] = [float(network.train_on_batch(photos, {"final": labels})) for _ in range(30)]
answer["fixed"] = all(np.array_equal(a, b) for a, b in zip(fixed, network.get_layer("final").get_weights()))
answer["constant"] = np.unique(network.predict_on_batch(photos)["final"][:, 11]).tolist()
"""

CHILD = (
    BY_HAND
    + """
import tensorflow as tf

plain = Whitening(np.zeros(62), np.ones(62))
big, small = build_coefficient_network(256, configure(16), plain), build_coefficient_network(64, configure(8), plain)
answer["convolutions"] = [[layer.kernel_size[0], layer.strides[0], *layer.output.shape[1:]]
                          for layer in big.layers if hasattr(layer, "kernel_size")]
answer["weights"] = [sum(int(np.prod(w.shape)) for w in net.trainable_weights) for net in (big, small)]

# A made-up model of the scale of BFM, seen by turned cameras; all in float64 and without the closed form.
rng = np.random.default_rng(1)
face = face_model(rng.normal(0, 6e4, (16, 3)), rng.normal(0, 2e-2, (16, 3, 3)), rng.normal(0, 2e3, (16, 3, 2)))
seen = rng.random((4, 4)) < 0.6
basis = np.concatenate([face.shape_basis, face.expression_basis], axis=2).astype(np.float64)


def draw(count):
    pose = np.column_stack([rng.normal(0, 0.5, (count, 3)), rng.normal(16, 3, (count, 3)),
                            rng.uniform(1e-4, 2e-4, count)])
    coefficients = np.column_stack([rng.normal(2e5, 1e6, (count, 3)), rng.normal(0, 1, (count, 2))])
    return to_parameters(pose, coefficients, 32)


def place(parameters):
    matrix = parameters[:12].reshape(3, 4)
    return (face.mean + basis @ parameters[12:]) @ matrix[:, :3].T + matrix[:, 3]


def weigh(true, guess):
    moves = []
    for i in range(len(true)):
        replaced = true.copy()
        replaced[i] = guess[i]
        moves.append(np.sqrt(np.square(place(replaced) - place(true))[seen.ravel()].sum(axis=1).mean()))
    return np.array(moves) / max(moves)


measured = measure_whitening([draw(200)])
varies = measured.deviation > 0
scale = np.where(varies, measured.deviation, 1)
# Rounded as the loss gets them, so that both see the same parameters.
truth, guess = (draw(5).astype(np.float32).astype(np.float64) for _ in range(2))
weights = np.array([weigh(p, q) for p, q in zip(truth, guess)])
gap = (guess - truth) / scale
parameter_loss = make_loss(face, seen, measured)
output = tf.Variable(guess.astype(np.float32))
with tf.GradientTape() as tape:
    value = parameter_loss(truth.astype(np.float32), output)
gradient = tape.gradient(value, output).numpy().astype(np.float64) * scale
answer["values"] = [value.numpy().tolist(), (weights * gap**2).mean(axis=1).tolist()]


def at_fixed_weights(whitened):
    return (weights * np.square(whitened)).mean(axis=1).sum()


gaps = []
for _ in range(5):
    direction, step = rng.normal(size=gap.shape) * varies, 1e-4
    numeric = (at_fixed_weights(gap + step * direction) - at_fixed_weights(gap - step * direction)) / (2 * step)
    gaps.append(abs(numeric - (gradient * direction).sum()) / np.abs(gradient * direction).sum())
answer["gradient_gap"] = max(gaps)
exact = tf.Variable(truth.astype(np.float32))
with tf.GradientTape() as tape:
    value = parameter_loss(truth.astype(np.float32), exact)
answer["exact"] = [float(np.abs(value).max()), float(np.abs(tape.gradient(value, exact)).max())]

# Eight photos of noise, each with its own face; trained in this process, whose heap a crash would end.
faces = draw(8)
memory = measure_whitening([faces])
keras.utils.set_random_seed(1)
network = build_coefficient_network(64, configure(4), memory)
network.compile(optimizer=keras.optimizers.Adam(0.01), loss={"final": make_loss(face, seen, memory)})
photos = rng.random((8, 64, 64, 3), np.float32)


def distance():
    maps = to_maps(network.predict_on_batch(photos)["final"], face).reshape(8, 16, 3)
    return float(np.linalg.norm(maps - np.array([place(p) for p in faces]), axis=-1)[:, seen.ravel()].mean())


before = distance()
for step in range(600):
    network.optimizer.learning_rate = 0.004 * 0.5 ** (step // 150)
    network.train_on_batch(photos, {"final": faces.astype(np.float32)})
answer["overfit"] = [before, distance()]
print(json.dumps(answer))
"""
)


def run(code: str, **environment: str) -> dict:
    command = [sys.executable, "-c", code]
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def answer() -> dict:
    return run(CHILD)


def values_by_hand() -> list[float]:
    # Moves in px: A_11 of x, 0.1 x 2 x 5 = 1; t_x, 4 x 0.5 = 2; A_23 of z, 0.1 x 3 x 2 = 0.6; the shape coefficient,
    # 0.5 x 1 x (2 x 5) = 5; the expression coefficient, 3 x 0.5 x (2 x 1) = 3.
    first = (1 / 5 * 2**2 + 2 / 5 * 0.5**2 + 0.6 / 5 * 3**2 + 5 / 5 * 1**2 + 3 / 5 * 0.5**2) / 14
    # The true shape coefficient is 1: z is 2 and -2 + 5. A_13 moves by 0.1 rms(z), t_y by 4.
    second = (0.1 * ((2**2 + 3**2) / 2) ** 0.5 / 4 + 1) / 14
    return [first, second, 0]


def test_the_loss_weighs_each_squared_error_by_how_far_it_alone_moves_the_face(answer):
    assert answer["by_hand"] == pytest.approx(values_by_hand(), rel=1e-5)


def test_the_closed_form_is_what_replacing_one_parameter_after_the_other_gives(answer):
    found, expected = answer["values"]
    assert found == pytest.approx(expected, rel=1e-3)


def test_the_gradient_is_that_of_the_value_at_fixed_weights(answer):
    assert answer["gradient_gap"] < 1e-3


def test_an_exact_prediction_costs_nothing_and_has_no_gradient(answer):
    assert answer["exact"] == [0, 0]


def test_the_last_layer_is_fixed_and_puts_a_constant_parameter_out_as_its_constant(answer):
    assert answer["fixed"]
    assert answer["constant"] == [0]
    assert answer["steps"][-1] < 0.5 * answer["steps"][0]


def test_the_network_halves_the_photo_to_4_px_and_has_no_strided_1x1_convolution(answer):
    assert answer["convolutions"] == [
        [3, stride, side, side, channels]
        for side, channels in ((128, 32), (64, 64), (32, 128), (16, 256), (8, 256), (4, 256))
        for stride in (2, 1)
    ]


def test_it_is_small(answer):
    def weights(width: int, size: int) -> int:
        channels = [3]
        while size > 4:
            size //= 2
            channels.append(width * min(2 ** len(channels), 16))
        pairs = sum(9 * (a + b) * b + 2 * 2 * b for a, b in itertools.pairwise(channels))
        features = width * 16
        return pairs + 16 * channels[-1] * features + features + features * 62 + 62

    # 13.4 million are the encoder-decoder's.
    assert answer["weights"] == [weights(16, 256), weights(8, 64)]
    assert answer["weights"][0] < 5e6


def test_it_learns_eight_faces_by_heart(answer):
    before, after = answer["overfit"]
    assert before > 2
    assert after < 0.2 * before


def test_loss_and_network_give_the_same_on_jax():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install jax to check that the network runs on it")
    found = run(BY_HAND + "print(json.dumps(answer))", KERAS_BACKEND="jax")
    assert found["by_hand"] == pytest.approx(values_by_hand(), rel=1e-5)
    assert found["constant"] == [0]
    assert found["steps"][-1] < 0.5 * found["steps"][0]
