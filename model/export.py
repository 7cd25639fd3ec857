"""Networks as files for other runtimes: ONNX and LiteRT, in float32, float16 and int8.

Written by Keras's own export (tf2onnx and TensorFlow's LiteRT converter), from the inference form of a network. Every
file takes one photo (1, S, S, 3) float32, RGB in [0, 1], and puts out what the network's `final` output is, float32.
"""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.photo.onnx_session import open_session
from pipeline.store.progress import show_steps
from pipeline.store.quiet import quiet_stderr

Photos = NDArray[np.float32]
Run = Callable[[Photos], NDArray[np.float32]]
# Name of each format, as metrics have it, and its file.
FORMATS = {
    "onnx": "network.onnx",
    "onnx_float16": "network.float16.onnx",
    "onnx_int8": "network.int8.onnx",
    "litert": "network.tflite",
    "litert_float16": "network.float16.tflite",
    "litert_int8": "network.int8.tflite",
}
# Operators that ONNX Runtime computes in int8 here; with Conv alone every layer would turn to float32 and back.
QUANTIZED = ("Conv", "Add", "Mul", "Relu", "Slice", "DepthToSpace", "Transpose", "Reshape", "Resize")


def export(network: Any, folder: Path, photos: Photos) -> dict[str, Path]:
    """Write a network in every format; the same bytes each time.

    Parameters
    ----------
    network : keras.Model
        From photos (N, S, S, 3) to one output, see `inference.inference_form`.
    folder : Path
        Where the files go.
    photos : (n, S, S, 3) float32
        Photos to learn from, which give int8 the range of each layer's values.

    Returns
    -------
    dict of str to Path
        The file of each of `FORMATS`, but for `litert_int8` where the network places a face by parameters: LiteRT
        gives all of them one scale of 8 bits, which their several units cannot share; and for `onnx_int8` where it
        draws that face for a further pass: 8 bits hold no number of a pixel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / file for name, file in FORMATS.items()}
    names = {layer.name for layer in network.layers}
    if "parameters" in names:
        del files["litert_int8"]
    if any(name.endswith("_codes") for name in names):
        del files["onnx_int8"]
    onnx = files["onnx"]
    write = {
        "onnx": lambda path: write_onnx(network, path),
        "onnx_float16": lambda path: write_onnx_float16(onnx, path),
        "onnx_int8": lambda path: write_onnx_int8(onnx, path, photos),
        "litert": lambda path: write_litert(network, path, "float32", photos),
        "litert_float16": lambda path: write_litert(network, path, "float16", photos),
        "litert_int8": lambda path: write_litert(network, path, "int8", photos),
    }
    with show_steps("export", len(files)) as begin:
        for name, path in files.items():
            begin(name)
            write[name](path)
    return files


def write_onnx(network: Any, path: Path) -> None:
    """Write a network as ONNX in float32."""
    import onnx

    with warnings.catch_warnings(), quiet_stderr():
        # Keras's patch of tf2onnx looks for numpy.object.
        warnings.simplefilter("ignore", FutureWarning)
        network.export(path, format="onnx", verbose=False, input_signature=_one_photo(network))
    model = onnx.load(path)
    _repeat_plainly(model.graph)
    _rename(model.graph)
    onnx.save(model, path)


def _repeat_plainly(graph: Any) -> None:
    """Say that pixels are repeated in the words that ONNX Runtime has a fast way for: a half of each, rounded down."""
    for node in graph.node:
        if node.op_type == "Resize":
            for attribute in node.attribute:
                if attribute.s == b"tf_half_pixel_for_nn":
                    attribute.s = b"asymmetric"


def _rename(graph: Any) -> None:
    """Number what tf2onnx names, and orders, by counters of the process, so that each export has the same bytes."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights = list(dict.fromkeys(name for node in graph.node for name in node.input if name in tensors))
    names = {name: f"weight{number}" for number, name in enumerate(weights)}
    for number, node in enumerate(graph.node):
        names |= {output: f"value{number}" + f"_{part}" * (part > 0) for part, output in enumerate(node.output)}
    # An input of no name is one that is left out.
    names |= {graph.input[0].name: "photo", graph.output[0].name: "final", "": ""}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}{number}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for tensor in (*tensors.values(), *graph.input, *graph.output):
        tensor.name = names[tensor.name]
    ordered = [tensors[name] for name in weights]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(ordered)
    graph.name, graph.doc_string = "network", ""


