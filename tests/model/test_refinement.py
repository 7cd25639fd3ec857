"""What the layers of the refinement compute (thesis, section 3.4.3), on values."""

import numpy as np
import pytest

from model.settings import NetworkConfig
from pipeline.uv.scaling import Scaling

pytestmark = pytest.mark.slow

PHOTOS = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)


@pytest.fixture(scope="module")
def outputs(keras):
    """Of every layer of a small network with a refinement of two blocks, by name, and the network."""
    from model.networks import build_network

    keras.utils.set_random_seed(0)
    config = NetworkConfig("position_map", 2, 5, 0.99, True, 2, 4, 4, "logits", 1, 1)
    network = build_network(32, config, Scaling("tanh", 32))
    layers = {layer.name: layer.output for layer in network.layers}
    found = keras.Model(network.input, layers)(PHOTOS, training=True)
    return network, {name: np.asarray(value) for name, value in found.items()}


def test_the_refinement_sees_the_photo_and_the_brief_output_in_this_order(outputs):
    network, found = outputs
    assert np.array_equal(found["residual_input"][..., :3], PHOTOS)
    assert np.array_equal(found["residual_input"][..., 3:], found["brief"])
    assert network.get_layer("residual_conv").kernel.shape[2] == 6
    # That of the photo is no input that is passed by: the convolution is by hand, at one pixel off the rim.
    kernel = np.asarray(network.get_layer("residual_conv").kernel)
    seen = np.einsum("nijc,ijcd->nd", found["residual_input"][:, 9:12, 4:7], kernel)
    assert found["residual_conv"][:, 10, 5] == pytest.approx(np.maximum(seen, 0), abs=1e-5)


@pytest.mark.parametrize(("block", "before"), [(1, "residual_conv"), (2, "residual_block1_add")])
def test_a_block_adds_to_its_input_what_its_second_convolution_puts_out_below_zero_too(outputs, block, before):
    _, found = outputs
    first, second, added = (found[f"residual_block{block}_{part}"] for part in ("conv1", "conv2", "add"))
    assert added == pytest.approx(found[before] + second, abs=1e-6)
    # ReLU between the two convolutions, and none after the second.
    assert first.min() == 0
    assert 0.2 < np.mean(second < 0) < 0.8
    assert np.mean(added < 0) > 0


def test_the_difference_is_added_before_the_activation_and_of_either_sign(keras, outputs):
    network, _ = outputs
    layer = network.get_layer("residual_difference")
    kept = layer.get_weights()
    layer.set_weights([np.random.default_rng(1).normal(size=kept[0].shape).astype(np.float32), kept[1]])
    try:
        names = ("brief", "residual_difference", "join", "final")
        model = keras.Model(network.input, {name: network.get_layer(name).output for name in names})
        found = {name: np.asarray(value) for name, value in model(PHOTOS, training=True).items()}
    finally:
        layer.set_weights(kept)
    assert np.arctanh(found["brief"].astype(float)) + found["residual_difference"] == pytest.approx(
        found["join"], abs=1e-2
    )
    assert found["final"] == pytest.approx(np.tanh(found["join"]), abs=1e-6)
    assert found["residual_difference"].min() < 0 < found["residual_difference"].max()
