"""Which layers an int8 file keeps in float32, and what the stage says of a file, worked out by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model.export import position_nodes
from model.scores.protocols import error_3ddfa
from pipeline.uv.surface import Surface
from stages import export
from stages.project.samples import Truth


def make_graph(nodes, weights):
    """An ONNX graph from `photo` to `final`, 3 channels last; weights by name as (channels out, channels in)."""
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, (1, 8, 8, 3))
    final = helper.make_tensor_value_info("final", TensorProto.FLOAT, (1, 8, 8, 3))
    tensors = [numpy_helper.from_array(np.zeros((*shape, 1, 1), np.float32), name) for name, shape in weights.items()]
    made = [helper.make_node(kind, inputs, [name], name=name) for name, kind, inputs in nodes]
    return helper.make_graph(made, "network", [photo], [final], tensors)


def test_the_narrow_layers_and_the_join_put_out_positions_and_all_before_them_does_not():
    nodes = [
        ("wide", "Conv", ["photo", "w1"]),
        ("wide_relu", "Relu", ["wide"]),
        ("narrow", "Conv", ["wide_relu", "w2"]),
        ("narrow_relu", "Relu", ["narrow"]),
        ("logits", "Conv", ["narrow_relu", "w3"]),
        ("brief", "Tanh", ["logits"]),
        ("head", "Conv", ["brief", "w4"]),
        ("head_relu", "Relu", ["head"]),
        ("difference", "Conv", ["head_relu", "w5"]),
        ("join", "Add", ["logits", "difference"]),
        ("tanh", "Tanh", ["join"]),
        ("final", "Transpose", ["tanh"]),
    ]
    weights = {"w1": (8, 3), "w2": (3, 8), "w3": (3, 3), "w4": (4, 3), "w5": (3, 4)}
    kept = position_nodes(make_graph(nodes, weights))
    assert kept == {"narrow", "narrow_relu", "logits", "difference", "join", "tanh", "final"}


def test_a_sum_before_a_relu_is_no_layer_of_positions():
    nodes = [
        ("a", "Conv", ["photo", "w1"]),
        ("sum", "Add", ["a", "photo"]),
        ("relu", "Relu", ["sum"]),
        ("final", "Conv", ["relu", "w1"]),
    ]
    assert position_nodes(make_graph(nodes, {"w1": (3, 3)})) == {"final"}


def test_the_graph_of_the_test_is_valid():
    graph = make_graph([("final", "Conv", ["photo", "w"])], {"w": (3, 8)})
    onnx.checker.check_model(helper.make_model(graph))


@pytest.fixture
def samples():
    """Two samples whose 68 landmarks span a square of 10 px of the raw photo, twice as large in the crop."""
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [10, 10, 0]], np.float64)
    landmarks = np.resize(corners, (68, 3))
    image = np.zeros((4, 4, 3), np.uint8)
    similarity = np.diag([2.0, 2.0, 1.0])
    return [
        Truth(
            name,
            image,
            np.zeros((4, 4, 3), np.float32),
            similarity,
            landmarks,
            True,
            np.zeros(7),
            np.zeros(2, np.float32),
        )
        for name in ("test/a", "test/b")
    ]


@pytest.fixture
def surface():
    uv = np.resize(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64), (68, 2))
    none = np.zeros((0, 3), np.int64)
    return Surface(uv, uv, none, none, np.ones((4, 4), bool), none, none)


def test_a_format_is_measured_by_its_farthest_texel_and_by_what_it_adds_to_the_error(samples, surface):
    column, row = np.meshgrid(np.linspace(0, 20, 4), np.linspace(0, 20, 4))
    true = np.stack([column, row, 0 * row], axis=-1)

    def off_by(x, y=0.0):
        return lambda _: (true + np.array([x, y, 0.0]))[None].astype(np.float32)

    def one_texel(photo):
        moved = off_by(1.0)(photo)
        moved[0, 1, 1] += np.array([2, 3, 6], np.float32)
        return moved

    rows = export.compare(samples, off_by(1.0), {"far": off_by(1.0, 1.0), "texel": one_texel}, surface)
    # 1 px of the crop is 0.5 px of the photo; the landmarks' box has a side of 10 px, so 5 %, and sqrt(2) times that.
    more = round(5 * 2**0.5 - 5, 3)
    # The same of both photos, so the interval has no width.
    assert rows["far"] == {"max_px": 1.0, "nme68_2d": more, "nme68_2d_low": more, "nme68_2d_high": more}
    # No landmark lies near the texel, which is sqrt(4 + 9 + 36) = 7 px off.
    assert rows["texel"] == {"max_px": 7.0, "nme68_2d": 0.0, "nme68_2d_low": 0.0, "nme68_2d_high": 0.0}
    assert error_3ddfa(samples[0].landmarks + np.array([0.5, 0, 0]), samples[0].landmarks) == pytest.approx(5)


@pytest.mark.parametrize("key", ["samples", "calibration"])
def test_no_samples_to_measure_on_are_refused(key):
    with pytest.raises(ValueError, match=f"export.{key} is 0"):
        export.ExportParams(**{"samples": 1, "calibration": 1, key: 0})