def write_onnx_float16(source: Path, target: Path) -> None:
    """Write an ONNX network with weights and layers in float16; photo and output stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def write_onnx_int8(source: Path, target: Path, photos: Photos) -> None:
    """Write an ONNX network in int8, with a scale for each channel of the weights and each layer's values.

    The layers that put out positions stay in float32, see `position_nodes`: 8 bits would leave steps of a pixel.

    Parameters
    ----------
    source, target : Path
        In float32, and what to write.
    photos : (n, S, S, 3) float32
        Photos that the range of each layer's values is measured on.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.inputs = iter([{"photo": photo[None]} for photo in photos])

        def get_next(self) -> dict[str, Photos] | None:
            return next(self.inputs, None)

    with tempfile.TemporaryDirectory() as folder:
        shaped = Path(folder, "shaped.onnx")
        quant_pre_process(source, shaped, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            shaped,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            nodes_to_exclude=sorted(position_nodes(onnx.load(source).graph)),
            per_channel=True,
            # Processors with VNNI multiply unsigned by signed bytes; others add such products up in 16 bits, which
            # 8-bit weights overflow and 7-bit ones do not.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
        )


def position_nodes(graph: Any) -> set[str]:
    """Names of the nodes between the last ReLU with more channels than the output has, on each way, and the output.

    These are the last 3-channel layers of the decoder, the last layer of the refinement, and where the two are joined.
    """
    makers = {output: node for node in graph.node for output in node.output}
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    channels = graph.output[0].type.tensor_type.shape.dim[-1].dim_value

    def is_wide(relu: Any) -> bool:
        maker = makers[relu.input[0]]
        return maker.op_type != "Conv" or shapes[maker.input[1]][0] > channels

    found: set[str] = set()
    waiting = [graph.output[0].name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found and not (node.op_type == "Relu" and is_wide(node)):
            found.add(node.name)
            waiting += node.input
    return found


def write_litert(network: Any, path: Path, precision: str, photos: Photos) -> None:
    """Write a network for LiteRT.

    Parameters
    ----------
    network : keras.Model
    path : Path
        Ends in .tflite.
    precision : {'float32', 'float16', 'int8'}
        float16 stores weights only in it; int8 computes in it, between a float32 photo and a float32 output.
    photos : (n, S, S, 3) float32
        Photos that the range of each layer's values is measured on, for int8.
    """
    import tensorflow as tf

    options: dict[str, Any] = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if precision == "float16":
        options |= {"optimizations": [tf.lite.Optimize.DEFAULT]}
        options["target_spec"]["supported_types"] = [tf.float16]
    if precision == "int8":
        options |= {"optimizations": [tf.lite.Optimize.DEFAULT]}
        options["representative_dataset"] = lambda: ([photo[None]] for photo in photos)
        options["target_spec"]["supported_ops"] = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with quiet_stderr():
        network.export(path, format="litert", verbose=False, input_signature=_one_photo(network), **options)


def _one_photo(network: Any) -> list[Any]:
    import keras

    return [keras.InputSpec(shape=(1, *network.input.shape[1:]), dtype="float32", name="photo")]


def open_network(path: Path, threads: int) -> Run:
    """Open an exported file.

    Parameters
    ----------
    path : Path
        Ends in .onnx or .tflite.
    threads : int
        That it may use.

    Returns
    -------
    callable
        From one photo (1, S, S, 3) float32 to the network's output.
    """
    return open_onnx(path, threads) if path.suffix == ".onnx" else _open_litert(path, threads)


def open_onnx(network: Path | bytes, threads: int) -> Run:
    """Open an exported ONNX network, a file or what is in it, see `open_network`."""
    session = open_session(network, threads)
    return lambda photo: session.run(None, {"photo": photo})[0]


def _open_litert(path: Path, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    with quiet_stderr():  # it tells what it runs on
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    photo_index = interpreter.get_input_details()[0]["index"]
    final_index = interpreter.get_output_details()[0]["index"]

    def run(photo: Photos) -> NDArray[np.float32]:
        interpreter.set_tensor(photo_index, photo)
        interpreter.invoke()
        return interpreter.get_tensor(final_index)

    return run
