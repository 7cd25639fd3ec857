"""Networks for inference and in files, against the networks that they were made from.

TensorFlow takes 10 s to import, so one child process works out everything, and the tests read its answers.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SIZE = 32
COMMON = f"""
import hashlib, json, sys
from pathlib import Path
import numpy as np
from model.backend import prepare_keras

prepare_keras()
import keras
from model import networks
from model.coefficient_network import build_coefficient_network
from model.coefficients import Whitening
from model.export import export, open_network
from model.inference import inference_form
from model.scaling import Scaling, to_pixels
from model.settings import NetworkConfig

SIZE = {SIZE}
rng = np.random.default_rng(0)
photos = rng.random((8, SIZE, SIZE, 3), np.float32)


def settle(model):
    # Random statistics and weights, such that no layer is near 0, also those that start there.
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.name.endswith("_difference"):
            layer.kernel.assign(rng.normal(0, 0.1, layer.kernel.shape))
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(photos, training=True)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            spread = [rng.uniform(0.7, 1.4, layer.gamma.shape) for _ in range(4)]
            shift = [0, rng.normal(0, 0.1, layer.gamma.shape), rng.normal(0, 0.1, layer.gamma.shape), 0]
            layer.set_weights([w * a + b for w, a, b in zip(layer.get_weights(), spread, shift)])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def make(residual=True, join="logits", stages=1, shrink=1, scaling="tanh"):
    keras.utils.set_random_seed(1)
    config = NetworkConfig("position_map", 4, 3, 0.9, residual, 2, 8, 16, join, stages, shrink)
    return settle(networks.build_network(SIZE, config, Scaling(scaling, SIZE)))


def pixels(values, scaling="tanh"):
    return to_pixels(np.asarray(values), Scaling(scaling, SIZE))
"""

CHILD = (
    COMMON
    + """
answer = {"form": {}, "files": {}}
cases = {
    "prn": {"residual": False}, "sigmoid": {"scaling": "sigmoid"}, "prnet": {"scaling": "prnet"}, "resnet": {},
    "thesis": {"join": "thesis"}, "twice": {"stages": 2}, "fast": {"shrink": 4},
}
for name, case in cases.items():
    model = make(**case)
    before = [values.copy() for values in model.get_weights()]
    form = inference_form(model)
    scaling = case.get("scaling", "tanh")
    expected, got = (pixels(values, scaling) for values in (model(photos)["final"], form(photos)))
    kinds = [type(layer).__name__ for layer in form.layers]
    answer["form"][name] = {
        "gap": float(np.abs(got - expected).max()), "spread": float(expected.std(axis=(0, 1, 2)).min()),
        "kept": all(np.array_equal(a, b) for a, b in zip(before, model.get_weights())),
        "transposed": kinds.count("Conv2DTranspose"), "norms": kinds.count("BatchNormalization"),
        "sums": sum(layer.name.startswith("encoder") and layer.name.endswith("_add") for layer in form.layers)}

keras.config.set_dtype_policy("mixed_bfloat16")
mixed = make()
keras.config.set_dtype_policy("float32")
answer["mixed"] = sorted({str(layer.compute_dtype) for layer in inference_form(mixed).layers})
whitening = Whitening(rng.normal(0, 1, 20), rng.uniform(0.5, 2, 20))
config = NetworkConfig("coefficients", 4, 3, 0.9, False, 1, 1, 1, "logits", 1, 1)
coefficients = settle(build_coefficient_network(SIZE, config, whitening))
form = inference_form(coefficients)
expected = np.asarray(coefficients(photos)["final"])
answer["coefficients"] = [float(np.abs(np.asarray(form(photos)) - expected).max()), float(expected.std())]
files = export(form, Path(sys.argv[1], "coefficients"), photos)
answer["coefficient_files"] = {name: float(np.abs(open_network(path, 1)(photos[:1]) - expected[:1]).max())
                               for name, path in files.items()}

photo = keras.Input((8, 8, 2))
other = keras.layers.Conv2DTranspose(3, 3, padding="same", name="other")(photo)
try:
    inference_form(keras.Model(photo, {"final": other}))
except ValueError as error:
    answer["refused"] = str(error)

import onnx
model = make()
for folder in ("first", "second"):
    files = export(inference_form(model), Path(sys.argv[1], folder), photos)
for name, path in files.items():
    outputs = [open_network(path, threads)(photos[:1]) for threads in (1, 2)]
    gaps = np.abs(pixels(outputs[0]) - pixels(model(photos[:1])["final"]))
    again = open_network(path, 1)(photos[1:2])
    answer["files"][name] = {"gap": float(gaps.max()), "mean": float(gaps.mean()),
                             "type": str(outputs[0].dtype), "shape": list(outputs[0].shape),
                             "threads": float(np.abs(outputs[1] - outputs[0]).max()),
                             "size": path.stat().st_size, "moved": float(np.abs(again - outputs[0]).max())}
