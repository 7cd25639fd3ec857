"""The networks against the thesis's tables."""

import numpy as np
import pytest

from model.layer_table import read_tables
from model.settings import NetworkConfig
from pipeline.uv.scaling import Scaling
from stages.thesis import read_reference

pytestmark = pytest.mark.slow

# Kernel, stride, side and channels, as Tables 3.1 and 3.3 print them.
TABLE_3_1 = {
    1: (4, 2, 128, 32),
    2: (4, 1, 128, 32),
    3: (4, 2, 64, 64),
    4: (4, 1, 64, 64),
    5: (4, 2, 32, 128),
    6: (4, 1, 32, 128),
    7: (4, 2, 16, 256),
    8: (4, 1, 16, 256),
    9: (4, 2, 8, 512),
    10: (4, 1, 8, 512),
}
TABLE_3_3 = {
    1: (4, 1, 8, 512),
    2: (4, 2, 16, 256),
    3: (4, 1, 16, 256),
    4: (4, 1, 16, 256),
    5: (4, 2, 32, 128),
    6: (4, 1, 32, 128),
    7: (4, 1, 32, 128),
    8: (4, 2, 64, 64),
    9: (4, 1, 64, 64),
    10: (4, 1, 64, 64),
    11: (4, 2, 128, 32),
    12: (4, 1, 128, 32),
    13: (4, 2, 256, 16),
    14: (4, 1, 256, 16),
    15: (4, 1, 256, 3),
    16: (4, 1, 256, 3),
    17: (4, 1, 256, 3),
}

TANH = Scaling("tanh", 256)
PHOTOS = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)


def configure(width, residual, join="logits", blocks=8, channels=64, head=256, stages=1, shrink=1):
    return NetworkConfig("position_map", width, 5, 0.99, residual, blocks, channels, head, join, stages, shrink)


@pytest.fixture(scope="module")
def networks(keras):
    from model import networks

    return networks


@pytest.fixture(scope="module")
def prn(networks):
    return networks.build_network(256, configure(16, False), TANH)


@pytest.fixture(scope="module")
def resnet(networks):
    return networks.build_network(256, configure(16, True), TANH)


@pytest.fixture(scope="module")
def fast(networks):
    return networks.build_network(256, configure(16, True, shrink=4), TANH)


def names_of(model):
    return {layer.name for layer in model.layers}


def shape_of(model, name):
    """Kernel, stride, side and channels of a convolution."""
    layer = model.get_layer(name)
    height, width, channels = layer.output.shape[1:]
    assert height == width
    return layer.kernel_size[0], layer.strides[0], height, channels


def work(model):
    """Multiplications of the refinement's convolutions for one photo."""
    return sum(
        int(np.prod(layer.output.shape[1:3])) * int(np.prod(layer.kernel.shape))
        for layer in model.layers
        if layer.name.startswith("residual") and hasattr(layer, "kernel")
    )


def test_the_encoder_decoder_has_the_weights_of_the_published_prnet_and_the_refinement_three_quarters_of_a_million(
    prn, resnet
):
    # 13,365,508 are the values of PRNet's checkpoint without the optimiser's; the rest is section 3.4.3 by hand:
    # 3x3 6 -> 64, 16 of 3x3 64 -> 64, 3x3 64 -> 256, 1x1 256 -> 3, each with its biases.
    refinement = (54 * 64 + 64) + 16 * (576 * 64 + 64) + (576 * 256 + 256) + (256 * 3 + 3)
    assert prn.count_params() == 13_365_508
    assert resnet.count_params() == 13_365_508 + refinement


def test_the_tables_that_the_page_shows_are_the_thesis_s_at_its_size(resnet):
    theirs, ours = read_reference().layers, read_tables(resnet)
    for number in ("3.1", "3.3"):
        assert [tuple(map(str, row)) for row in ours[number]] == [tuple(row) for row in theirs[number]]
    # Table 3.2 is general: for the first block N is 32 and L is 2. Its shortcut is printed without the stride; ours
    # ends where the block does.
    assert ours["3.2"] == [
        ("Shortcut", 1, 1, "128*128*32"),
        ("Conv1", 1, 1, "256*256*16"),
        ("Conv2", 4, 2, "128*128*16"),
        ("Conv3", 1, 1, "128*128*32"),
    ]


