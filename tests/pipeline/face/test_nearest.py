"""The nearest points of meshes, by hand, and a surface laid over points that it has no correspondence with."""

import numpy as np
import pytest

from pipeline.face.camera import rotation_matrix
from pipeline.face.nearest import align_surface, nearest_points
from pipeline.face.similarity import move
from tests.helpers.meshes import grid_mesh

LARGE = np.array([[0.0, 0, 0], [90, 0, 0], [0, 90, 0], [90, 90, 90]]), np.array([[0, 1, 2], [1, 3, 2]])


@pytest.mark.parametrize(
    ("point", "triangle", "nearest"),
    [
        ([20, 30, 5], 0, [20, 30, 0]),  # over the inside
        ([-3, 40, 4], 0, [0, 40, 0]),  # beside an edge
        ([-3, -4, 12], 0, [0, 0, 0]),  # off a corner
        ([70, 70, 38], 1, [66, 66, 42]),  # off the plane x + y - z = 90 by (4, 4, -4)
    ],
)
def test_the_nearest_point_of_two_large_triangles(point, triangle, nearest):
    found = nearest_points(np.array([point], float), *LARGE)
    assert found.triangles.tolist() == [triangle]
    assert found.points[0] == pytest.approx(nearest)


def test_of_a_dense_mesh_the_nearest_is_that_of_all_triangles():
    vertices, triangles = grid_mesh(60, 60)
    rng = np.random.default_rng(1)
    points = rng.uniform([-29, -29, -90], [29, 29, 5], (50, 3))
    few = nearest_points(points, vertices, triangles, 8).points
    every = nearest_points(points, vertices, triangles, len(triangles)).points
    # From far inside of a bowl, many triangles are nearly as near.
    distances = [np.linalg.norm(found - points, axis=1) for found in (few, every)]
    assert distances[0] == pytest.approx(distances[1], rel=0.01)


def test_a_mesh_without_triangles_is_refused():
    with pytest.raises(ValueError, match="without triangles"):
        nearest_points(np.zeros((1, 3)), np.zeros((3, 3)), np.zeros((0, 3), int))


def test_a_surface_is_laid_over_points_by_its_form():
    """A sheet with a ridge to one side, turned by 6 degrees, smaller and moved, comes back."""
    vertices, triangles = grid_mesh(25, 21)
    vertices = vertices + 4 * np.exp(-((vertices[:, :1] - 3) ** 2) / 4 - (vertices[:, 1:2] + 2) ** 2 / 30) * [0, 0, 1]
    moved = 0.9 * vertices @ rotation_matrix(0.05, -0.08, 0.04).T + [0.7, -0.5, 1.5]
    placed = move(align_surface(moved, triangles, vertices), moved)
    assert np.linalg.norm(moved - vertices, axis=1).mean() > 1
    assert np.linalg.norm(placed - vertices, axis=1).mean() < 0.15
