"""The files of a face that the embedded face model was fitted to."""

import csv
import json

import numpy as np
import pytest
import skimage.data
import trimesh

from pipeline.commands.files import WriteOptions, write_faces
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_by_fit
from pipeline.crops.blaze_face import open_network
from pipeline.crops.face_mesh import FILES

PHOTO = skimage.data.astronaut()


@pytest.fixture(scope="module")
def reconstructor(embedded):
    networks = {name: open_network(embedded.files[file], 1) for name, file in FILES.items()}
    return open_by_fit(ReconstructorOptions(), embedded, networks)


@pytest.fixture(scope="module")
def written(reconstructor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    options = WriteOptions(("glb", "ply", "points", "expression"), unit="mm")
    (numbers,) = write_faces(folder, PHOTO, reconstructor.find_faces(PHOTO), reconstructor, options)
    return folder, numbers


def read_glb(path):
    """The JSON of a GLB and its binary part."""
    content = path.read_bytes()
    length = int.from_bytes(content[12:16], "little")
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def accessor(tree, binary, number):
    entry = tree["accessors"][number]
    view = tree["bufferViews"][entry["bufferView"]]
    start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
    return np.frombuffer(binary, np.float32, 3 * entry["count"], start).reshape(-1, 3)


def test_the_meshes_have_the_size_of_a_head_in_millimetres(written):
    folder, numbers = written
    assert numbers["mm_from"] == "iris"
    # Adults' faces are 120 to 150 mm wide at the cheeks; the mask reaches the ears.
    assert 130 < trimesh.load(folder / "face1.ply").extents[0] < 185
    # The unit of glTF is the metre.
    assert 1000 * trimesh.load(folder / "face1.glb").extents[0] == pytest.approx(
        trimesh.load(folder / "face1.ply").extents[0], rel=0.1
    )


def test_a_known_pupil_distance_counts_more_than_the_irises(reconstructor, tmp_path):
    options = WriteOptions(("points",), unit="mm", pupil_distance=63.0)
    (numbers,) = write_faces(tmp_path, PHOTO, reconstructor.find_faces(PHOTO), reconstructor, options)
    assert numbers["mm_from"] == "pupil distance"
    landmarks = np.array(numbers["landmarks"])
    apart = np.linalg.norm(landmarks[36:42].mean(axis=0) - landmarks[42:48].mean(axis=0))
    assert apart * numbers["mm_per_px"] == pytest.approx(63, rel=1e-3)


def test_the_glb_moved_by_its_weights_is_the_face_that_was_fitted(written, reconstructor, embedded):
    folder, numbers = written
    tree, binary = read_glb(folder / "face1.glb")
    (mesh,) = tree["meshes"]
    (primitive,) = mesh["primitives"]
    assert mesh["extras"]["targetNames"] == list(embedded.model.expression_names)
    neutral = accessor(tree, binary, primitive["attributes"]["POSITION"])
    moves = [accessor(tree, binary, target["POSITION"]) for target in primitive["targets"]]
    shown = 1000 * (neutral + np.tensordot(mesh["weights"], moves, axes=1))
    normals = accessor(tree, binary, primitive["attributes"]["NORMAL"])
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-3)
    fitted = reconstructor.reconstruct(PHOTO, reconstructor.find_faces(PHOTO)[0]).vertices * [1, -1, 1]
    fitted = (fitted - fitted.mean(axis=0)) * numbers["mm_per_px"]
    assert np.abs(shown - fitted).max() < 0.01
    # The woman smiles with open lips: without its expression the face's mouth is narrower and less open.
    assert mesh["weights"][mesh["extras"]["targetNames"].index("mouthSmile")] > 0.5


def test_the_tables_have_what_was_found(written, embedded):
    folder, numbers = written
    tables = {}
    for name in ("landmarks", "facemesh", "expression"):
        with (folder / f"face1_{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert [len(rows) for rows in tables.values()] == [68, 468, 6]
    points = np.array([[float(row[axis]) for axis in "xyz"] for row in tables["landmarks"]])
    assert points == pytest.approx(np.array(numbers["landmarks"]), abs=0.006)
    assert [row["name"] for row in tables["expression"]] == list(embedded.model.expression_names)
    assert set(numbers["files"]) == {path.name for path in folder.iterdir()}
