"""ONNX networks, opened by ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

# ONNX Runtime asks when it is imported, and would tell its makers of each use.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def open_session(network: Path | bytes, threads: int) -> Any:
    """Open an ONNX network by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
