"""What makes a face of a photo: which options go together, and that a clone's first photo needs no project."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from pipeline.commands import reconstruct as command
from pipeline.commands.files import KINDS
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_by_fit, open_largest, open_reconstructor
from pipeline.crops.face_finding import Face
from pipeline.crops.face_mesh import open_networks
from pipeline.photo.bundle import save_bundle
from tests.helpers.places import ROOT


@pytest.fixture(scope="module")
def networks():
    return open_networks()


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (
            ["--landmarks", "asm", "--no-fit"],
            [
                "--landmarks asm places a network's crop, and a fit has none: add --method network.",
                "--no-fit leaves a network's map as it is, and here none draws: leave it out.",
            ],
        ),
        (
            ["--method", "network"],
            [
                "--method network needs a bundle with a network: name one by --bundle. In the project's folder, "
                "`dvc repro export` makes runs/main/export/bundle.face3d, which is taken by itself."
            ],
        ),
        (["--bundle", "none.face3d"], ["none.face3d is missing or no file; expected a bundle (.face3d)."]),
    ],
)
def test_options_that_contradict_each_other_are_told_before_anything_is_read(
    monkeypatch, tmp_path, arguments, sentences
):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", np.zeros((30, 30, 3), np.uint8))
    result = CliRunner().invoke(command.main, ["photo.png", "--out", "out", *arguments])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["Error: " + sentences[0], *sentences[1:]]
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_face_is_fitted_wherever_it_was_found(networks, embedded):
    photo = skimage.data.astronaut()
    opened = open_by_fit(ReconstructorOptions(), embedded, networks)
    assert opened.made_by == "fit of the face model 'embedded' to the points of Face Mesh"
    assert len(opened.mean) == opened.operator.shape[1]
    (seen,) = opened.find_faces(photo)
    expected = opened.reconstruct(photo, seen)
    # As MTCNN gives it: a box, and five points that tell the roll.
    other = Face(np.array([-4, 3, 5, -2]) + seen.box, seen.points, 0.99, 0)
    found = opened.reconstruct(photo, other)
    assert np.abs(found.landmarks[:, :2] - expected.landmarks[:, :2]).max() < 0.03 * seen.box[2:].mean()


def test_the_largest_face_is_taken_and_none_is_told(networks, embedded, tmp_path):
    opened = open_by_fit(ReconstructorOptions(), embedded, networks)
    astronaut = skimage.data.astronaut()
    both = np.full((512, 900, 3), 90, np.uint8)
    both[:200, :200] = astronaut[20:220, 130:330]
    both[:400, 450:850] = cv2.resize(astronaut[20:220, 130:330], (400, 400))
    cv2.imwrite(str(tmp_path / "both.png"), both[..., ::-1])
    photo, face = open_largest(tmp_path / "both.png", opened)
    assert np.array_equal(photo, both)
    assert face.landmarks[:, 0].min() > 500
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((90, 90, 3), 200, np.uint8))
    with pytest.raises(ValueError, match=r"No face was found in .*wall\.png\."):
        open_largest(tmp_path / "wall.png", opened)


# What a photo's way must not import: seconds of start, or another project.
UNNEEDED = {
    *("tensorflow", "keras", "jax", "dvc", "trimesh", "mtcnn", "matplotlib", "dask", "onnxruntime", "pandas", "scipy"),
    *("sklearn", "h5py", "hdf5plugin", "ruamel", "tqdm", "networkx", "albumentations", "pydantic"),
}
SCRIPT = """
import json, sys
from pipeline.commands.reconstruct import main
main(sys.argv[1:], standalone_mode=False)
json.dump(sorted(set(name.split(".")[0] for name in sys.modules)), open("modules.json", "w"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, embedded):
    root = tmp_path_factory.mktemp("empty")
    save_bundle(root / "b.face3d", embedded)
    cv2.imwrite(str(root / "photo.png"), skimage.data.astronaut()[..., ::-1])
    return root


def test_a_bundle_needs_no_project_no_params_and_none_of_the_slow_libraries(folder):
    kinds = [word for kind in KINDS for word in ("--write", kind)]
    options = ["--out", "out", "--bundle", "b.face3d", "--method", "fit", *kinds]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, "photo.png", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "reconstruct: 1 photo, 1 face; out/faces.json" in result.stdout
    imported = set(json.loads((folder / "modules.json").read_text()))
    assert not imported & UNNEEDED
    assert {path.name for path in folder.iterdir()} == {"b.face3d", "photo.png", "out", "modules.json"}
    (photo,) = json.loads((folder / "out/faces.json").read_text())
    (face,) = photo["faces"]
    assert face["doubt"] == ""
    assert all((folder / "out/photo" / name).is_file() for name in face["files"])
    # The nose's tip and the outer corners of the eyes, by eye in the picture.
    landmarks = np.array(face["landmarks"])
    for number, place in {30: (223, 126), 36: (194, 100.5), 45: (258, 103.5)}.items():
        assert np.linalg.norm(landmarks[number, :2] - place) < 6, number
    assert abs(face["pose"]["yaw"]) < 8


def test_the_options_of_a_bundle_open_it(folder):
    opened = open_reconstructor(ReconstructorOptions(bundle=folder / "b.face3d"), threads=1)
    assert opened.made_by.startswith("fit of the face model 'embedded'")
    photo = skimage.data.astronaut()
    assert len(opened.find_faces(photo)) == 1


def test_doubtful_photos_are_named_once_and_at_most_ten():
    told = command.name_doubted(["a.jpg", "a.jpg", "b\nc.jpg"])
    assert told == r"Likely wrong, for the reason that faces.json gives (doubt): a.jpg, b\nc.jpg."
    many = command.name_doubted([f"{i}.jpg" for i in range(12)])
    assert many.endswith("8.jpg, 9.jpg and 2 more.")
