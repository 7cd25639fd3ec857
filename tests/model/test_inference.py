"""Networks for inference, against the networks that they were made from."""

import numpy as np
import pytest

from tests.helpers.settled_networks import IGNORE_LAMBDAS, PHOTOS, make_coefficient_network, make_network, pixels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inference_form(keras):
    from model.inference import inference_form

    return inference_form


@pytest.mark.parametrize(
    "changes",
    [
        {"residual": False},
        {"scaling": "sigmoid"},
        {"scaling": "prnet"},
        {},
        {"join": "thesis"},
        {"stages": 2},
        {"shrink": 4},
    ],
    ids=["prn", "sigmoid", "prnet", "resnet", "thesis", "twice", "fast"],
)
def test_the_inference_form_is_the_same_function(inference_form, changes):
    model = make_network(**changes)
    before = [values.copy() for values in model.get_weights()]
    form = inference_form(model)
    scaling = changes.get("scaling", "tanh")
    expected, found = (pixels(values, scaling) for values in (model(PHOTOS)["final"], form(PHOTOS)))
    # px: a network that puts out next to nothing would prove nothing
    assert expected.std(axis=(0, 1, 2)).min() > 0.5
    assert np.abs(found - expected).max() < 5e-3
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    kinds = [type(layer).__name__ for layer in form.layers]
    assert kinds.count("Conv2DTranspose") == 0
    # What follows the additions of the encoder's six blocks is in what is added: every other shortcut is scaled.
    sums = [layer.name for layer in form.layers if layer.name.startswith("encoder") and layer.name.endswith("_add")]
    assert (kinds.count("BatchNormalization"), len(sums), kinds.count("DepthwiseConv2D")) == (0, 6, 3)
    # Those before which something is halved see every other pixel by their stride.
    shortcuts = {layer.name: layer.strides for layer in form.layers if layer.name.endswith("_shortcut")}
    assert shortcuts == {f"encoder_block{number}_shortcut": (2, 2) for number in (1, 3, 5)}
    assert not [one.name for one in form.operations if type(one).__name__ == "GetItem"]


def test_the_inference_form_computes_in_float32_whatever_was_trained(inference_form, set_precision):
    set_precision("mixed_bfloat16")
    mixed = make_network()
    assert "bfloat16" in {layer.compute_dtype for layer in mixed.layers}
    set_precision("float32")
    assert {layer.compute_dtype for layer in inference_form(mixed).layers} == {"float32"}


@IGNORE_LAMBDAS
def test_a_network_that_places_a_face_has_an_inference_form_too(inference_form):
    model = make_coefficient_network()
    expected = pixels(model(PHOTOS)["final"])
    assert expected.std(axis=0).mean() > 1
    assert np.abs(pixels(inference_form(model)(PHOTOS)) - expected).max() < 1e-3


@pytest.mark.parametrize("convolution", ["full", "separable"])
def test_our_own_network_keeps_its_mean_map_in_its_inference_form(inference_form, convolution):
    model = make_network(lean=True, residual=False, scaling="linear", convolution=convolution)
    expected, form = pixels(model(PHOTOS)["final"], "linear"), inference_form(model)
    assert expected.std(axis=(0, 1, 2)).min() > 0.5
    assert np.abs(pixels(form(PHOTOS), "linear") - expected).max() < 5e-3
    assert np.array_equal(form.get_layer("mean_map").get_weights()[0], model.get_layer("mean_map").get_weights()[0])
    kinds = [type(layer).__name__ for layer in form.layers]
    assert (kinds.count("Conv2DTranspose"), kinds.count("BatchNormalization")) == (0, 0)
    assert kinds.count("UpSampling2D") == 0


def test_a_sum_without_a_convolution_of_its_own_keeps_its_batch_normalisation(keras, inference_form):
    photo = keras.Input((8, 8, 3))
    once = keras.layers.Conv2D(3, 1, name="once")(photo)
    # The convolution's output is seen twice, so it must stay as it is.
    norm = keras.layers.BatchNormalization()(keras.layers.Add()([once, photo]))
    model = keras.Model(photo, {"final": keras.layers.Add()([norm, once])})
    norm_layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    norm_layer.set_weights([np.array(values, np.float32) for values in ([2, -1, 3], [1, 0, -1], [0, 1, 2], [1, 4, 9])])
    photos = PHOTOS[:2, :8, :8]
    form = inference_form(model)
    assert np.abs(np.asarray(form(photos)) - np.asarray(model(photos)["final"])).max() < 1e-5
    assert [type(layer).__name__ for layer in form.layers].count("BatchNormalization") == 1


def test_a_negative_factor_is_no_other_function(keras, inference_form):
    photo = keras.Input((8, 8, 3))
    added = keras.layers.Add()([keras.layers.Conv2D(3, 1)(photo), photo])
    norm = keras.layers.BatchNormalization()
    model = keras.Model(photo, {"final": keras.layers.ReLU()(norm(added))})
    norm.set_weights([np.array(values, np.float32) for values in ([2, -1, 3], [1, 0.5, -1], [0, 1, 2], [1, 4, 9])])
    photos = PHOTOS[:2, :8, :8]
    expected = np.asarray(model(photos)["final"])
    assert expected.std() > 0.1
    form = inference_form(model)
    assert np.abs(np.asarray(form(photos)) - expected).max() < 1e-5
    assert [type(layer).__name__ for layer in form.layers].count("BatchNormalization") == 0


def test_another_transposed_convolution_is_refused(keras, inference_form):
    photo = keras.Input((8, 8, 2))
    other = keras.layers.Conv2DTranspose(3, 3, padding="same", name="other")(photo)
    with pytest.raises(ValueError, match=r"^other is no transposed convolution of kernel 4"):
        inference_form(keras.Model(photo, {"final": other}))
