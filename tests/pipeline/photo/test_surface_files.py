"""Surfaces and landmarks of scans in files of several kinds."""

import os

import numpy as np
import pytest
import trimesh

from pipeline.photo.surface_files import find_file, read_landmarks, read_surface

VERTICES = np.random.default_rng(0).uniform(-90, 90, (5, 3)).round(4)
TRIANGLES = [[0, 1, 2], [0, 2, 3], [4, 3, 2]]
LINES = [f"v {x} {y} {z}" for x, y, z in VERTICES]


@pytest.mark.parametrize(
    "faces",
    [
        ["f 1 2 3", "f 1 3 4", "f 5 4 3"],
        ["f 1 2 3 4", "f 5 4 3"],  # a quad is two triangles
        ["vt 0 0", "f 1/1 2/1 3/1", "usemtl b", "f 1/1/1 3/1/1 4/1/1", "f 5//1 4//1 3//1"],
        ["f -5 -4 -3", "f -5 -3 -2", "f -1 -2 -3"],  # counted back
        ["f\t1 2 3 ", "  f 1 3 4", "f 5 4 3", "l 1 2"],
    ],
)
def test_the_faces_of_an_obj_are_triangles_of_its_vertices(tmp_path, faces):
    (tmp_path / "a.obj").write_text("\n".join([*LINES, *faces]))
    vertices, triangles = read_surface(tmp_path / "a.obj")
    assert np.array_equal(vertices, VERTICES)
    assert triangles.tolist() == TRIANGLES


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_a_ply_keeps_the_order_of_its_vertices(tmp_path, encoding):
    mesh = trimesh.Trimesh(VERTICES, TRIANGLES, process=False)
    (tmp_path / "a.ply").write_bytes(mesh.export(file_type="ply", encoding=encoding))
    vertices, triangles = read_surface(tmp_path / "a.ply")
    assert vertices == pytest.approx(VERTICES, abs=1e-4)
    assert triangles.tolist() == TRIANGLES


PICKED = """<!DOCTYPE PickedPoints>
<PickedPoints>
 <DocumentData><DateTime time="1" date="2"/><templateName name=""/></DocumentData>
 <point x="1.5" y="-2" z="3e1" name="0" active="1"/>
 <point active="1" name="1" z="6" y="5" x="4"/>
 <point x="7" y="8" z="9" name="2" active="1"/>
</PickedPoints>
"""


def test_landmarks_are_read_from_picked_points_arrays_and_tables(tmp_path):
    known = np.array([[1.5, -2, 30], [4, 5, 6], [7, 8, 9]])
    (tmp_path / "a.pp").write_text(PICKED)
    np.save(tmp_path / "a.npy", known)
    np.savetxt(tmp_path / "a.txt", known)
    np.savetxt(tmp_path / "a.lmks", 1e6 * known)  # in any unit
    for suffix, factor in ((".pp", 1), (".npy", 1), (".txt", 1), (".lmks", 1e6)):
        assert read_landmarks(tmp_path / f"a{suffix}", 3) == pytest.approx(factor * known)
        assert read_landmarks(tmp_path / f"a{suffix}", 2) == pytest.approx(factor * known[:2])


BAD = {
    "a.obj": [
        ("\n".join(LINES), "has no faces, or they name vertices that it has not"),
        ("\n".join([*LINES, "f 1 2 6"]), "has no faces, or they name vertices that it has not"),
        ("\n".join([*LINES, "f 1 2 -6"]), "has no faces, or they name vertices that it has not"),
        ("\n".join([*LINES, "f a b c"]), "has a face that names no vertices by number"),
        ("\n".join([*LINES, "v nan 0 0", "f 1 2 3"]), "has points that are not finite"),
        ("hello", "has no vertices"),
        ("", "is empty"),
    ],
    "a.ply": [("ply\nformat", "can't be read as a mesh"), ("hello", "can't be read as a mesh"), ("", "has 0 bytes")],
}


@pytest.mark.parametrize(("name", "text", "sentence"), [(name, *each) for name, all_ in BAD.items() for each in all_])
def test_what_is_no_surface_is_told(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} {sentence}"):
        read_surface(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PICKED.replace('y="5"', ""), "has a point without x, y or z"),
        (PICKED.replace('"7"', '"seven"'), "has a point without x, y or z"),
        (PICKED.replace('"7"', '"nan"'), "has points that are not finite"),
        ("", r"has points of shape \(0, 3\); expected 3 landmarks"),
        (PICKED.split('<point x="7')[0], r"has points of shape \(2, 3\); expected 3 landmarks"),
    ],
)
def test_what_are_no_landmarks_is_told(tmp_path, text, sentence):
    (tmp_path / "a.pp").write_text(text)
    with pytest.raises(ValueError, match=f"a.pp {sentence}"):
        read_landmarks(tmp_path / "a.pp", 3)


def test_one_file_of_a_name_is_found(tmp_path):
    (tmp_path / "face.1.ply").touch()
    assert find_file(tmp_path / "face.1", (".obj", ".ply"), "scan") == tmp_path / "face.1.ply"
    (tmp_path / "face.1.obj").touch()
    with pytest.raises(ValueError, match=r"face.1 has more than one scan \(face.1.obj, face.1.ply\): keep one"):
        find_file(tmp_path / "face.1", (".obj", ".ply"), "scan")
    os.mkfifo(tmp_path / "pipe.obj")
    for name in ("none", "pipe"):
        with pytest.raises(ValueError, match=rf"{name} has no scan \(.obj, .ply\)"):
            find_file(tmp_path / name, (".obj", ".ply"), "scan")
