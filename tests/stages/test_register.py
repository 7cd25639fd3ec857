"""The command `register`: scans in, meshes in correspondence out, and what it says of what is none."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.face.face_model import FaceModel, save_model
from pipeline.photo.mesh_files import Mesh, write_mesh
from pipeline.photo.scan_files import read_mesh_set, read_scan
from stages import register
from tests.helpers.made_scans import GRID, from_scanner, into_scanner, make_scan, make_template, warp


def make_face_model(path):
    vertices, triangles = make_template()
    none = np.zeros((*vertices.shape, 0), np.float32)
    inner = np.arange(GRID**2).reshape(GRID, GRID)[3:-3, 3:-3].ravel()
    landmarks = inner[np.linspace(0, len(inner) - 1, 68).astype(int)].astype(np.int32)
    save_model(path, FaceModel(vertices.astype(np.float32), none, none, triangles, landmarks))
    return vertices[landmarks]


def call(*arguments):
    return CliRunner().invoke(register.main, [str(argument) for argument in arguments])


def read_rows(folder):
    with (folder / "registered.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_scans_become_a_set_of_meshes_in_correspondence(tmp_path):
    marked = make_face_model(tmp_path / "model.h5")
    (tmp_path / "points").mkdir()
    for name, kept in (("anna", slice(None)), ("anna__smile", slice(17, None))):
        write_mesh(tmp_path / f"{name}.ply", Mesh(*make_scan()))
        np.savetxt(tmp_path / "points" / f"{name}.txt", into_scanner(warp(marked))[kept])
    scans, out = [tmp_path / "anna.ply", tmp_path / "anna__smile.ply"], tmp_path / "out"
    result = call(*scans, "--out", out, "--landmarks", tmp_path / "points", "--model", tmp_path / "model.h5")
    assert result.exit_code == 0, result.output
    assert "register: 2 of 2 scans" in result.output
    for row in read_rows(out):
        assert row["landmarks"] == "given"
        assert float(row["matched_percent"]) > 95
        assert float(row["median"]) < 0.01  # of a scan 12 units high,
        assert row["unit"] == "cm"  # which makes a face of it
        assert (out / f"{row['scan']}.png").is_file()
    found = read_mesh_set(out, GRID**2)
    assert found.expressions == ("neutral", "smile")
    # All 68 landmarks or the 51 that are used: the same.
    np.testing.assert_array_equal(found.vertices[0, 0], found.vertices[0, 1])
    template, triangles = make_template()
    errors = np.linalg.norm(from_scanner(found.vertices[0, 0]) - warp(template), axis=1)
    assert np.median(errors) < 0.03  # of a height of 2
    np.testing.assert_array_equal(read_scan(out / "anna.ply").triangles, triangles)


def test_one_scan_that_fails_is_told_and_the_others_are_made(tmp_path):
    marked = make_face_model(tmp_path / "model.h5")
    (tmp_path / "points").mkdir()
    for name in ("good", "empty", "lost", "mirrored"):
        vertices, triangles = make_scan()
        write_mesh(tmp_path / f"{name}.ply", Mesh(vertices * [-1 if name == "mirrored" else 1, 1, 1], triangles))
    np.save(tmp_path / "points" / "mirrored.npy", into_scanner(warp(marked)) * [-1, 1, 1])
    np.save(tmp_path / "points" / "good.npy", into_scanner(warp(marked)))
    np.save(tmp_path / "points" / "empty.npy", into_scanner(warp(marked))[:40])
    scans = [tmp_path / f"{name}.ply" for name in ("good", "empty", "lost", "mirrored")]
    out = tmp_path / "out"
    result = call(*scans, "--out", out, "--landmarks", tmp_path / "points", "--model", tmp_path / "model.h5")
    assert result.exit_code == 0, result.output
    assert "expected (68, 3), or (51, 3) without the jaw" in result.output
    assert "has 0 files for lost" in result.output
    assert [bool(row["reason"]) for row in read_rows(out)] == [False, True, True, True]
    assert "mirrored.ply and its landmarks are mirrored: they fit a face much better" in result.output


@pytest.mark.parametrize("missing", ["model", "all"])
def test_where_nothing_can_be_done_it_ends_with_the_reason(tmp_path, missing):
    write_mesh(tmp_path / "scan.ply", Mesh(*make_scan()))
    arguments = [tmp_path / "scan.ply", "--out", tmp_path / "out", "--model", tmp_path / "model.h5"]
    if missing == "all":
        make_face_model(tmp_path / "model.h5")
        result = call(*arguments, "--landmarks", tmp_path)
        assert "None of 1 scans could be registered." in result.stderr
    else:
        result = call(*arguments)
        assert "model.h5 is missing or no file; expected a face model" in result.stderr
    assert result.exit_code == 1


def test_two_scans_of_one_name_are_refused(tmp_path):
    make_face_model(tmp_path / "model.h5")
    result = call(
        tmp_path / "a.ply", tmp_path / "b" / "a.obj", "--out", tmp_path / "out", "--model", tmp_path / "model.h5"
    )
    assert result.exit_code == 1
    assert "Two scans are called a" in result.stderr


def test_meshes_do_not_replace_their_scans(tmp_path):
    make_face_model(tmp_path / "model.h5")
    write_mesh(tmp_path / "scan.ply", Mesh(*make_scan()))
    result = call(tmp_path / "scan.ply", "--out", tmp_path, "--model", tmp_path / "model.h5")
    assert result.exit_code == 1
    assert "would replace the scan" in result.stderr


def test_points_alone_need_landmarks(tmp_path):
    make_face_model(tmp_path / "model.h5")
    head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "points.ply").write_text(head + "0 0 0\n1 0 0\n0 2 0.5\n")
    result = call(tmp_path / "points.ply", "--out", tmp_path / "out", "--model", tmp_path / "model.h5")
    assert "give them by --landmarks" in result.output