graph = onnx.load(files["onnx_int8"]).graph
whole = {tensor.name: tensor.data_type for tensor in graph.initializer}
makers = {output: node for node in graph.node for output in node.output}
kinds = {}
for node in graph.node:
    if node.op_type == "Conv":
        source = makers.get(node.input[1])
        tensor = source.input[0] if source is not None else node.input[1]
        shape = next(list(t.dims) for t in graph.initializer if t.name == tensor)
        kinds.setdefault(onnx.TensorProto.DataType.Name(whole[tensor]), []).append(shape[:2])
answer["int8"] = kinds
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(str(files["litert_int8"]))
answer["litert_types"] = sorted({str(details["dtype"].__name__) for details in interpreter.get_tensor_details()})
answer["litert_ends"] = [str(details[0]["dtype"].__name__)
                         for details in (interpreter.get_input_details(), interpreter.get_output_details())]
print(json.dumps(answer))
"""
)

AGAIN = COMMON + "\nexport(inference_form(make()), Path(sys.argv[1], 'third'), photos)\n"


def run_child(code: str, folder: Path, seed: str) -> str:
    child = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def answer(folder) -> dict:
    return json.loads(run_child(CHILD, folder, "1"))


@pytest.mark.parametrize("name", ["prn", "sigmoid", "prnet", "resnet", "thesis", "twice", "fast"])
def test_the_inference_form_is_the_same_function(answer, name):
    form = answer["form"][name]
    assert form["spread"] > 0.5  # px: a network that puts out next to nothing would prove nothing
    assert form["gap"] < 5e-3
    assert form["kept"]
    assert form["transposed"] == 0
    # Only what follows the additions of the encoder's six blocks is left.
    assert form["norms"] == form["sums"] == 6


def test_the_inference_form_computes_in_float32_whatever_was_trained(answer):
    assert answer["mixed"] == ["float32"]


def test_a_network_of_coefficients_has_an_inference_form_too(answer):
    gap, spread = answer["coefficients"]
    assert gap < 1e-4 * spread


def test_coefficients_are_exported_too_but_not_where_all_would_share_one_scale(answer):
    spread, gaps = answer["coefficients"][1], answer["coefficient_files"]
    assert list(gaps) == ["onnx", "onnx_float16", "onnx_int8", "litert", "litert_float16"]
    assert max(gaps["onnx"], gaps["litert"]) < 1e-4 * spread
    assert max(gaps.values()) < 0.1 * spread


def test_another_transposed_convolution_is_refused(answer):
    assert answer["refused"].startswith("other is no transposed convolution of kernel 4")


def test_every_file_takes_a_photo_and_puts_out_a_map(answer):
    for name, file in answer["files"].items():
        assert file["shape"] == [1, SIZE, SIZE, 3], name
        assert file["type"] == "float32", name
        assert file["threads"] < 1e-4, name
        assert file["moved"] > 1e-3, name


def test_files_keep_the_positions(answer):
    files = answer["files"]
    # px of maps with a standard deviation of some 8 px: another map would be 9 px off in the mean. Random weights
    # carry the rounding to 24, 11 and 8 bits from layer to layer; trained ones hold it back, see metrics/export.json.
    for runtime in ("onnx", "litert"):
        assert files[runtime]["gap"] < 5e-3
        assert 1e-4 < files[f"{runtime}_float16"]["mean"] < 0.1
        assert 1e-2 < files[f"{runtime}_int8"]["mean"] < 4


def test_int8_keeps_the_layers_that_put_out_positions_in_float32(answer):
    # Channels out and in of the decoder's last three layers, and of the refinement's last.
    assert answer["int8"]["FLOAT"] == [[3, 4], [3, 3], [3, 3], [3, 16]]
    assert len(answer["int8"]["INT8"]) > 20
    assert set(answer["int8"]) == {"FLOAT", "INT8"}


def test_litert_int8_is_whole_numbers_between_a_float_photo_and_a_float_map(answer):
    assert answer["litert_ends"] == ["float32", "float32"]
    assert set(answer["litert_types"]) == {"float32", "int8", "int32"}


def test_files_shrink_with_their_precision(answer):
    sizes = {name: file["size"] for name, file in answer["files"].items()}
    for runtime in ("onnx", "litert"):
        assert sizes[f"{runtime}_float16"] < 0.75 * sizes[runtime]
        assert sizes[f"{runtime}_int8"] < 0.75 * sizes[runtime]


def test_the_same_network_gives_the_same_bytes_again_and_in_another_process(answer, folder):
    run_child(AGAIN, folder, "2")
    hashes = {
        name: {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / name).iterdir()}
        for name in ("first", "second", "third")
    }
    assert len(hashes["first"]) == len(answer["files"]) == 6
    assert hashes["second"] == hashes["first"]
    differing = [name for name in hashes["first"] if hashes["third"][name] != hashes["first"][name]]
    assert not differing
