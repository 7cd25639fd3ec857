"""BlazeFace and Face Mesh as ONNX, so that one runtime runs all networks where LiteRT's is not: in a browser.

Only what these networks are made of is known: convolutions, pooling, sums and the like. Inside, a picture lies as
ONNX has it (1, C, H, W); photo and outputs stay as they were.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 17
# LiteRT's layout (N, H, W, C) to ONNX's, and back.
TO_ONNX, TO_LITERT = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclasses.dataclass
class _Graph:
    """What is known of a network on its way: its tensors, the constants among them, and the nodes made so far."""

    tensors: list[Any]
    constants: dict[int, NDArray]
    nodes: list[Any] = dataclasses.field(default_factory=list)
    initializers: list[Any] = dataclasses.field(default_factory=list)

    def shape(self, tensor: int) -> list[int]:
        return [int(side) for side in self.tensors[tensor].shape]

    def name(self, tensor: int) -> str:
        return f"t{tensor}"

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: NDArray) -> str:
        """Keep a constant; half precision stays half in the file, and is widened once when the network is opened."""
        from onnx import TensorProto, numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        if values.dtype != np.float16:
            return name
        return self.add("Cast", [name], f"{name}_wide", to=TensorProto.FLOAT)


def convert(content: bytes) -> bytes:
    """Convert a LiteRT network of one photo to ONNX.

    Parameters
    ----------
    content : bytes
        Of a .tflite file of float32 or float16 weights.

    Returns
    -------
    bytes
        Of an ONNX file with the same inputs and outputs, in the same order and layout; the input is called `photo`.

    Raises
    ------
    ValueError
        If the network has a part that is none of those known.
    """
    from ai_edge_litert import schema_py_generated as schema
    from onnx import TensorProto, checker, helper

    network = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content)))
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    part = network.subgraphs[0]
    graph = _Graph(part.tensors, _constants(network, part.tensors, schema))
    photo = part.inputs[0]
    graph.add("Transpose", ["photo"], graph.name(photo), perm=TO_ONNX)
    for each in part.operators:
        code = network.operatorCodes[each.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind not in _PARTS:
            raise ValueError(
                f"A network has the part {kind}, which can't be converted: use the networks of the bundle."
            )
        _PARTS[kind](graph, each)
    outputs = []
    for number, tensor in enumerate(part.outputs):
        layout = {"perm": TO_LITERT} if len(graph.shape(tensor)) == 4 else None
        graph.add("Transpose" if layout else "Identity", [graph.name(tensor)], f"output{number}", **(layout or {}))
        outputs.append(helper.make_tensor_value_info(f"output{number}", TensorProto.FLOAT, graph.shape(tensor)))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [helper.make_tensor_value_info("photo", TensorProto.FLOAT, graph.shape(photo))],
            outputs,
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _constants(network: Any, tensors: list[Any], schema: Any) -> dict[int, NDArray]:
    kinds = {schema.TensorType.FLOAT32: "<f4", schema.TensorType.FLOAT16: "<f2", schema.TensorType.INT32: "<i4"}
    found = {}
    for number, tensor in enumerate(tensors):
        data = network.buffers[tensor.buffer].data
        if data is not None and len(data):
            found[number] = np.frombuffer(np.asarray(data, np.uint8).tobytes(), kinds[tensor.type]).reshape(
                tensor.shape
            )
    return found


def _widen(graph: _Graph, part: Any) -> None:
    graph.constants[part.outputs[0]] = graph.constants[part.inputs[0]]


def _pads(size: list[int], kernel: list[int], stride: list[int], same: bool) -> list[int]:
    """Pixels (top, left, bottom, right) that LiteRT adds: an odd one at the end."""
    if not same:
        return [0, 0, 0, 0]
    missing = [max((-(-s // t) - 1) * t + k - s, 0) for s, k, t in zip(size, kernel, stride, strict=True)]
    return [*(each // 2 for each in missing), *(each - each // 2 for each in missing)]


def _activated(graph: _Graph, output: str, kind: int, make: Callable[[str], str]) -> None:
    """Make a node, and what its activation is after it: 0 none, 1 ReLU, 3 ReLU up to 6."""
    if kind == 0:
        make(output)
        return
    if kind != 1:
        raise ValueError(f"A network has the activation {kind}, which can't be converted: use those of the bundle.")
    graph.add("Relu", [make(f"{output}_linear")], output)


def _convolve(graph: _Graph, part: Any, depthwise: bool) -> None:
    source, weights, bias = part.inputs
    options, name = part.builtinOptions, graph.name(part.outputs[0])
    values = graph.constants[weights]
    values = values.transpose(3, 0, 1, 2) if depthwise else values.transpose(0, 3, 1, 2)
    kernel, stride = list(values.shape[2:]), [options.strideH, options.strideW]
    inputs = [
        graph.name(source),
        graph.constant(f"{name}_weights", values),
        graph.constant(f"{name}_bias", graph.constants[bias].ravel()),
    ]
    pads = _pads(graph.shape(source)[1:3], kernel, stride, options.padding == 0)
    group = graph.shape(source)[3] if depthwise else 1
    _activated(
        graph,
        name,
        options.fusedActivationFunction,
        lambda output: graph.add("Conv", inputs, output, kernel_shape=kernel, strides=stride, pads=pads, group=group),
    )


def _pool(graph: _Graph, part: Any) -> None:
    source, options = part.inputs[0], part.builtinOptions
    kernel, stride = [options.filterHeight, options.filterWidth], [options.strideH, options.strideW]
    pads = _pads(graph.shape(source)[1:3], kernel, stride, options.padding == 0)
    graph.add(
        "MaxPool", [graph.name(source)], graph.name(part.outputs[0]), kernel_shape=kernel, strides=stride, pads=pads
    )


def _sum(graph: _Graph, part: Any) -> None:
    _activated(
        graph,
        graph.name(part.outputs[0]),
        part.builtinOptions.fusedActivationFunction,
        lambda output: graph.add("Add", [graph.name(each) for each in part.inputs], output),
    )


def _pad(graph: _Graph, part: Any) -> None:
    source, margins = part.inputs
    name = graph.name(part.outputs[0])
    values = graph.constants[margins].astype(np.int64)[list(TO_ONNX)].T.ravel()
    graph.add("Pad", [graph.name(source), graph.constant(f"{name}_margins", values)], name)


def _rectify(graph: _Graph, part: Any) -> None:
    graph.add("Relu", [graph.name(part.inputs[0])], graph.name(part.outputs[0]))


def _rectify_partly(graph: _Graph, part: Any) -> None:
    source, slopes = part.inputs
    name = graph.name(part.outputs[0])
    values = graph.constants[slopes].transpose(2, 0, 1)
    graph.add("PRelu", [graph.name(source), graph.constant(f"{name}_slopes", values)], name)


def _resize(graph: _Graph, part: Any) -> None:
    source, options, name = part.inputs[0], part.builtinOptions, graph.name(part.outputs[0])
    mode = "half_pixel" if options.halfPixelCenters else "align_corners" if options.alignCorners else "asymmetric"
    sizes = np.array(graph.shape(part.outputs[0]), np.int64)[list(TO_ONNX)]
    graph.add(
        "Resize",
        [graph.name(source), "", "", graph.constant(f"{name}_sizes", sizes)],
        name,
        mode="linear",
        coordinate_transformation_mode=mode,
    )


def _reshape(graph: _Graph, part: Any) -> None:
    source, target = part.inputs[0], part.outputs[0]
    name = graph.name(target)
    laid = graph.add("Transpose", [graph.name(source)], f"{name}_laid", perm=TO_LITERT)
    graph.add("Reshape", [laid, graph.constant(f"{name}_shape", np.array(graph.shape(target), np.int64))], name)


def _join(graph: _Graph, part: Any) -> None:
    graph.add(
        "Concat", [graph.name(each) for each in part.inputs], graph.name(part.outputs[0]), axis=part.builtinOptions.axis
    )


_PARTS: dict[str, Callable[[_Graph, Any], None]] = {
    "DEQUANTIZE": _widen,
    "CONV_2D": lambda graph, part: _convolve(graph, part, False),
    "DEPTHWISE_CONV_2D": lambda graph, part: _convolve(graph, part, True),
    "MAX_POOL_2D": _pool,
    "ADD": _sum,
    "PAD": _pad,
    "RELU": _rectify,
    "PRELU": _rectify_partly,
    "RESIZE_BILINEAR": _resize,
    "RESHAPE": _reshape,
    "CONCATENATION": _join,
}
