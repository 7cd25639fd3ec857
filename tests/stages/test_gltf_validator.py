"""Every GLB passes Khronos' own validator without an error, a warning or a hint; trimesh, which reads all, is none."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import skimage.data

from pipeline.commands.files import WriteOptions, write_faces
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_by_fit
from pipeline.crops.face_mesh import open_files
from pipeline.face.camera import rotation_matrix
from pipeline.face.face_model import FaceModel
from pipeline.photo.mesh_files import Mesh, coloured, pack_glb, scaled, start_glb, textured, to_mesh
from pipeline.photo.morph_files import Animation, morph_glb
from tests.helpers.places import FACE_DATA

pytestmark = pytest.mark.slow
VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
SCRIPT = """
const validator = require('gltf-validator'), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2])))
    .then(report => console.log(JSON.stringify(report.issues)));
"""


@pytest.fixture(scope="session")
def validate(tmp_path_factory):
    """Call the validator on a file's bytes; gives (severity, code, where) of each of its messages."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Khronos' validator runs under Node: install node and npm.")
    folder = tmp_path_factory.mktemp("validator")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), VALIDATOR]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"npm could not get {VALIDATOR}: {done.stderr.strip()[-300:]}")
    (folder / "validate.js").write_text(SCRIPT)

    def call(glb):
        (folder / "mesh.glb").write_bytes(glb)
        command = ["node", str(folder / "validate.js"), str(folder / "mesh.glb")]
        issues = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
        assert not issues["truncated"]
        return [(issue["severity"], issue["code"], issue["pointer"]) for issue in issues["messages"]]

    return call


def sheet(unused=0):
    """A bulging sheet in pixels with some vertices that are in no triangle, and one in a triangle without area."""
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0))
    vertices = np.column_stack([x.ravel(), y.ravel(), np.sin(x + y).ravel()])
    cell = (np.arange(4)[None] + 5 * np.arange(3)[:, None]).ravel()
    triangles = np.vstack([np.stack([cell, cell + 5, cell + 1], 1), np.stack([cell + 1, cell + 5, cell + 6], 1)])
    extra = np.tile(vertices[:1], (unused, 1)) + np.arange(unused)[:, None]
    flat = np.array([[20, 21, 22]]) if unused else np.zeros((0, 3), int)
    return np.vstack([vertices, extra]), np.vstack([triangles, flat])


@pytest.mark.parametrize("unused", [0, 3])
@pytest.mark.parametrize("unit", [1.0, 0.001])
def test_plain_coloured_textured_and_moving_meshes_are_valid(validate, unused, unit):
    vertices, triangles = sheet(unused)
    plain = scaled(to_mesh(vertices, triangles), unit)
    uv = (vertices[:, :2] - vertices[:, :2].min(axis=0)) / np.ptp(vertices[:, :2], axis=0)
    picture = np.zeros((8, 8, 3), np.uint8)
    moves = unit * np.random.default_rng(0).normal(size=(2, *vertices.shape))
    turns = np.array([rotation_matrix(0, angle, 0) for angle in (0.0, 0.1, 3.1)])
    shown = Animation(np.array([0, 0.1, 0.2]), np.eye(3, 2), turns, np.zeros((3, 3)), np.ones(3))
    for glb in (
        pack_glb(*start_glb(plain)),
        pack_glb(*start_glb(coloured(plain, np.zeros(vertices.shape, np.uint8)))),
        pack_glb(*start_glb(textured(plain, uv, picture))),
        morph_glb(textured(plain, uv, picture), moves, ("a", "b_L"), np.array([0.5, 1.5])),
        morph_glb(plain, moves, ("a", "b_L"), animation=shown),
    ):
        assert validate(glb) == []


def test_the_validator_sees_a_normal_of_no_length(validate):
    """Without this the test above would prove nothing."""
    vertices, triangles = sheet(3)
    mesh = to_mesh(vertices, triangles)
    broken = Mesh(mesh.vertices, mesh.triangles)
    broken.__dict__["normals"] = np.where(np.arange(len(vertices))[:, None] < 20, mesh.normals, 0)
    assert {code for _, code, _ in validate(pack_glb(*start_glb(broken)))} == {"ACCESSOR_VECTOR3_NON_UNIT"}


def test_the_face_of_a_photo_is_valid(validate, embedded, tmp_path):
    photo = skimage.data.astronaut()
    reconstructor = open_by_fit(ReconstructorOptions(), embedded, open_files(embedded.files, 1))
    for unit in ("px", "mm"):
        options = WriteOptions(("glb", "obj"), unit=unit)
        write_faces(tmp_path / unit, photo, reconstructor.find_faces(photo), reconstructor, options)
        assert validate((tmp_path / unit / "face1.glb").read_bytes()) == []
        normals = np.loadtxt(
            [line[3:] for line in (tmp_path / unit / "face1.obj").read_text().splitlines() if line.startswith("vn ")]
        )
        assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=2e-4)


@pytest.mark.skipif(not (FACE_DATA / "bfm").is_dir(), reason="It takes BFM in FACE_DATA/bfm.")
def test_the_face_of_bfm_is_valid(validate):
    from pipeline.raw.bfm import load_bfm

    model: FaceModel = load_bfm(FACE_DATA / "bfm")
    mesh = Mesh(np.asarray(model.mean, np.float64) / 1000, model.triangles)
    moves = np.moveaxis(model.expression_basis, 2, 0)[:2] / 1000
    assert validate(morph_glb(mesh, moves, ("a", "b"))) == []
