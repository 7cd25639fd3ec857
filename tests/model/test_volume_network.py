"""VRN's volume from one hourglass: shapes and numbers of weights by hand, and that it learns."""

import itertools

import numpy as np
import pytest

from model.settings import NetworkConfig

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]


def build(size, width=2, levels=3):
    from model.volume_network import build_volume_network

    return build_volume_network(size, NetworkConfig("volume", width, levels, 0.9))


def made_volumes(rng, count, side):
    """Photos of noise whose colour tells the depth of a box, and the box."""
    photos, volumes = rng.random((count, side, side, 3), np.float32), np.zeros((count, side, side, side), np.uint8)
    for photo, volume, depth in zip(photos, volumes, rng.integers(4, side - 4, count), strict=True):
        photo[..., 0] = depth / side
        volume[6:-6, 6:-6, 4:depth] = 1
    return photos, volumes


@pytest.mark.parametrize(
    ("size", "levels", "side", "resolutions"),
    [(64, 3, 64, [16, 32, 64]), (128, 4, 64, [16, 32, 64]), (32, 2, 32, [16, 32]), (256, 5, 64, [16, 32, 64])],
)
def test_it_doubles_the_resolution_up_to_that_of_the_volume(keras, size, levels, side, resolutions):
    network = build(size, levels=levels)
    assert network.output["final"].shape == (None, side, side, side)
    ups = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [layer.output.shape[1] for layer in ups] == resolutions


def test_what_it_puts_out_are_probabilities():
    photos = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    volumes = build(32).predict_on_batch(photos)["final"]
    assert volumes.shape == (2, 32, 32, 32)
    assert volumes.dtype == np.float32
    assert 0 < volumes.min() < 0.5 < volumes.max() < 1


def test_its_weights_are_as_many_as_counted_by_hand():
    def block(channels_in, channels_out, stride):
        half = channels_out // 2
        convolutions = channels_in * half + 16 * half * half + half * channels_out
        shortcut = channels_in * channels_out if stride == 2 or channels_in != channels_out else 0
        return convolutions + shortcut + 2 * (half + half + channels_out)

    side, width, levels = 64, 8, 3
    widths = [width * 2**level for level in range(levels + 1)]
    encoder = 16 * 3 * width + 2 * width
    encoder += sum(block(a, b, 2) + block(b, b, 1) for a, b in itertools.pairwise(widths))
    decoder, before = 0, widths[-1]
    for level in (2, 1, 0):
        # 32, 16 and 8 channels would be fewer than the slices.
        decoder += 16 * before * side + 2 * side + widths[level] * side + block(side, side, 1)
        before = side
    network = build(64, width, levels)
    counted = sum(int(np.prod(weights.shape)) for weights in network.trainable_weights)
    assert counted == encoder + decoder + side * side + side


def test_a_wide_decoder_has_the_widths_of_its_encoder(keras):
    ups = [layer for layer in build(32, 24).layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [layer.filters for layer in ups] == [96, 48, 32]


@pytest.mark.parametrize(
    ("size", "levels", "sentence"),
    [
        (96, 6, "halves its input 6 times: 96 px is not a multiple of 64"),
        (256, 1, "network.levels is 1: a volume of 64 voxels a side of photos of 256 px needs 2 or more"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(size, levels, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(size, levels=levels)


def test_every_weight_learns_and_a_few_steps_lower_the_loss(keras):
    from model.losses import voxel_cross_entropy

    keras.utils.set_random_seed(1)
    photos, volumes = made_volumes(np.random.default_rng(1), 8, 32)
    network = build(32)
    before = [np.array(keras.ops.convert_to_numpy(weights)) for weights in network.trainable_weights]
    network.compile(keras.optimizers.Adam(0.01), loss={"final": voxel_cross_entropy})
    losses = [float(network.train_on_batch(photos, {"final": volumes})) for _ in range(40)]
    assert 0.5 < losses[0] < 1.5
    assert losses[-1] < 0.3 * losses[0]
    for weights, old in zip(network.trainable_weights, before, strict=True):
        assert not np.array_equal(keras.ops.convert_to_numpy(weights), old), weights.path
