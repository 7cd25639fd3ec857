"""The nearest point of a surface, against trying every triangle and against distances known by hand."""

import numpy as np
import pytest
import trimesh
from trimesh.triangles import closest_point

from pipeline.face.surface_search import nearest_on_surface, prepare_search


def by_trying_all(vertices, triangles, points):
    corners = vertices[triangles]
    tried = (closest_point(corners, np.repeat(point[None], len(corners), axis=0)) - point for point in points)
    return np.array([np.linalg.norm(offsets, axis=1).min() for offsets in tried])


@pytest.mark.parametrize("seed", range(4))
def test_no_triangle_is_nearer_whatever_sizes_they_have(seed):
    rng = np.random.default_rng(seed)
    vertices, triangles = rng.normal(size=(200, 3)), rng.integers(0, 200, (300, 3))
    vertices[:20] *= 40  # some triangles are as large as the rest together
    triangles[:3] = [[5, 5, 5], [7, 7, 9], [1, 2, 1]]  # and some have no area
    points = rng.normal(size=(300, 3)) * rng.choice([0.1, 1, 30], (300, 1))
    found = nearest_on_surface(prepare_search(vertices, triangles), points)
    assert found.distances == pytest.approx(by_trying_all(vertices, triangles, points), abs=1e-9)
    assert np.linalg.norm(found.points - points, axis=1) == pytest.approx(found.distances, abs=1e-12)
    own = closest_point(vertices[triangles[found.triangles]], points)
    assert own == pytest.approx(found.points, abs=1e-12)


def test_points_about_a_cube_are_as_far_as_one_sees():
    cube = trimesh.creation.box((2, 2, 2))
    points = np.array([[0, 0, 3], [0.5, -0.25, 0.75], [2, 2, 0], [2, 3, 5], [1, 1, 1], [0, 0, 0]], float)
    found = nearest_on_surface(prepare_search(cube.vertices, cube.faces), points)
    assert found.distances == pytest.approx([2, 0.25, np.sqrt(2), np.sqrt(1 + 4 + 16), 0, 1])
    assert found.points[:4] == pytest.approx(np.array([[0, 0, 1], [0.5, -0.25, 1], [1, 1, 0], [1, 1, 1]]))


def test_the_order_of_vertices_and_triangles_does_not_matter():
    rng = np.random.default_rng(1)
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=10)
    points = rng.normal(size=(500, 3)) * 8
    order, mixed = rng.permutation(len(mesh.vertices)), rng.permutation(len(mesh.faces))
    first = nearest_on_surface(prepare_search(mesh.vertices, mesh.faces), points)
    place = np.argsort(order)
    second = nearest_on_surface(prepare_search(mesh.vertices[order], place[mesh.faces][mixed]), points)
    assert second.distances == pytest.approx(first.distances, abs=1e-12)


@pytest.mark.parametrize("triangles", [np.zeros((0, 3), int), [[0, 1, 3]], [[0, 1, -1]]])
def test_a_mesh_without_a_surface_is_refused(triangles):
    with pytest.raises(ValueError, match="no triangles, or they name vertices that are not there"):
        prepare_search(np.zeros((3, 3)), np.array(triangles))
