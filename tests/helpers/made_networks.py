"""ONNX networks that are written by hand, without TensorFlow, so that one knows what they put out."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.photo.map_network import NetworkFacts

REAL = NetworkFacts(
    scaling="tanh",
    size=64,
    margin=1.5,
    level=True,
    variant="final",
    weights_sha256="ab" * 32,
    trained_on="AFLW2000",
    demo=False,
    faces=1499,
)


def write_onnx(offset, gain=0.0):
    """A network whose output is gain * photo + offset (S, S, 3)."""
    shape = (1, *offset.shape)
    photo, final = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("photo", "final"))
    constants = {"gain": np.float32(gain), "offset": offset.astype(np.float32)[None]}
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["photo", "gain"], ["product"]),
            helper.make_node("Add", ["product", "offset"], ["final"]),
        ],
        "network",
        [photo],
        [final],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
