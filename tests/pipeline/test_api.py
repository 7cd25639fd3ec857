"""The package: faces from Python in a few lines, what a wheel holds, and what it asks for."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile

import numpy as np
import pytest
import skimage.data
import trimesh

from pipeline import api
from pipeline.photo.bundle import save_bundle
from tests.helpers.places import ROOT

PHOTO = np.ascontiguousarray(skimage.data.astronaut())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What makes a face of a photo must need none of these.
HEAVY = {"scipy", "h5py", "onnxruntime", "tensorflow", "pandas", "pydantic", "trimesh", "matplotlib", "model", "stages"}


@pytest.fixture(scope="module")
def bundle(embedded, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "bundle.face3d"
    save_bundle(path, embedded)
    return path


@pytest.fixture(scope="module")
def face(bundle):
    (face,) = api.Reconstructor.from_bundle(bundle)(PHOTO)
    return face


def test_a_face_is_in_pixels_of_its_photo(face):
    """Places in the astronaut's portrait, read off it by eye: outer corners of the eyes, tip of the nose, chin."""
    marked = {36: (195, 101), 45: (255, 104), 30: (222, 126), 8: (220, 178)}
    for number, point in marked.items():
        assert np.linalg.norm(face.landmarks[number, :2] - point) < 5, number
    nearest = np.linalg.norm(face.vertices[:, None] - face.landmarks[None], axis=2).min(axis=0)
    # The jaw line lies along the rim of the mesh, a little beyond it.
    assert nearest.max() < 8
    assert np.median(nearest) < 2
    assert face.vertices.shape == (face.triangles.max() + 1, 3)
    # The tip of the nose is nearer to the viewer than the corners of the eyes.
    assert face.landmarks[30, 2] > face.landmarks[[36, 45], 2].max()
    assert face.doubt == ""
    assert abs(face.pose["yaw"]) < 25


def test_meshes_are_saved_with_y_up(face, tmp_path):
    for ending in api.SAVED:
        face.save(tmp_path / f"a.face{ending}")
        mesh = trimesh.load(tmp_path / f"a.face{ending}", force="mesh")
        low, high = mesh.bounds
        # A GLB's own vertices are of the neutral face, which its expressions move to this one.
        share = 0.05 if ending == ".glb" else 1e-3
        np.testing.assert_allclose(high[:2] - low[:2], np.ptp(face.vertices[:, :2], axis=0), rtol=share)
    same = trimesh.load(tmp_path / "a.face.ply", process=False).vertices - face.vertices * [1, -1, 1]
    assert np.ptp(same, axis=0).max() < 1e-3
    with pytest.raises(ValueError, match=r"face.stl is no mesh file that can be written; expected one of .glb, .obj"):
        face.save(tmp_path / "face.stl")


def test_a_photo_is_a_file_or_pixels_and_nothing_else(bundle, tmp_path):
    reconstruct = api.Reconstructor.from_bundle(bundle)
    assert reconstruct(np.zeros((64, 64, 3), np.uint8)) == []
    for wrong in (np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3))):
        with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
            reconstruct(wrong)
    (tmp_path / "no.jpg").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"no\.jpg"):
        reconstruct(tmp_path / "no.jpg")
    with pytest.raises((ValueError, OSError), match=r"missing\.face3d"):
        api.Reconstructor.from_bundle(tmp_path / "missing.face3d")


def test_the_package_holds_every_room():
    folders = sorted(path.parent.relative_to(ROOT / "pipeline") for path in (ROOT / "pipeline").rglob("__init__.py"))
    rooms = [".".join(("uvface", *folder.parts)) for folder in folders]
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(rooms)
    assert (ROOT / "pipeline/py.typed").is_file()


def test_what_opens_a_bundle_and_writes_a_page_imports_what_the_package_asks_for_alone():
    script = (
        "import sys, pipeline.api, pipeline.commands.photo_page; print(*(m.partition('.')[0] for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.slow
def test_a_wheel_makes_faces_with_nothing_of_the_project_beside_it(bundle, tmp_path):
    """By its console command's function and by Python, in a process that finds the wheel's files before all others."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "pipeline", source / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    build = (sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path)
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("uvface-*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if not name.startswith("uvface-")}
        file.extractall(tmp_path / "site")
    kept = {path.relative_to(ROOT / "pipeline").as_posix() for path in (ROOT / "pipeline").rglob("*") if path.is_file()}
    assert names == {f"uvface/{name}" for name in kept if "__pycache__" not in name}
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    import cv2

    cv2.imwrite(str(tmp_path / "photo.png"), PHOTO[..., ::-1])
    command = (
        f"import sys; sys.argv = ['uvface', 'reconstruct', 'photo.png', '--bundle', {str(bundle)!r}, '--out', 'faces']"
    )
    for script in (
        f"{command}; from uvface.commands.main import run; run()",
        f"from uvface.api import Reconstructor as R; R.from_bundle({str(bundle)!r})('photo.png')[0].save('f.glb')",
    ):
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "faces/photo/face1.glb").stat().st_size == (tmp_path / "f.glb").stat().st_size
    assert (tmp_path / "faces/photo/index.html").is_file()


@pytest.mark.slow
def test_the_notebook_runs(bundle, tmp_path):
    done = subprocess.run(
        [sys.executable, "docs/notebooks/first_face.py"],
        cwd=ROOT,
        env=os.environ | {"BUNDLE": str(bundle), "OUT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 face, 14,139 vertices" in done.stdout
    assert "face.glb" in done.stdout
