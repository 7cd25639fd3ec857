"""Loop's subdivision on meshes whose result is known."""

import numpy as np
import pytest
import trimesh

from pipeline.face.subdivision import loop_operator
from tests.helpers.meshes import grid_mesh


@pytest.mark.parametrize("mesh", [trimesh.creation.icosahedron(), trimesh.creation.box()])
def test_it_is_trimeshs_of_a_closed_mesh(mesh):
    operator, triangles = loop_operator(mesh.faces, len(mesh.vertices))
    vertices, _ = trimesh.remesh.subdivide_loop(mesh.vertices, mesh.faces, iterations=1)
    found = operator @ mesh.vertices
    assert len(found) == len(vertices)
    distances = np.linalg.norm(found[:, None] - vertices[None], axis=2)
    assert distances.min(axis=1).max() < 1e-12
    assert trimesh.Trimesh(found, triangles, process=False).is_watertight


def test_what_is_flat_stays_flat_and_of_the_same_size_but_for_the_corners_of_its_rims():
    vertices, triangles = grid_mesh(5, 5, hole=(2, 2))
    flat = vertices * [1, 1, 0]
    operator, finer = loop_operator(triangles, len(flat))
    new = operator @ flat
    assert len(finer) == 4 * len(triangles)
    assert (new[:, 2] == 0).all()
    a, b, c = (new[finer[:, k]] for k in range(3))
    areas = np.cross(b - a, c - a)[:, 2] / 2
    # All wound as before. Each corner of the square is cut by a triangle of 1/8, the hole's are filled by as much.
    assert areas.min() > 0
    assert areas.sum() == pytest.approx(4 * 4 - 1 - 4 / 8 + 4 / 8)


def test_edges_of_a_rim_are_halved():
    triangles = np.array([[0, 1, 2]])
    operator, finer = loop_operator(triangles, 3)
    corners = np.array([[0.0, 0, 0], [8, 0, 0], [0, 8, 0]])
    assert (operator @ corners).tolist() == [[1, 1, 0], [6, 1, 0], [1, 6, 0], [4, 0, 0], [0, 4, 0], [4, 4, 0]]
    assert sorted(map(sorted, finer.tolist())) == [[0, 3, 4], [1, 3, 5], [2, 4, 5], [3, 4, 5]]
