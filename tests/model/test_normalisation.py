"""Batch normalisation by one operation against Keras's own layer, and against numpy."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow

VALUES = np.random.default_rng(0).normal(3, 2, (4, 6, 5, 7)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2, (4, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def pair(keras):
    """Our layer and Keras's, with the same weights."""
    from model.normalisation import BatchNormalization

    made = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(momentum=0.75, epsilon=1e-3)
        layer.build(VALUES.shape)
        made.append(layer)
    return made


@pytest.fixture(autouse=True)
def same_start(pair):
    for layer in pair:
        layer.trainable = True
        layer.set_weights(list(WEIGHTS))


def learn(layer):
    """Output, gradients of a sum of products with fixed numbers, and the statistics after one step."""
    import tensorflow as tf

    values = tf.constant(VALUES)
    factors = np.random.default_rng(2).normal(0, 1, VALUES.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        output = layer(values, training=True)
        total = tf.reduce_sum(output * factors)
    sources = [values, layer.gamma.value, layer.beta.value]
    kept = [np.array(weight) for weight in layer.get_weights()[2:]]
    return [np.asarray(output), *map(np.asarray, tape.gradient(total, sources)), *kept]


def test_it_learns_as_keras_s_layer_does(pair):
    for ours, theirs in zip(*map(learn, pair), strict=True):
        assert np.abs(ours - theirs).max() < 2e-5 * np.abs(theirs).max()


def test_it_normalises_and_keeps_the_statistics_of_the_batch_itself(pair):
    output, *_, mean, variance = learn(pair[0])
    exact = VALUES.astype(np.float64)
    centre, spread = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    expected = (exact - centre) / np.sqrt(spread + 1e-3) * WEIGHTS[0] + WEIGHTS[1]
    assert np.abs(output - expected).max() < 1e-5
    assert np.abs(mean - (0.75 * WEIGHTS[2] + 0.25 * centre)).max() < 1e-6
    # Of 120 values a channel: the estimate with 119 would be 1 % of a quarter of 4 off, 0.008.
    assert np.abs(variance - (0.75 * WEIGHTS[3] + 0.25 * spread)).max() < 1e-5


@pytest.mark.parametrize("frozen", [False, True])
def test_applied_or_frozen_it_normalises_by_what_it_kept(pair, frozen):
    layer = pair[0]
    layer.trainable = not frozen
    output = np.asarray(layer(VALUES, training=frozen))
    gamma, beta, mean, variance = WEIGHTS.astype(np.float64)
    assert np.abs(output - ((VALUES - mean) / np.sqrt(variance + 1e-3) * gamma + beta)).max() < 2e-5
    assert np.array_equal(layer.get_weights(), WEIGHTS)


def test_what_a_network_computes_in_16_bits_is_normalised_in_32(keras):
    from model.normalisation import BatchNormalization

    layer = BatchNormalization(dtype="mixed_bfloat16", epsilon=1e-3)
    output = layer(keras.ops.cast(1000 + VALUES, "bfloat16"), training=True)
    assert output.dtype.name == "bfloat16"
    coarse = np.asarray(keras.ops.cast(keras.ops.cast(1000 + VALUES, "bfloat16"), "float32")).astype(np.float64)
    expected = (coarse - coarse.mean((0, 1, 2))) / np.sqrt(coarse.var((0, 1, 2)) + 1e-3)
    assert np.abs(np.asarray(keras.ops.cast(output, "float32")) - expected).max() < 0.02
