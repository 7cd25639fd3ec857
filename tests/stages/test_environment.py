"""What the pinned environment promises: one OpenCV that needs no display, and nothing that phones home."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.places import ROOT


def test_one_distribution_owns_cv2():
    owners = importlib.metadata.packages_distributions()["cv2"]
    assert set(owners) == {"opencv-python-headless"}


def test_cv2_imports_without_libraries_of_a_display():
    # What the import maps into the process: with a windowed build, libGL, libX11 and Qt are among it.
    code = "import cv2, pathlib; print(pathlib.Path('/proc/self/maps').read_text())"
    maps = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "cv2" in maps
    for library in ("libGL.", "libGLX", "libX11", "libQt5", "libEGL", "libxcb"):
        assert library not in maps, library


def test_importing_albumentations_asks_no_server():
    code = (
        "import socket\n"
        "def refuse(*arguments, **options): raise SystemExit('asked for the network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import pipeline.crops.augmentation\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)


def test_dvc_sends_no_statistics_and_asks_for_no_update():
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    assert config["core"]["analytics"] == "false"
    assert config["core"]["check_update"] == "false"


def test_every_requirement_is_pinned_and_says_why():
    lines = [
        line
        for name in ("requirements-core.txt", "requirements.txt", "requirements-gpu.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line and not line.startswith(("#", "-", " "))
    ]
    assert len(lines) > 15
    for line in lines:
        requirement, _, reason = line.partition("#")
        assert "==" in requirement, line
        assert len(reason.split()) >= 2, line


def test_installed_versions_are_the_pinned_ones():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    for name in ("numpy", "scipy", "h5py", "dvc", "keras", "albumentations", "opencv-python-headless"):
        assert importlib.metadata.version(name) == pins[name], name


def test_the_environment_lies_in_the_project_when_make_runs():
    if "MAKELEVEL" in os.environ:
        assert Path(sys.prefix) == ROOT / ".venv"
