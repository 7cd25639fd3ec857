"""The stage `multilinear_model` on made-up sets, and what it measures of them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.demo.face import make_face
from pipeline.face.face_model import FaceModel, deform, load_model, save_model
from pipeline.face.multilinear import load_multilinear, mixed_share
from pipeline.photo.mesh_files import Mesh, write_mesh
from stages import multilinear_model
from stages.multilinear_model import some
from stages.project.params_file import read_params
from stages.project.paths import DEMO, LINEAR, MODEL, MULTILINEAR, MULTILINEAR_METRICS
from tests.helpers.meshes import grid_mesh
from tests.helpers.places import ROOT

PEOPLE, EXPRESSIONS = 6, 5


def make_project(root, monkeypatch, data_root="elsewhere", **section):
    """A face model of a few vertices, and params.yaml with another section `multilinear_model`."""
    monkeypatch.chdir(root)
    vertices, triangles = grid_mesh(9, 9)
    rng = np.random.default_rng(0)
    bases = [rng.normal(size=(len(vertices), 3, count)).astype(np.float32) for count in (4, 2)]
    model = FaceModel((9 * vertices).astype(np.float32), *bases, triangles, np.arange(68, dtype=np.int32))
    save_model(root / MODEL, model)
    params = read_params(ROOT / "params.yaml")
    changed = {"multilinear_model": params["multilinear_model"] | section, "data": params["data"] | {"root": data_root}}
    (root / "params.yaml").write_text(json.dumps(params | changed))  # which is YAML, too
    return model


def run(root):
    result = CliRunner().invoke(multilinear_model.main, catch_exceptions=False)
    metrics = json.loads((root / MULTILINEAR_METRICS).read_text()) if result.exit_code == 0 else None
    return result, metrics


def turn_about_z(vertices, angle):
    c, s = np.cos(angle), np.sin(angle)
    return vertices @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T


def test_registered_meshes_become_a_model_whatever_their_pose_and_unit(tmp_path, monkeypatch):
    model = make_project(tmp_path, monkeypatch, meshes="scans", identity_rank=9, expression_rank=9)
    rng = np.random.default_rng(1)
    for person in range(PEOPLE):
        for expression in range(EXPRESSIONS):
            identity, smile = rng.normal(size=4) * 0 + np.eye(6)[person][:4], np.array([expression / 5, 0])
            face = deform(model, np.array([[*identity, *smile]]))[0]
            face = 0.5 * turn_about_z(face, 0.1 * person) + [person, expression, 7]
            write_mesh(tmp_path / "scans" / f"p{person}__e{expression}.ply", Mesh(face, model.triangles))
    result, metrics = run(tmp_path)
    assert result.exit_code == 0, result.output
    # The fifth of both is held out.
    assert (metrics["identities"], metrics["expressions"], metrics["held_out_meshes"]) == (5, 4, 1)
    multilinear = load_multilinear(tmp_path / MULTILINEAR)
    assert multilinear.expression_names == ("e0", "e1", "e2", "e3")
    np.testing.assert_array_equal(multilinear.triangles, model.triangles)
    linear = load_model(tmp_path / LINEAR)
    np.testing.assert_allclose(linear.mean, multilinear.core[:, :, 0, 0])
    # Laid over the mean face, they lie within what the identities differ by.
    assert np.abs(linear.mean - model.mean).max() < 2
    assert f"{metrics['identities']} identities x {metrics['expressions']} expressions in" in result.output


def test_faces_of_a_linear_model_have_nothing_mixed_and_held_out_ones_are_met(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, identities=10, expressions=10, identity_rank=4, expression_rank=2)
    drawn = np.random.default_rng(2).normal(size=(30, 6))
    monkeypatch.setattr(multilinear_model, "read_coefficients", lambda: drawn)
    result, metrics = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert metrics["mixed_percent"] == 0
    assert metrics["identity_explained_percent"][-1] == metrics["expression_explained_percent"][-1] == 100
    assert metrics["held_out_meshes"] == 4
    assert metrics["error_mm"] == metrics["linear_error_mm"] == 0
    first = (tmp_path / MULTILINEAR).read_bytes()
    run(tmp_path)
    assert (tmp_path / MULTILINEAR).read_bytes() == first


def test_the_demos_faces_have_a_mixed_part_and_held_out_ones_are_nearer_by_it(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, DEMO.as_posix(), identities=10, expressions=10)
    face = make_face()
    save_model(
        tmp_path / MODEL,
        FaceModel(face.mean, face.shape_basis, face.expression_basis, face.triangles, face.landmarks),
    )
    rng = np.random.default_rng(3)
    drawn = np.column_stack([rng.normal(size=(40, 13)) * face.shape_sigma, rng.normal(size=(40, 6))])
    monkeypatch.setattr(multilinear_model, "read_coefficients", lambda: drawn)
    result, metrics = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert mixed_share(load_multilinear(tmp_path / MULTILINEAR)) > 0.001
    assert metrics["error_mm"] < metrics["linear_error_mm"]


def test_copies_of_a_photo_are_one_identity():
    rows = np.repeat(np.arange(8.0)[::-1, None], 3, axis=0)
    np.testing.assert_array_equal(some(rows, 3).ravel(), [7, 3, 0])
    np.testing.assert_array_equal(some(rows, 99).ravel(), np.arange(8)[::-1])


def test_a_set_of_other_vertices_is_refused(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, meshes="scans")
    write_mesh(tmp_path / "scans" / "p__e.ply", Mesh(*grid_mesh(3, 3)))
    result = CliRunner().invoke(multilinear_model.main)
    assert result.exit_code == 1
    assert "p__e.ply has 9 vertices, the face model 81: register it first." in result.stderr


@pytest.mark.parametrize(("key", "value"), [("identities", 1), ("identity_rank", 0), ("expression_rank", -1)])
def test_settings_that_make_no_model_are_refused(tmp_path, monkeypatch, key, value):
    make_project(tmp_path, monkeypatch, **{key: value})
    result = CliRunner().invoke(multilinear_model.main)
    assert result.exit_code == 1
    assert f"multilinear_model.{key} is {value}; expected" in result.stderr
