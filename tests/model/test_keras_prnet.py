"""A checkpoint in the layout of PRNet's, written by a graph of tf.compat.v1, gives the same maps in our network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

GRAPH = """
import sys
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
tf1.disable_eager_execution()
folder = sys.argv[1]
rng = np.random.default_rng(0)


def variable(name, shape, low, high):
    return tf1.get_variable(name, initializer=rng.uniform(low, high, shape).astype(np.float32))


def kernel(name, shape, inputs):
    limit = (3.0 / inputs) ** 0.5
    return variable(f"{name}/weights", shape, -limit, limit)


def norm(x, name):
    count = x.shape[-1]
    gamma, beta = variable(f"{name}/gamma", [count], 0.5, 1.5), variable(f"{name}/beta", [count], -0.3, 0.7)
    mean = variable(f"{name}/moving_mean", [count], -0.2, 0.2)
    variance = variable(f"{name}/moving_variance", [count], 0.3, 2)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 0.001)


def conv(x, count, size, stride, name):
    weights = kernel(name, [size, size, int(x.shape[-1]), count], size * size * int(x.shape[-1]))
    return tf.nn.conv2d(x, weights, stride, "SAME")


def block(x, count, stride, name):
    shortcut = x
    if stride != 1 or x.shape[-1] != count:
        shortcut = conv(x, count, 1, stride, f"{name}/shortcut")
    x = tf.nn.relu(norm(conv(x, count // 2, 1, 1, f"{name}/Conv"), f"{name}/Conv/BatchNorm"))
    x = tf.nn.relu(norm(conv(x, count // 2, 4, stride, f"{name}/Conv_1"), f"{name}/Conv_1/BatchNorm"))
    x = conv(x, count, 1, 1, f"{name}/Conv_2") + shortcut
    return tf.nn.relu(norm(x, f"{name}/BatchNorm"))


def transposed(x, count, stride, name, activation):
    side = int(x.shape[1]) * stride
    weights = kernel(name, [4, 4, count, int(x.shape[-1])], 16 * int(x.shape[-1]) / stride**2)
    x = tf.nn.conv2d_transpose(x, weights, [2, side, side, count], stride, "SAME")
    return activation(norm(x, f"{name}/BatchNorm"))


photos = rng.random((2, 256, 256, 3)).astype(np.float32)
with tf1.variable_scope("resfcn256"):
    x = tf.nn.relu(norm(conv(tf.constant(photos), 16, 4, 1, "Conv"), "Conv/BatchNorm"))
    for number in range(10):
        x = block(x, 16 * 2 ** (1 + number // 2), 2 - number % 2, "resBlock" + (f"_{number}" if number else ""))
    layout = [(512, 1), (256, 2), (256, 1), (256, 1), (128, 2), (128, 1), (128, 1), (64, 2), (64, 1), (64, 1),
              (32, 2), (32, 1), (16, 2), (16, 1), (3, 1), (3, 1), (3, 1)]
    for number, (count, stride) in enumerate(layout):
        last = number == len(layout) - 1
        x = transposed(x, count, stride, "Conv2d_transpose" + (f"_{number}" if number else ""),
                       tf.nn.sigmoid if last else tf.nn.relu)
network = tf1.global_variables()
kept = [tf1.get_variable("beta1_power", initializer=0.5), tf1.get_variable("beta2_power", initializer=0.9)]
kept += [tf1.get_variable(f"{v.op.name}/{slot}", initializer=tf.zeros(v.shape)) for v in network[:3]
         for slot in ("Adam", "Adam_1")]
with tf1.Session() as session:
    session.run(tf1.global_variables_initializer())
    np.savez(f"{folder}/graph.npz", photos=photos, maps=session.run(x) * 281.6)
    tf1.train.Saver(network + kept).save(session, f"{folder}/256_256_resfcn256_weight", write_meta_graph=False)
"""

CHECK = """
import json, sys
from pathlib import Path
import numpy as np
from model.backend import prepare_keras

prepare_keras()
import tensorflow as tf
from model import prnet_checkpoint
from model.networks import build_network
from model.scaling import Scaling, to_pixels
from stages.import_prnet import PRNET

folder, real = Path(sys.argv[1]), Path(sys.argv[2])
scaling = Scaling("prnet", 256)
model = build_network(256, PRNET, scaling)
answer = {"layers": sum(bool(layer.weights) for layer in model.layers)}
if real.with_name(real.name + ".index").is_file():
    shapes = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in model.layers if layer.weights}
    variables = {name: tuple(shape) for name, shape in tf.train.list_variables(str(real))}
    places = prnet_checkpoint.match_variables(shapes, variables)
    taken = [name for names in places.values() for name in names]
    answer["real"] = [len(variables), len(taken), len(set(taken)), sum(int(np.prod(variables[n])) for n in taken),
                      len(prnet_checkpoint.unplaced(variables, places))]
model.load_weights(folder / "weights/model.weights.h5")
graph = np.load(folder / "graph.npz")
ours = to_pixels(model.predict_on_batch(graph["photos"])["final"], scaling)
answer["gap"] = float(np.abs(ours - graph["maps"]).max())
answer["range"] = [float(graph["maps"].std()), float(np.ptp(graph["maps"]))]
print(json.dumps(answer))
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def import_prnet(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "stages.import_prnet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prnet")
    child = run(GRAPH, folder)
    assert child.returncode == 0, child.stderr
    return folder


@pytest.fixture(scope="module")
def answer(folder, face_data_or_none) -> dict:
    imported = import_prnet(folder / "256_256_resfcn256_weight", "--out", folder / "weights/model.weights.h5")
    assert imported.returncode == 0, imported.stderr
    assert "13365508 values" in imported.stdout
    child = run(CHECK, folder, (face_data_or_none or folder) / "prnet/256_256_resfcn256_weight")
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def test_our_network_gives_the_graph_s_maps(answer):
    # float32 rounds 281.6 px to 3e-5 px; the sums of 17 + 30 layers in another order add to that.
    assert answer["gap"] < 0.01
    # The maps are neither flat nor saturated.
    assert answer["range"][0] > 10
    assert answer["range"][1] > 100


def test_each_variable_of_the_published_checkpoint_has_its_place(answer):
    if "real" not in answer:
        pytest.skip("the published checkpoint's index is not in FACE_DATA/prnet")
    # Kernels: 1, 3 in each of 10 blocks, 5 shortcuts, 17. Batch normalisations: 1, 3 in each block, 17, of 4 variables.
    kernels, norms = 1 + 30 + 5 + 17, 1 + 30 + 17
    # Adam has two for each that learns, which the batch statistics do not, and its two powers.
    adam = 2 * (kernels + 2 * norms) + 2
    placed = kernels + 4 * norms
    assert answer["real"] == [placed + adam, placed, placed, 13_365_508, 0]
    assert placed + adam == 545


def test_the_index_alone_is_not_enough(folder, tmp_path):
    (tmp_path / "weight.index").write_bytes((folder / "256_256_resfcn256_weight.index").read_bytes())
    result = import_prnet(tmp_path / "weight", "--out", tmp_path / "out.weights.h5")
    assert result.returncode == 1
    assert "weight.data-00000-of-00001 is missing; a checkpoint has an .index and a .data file." in result.stderr
    assert not (tmp_path / "out.weights.h5").exists()


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    for suffix in ("index", "data-00000-of-00001"):
        (tmp_path / f"weight.{suffix}").write_bytes(b"no checkpoint" * 100)
    result = import_prnet(tmp_path / "weight", "--out", tmp_path / "out.weights.h5")
    assert result.returncode == 1
    assert "weight is no TensorFlow checkpoint" in result.stderr
