"""The networks against the thesis's tables, and the losses against hand-computed values.

TensorFlow takes 10 s to import, so one child process works out everything, and the tests read its answers.
"""

import json
import subprocess
import sys

import pytest

from stages.thesis import read_reference

pytestmark = pytest.mark.slow

CHILD = """
import json
import numpy as np
from model.backend import prepare_keras

prepare_keras()
import keras
from model import losses, networks, training
from model.layer_table import read_tables
from model.scaling import Scaling
from model.settings import NetworkConfig


def config(width, residual, join="logits", blocks=8, channels=64, head=256, stages=1, shrink=1):
    return NetworkConfig("position_map", width, 5, 0.99, residual, blocks, channels, head, join, stages, shrink)


def work(model):
    # Multiplications of the refinement's convolutions for one photo.
    return sum(int(np.prod(layer.output.shape[1:3])) * int(np.prod(layer.kernel.shape))
               for layer in model.layers if layer.name.startswith("residual") and hasattr(layer, "kernel"))


def describe(model):
    for layer in model.layers:
        if hasattr(layer, "kernel_size"):
            yield layer.name, [layer.kernel_size[0], layer.strides[0], *layer.output.shape[1:]]


answer = {}
tanh = Scaling("tanh", 256)
prn, resnet = (networks.build_network(256, config(16, residual), tanh) for residual in (False, True))
answer["weights"] = [prn.count_params(), resnet.count_params()]
answer["outputs"] = [sorted(prn.output), sorted(resnet.output)]
answer["layers"] = dict(describe(resnet))
answer["tables"] = read_tables(resnet)
answer["biased"] = [layer.name for layer in resnet.layers if getattr(layer, "use_bias", False)]
# Keras's word for a shortcut that is the block's own input: the addition's second input was made by the block before.
answer["shortcuts"] = {n: resnet.get_layer(f"encoder_block{n}_add").input[1]._keras_history.operation.name
                       for n in range(1, 11)}
answer["activations"] = {
    name: networks.build_network(32, config(1, False), Scaling(name, 32)).get_layer("final").activation.__name__
    for name in ("tanh", "sigmoid", "prnet")}
try:
    networks.build_network(48, config(1, False), Scaling("tanh", 48))
except ValueError as error:
    answer["size"] = str(error)

photos = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
for join in ("logits", "thesis"):
    keras.utils.set_random_seed(0)
    # As in training: with its first moving statistics an untrained network puts out next to nothing.
    out = networks.build_network(32, config(2, True, join, 1, 4, 4), Scaling("tanh", 32))(photos, training=True)
    brief, final = np.asarray(out["brief"]), np.asarray(out["final"])
    expected = brief if join == "logits" else np.tanh(brief)
    answer[join] = [float(np.abs(final - expected).max()), float(np.abs(brief).max())]

squares = np.arange(2 * 8 * 12 * 3, dtype=np.float32).reshape(2, 8, 12, 3)
gathered = networks.gather_squares(squares, 4)
square = np.asarray(gathered)[1, 1, 2], squares[1, 4:8, 8:]
answer["square"] = [list(gathered.shape), *(values.ravel().tolist() for values in square)]
answer["spread"] = bool(np.array_equal(np.asarray(networks.spread_squares(gathered, 4)), squares))
fast, twice = (networks.build_network(256, config(16, True, **more), tanh) for more in ({"shrink": 4}, {"stages": 2}))
answer["work"] = [work(resnet), work(fast), work(twice)]
answer["fast"] = dict(describe(fast))
answer["twice"] = [layer.name for layer in twice.layers if layer.name.startswith(("join", "refined", "final"))]
try:
    networks.build_network(32, config(1, True, shrink=3), Scaling("tanh", 32))
except ValueError as error:
    answer["squares"] = str(error)

# The strided shortcut against a strided 1x1 convolution with the same kernel (forward only: its gradient may crash).
keras.utils.set_random_seed(0)
small = networks.build_network(32, config(2, False), Scaling("tanh", 32))
shortcut = small.get_layer("encoder_block1_shortcut")
source = small.get_layer("encoder_conv_relu").output
taken = keras.Model(small.input, [source, shortcut.output]).predict_on_batch(photos)
strided = keras.ops.conv(taken[0], shortcut.kernel, strides=2, padding="same")
answer["shortcut_gap"] = float(np.abs(np.asarray(strided) - taken[1]).max())

# Two texels of weight 1 and 0.4, 64 px in a unit: of differences (1, -2, 0) px and (0, 3, 4) px.
mask = np.array([[1, 0.4], [0, 0]], np.float32)
true = np.zeros((2, 2, 2, 3), np.float32)
predicted = true.copy()
predicted[0, 0, 0] = np.array([1, -2, 0]) / 64
predicted[0, 0, 1] = np.array([0, 3, 4]) / 64
predicted[:, 1, 1] = 9
for norm in ("l1", "l2"):
    loss = losses.weighted_distance(mask, Scaling("tanh", 128), norm)
    answer[norm] = np.asarray(loss(true, predicted)).tolist()
try:
    losses.weighted_distance(0 * mask, Scaling("tanh", 128))
except ValueError as error:
    answer["empty_mask"] = str(error)
print(json.dumps(answer))
"""

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


