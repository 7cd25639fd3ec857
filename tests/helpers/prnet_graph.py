"""A checkpoint in the layout of PRNet's, by TensorFlow 1's operations. It imports TensorFlow: import it in fixtures."""

from pathlib import Path

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
RNG = np.random.default_rng(0)
# Channels and stride of the transposed convolutions.
DECODER = [(512, 1), (256, 2), (256, 1), (256, 1), (128, 2), (128, 1), (128, 1), (64, 2), (64, 1), (64, 1)]
DECODER += [(32, 2), (32, 1), (16, 2), (16, 1), (3, 1), (3, 1), (3, 1)]


def variable(name, shape, low, high):
    return tf1.get_variable(name, initializer=RNG.uniform(low, high, shape).astype(np.float32))


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


def network(photos):
    x = tf.nn.relu(norm(conv(tf.constant(photos), 16, 4, 1, "Conv"), "Conv/BatchNorm"))
    for number in range(10):
        x = block(x, 16 * 2 ** (1 + number // 2), 2 - number % 2, "resBlock" + (f"_{number}" if number else ""))
    for number, (count, stride) in enumerate(DECODER):
        activation = tf.nn.sigmoid if number == len(DECODER) - 1 else tf.nn.relu
        x = transposed(x, count, stride, "Conv2d_transpose" + (f"_{number}" if number else ""), activation)
    return x


def write_checkpoint(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write random variables and what Adam keeps of them; two photos, and the graph's maps of them in px."""
    photos = RNG.random((2, 256, 256, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf1.Session() as session:
        with tf1.variable_scope("resfcn256"):
            output = network(photos)
        variables = tf1.global_variables()
        kept = [tf1.get_variable("beta1_power", initializer=0.5), tf1.get_variable("beta2_power", initializer=0.9)]
        kept += [
            tf1.get_variable(f"{variable.op.name}/{slot}", initializer=tf.zeros(variable.shape))
            for variable in variables[:3]
            for slot in ("Adam", "Adam_1")
        ]
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver(variables + kept).save(session, str(path), write_meta_graph=False)
        return photos, session.run(output) * 281.6
