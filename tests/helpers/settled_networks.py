"""Small networks with random weights and statistics, such that no layer is near 0, also those that start there."""

import numpy as np
import pytest

from model.coefficients import Whitening
from model.scaling import Scaling, to_pixels
from model.settings import NetworkConfig

SIZE = 32
# The coefficients' last layer is initialised by lambdas, of which Keras warns whoever might write them to a file.
IGNORE_LAMBDAS = pytest.mark.filterwarnings("ignore:The object being serialized includes a .lambda.:UserWarning")
PHOTOS = np.random.default_rng(0).random((8, SIZE, SIZE, 3), np.float32)


def make_network(residual=True, join="logits", stages=1, shrink=1, scaling="tanh"):
    import keras

    from model.networks import build_network

    keras.utils.set_random_seed(1)
    config = NetworkConfig("position_map", 4, 3, 0.9, residual, 2, 8, 16, join, stages, shrink)
    return settle(build_network(SIZE, config, Scaling(scaling, SIZE)))


def make_coefficient_network():
    import keras

    from model.coefficient_network import build_coefficient_network

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    whitening = Whitening(rng.normal(0, 1, 20), rng.uniform(0.5, 2, 20))
    config = NetworkConfig("coefficients", 4, 3, 0.9, False, 1, 1, 1, "logits", 1, 1)
    return settle(build_coefficient_network(SIZE, config, whitening))


def settle(model):
    import keras

    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.name.endswith("_difference"):
            layer.kernel.assign(rng.normal(0, 0.1, layer.kernel.shape))
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(PHOTOS, training=True)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            spread = [rng.uniform(0.7, 1.4, layer.gamma.shape) for _ in range(4)]
            shift = [0, rng.normal(0, 0.1, layer.gamma.shape), rng.normal(0, 0.1, layer.gamma.shape), 0]
            layer.set_weights([w * a + b for w, a, b in zip(layer.get_weights(), spread, shift, strict=True)])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def pixels(values, scaling="tanh"):
    return to_pixels(np.asarray(values), Scaling(scaling, SIZE))
