"""Meshes as files: written, and opened again by trimesh."""

import numpy as np
import pytest
import trimesh

from pipeline.photo.mesh_files import coloured, textured, to_trimesh, viewer_page, write_mesh

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
    mesh = to_trimesh(*bump[:2])
    assert mesh.vertices.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert mesh.vertices[0] - mesh.vertices[SIDE * SIDE - 1] == pytest.approx([-80, 90, 0], abs=1e-9)
    tip = mesh.vertices[:, 2].argmax()
    assert tip == SIDE * SIDE // 2
    assert mesh.vertex_normals[tip] == pytest.approx([0, 0, 1], abs=0.05)
    assert (mesh.face_normals[:, 2] > 0).all()


@pytest.mark.parametrize("ending", [".obj", ".glb"])
def test_a_textured_mesh_opens_again_with_its_colours_at_their_places(bump, texture, tmp_path, ending):
    vertices, triangles, uv = bump
    written = write_mesh(tmp_path / f"face{ending}", textured(to_trimesh(vertices, triangles), uv, texture))
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
    path = write_mesh(tmp_path / "face.glb", textured(to_trimesh(vertices, triangles), uv, ramp))[0]
    mesh = trimesh.load(path, force="mesh", process=False)
    column = np.rint(8 * (mesh.vertices[:, 0] / 80 + 0.5))
    row = np.rint(8 * (0.5 - mesh.vertices[:, 1] / 90))
    colours = mesh.visual.to_color().vertex_colors
    assert np.abs(colours[:, 0] - 20 * column).max() <= 1
    assert np.abs(colours[:, 1] - 20 * row).max() <= 1


def test_a_ply_keeps_vertices_in_order_with_a_colour_each(bump, tmp_path):
    vertices, triangles, _ = bump
    colours = np.random.default_rng(0).integers(0, 256, (len(vertices), 3)).astype(np.uint8)
    path = write_mesh(tmp_path / "face.ply", coloured(to_trimesh(vertices, triangles), colours))[0]
    mesh = trimesh.load(path, process=False)
    assert np.abs(mesh.vertices * [1, -1, 1] - (vertices - vertices.mean(axis=0)) * [1, 1, 1]).max() < 1e-4
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], colours)
    assert np.array_equal(mesh.faces, triangles)


@pytest.mark.parametrize("ending", [".obj", ".ply", ".glb"])
def test_the_same_mesh_has_the_same_bytes(bump, texture, tmp_path, ending):
    vertices, triangles, uv = bump
    mesh = textured(to_trimesh(vertices, triangles), uv, texture)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for path in write_mesh(tmp_path / folder / f"face{ending}", mesh):
            assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_another_kind_of_file_is_refused(bump, tmp_path):
    with pytest.raises(ValueError, match=r"face\.stl is no mesh file that can be written; expected one of \.obj"):
        write_mesh(tmp_path / "face.stl", to_trimesh(*bump[:2]))


def test_the_viewer_shows_both_kinds_and_loads_nothing(bump, texture):
    vertices, triangles, uv = bump
    mesh = to_trimesh(vertices, triangles)
    pages = [viewer_page(mesh), viewer_page(textured(mesh, uv, texture))]
    assert pages == [viewer_page(mesh), viewer_page(textured(mesh, uv, texture))]
    assert pages[0] != pages[1]
    for page in pages:
        assert 'src="http' not in page
        assert "@import" not in page
