"""The three commands for photos as a user runs them: a bundle with a network, on a real photo."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import trimesh

from pipeline.commands.processes import PHOTOS_A_PROCESS
from tests.helpers.photo_project import make_photo_project
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow
BUNDLE = ("--bundle", "b.face3d")


@pytest.fixture(scope="module")
def project(embedded, tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    make_photo_project(root, embedded)
    return root


def run(root, *arguments, code=0):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == code, result.stderr[-3000:]
    return result


def test_photos_become_faces_and_a_wall_is_told(project):
    photos = ("photo.png", "head_down.png", "wall.png")
    command = ("-m", "stages.reconstruct", *photos, "--out", "out", *BUNDLE)
    result = run(project, *command, code=1)
    assert "reconstruct: 3 photos, 2 faces, 1 photo without a face;" in result.stdout
    results = json.loads((project / "out/faces.json").read_text())
    upright, head_down, wall = results
    assert wall["error"] == "No face was found in it."
    assert (upright["faces"][0]["quarter_turns"], head_down["faces"][0]["quarter_turns"]) == (0, 2)
    x, y, width, height = upright["faces"][0]["box"]
    # The face that one sees in the photo.
    assert (x + width / 2, y + height / 2) == pytest.approx((222, 118), abs=15)
    turned = head_down["faces"][0]["box"]
    assert (turned[0] + turned[2] / 2, turned[1] + turned[3] / 2) == pytest.approx((511 - 222, 511 - 118), abs=15)
    for name in ("photo", "head_down"):
        mesh = trimesh.load(project / f"out/{name}/face1.glb", force="mesh", process=False)
        assert np.isfinite(mesh.vertices).all()
        assert (project / f"out/{name}/index.html").is_file()


def test_swap_and_edit_write_pictures_of_the_photo_s_size(project):
    run(project, "-m", "stages.edit", "photo.png", "--region", "nose", "--scale", "1.2", "--out", "edited.png", *BUNDLE)
    edited, photo = (cv2.imread(str(project / name)) for name in ("edited.png", "photo.png"))
    assert edited.shape == photo.shape
    assert (project / "edited.obj").is_file()
    shutil.copy(project / "photo.png", project / "same.png")
    run(project, "-m", "stages.swap", "same.png", "photo.png", "--out", "swapped.png", *BUNDLE)
    swapped = cv2.imread(str(project / "swapped.png"))
    assert np.abs(swapped.astype(int) - photo).mean() < 1


def test_a_photo_without_a_face_can_be_neither_swapped_nor_edited(project):
    edit = ("-m", "stages.edit", "wall.png", "--region", "nose", "--out", "x.png")
    assert "No face was found in wall.png" in run(project, *edit, *BUNDLE, code=1).stderr
    asked = ("-m", "stages.reconstruct", "photo.png", "--out", "out2", "--method", "network")
    missing = run(project, *asked, code=1).stderr
    assert "needs a bundle with a network: name one by --bundle" in missing
    assert "`dvc repro export` makes runs/main/export/bundle.face3d" in missing


def test_many_photos_are_shared_among_processes_and_come_back_in_order(project):
    folder = project / "many"
    folder.mkdir()
    for number in range(2 * PHOTOS_A_PROCESS):
        shutil.copy(project / ("wall.png" if number == 5 else "photo.png"), folder / f"{number:02d}.png")
    command = ("-m", "stages.reconstruct", "many", "--out", "shared", "--write", "ply", "--allow-missing")
    run(project, *command, *BUNDLE)
    results = json.loads((project / "shared/faces.json").read_text())
    assert [result["photo"] for result in results] == [f"{number:02d}" for number in range(2 * PHOTOS_A_PROCESS)]
    assert [number for number, result in enumerate(results) if result["error"]] == [5]
    first = results[0]["faces"]
    assert all(result["faces"] == first for result in results if not result["error"])
    meshes = {path.read_bytes() for path in (project / "shared").rglob("*.ply")}
    assert len(meshes) == 1