@pytest.fixture(scope="module")
def answer() -> dict:
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def layer(answer: dict, name: str) -> tuple[int, int, int, int]:
    kernel, stride, height, width, channels = answer["layers"][name]
    assert height == width
    return kernel, stride, height, channels


def test_the_encoder_decoder_has_the_weights_of_the_published_prnet_and_the_refinement_three_quarters_of_a_million(
    answer,
):
    # 13,365,508 are the values of PRNet's checkpoint without the optimiser's; the rest is section 3.4.3 by hand:
    # 3x3 6 -> 64, 16 of 3x3 64 -> 64, 3x3 64 -> 256, 1x1 256 -> 3, each with its biases.
    refinement = (54 * 64 + 64) + 16 * (576 * 64 + 64) + (576 * 256 + 256) + (256 * 3 + 3)
    assert answer["weights"] == [13_365_508, 13_365_508 + refinement]


def test_the_tables_that_the_page_shows_are_the_thesis_s_at_its_size(answer):
    theirs = read_reference()["layers"]
    for number in ("3.1", "3.3"):
        assert answer["tables"][number] == theirs[number]
    # Table 3.2 is general: for the first block N is 32 and L is 2. Its shortcut is printed without the stride; ours
    # ends where the block does.
    assert answer["tables"]["3.2"] == [
        ["Shortcut", 1, 1, "128*128*32"],
        ["Conv1", 1, 1, "256*256*16"],
        ["Conv2", 4, 2, "128*128*16"],
        ["Conv3", 1, 1, "128*128*32"],
    ]


def test_the_first_convolution_keeps_the_size(answer):
    assert layer(answer, "encoder_conv") == (4, 1, 256, 16)