def test_the_first_convolution_keeps_the_size(resnet):
    assert shape_of(resnet, "encoder_conv") == (4, 1, 256, 16)


@pytest.mark.parametrize("block", TABLE_3_1)
def test_an_encoder_block_is_that_of_tables_3_1_and_3_2(resnet, block):
    kernel, stride, side, channels = TABLE_3_1[block]
    assert shape_of(resnet, f"encoder_block{block}_conv1") == (1, 1, side * stride, channels // 2)
    assert shape_of(resnet, f"encoder_block{block}_conv2") == (kernel, stride, side, channels // 2)
    assert shape_of(resnet, f"encoder_block{block}_conv3") == (1, 1, side, channels)


@pytest.mark.parametrize("block", TABLE_3_1)
def test_the_shortcut_is_a_1x1_convolution_where_shapes_differ_and_else_the_identity(resnet, block):
    # Where a shortcut is the block's own input, the addition's second input was made by the block before.
    shortcut = resnet.get_layer(f"encoder_block{block}_add").input[1]._keras_history.operation.name
    if TABLE_3_1[block][1] == 2:
        assert shortcut == f"encoder_block{block}_shortcut"
        assert shape_of(resnet, shortcut) == (1, 1, *TABLE_3_1[block][2:])
    else:
        assert shortcut == f"encoder_block{block - 1}_relu"
        assert f"encoder_block{block}_shortcut" not in names_of(resnet)


def test_taking_every_other_pixel_first_is_the_strided_1x1_convolution(keras, networks):
    keras.utils.set_random_seed(0)
    small = networks.build_network(32, configure(2, False), Scaling("tanh", 32))
    shortcut = small.get_layer("encoder_block1_shortcut")
    source = small.get_layer("encoder_conv_relu").output
    before, after = keras.Model(small.input, [source, shortcut.output]).predict_on_batch(PHOTOS)
    # Forward only: its gradient may crash.
    strided = keras.ops.conv(before, shortcut.kernel, strides=2, padding="same")
    assert np.abs(np.asarray(strided) - after).max() < 1e-6


@pytest.mark.parametrize("number", TABLE_3_3)
def test_a_transposed_convolution_is_that_of_table_3_3(resnet, number):
    assert shape_of(resnet, f"decoder_deconv{number}") == TABLE_3_3[number]


def test_the_decoder_ends_after_17_and_the_encoder_after_10(resnet):
    assert "decoder_deconv18" not in names_of(resnet)
    assert "encoder_block11_conv1" not in names_of(resnet)


def test_the_refinement_is_that_of_section_3_4_3(resnet):
    assert shape_of(resnet, "residual_conv") == (3, 1, 256, 64)
    for block in range(1, 9):
        assert shape_of(resnet, f"residual_block{block}_conv1") == (3, 1, 256, 64)
        assert shape_of(resnet, f"residual_block{block}_conv2") == (3, 1, 256, 64)
    assert "residual_block9_conv1" not in names_of(resnet)
    assert shape_of(resnet, "residual_head") == (3, 1, 256, 256)
    assert shape_of(resnet, "residual_difference") == (1, 1, 256, 3)


def test_gathering_squares_puts_each_square_s_pixels_into_the_channels_of_one(networks):
    squares = np.arange(2 * 8 * 12 * 3, dtype=np.float32).reshape(2, 8, 12, 3)
    gathered = networks.gather_squares(squares, 4)
    assert tuple(gathered.shape) == (2, 2, 3, 48)
    assert np.array_equal(np.asarray(gathered)[1, 1, 2], squares[1, 4:8, 8:].ravel())
    assert np.array_equal(np.asarray(networks.spread_squares(gathered, 4)), squares)


def test_refining_at_a_quarter_of_the_resolution_is_more_than_five_times_less_work(networks, resnet, fast):
    assert work(resnet) > 5 * work(fast)
    assert shape_of(fast, "residual_conv") == (3, 1, 64, 64)
    assert shape_of(fast, "residual_difference") == (1, 1, 64, 48)
    with pytest.raises(ValueError, match="squares of 3 px; 32 px is no multiple"):
        networks.build_network(32, configure(1, True, shrink=3), Scaling("tanh", 32))


def test_a_second_stage_refines_the_first_one_s_output(networks, resnet):
    twice = networks.build_network(256, configure(16, True, stages=2), TANH)
    assert work(twice) == 2 * work(resnet)
    joins = [layer.name for layer in twice.layers if layer.name.startswith(("join", "refined", "final"))]
    assert joins == ["join", "refined1", "join2", "final"]


def test_only_the_refinement_has_biases(resnet):
    biased = [layer.name for layer in resnet.layers if getattr(layer, "use_bias", False)]
    assert all(name.startswith("residual_") for name in biased)
    assert len(biased) == 1 + 16 + 2


def test_the_final_output_always_exists_and_the_brief_one_beside_the_refinement(prn, resnet):
    assert [sorted(prn.output), sorted(resnet.output)] == [["final"], ["brief", "final"]]


def test_the_activation_is_that_of_the_scaling(networks):
    for scaling, activation in (("tanh", "tanh"), ("linear", "linear"), ("sigmoid", "sigmoid"), ("prnet", "sigmoid")):
        network = networks.build_network(32, configure(1, False), Scaling(scaling, 32))
        assert network.get_layer("final").activation.__name__ == activation


def put_out(keras, networks, join):
    """Both outputs of an untrained network."""
    keras.utils.set_random_seed(0)
    network = networks.build_network(32, configure(2, True, join, 1, 4, 4), Scaling("tanh", 32))
    # As in training: with its first moving statistics an untrained network puts out next to nothing.
    outputs = network(PHOTOS, training=True)
    return np.asarray(outputs["brief"]), np.asarray(outputs["final"])


def test_joined_at_the_logits_an_untrained_refinement_leaves_the_brief_output_as_it_is(keras, networks):
    brief, final = put_out(keras, networks, "logits")
    assert np.abs(final - brief).max() < 1e-6
    assert np.abs(brief).max() > 0.5


def test_the_thesiss_join_squashes_the_brief_output_once_more(keras, networks):
    brief, final = put_out(keras, networks, "thesis")
    assert np.abs(final - np.tanh(brief)).max() < 1e-6
    assert np.abs(brief).max() > 0.5


def configure_lean(width, levels=5):
    return NetworkConfig("position_map", width, levels, 0.9, lean=True)


def test_our_own_network_works_at_half_the_side_with_kernels_of_3_except_where_it_halves_or_doubles(networks):
    lean = networks.build_network(128, configure_lean(16), Scaling("linear", 128))
    shapes = {layer.name: shape_of(lean, layer.name) for layer in lean.layers if hasattr(layer, "kernel_size")}
    assert shapes["encoder_conv"] == shapes["decoder_conv1"] == (3, 1, 64, 32)
    assert shapes["encoder_level1_1_conv2"] == shapes["encoder_level1_2_conv2"] == (3, 1, 64, 16)
    for level, side, channels in ((2, 32, 64), (3, 16, 128), (4, 8, 256), (5, 4, 512)):
        assert shapes[f"encoder_level{level}_1_conv2"] == (4, 2, side, channels // 2)
        assert shapes[f"encoder_level{level}_2_conv2"] == (3, 1, side, channels // 2)
    assert shapes["decoder_conv"] == (3, 1, 4, 512)
    for level, side, channels in ((4, 8, 256), (3, 16, 128), (2, 32, 64), (1, 64, 32)):
        assert shapes[f"decoder_up{level}"] == (4, 2, side, channels)
        assert shapes[f"decoder_conv{level}"] == (3, 1, side, channels)
    # All channels up to the last layer, which has three for each of 2 x 2 texels.
    assert shapes["difference"] == (3, 1, 64, 12)
    assert min(kernel[3] for name, kernel in shapes.items() if name != "difference") == 16
    strided = [layer.name for layer in lean.layers if getattr(layer, "kernel_size", 0) == (1, 1) != layer.strides]
    assert strided == []
    assert lean.output["final"].shape == (None, 128, 128, 3)


def test_separable_our_own_network_has_full_convolutions_at_its_ends_alone(keras, networks):
    config = NetworkConfig("position_map", 16, 4, 0.9, lean=True, convolution="separable")
    mobile = networks.build_network(64, config, Scaling("linear", 64))
    kinds = {layer.name: layer for layer in mobile.layers if hasattr(layer, "kernel_size")}
    full = [
        name for name, layer in kinds.items() if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3)
    ]
    assert full == ["encoder_conv", "difference"]
    assert not [layer for layer in mobile.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    depthwise = [layer for layer in kinds.values() if isinstance(layer, keras.layers.DepthwiseConv2D)]
    # One in each of eight blocks, one at the deepest level, and one after each of three doublings.
    assert {layer.kernel_size for layer in depthwise} == {(3, 3)}
    assert [layer.strides[0] for layer in depthwise] == [1, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1]
    # By hand: of a block of c channels its three convolutions with their normalisations, which have 4 numbers a
    # channel, and a shortcut where it sees other than c channels.
    norm = 4

    def block(seen, c, shortcut):
        return seen * c + norm * c + 9 * c + norm * c + c * c + norm * c + (seen * c if shortcut else 0)

    encoder = 9 * 12 * 32 + norm * 32
    for seen, c in ((32, 32), (32, 64), (64, 128), (128, 256)):
        encoder += block(seen, c, seen != c) + block(c, c, False)
    decoder = 9 * 256 + norm * 256 + 256 * 256 + norm * 256
    for seen, c in ((256, 128), (128, 64), (64, 32)):
        decoder += seen * c + norm * c + 9 * c + norm * c + c * c + norm * c
    last = 9 * 32 * 12 + 12 + 64 * 64 * 3
    assert mobile.count_params() == encoder + decoder + last


def test_separable_convolutions_are_of_our_own_network_alone(networks):
    separable = NetworkConfig("position_map", 4, 3, 0.9, convolution="separable")
    table = networks.build_network(32, separable, Scaling("tanh", 32))
    assert not [layer.name for layer in table.layers if type(layer).__name__ == "DepthwiseConv2D"]


def test_our_own_network_starts_near_the_mean_map_which_does_not_learn(keras, networks):
    keras.utils.set_random_seed(0)
    lean = networks.build_network(32, configure_lean(4, 3), Scaling("linear", 32))
    mean = np.random.default_rng(1).uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    before = np.asarray(lean(PHOTOS, training=True)["final"])
    networks.set_mean_map(lean, mean)
    after = np.asarray(lean(PHOTOS, training=True)["final"])
    assert np.abs(after - before - mean).max() < 1e-6
    # Far less than half the image, which is 1.
    assert 0 < np.abs(before).mean() < 0.3
    assert mean.shape not in {tuple(variable.shape) for variable in lean.trainable_variables}


def test_a_network_of_the_tables_has_no_mean_map_to_set(networks):
    table = networks.build_network(32, configure(1, False), Scaling("tanh", 32))
    before = table.get_weights()
    networks.set_mean_map(table, np.ones((32, 32, 3), np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(before, table.get_weights(), strict=True))


def test_a_size_that_cannot_be_halved_five_times_is_refused(networks):
    with pytest.raises(ValueError, match=r"^The network halves its input 5 times: 48 px is not a multiple of 32\.$"):
        networks.build_network(48, configure(1, False), Scaling("tanh", 48))
