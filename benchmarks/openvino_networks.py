"""Exported ONNX networks run by OpenVINO, where it is installed: the project does not need it."""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.export import FORMATS, Run

INSTALLED = importlib.util.find_spec("openvino") is not None
# Name of each row, and the format that it runs.
RUNTIMES = {"openvino": "onnx", "openvino_bfloat16": "onnx", "openvino_int8": "onnx_int8"} if INSTALLED else {}


def open_runtime(runtime: str, folder: Path, threads: int) -> Run:
    """Open the exported network in a folder; float32 is computed in float32, whatever the processor has beside it."""
    import openvino  # type: ignore[import-not-found, unused-ignore]

    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    options["INFERENCE_PRECISION_HINT"] = "bf16" if runtime == "openvino_bfloat16" else "f32"
    model = openvino.Core().compile_model(str(folder / FORMATS[RUNTIMES[runtime]]), "CPU", options)
    request = model.create_infer_request()

    def run(photo: NDArray[np.float32]) -> NDArray[np.float32]:
        request.infer({0: photo})
        return request.get_output_tensor(0).data

    return run