@pytest.mark.parametrize("block", TABLE_3_1)
def test_an_encoder_block_is_that_of_tables_3_1_and_3_2(answer, block):
    kernel, stride, side, channels = TABLE_3_1[block]
    assert layer(answer, f"encoder_block{block}_conv1") == (1, 1, side * stride, channels // 2)
    assert layer(answer, f"encoder_block{block}_conv2") == (kernel, stride, side, channels // 2)
    assert layer(answer, f"encoder_block{block}_conv3") == (1, 1, side, channels)


@pytest.mark.parametrize("block", TABLE_3_1)
def test_the_shortcut_is_a_1x1_convolution_where_shapes_differ_and_else_the_identity(answer, block):
    if TABLE_3_1[block][1] == 2:
        assert answer["shortcuts"][str(block)] == f"encoder_block{block}_shortcut"
        assert layer(answer, f"encoder_block{block}_shortcut") == (1, 1, *TABLE_3_1[block][2:])
    else:
        assert answer["shortcuts"][str(block)] == f"encoder_block{block - 1}_relu"
        assert f"encoder_block{block}_shortcut" not in answer["layers"]


def test_taking_every_other_pixel_first_is_the_strided_1x1_convolution(answer):
    assert answer["shortcut_gap"] < 1e-6


@pytest.mark.parametrize("number", TABLE_3_3)
def test_a_transposed_convolution_is_that_of_table_3_3(answer, number):
    assert layer(answer, f"decoder_deconv{number}") == TABLE_3_3[number]


def test_the_decoder_ends_after_17_and_the_encoder_after_10(answer):
    assert "decoder_deconv18" not in answer["layers"]
    assert "encoder_block11_conv1" not in answer["layers"]


def test_the_refinement_is_that_of_section_3_4_3(answer):
    assert layer(answer, "residual_conv") == (3, 1, 256, 64)
    for block in range(1, 9):
        assert layer(answer, f"residual_block{block}_conv1") == (3, 1, 256, 64)
        assert layer(answer, f"residual_block{block}_conv2") == (3, 1, 256, 64)
    assert "residual_block9_conv1" not in answer["layers"]
    assert layer(answer, "residual_head") == (3, 1, 256, 256)
    assert layer(answer, "residual_difference") == (1, 1, 256, 3)


def test_gathering_squares_puts_each_square_s_pixels_into_the_channels_of_one(answer):
    shape, channels, square = answer["square"]
    assert shape == [2, 2, 3, 48]
    assert channels == square
    assert answer["spread"]


def test_refining_at_a_quarter_of_the_resolution_is_more_than_five_times_less_work(answer):
    full, fast, _ = answer["work"]
    assert full > 5 * fast
    assert layer({"layers": answer["fast"]}, "residual_conv") == (3, 1, 64, 64)
    assert layer({"layers": answer["fast"]}, "residual_difference") == (1, 1, 64, 48)
    assert "squares of 3 px; 32 px is no multiple" in answer["squares"]


def test_a_second_stage_refines_the_first_one_s_output(answer):
    full, _, twice = answer["work"]
    assert twice == 2 * full
    assert answer["twice"] == ["join", "refined1", "join2", "final"]


def test_only_the_refinement_has_biases(answer):
    assert all(name.startswith("residual_") for name in answer["biased"])
    assert len(answer["biased"]) == 1 + 16 + 2


def test_the_final_output_always_exists_and_the_brief_one_beside_the_refinement(answer):
    assert answer["outputs"] == [["final"], ["brief", "final"]]


def test_the_activation_is_that_of_the_scaling(answer):
    assert answer["activations"] == {"tanh": "tanh", "sigmoid": "sigmoid", "prnet": "sigmoid"}


def test_joined_at_the_logits_an_untrained_refinement_leaves_the_brief_output_as_it_is(answer):
    gap, largest = answer["logits"]
    assert gap < 1e-6
    assert largest > 0.5


def test_the_thesiss_join_squashes_the_brief_output_once_more(answer):
    gap, largest = answer["thesis"]
    assert gap < 1e-6
    assert largest > 0.5


def test_a_size_that_cannot_be_halved_five_times_is_refused(answer):
    assert answer["size"] == "The network halves its input 5 times: 48 px is not a multiple of 32."


def test_the_l1_loss_is_the_weighted_mean_of_the_absolute_differences_in_px(answer):
    # (1 x (1 + 2 + 0) + 0.4 x (0 + 3 + 4)) / 1.4; the texel of weight 0 has no say, nor the other sample.
    assert answer["l1"] == pytest.approx([5.8 / 1.4, 0])


def test_the_l2_loss_is_the_weighted_mean_of_the_squared_distances(answer):
    # (1 x (1 + 4) + 0.4 x (9 + 16)) / 1.4
    assert answer["l2"] == pytest.approx([15 / 1.4, 0])


def test_an_empty_weight_mask_is_refused(answer):
    assert answer["empty_mask"].startswith("The weight mask is 0 everywhere")
