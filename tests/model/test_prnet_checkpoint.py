"""Where each variable of PRNet's checkpoint goes."""

import pytest

from model.prnet_checkpoint import match_variables, variables_of


@pytest.mark.parametrize(
    ("layer", "first", "count"),
    [
        ("encoder_conv", "resfcn256/Conv/weights", 1),
        ("encoder_conv_norm", "resfcn256/Conv/BatchNorm/gamma", 4),
        ("encoder_block1_conv1", "resfcn256/resBlock/Conv/weights", 1),
        ("encoder_block1_conv2_norm", "resfcn256/resBlock/Conv_1/BatchNorm/gamma", 4),
        ("encoder_block1_conv3", "resfcn256/resBlock/Conv_2/weights", 1),
        ("encoder_block3_shortcut", "resfcn256/resBlock_2/shortcut/weights", 1),
        ("encoder_block10_norm", "resfcn256/resBlock_9/BatchNorm/gamma", 4),
        ("decoder_deconv1", "resfcn256/Conv2d_transpose/weights", 1),
        ("decoder_deconv17_norm", "resfcn256/Conv2d_transpose_16/BatchNorm/gamma", 4),
    ],
)
def test_a_layer_has_the_name_that_tensorflow_1_gave_it(layer, first, count):
    names = variables_of(layer)
    assert (names[0], len(names)) == (first, count)


def test_batch_statistics_come_in_the_order_of_keras():
    parts = [name.rpartition("/")[2] for name in variables_of("encoder_conv_norm")]
    assert parts == ["gamma", "beta", "moving_mean", "moving_variance"]


LAYERS = {"encoder_conv": [(4, 4, 3, 16)], "encoder_conv_norm": [(16,)] * 4}
VARIABLES = {"resfcn256/Conv/weights": (4, 4, 3, 16)} | {
    f"resfcn256/Conv/BatchNorm/{part}": (16,) for part in ("gamma", "beta", "moving_mean", "moving_variance")
}


def test_what_adam_kept_has_no_place():
    kept = {
        "beta1_power": (),
        "resfcn256/Conv/weights/Adam": (4, 4, 3, 16),
        "resfcn256/Conv/BatchNorm/beta/Adam_1": (16,),
    }
    places = match_variables(LAYERS, VARIABLES | kept)
    assert sorted(name for names in places.values() for name in names) == sorted(VARIABLES)


@pytest.mark.parametrize(
    ("layers", "variables", "sentence"),
    [
        (LAYERS, {}, "has no resfcn256/Conv/weights, for the layer encoder_conv: it is not PRNet's"),
        (
            LAYERS | {"encoder_conv": [(4, 4, 3, 8)]},
            VARIABLES,
            r"Conv/weights has shape \(4, 4, 3, 16\), the layer encoder_conv needs \(4, 4, 3, 8\)",
        ),
        (
            LAYERS,
            VARIABLES | {"global_step": ()},
            "1 variables of the checkpoint belong to no layer, first global_step",
        ),
        (LAYERS | {"residual_conv": [(3, 3, 6, 64)]}, VARIABLES, "PRNet has no layer for 'residual_conv'"),
    ],
)
def test_what_does_not_fit_is_named(layers, variables, sentence):
    with pytest.raises(ValueError, match=sentence):
        match_variables(layers, variables)
