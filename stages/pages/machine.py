"""What a run ran on, as section 4.1 of the thesis lists it: for pages, never for files that are compared."""

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Operating system, processor, memory, accelerator, framework and Python of this machine; no name, no time."""
    return {
        "operating system": _release() or f"{platform.system()} {platform.release()}",
        "processor": f"{_first_value('/proc/cpuinfo', 'model name') or platform.machine()}, {os.cpu_count()} cores",
        "memory": _memory(),
        "accelerator": _accelerator(),
        "framework": f"Keras {_version('keras')} on TensorFlow {_version('tensorflow', 'tensorflow_cpu')}",
        "Python": platform.python_version(),
        "meshes drawn by": f"pipeline/face/rendering.py, and trimesh {_version('trimesh')} to be turned",
    }


def _first_value(path: str, key: str) -> str:
    """Value of the first line ``key : value`` of a file of the system; empty where there is none."""
    if not Path(path).is_file():
        return ""
    lines = (line.partition(":") for line in Path(path).read_text(encoding="utf-8").splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _release() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return ""


def _memory() -> str:
    kilobytes = _first_value("/proc/meminfo", "MemTotal").partition(" ")[0]
    return f"{int(kilobytes) / 2**20:.0f} GB" if kilobytes else "unknown"


def _accelerator() -> str:
    if shutil.which("nvidia-smi") is None:
        return "none"
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    return ", ".join(answer.stdout.split("\n")).strip(", ") or "none"


def _version(*packages: str) -> str:
    """Version of the first of some packages that is installed."""
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return "not installed"
