"""Nothing leaves the machine: no command asks for another host, or keeps something to send.

`test_graph` says the same of all stages under DVC.
"""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage.data

from pipeline.photo.bundle import load_bundle
from tests.helpers.lookups import watch, without_network
from tests.helpers.photo_project import make_photo_project
from tests.helpers.places import ROOT

BUNDLE = ("--bundle", "b.face3d", "--method", "network")
COMMANDS = [
    ("stages.reconstruct", "photo.png", "--out", "out", *BUNDLE),
    ("stages.reconstruct", "photo.png", "--out", "out2"),
    ("stages.swap", "photo.png", "photo.png", "--out", "swapped.png", *BUNDLE),
    ("stages.edit", "photo.png", "--region", "nose", "--out", "edited.png", *BUNDLE),
    ("stages.annotate", "photo.png", "--out", "labels"),
    ("stages.track", "clip.avi", "--out", "tracked"),
    ("stages.bundle", "--out", "new.face3d"),
]


@pytest.fixture(scope="module")
def project(embedded, tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    make_photo_project(root, embedded)
    return root


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return watch(tmp_path_factory.mktemp("watched"))


def run(watched, folder, *command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **watched.environment}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [*without_network(), *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import socket\ntry: socket.getaddrinfo('host.invalid', 80)\nexcept OSError: pass",
        "import socket\ntry: socket.create_connection(('192.0.2.1', 9), 0.1)\nexcept OSError: pass",
        "import socket\ntry: socket.socket(type=2).sendto(b'', ('192.0.2.1', 53))\nexcept OSError: pass",
    ],
)
def test_whoever_is_asked_for_is_noticed(tmp_path, code):
    watched = watch(tmp_path)
    run(watched, tmp_path, sys.executable, "-c", code)
    (asked,) = watched.asked()
    assert asked.split()[-1] in ("host.invalid", "192.0.2.1")


@pytest.mark.slow
def test_onnx_runtime_would_ask_and_does_not(tmp_path, project):
    """Its telemetry keeps a file in the home at once; without it this test proves nothing any more."""
    network = load_bundle(project / "b.face3d").network.onnx
    (tmp_path / "network.onnx").write_bytes(network)
    code = "import onnxruntime; onnxruntime.InferenceSession('network.onnx'); import time; time.sleep(1)"
    watched = watch(tmp_path)
    run(watched, tmp_path, sys.executable, "-c", code)
    assert list((tmp_path / "home").rglob("onnxruntime*")), (
        "ONNX Runtime keeps nothing any more: drop what is set for it."
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_no_command_asks_for_a_host_or_keeps_something_for_one(watched, project, command):
    if "clip.avi" in command:
        writer = cv2.VideoWriter(str(project / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (512, 512))
        for _ in range(3):
            writer.write(np.ascontiguousarray(skimage.data.astronaut()[..., ::-1]))
        writer.release()
    run(watched, project, sys.executable, "-m", *command)
    assert watched.asked() == set()
    kept = {path.name for path in watched.log.with_name("home").rglob("*") if path.is_file()}
    assert {name for name in kept if not name.endswith(".face3d")} == set()


def test_whatever_imports_onnx_runtime_turns_its_telemetry_off_before():
    importing = []
    for folder in ("pipeline", "model", "stages", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if re.search(r"^\s*(import|from) onnxruntime", text, re.MULTILINE):
                importing.append(path.relative_to(ROOT).as_posix())
                before = text[: re.search(r"^\s*(import|from) onnxruntime", text, re.MULTILINE).start()]
                off = ('os.environ["ORT_DISABLE_TELEMETRY"] = "1"', "from pipeline.photo.onnx_session import ")
                assert any(line in before for line in off), path
    assert sorted(importing) == ["model/export.py", "pipeline/photo/onnx_session.py"]
    makefile = (ROOT / "Makefile").read_text()
    assert "export ORT_DISABLE_TELEMETRY := 1" in makefile
