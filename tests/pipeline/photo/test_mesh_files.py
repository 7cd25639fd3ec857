"""Meshes as files: written, and opened again by trimesh."""

import json
import struct

import numpy as np
import pytest
import trimesh

from pipeline.photo.mesh_files import Mesh, coloured, textured, to_mesh, write_mesh

SIDE = 9


@pytest.fixture
def bump():
    """A sheet that bulges towards the viewer, as `Surface` has a face: pixel frame, y down, and its uv."""
    column, row = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
    uv = np.stack([column, row], axis=-1).reshape(-1, 2)
    depth = 30 * np.sin(np.pi * uv[:, 0]) * np.sin(np.pi * uv[:, 1])
    vertices = np.column_stack([100 + 80 * uv[:, 0], 50 + 90 * uv[:, 1], depth])
    cell = np.arange(SIDE * (SIDE - 1)).reshape(SIDE - 1, SIDE)[:, :-1].ravel()
    # Counter-clockwise seen from outside, in the frame with y up: down the column, then to the right.
    triangles = np.concatenate(
        [
            np.stack([cell, cell + SIDE, cell + 1], axis=1),
            np.stack([cell + 1, cell + SIDE, cell + SIDE + 1], axis=1),
        ]
    )
    return vertices, triangles, uv


@pytest.fixture
def texture():
    """Red in the upper left, green in the upper right, blue in the lower left, white in the lower right."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:5, :5, 0], picture[:5, 5:, 1], picture[5:, :5, 2], picture[5:, 5:] = 255, 255, 255, 255
    return picture


def corner(mesh, x, y):
    """The vertex that lies the farthest in a direction of x and y."""
    return int((mesh.vertices[:, 0] * x + mesh.vertices[:, 1] * y).argmax())


def colour_at(mesh, vertex):
    return mesh.visual.to_color().vertex_colors[vertex][:3].tolist()


def test_up_is_up_right_is_right_and_the_front_faces_the_viewer(bump):
    mesh = to_mesh(*bump[:2])
    assert mesh.vertices.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert mesh.vertices[0] - mesh.vertices[SIDE * SIDE - 1] == pytest.approx([-80, 90, 0], abs=1e-9)
    tip = mesh.vertices[:, 2].argmax()
    assert tip == SIDE * SIDE // 2
    assert mesh.normals[tip] == pytest.approx([0, 0, 1], abs=0.05)
    found = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    assert (found.face_normals[:, 2] > 0).all()
    # trimesh weighs a vertex's triangles by their angles there, this by their areas.
    assert np.abs(mesh.normals - found.vertex_normals).max() < 0.05


@pytest.mark.parametrize("ending", [".obj", ".glb"])
def test_a_textured_mesh_opens_again_with_its_colours_at_their_places(bump, texture, tmp_path, ending):
    vertices, triangles, uv = bump
    written = write_mesh(tmp_path / f"face{ending}", textured(to_mesh(vertices, triangles), uv, texture))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    assert len(written) == (3 if ending == ".obj" else 1)
    mesh = trimesh.load(written[0], force="mesh", process=False)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([80, 90, 30], abs=1e-4)
    assert (mesh.face_normals[:, 2] > 0).all()
    found = [colour_at(mesh, corner(mesh, x, y)) for x, y in ((-1, 1), (1, 1), (-1, -1), (1, -1))]
    assert found == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


def test_the_centre_of_a_texel_is_where_its_vertex_looks(bump, tmp_path):
    """Of a ramp every vertex gets its own texel: half a texel off would show."""
    vertices, triangles, uv = bump
    ramp = np.zeros((SIDE, SIDE, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = 20 * np.arange(SIDE), 20 * np.arange(SIDE)[:, None]
    path = write_mesh(tmp_path / "face.glb", textured(to_mesh(vertices, triangles), uv, ramp))[0]
    mesh = trimesh.load(path, force="mesh", process=False)
    column = np.rint(8 * (mesh.vertices[:, 0] / 80 + 0.5))
    row = np.rint(8 * (0.5 - mesh.vertices[:, 1] / 90))
    colours = mesh.visual.to_color().vertex_colors
    assert np.abs(colours[:, 0] - 20 * column).max() <= 1
    assert np.abs(colours[:, 1] - 20 * row).max() <= 1


def test_a_ply_keeps_vertices_in_order_with_a_colour_each(bump, tmp_path):
    vertices, triangles, _ = bump
    colours = np.random.default_rng(0).integers(0, 256, (len(vertices), 3)).astype(np.uint8)
    path = write_mesh(tmp_path / "face.ply", coloured(to_mesh(vertices, triangles), colours))[0]
    mesh = trimesh.load(path, process=False)
    assert np.abs(mesh.vertices * [1, -1, 1] - (vertices - vertices.mean(axis=0)) * [1, 1, 1]).max() < 1e-4
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], colours)
    assert np.array_equal(mesh.faces, triangles)


@pytest.mark.parametrize("ending", [".obj", ".ply", ".glb"])
def test_the_same_mesh_has_the_same_bytes(bump, texture, tmp_path, ending):
    vertices, triangles, uv = bump
    mesh = textured(to_mesh(vertices, triangles), uv, texture)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for path in write_mesh(tmp_path / folder / f"face{ending}", mesh):
            assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_another_kind_of_file_is_refused(bump, tmp_path):
    with pytest.raises(ValueError, match=r"face\.stl is no mesh file that can be written; expected one of \.obj"):
        write_mesh(tmp_path / "face.stl", to_mesh(*bump[:2]))


# A roof of two triangles over the square from (-1, -1) to (1, 1), its ridge from the lower left to the upper right.
ROOF = Mesh(np.array([[-1.0, -1, 0], [1, -1, -1], [1, 1, 0], [-1, 1, -1]]), np.array([[0, 1, 2], [0, 2, 3]]))


def test_an_obj_is_lines_of_numbers_from_1(tmp_path):
    write_mesh(tmp_path / "roof.obj", ROOF)
    # A zero may have a sign.
    assert (tmp_path / "roof.obj").read_text().replace("-0.0000 ", "0.0000 ").splitlines() == [
        "v -1.00000 -1.00000 0.00000",
        "v 1.00000 -1.00000 -1.00000",
        "v 1.00000 1.00000 0.00000",
        "v -1.00000 1.00000 -1.00000",
        # Of both triangles, (2, -2, 4) and (-2, 2, 4), or of one alone.
        "vn 0.0000 0.0000 1.0000",
        "vn 0.4082 -0.4082 0.8165",
        "vn 0.0000 0.0000 1.0000",
        "vn -0.4082 0.4082 0.8165",
        "f 1//1 2//2 3//3",
        "f 1//1 3//3 4//4",
    ]


def test_an_obj_with_a_texture_names_its_files_and_has_v_upwards(tmp_path):
    corners = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])
    mesh = textured(ROOF, corners, np.zeros((4, 4, 3), np.uint8))
    assert [path.name for path in write_mesh(tmp_path / "roof.obj", mesh)] == ["roof.obj", "roof.mtl", "roof.png"]
    lines = (tmp_path / "roof.obj").read_text().splitlines()
    assert lines[:2] == ["mtllib roof.mtl", "usemtl roof"]
    # The centre of the lower left texel of 4 x 4.
    assert lines[10] == "vt 0.125000 0.125000"
    assert lines[-1] == "f 1/1/1 3/3/3 4/4/4"
    assert (tmp_path / "roof.mtl").read_text().splitlines() == [
        "newmtl roof",
        "Ka 0 0 0",
        "Kd 1 1 1",
        "Ks 0 0 0",
        "map_Kd roof.png",
    ]


def test_a_ply_is_a_header_and_packed_numbers(tmp_path):
    colours = np.arange(12, dtype=np.uint8).reshape(4, 3)
    write_mesh(tmp_path / "roof.ply", coloured(ROOF, colours))
    header, content = (tmp_path / "roof.ply").read_bytes().split(b"end_header\n")
    assert header.splitlines()[1:3] == [b"format binary_little_endian 1.0", b"element vertex 4"]
    assert content == b"".join(
        [
            *(struct.pack("<3f3B", *place, *colour) for place, colour in zip(ROOF.vertices, colours, strict=True)),
            struct.pack("<B3i", 3, 0, 1, 2),
            struct.pack("<B3i", 3, 0, 2, 3),
        ]
    )


def read_tree(path):
    content = path.read_bytes()
    return json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])


def test_a_glb_s_texture_is_on_a_surface_that_is_dull_and_no_metal(tmp_path):
    mesh = textured(ROOF, np.zeros((4, 2)), np.zeros((4, 4, 3), np.uint8))
    tree = read_tree(write_mesh(tmp_path / "roof.glb", mesh)[0])
    surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    assert tree["materials"] == [{"pbrMetallicRoughness": surface}]
    assert tree["meshes"][0]["primitives"][0]["material"] == 0


def test_a_glb_s_colours_are_bytes_of_which_255_is_1(tmp_path):
    tree = read_tree(write_mesh(tmp_path / "roof.glb", coloured(ROOF, np.full((4, 3), 7, np.uint8)))[0])
    entry = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    # 5121: unsigned byte.
    assert (entry["componentType"], entry["type"], entry["count"]) == (5121, "VEC4", 4)
    assert entry["normalized"] is True
    assert (entry["min"], entry["max"]) == ([7, 7, 7, 255], [7, 7, 7, 255])


def test_a_coloured_glb_opens_with_its_colours(bump, tmp_path):
    vertices, triangles, _ = bump
    colours = np.random.default_rng(1).integers(0, 256, (len(vertices), 3)).astype(np.uint8)
    path = write_mesh(tmp_path / "face.glb", coloured(to_mesh(vertices, triangles), colours))[0]
    mesh = trimesh.load(path, force="mesh", process=False)
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], colours)
    assert np.array_equal(mesh.faces, triangles)
