"""Files that options name: a photo, prose, nothing or a pipe instead of what was expected is told, and stays."""

import importlib
import os
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from stages.project.params_file import PARAMS_FILE
from tests.helpers.places import ROOT

# Command, its arguments before the file, and the words that say what was expected. What is a whole photo is
# no wrong file where a photo belongs.
DIRECTORY = "is a directory"
BUNDLE = ("damaged or no bundle", "expected a bundle (.face3d)", DIRECTORY)
PHOTO = ("no picture of kind JPEG", "expected a photo", DIRECTORY, "There is no photo or folder", "no photos (")
VIDEO = ("gives no frame", "There is no video")
COMMANDS = {
    "bundle --landmark-map": (
        ["bundle", "--out", "x.face3d", "--landmark-map"],
        ("expected a landmark map", DIRECTORY),
    ),
    "bundle --prior": (["bundle", "--out", "x.face3d", "--bfm", "bfm", "--prior"], ("expected a prior", DIRECTORY)),
    "bundle --bfm": (
        ["bundle", "--out", "x.face3d", "--prior", "photo.jpg", "--bfm"],
        ("is a file", "expected a prior", "is missing"),
    ),
    "bundle --ict": (["bundle", "--out", "x.face3d", "--ict"], ("is a file", "where to get ICT-FaceKit's model")),
    "import_bundle": (["import_bundle"], BUNDLE),
    "import_prnet": (["import_prnet", "--out", "w.h5"], ("a checkpoint has an .index and a .data file",)),
    "score --indices": (
        ["score", "--predictions", "bfm", "--truth", "bfm", "--out", "x.json", "--indices"],
        ("--indices needs the face model", DIRECTORY),
    ),
    "score --scan": (
        ["score", "--predictions", "bfm", "--out", "x.json", "--protocol", "now", "--scan"],
        ("is a file", "holds no scans"),
    ),
    **{
        f"score --template, {protocol}": (
            ["score", "--predictions", "bfm", "--scan", "bfm", "--out", "x.json", "--protocol", protocol, "--template"],
            (*expected, "is missing or no file; expected", DIRECTORY),
        )
        for protocol, expected in (
            ("now", ("no list of whole numbers", "0 numbers; expected 7 of vertices")),
            ("m3dfb", ("no JSON that can be read",)),
            ("realy", ("no JSON that can be read",)),
        )
    },
    "score --truth": (
        ["score", "--predictions", "bfm", "--out", "x.json", "--truth"],
        ("is a file", "holds no annotations"),
    ),
    "reconstruct": (["reconstruct", "--out", "results"], PHOTO),
    "reconstruct --video": (["reconstruct", "--out", "results", "--video"], VIDEO),
    "reconstruct --mask": (
        ["reconstruct", "photo.jpg", "--out", "results", "--mask"],
        (*PHOTO, "No mask in", "The mask", "There is no mask"),
    ),
    "reconstruct --bundle": (["reconstruct", "photo.jpg", "--out", "results", "--bundle"], BUNDLE),
    "annotate --bundle": (["annotate", "photo.jpg", "--out", "results", "--bundle"], BUNDLE),
    "track": (["track", "--out", "results"], VIDEO),
    "track --bundle": (["track", "photo.jpg", "--out", "results", "--bundle"], BUNDLE),
    "swap": (["swap", "photo.jpg", "--out", "x.jpg"], PHOTO),
    "swap --bundle": (["swap", "photo.jpg", "photo.jpg", "--out", "x.jpg", "--bundle"], BUNDLE),
    "edit": (["edit", "--region", "mouth", "--out", "x.jpg"], PHOTO),
    "edit --bundle": (["edit", "photo.jpg", "--region", "mouth", "--out", "x.jpg", "--bundle"], BUNDLE),
}
PHOTOS = ("reconstruct", "reconstruct --video", "track", "swap", "edit")


def make_photo(path):
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 80, 3)).astype(np.uint8))


def make_hdf5(path):
    with h5py.File(path, "w") as file:
        file["other"] = np.zeros(3)


KINDS = {
    "photo": make_photo,
    "empty": Path.touch,
    "prose": lambda path: path.write_text("A line of prose.\n"),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "HDF5": make_hdf5,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folder with a photo, an empty folder and the parameters, and nothing that a stage has made."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", skimage.data.astronaut()[:256, 100:356, ::-1])
    (tmp_path / "bfm").mkdir()
    (tmp_path / "data/none").mkdir(parents=True)
    (tmp_path / PARAMS_FILE).write_bytes((ROOT / PARAMS_FILE).read_bytes())
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_file_is_told_with_what_was_expected_and_stays(place, name, kind):
    if kind == "photo" and name in PHOTOS:
        pytest.skip("a photo is what is expected, or read as a video of one frame")
    (command, *arguments), expected = COMMANDS[name]
    given = place / "given.jpg"
    KINDS[kind](given)
    before = given.read_bytes() if kind not in ("folder", "pipe", "device") else b""
    result = CliRunner().invoke(importlib.import_module(f"stages.{command}").main, [*arguments, "given.jpg"])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    assert any(words in result.output for words in expected), result.output
    assert "delete" not in result.output.lower()
    assert given.is_symlink() or given.exists()
    assert kind in ("folder", "pipe", "device") or given.read_bytes() == before
