"""Small networks with random weights and statistics, such that no layer is near 0, also those that start there."""

import numpy as np
import pytest

from model.coefficients import Whitening
from model.settings import NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling, to_pixels

SIZE = 32
# The coefficients' last layer is initialised by lambdas, of which Keras warns whoever might write them to a file.
IGNORE_LAMBDAS = pytest.mark.filterwarnings("ignore:The object being serialized includes a .lambda.:UserWarning")
PHOTOS = np.random.default_rng(0).random((8, SIZE, SIZE, 3), np.float32)


def make_network(residual=True, join="logits", stages=1, shrink=1, scaling="tanh", lean=False, convolution="full"):
    import keras

    from model.networks import build_network, set_mean_map

    keras.utils.set_random_seed(1)
    config = NetworkConfig("position_map", 4, 3, 0.9, residual, 2, 8, 16, join, stages, shrink, lean, 1, convolution)
    network = build_network(SIZE, config, Scaling(scaling, SIZE))
    set_mean_map(network, np.random.default_rng(3).uniform(-0.5, 0.5, (SIZE, SIZE, 3)).astype(np.float32))
    return settle(network)


def make_coefficient_network(passes=1):
    """Of faces of 3 coefficients, some 10 px wide and in the middle of the photo."""
    import keras

    from model.coefficient_network import build_coefficient_network

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    mean = np.array([1e-3, 0, 0, 16, 0, -1e-3, 0, 16, 0, 0, 1e-3, 0, 1e5, 0, 0])
    deviation = np.array([1e-4, 1e-4, 1e-4, 2] * 2 + [1e-4, 1e-4, 1e-4, 0] + [1e5, 1, 1])
    count = SIZE * SIZE
    texels = FaceModel(
        rng.normal(0, 4e3, (count, 3)).astype(np.float32),
        rng.normal(0, 1e-2, (count, 3, 1)).astype(np.float32),
        rng.normal(0, 1e3, (count, 3, 2)).astype(np.float32),
        np.zeros((0, 3), np.int32),
        np.zeros(0, np.int32),
    )
    ones = np.ones((SIZE, SIZE))
    layout = UVLayout(None, None, ones > 0, ones.astype(np.float32), np.zeros((68, 2), np.int32))
    config = NetworkConfig("coefficients", 4, batch_norm_momentum=0.9, passes=passes)
    whitening = Whitening(mean, deviation)
    return settle(build_coefficient_network(layout, config, whitening, texels, Scaling("tanh", SIZE)))


def settle(model):
    import keras

    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.name.endswith(("_difference", "_whitened")):
            layer.kernel.assign(rng.normal(0, 0.1, layer.kernel.shape))
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(PHOTOS, training=True)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            spread = [rng.uniform(0.7, 1.4, layer.gamma.shape) for _ in range(4)]
            shift = [0, rng.normal(0, 0.1, layer.gamma.shape), rng.normal(0, 0.1, layer.gamma.shape), 0]
            layer.set_weights([w * a + b for w, a, b in zip(layer.get_weights(), spread, shift, strict=True)])
        elif getattr(layer, "bias", None) is not None and layer.trainable:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def pixels(values, scaling="tanh"):
    return to_pixels(np.asarray(values), Scaling(scaling, SIZE))
