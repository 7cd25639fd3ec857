"""Scans from files, and sets of meshes: what comes back, and what is refused."""

import numpy as np
import pytest

from pipeline.photo.mesh_files import Mesh, write_mesh
from pipeline.photo.scan_files import read_mesh_set, read_scan
from tests.helpers.meshes import grid_mesh

VERTICES, TRIANGLES = grid_mesh(4, 5)


def write(path, shift=0.0):
    write_mesh(path, Mesh(VERTICES + shift, TRIANGLES))


@pytest.mark.parametrize(("name", "more"), [("face.obj", 0), ("face.ply", 2)])
def test_a_mesh_comes_back(tmp_path, name, more):
    """A .ply, which sets of meshes are of, with vertices in no triangle and twice, too."""
    vertices = np.concatenate([VERTICES, [[9, 9, 9.0], VERTICES[0]][:more]]) if more else VERTICES
    write_mesh(tmp_path / name, Mesh(vertices, TRIANGLES))
    scan = read_scan(tmp_path / name)
    np.testing.assert_allclose(scan.vertices, vertices, atol=1e-5)
    np.testing.assert_array_equal(scan.triangles, TRIANGLES)


def test_a_file_of_points_has_no_triangles(tmp_path):
    head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "points.ply").write_text(head + "0 0 0\n1 0 0\n0 2 0.5\n")
    scan = read_scan(tmp_path / "points.ply")
    np.testing.assert_array_equal(scan.vertices, [[0, 0, 0], [1, 0, 0], [0, 2, 0.5]])
    assert scan.triangles is None


def test_a_seam_of_a_texture_gives_vertices_no_new_order(tmp_path):
    """Each corner with a place of its own in a picture, as scanners write them."""
    head = (
        "ply\nformat ascii 1.0\ncomment TextureFile missing.png\nelement vertex 4\nproperty float x\nproperty float y\n"
        "property float z\nelement face 2\nproperty list uchar int vertex_indices\nproperty list uchar float texcoord\n"
        "end_header\n"
    )
    points = [[3, 0, 0], [0, 2, 0], [1, 1, 0], [0, 0, 1]]
    rows = [" ".join(map(str, point)) for point in points]
    faces = ["3 2 0 1 6 0 0 1 0 0 1", "3 3 1 0 6 0.5 0.5 1 1 0.2 0.1"]
    (tmp_path / "seam.ply").write_text(head + "\n".join([*rows, *faces]) + "\n")
    scan = read_scan(tmp_path / "seam.ply")
    np.testing.assert_array_equal(scan.vertices, points)
    np.testing.assert_array_equal(scan.triangles, [[2, 0, 1], [3, 1, 0]])


def test_quads_become_triangles(tmp_path):
    (tmp_path / "quad.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert read_scan(tmp_path / "quad.obj").triangles.shape == (2, 3)


def test_what_is_no_scan_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("0 0 0")
    (tmp_path / "b.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 1000\n")
    (tmp_path / "c.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "d.obj").write_text("")
    write(tmp_path / "f.ply")
    content = (tmp_path / "f.ply").read_bytes()
    (tmp_path / "f.ply").write_bytes(content[:-4] + np.int32(20).tobytes())
    for name, reason in (
        ("a.txt", "no scan that can be read"),
        ("b.ply", "can't be read"),
        ("c.obj", "not finite"),
        ("d.obj", "has 0 bytes"),
        ("f.ply", "faces of vertices that it has not"),
        ("e.ply", "missing"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_scan(tmp_path / name)


def test_a_set_has_each_identity_with_each_expression(tmp_path):
    for number, name in enumerate(("anna__smile_L", "anna__neutral", "ben__smile_L", "ben__neutral")):
        write(tmp_path / f"{name}.ply", number)
    found = read_mesh_set(tmp_path, len(VERTICES))
    assert found.identities == ("anna", "ben")
    assert found.expressions == ("neutral", "smile_L")
    np.testing.assert_allclose(found.vertices[:, :, 0] - VERTICES[0], [[[1] * 3, [0] * 3], [[3] * 3, [2] * 3]])


def test_neutral_faces_alone_are_a_set(tmp_path):
    write(tmp_path / "anna.ply")
    write(tmp_path / "ben.ply", 1)
    assert read_mesh_set(tmp_path, len(VERTICES)).vertices.shape == (2, 1, len(VERTICES), 3)


def test_a_set_that_is_not_whole_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no meshes"):
        read_mesh_set(tmp_path, 20)
    write(tmp_path / "anna__smile.ply")
    write(tmp_path / "ben.ply")
    with pytest.raises(ValueError, match=r"lacks anna__neutral.ply and 1 more"):
        read_mesh_set(tmp_path, 20)
    (tmp_path / "anna__smile.ply").unlink()
    with pytest.raises(ValueError, match="has 20 vertices, the face model 21"):
        read_mesh_set(tmp_path, 21)
