"""What is missing at points on a mesh, spread over it: on a grid, at points at vertices and within triangles."""

import numpy as np
import pytest

from pipeline.face import correction
from pipeline.face.correction import correction_matrix
from tests.helpers.meshes import grid_mesh

SIDE = 21
# Every fifth vertex along and across, the border left out.
HELD = np.array([row * SIDE + column for row in range(2, SIDE, 4) for column in range(2, SIDE, 4)])


def at_vertices(numbers):
    """Points that lie at vertices: the first of a triangle has all the weight."""
    weights = np.zeros((len(numbers), 3))
    weights[:, 0] = 1
    return np.repeat(numbers[:, None], 3, axis=1), weights


@pytest.fixture(scope="module")
def grid():
    return grid_mesh(SIDE, SIDE)


@pytest.fixture(scope="module")
def matrix(grid):
    return correction_matrix(grid[1], SIDE**2, *at_vertices(HELD))


def test_it_has_a_row_for_each_vertex_and_a_column_for_each_point(matrix):
    assert matrix.shape == (SIDE**2, len(HELD))
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()


def test_what_is_missing_everywhere_alike_moves_the_whole_mesh_by_it(matrix):
    moved = matrix @ np.tile([3.0, -2.0, 0.5], (len(HELD), 1))
    # The pull to rest takes REST / (REST + a point's weight on average) of it.
    held = correction.WEIGHT / SIDE**2 * len(HELD) / SIDE**2
    share = held / (held + correction.REST)
    assert share > 0.999
    assert moved == pytest.approx(np.tile(share * np.array([3.0, -2.0, 0.5]), (SIDE**2, 1)), rel=1e-3)


def test_nothing_missing_moves_nothing(matrix):
    assert not (matrix @ np.zeros((len(HELD), 3))).any()


def test_points_of_a_great_weight_are_reached_at_vertices_and_within_triangles(monkeypatch, grid):
    monkeypatch.setattr(correction, "WEIGHT", 1e9)
    triangles = grid[1]
    rng = np.random.default_rng(0)
    vertices = triangles[rng.choice(len(triangles), 40, replace=False)]
    # No two of them in one place, or they could not both be reached.
    weights = rng.dirichlet([4, 4, 4], len(vertices))
    missing = rng.normal(size=(len(vertices), 3))
    moved = correction_matrix(triangles, SIDE**2, vertices, weights) @ missing
    assert np.einsum("kcd,kc->kd", moved[vertices], weights) == pytest.approx(missing, abs=0.01)


def test_it_is_reached_the_more_the_greater_the_weight_and_never_passed(monkeypatch, grid):
    missing = np.zeros(len(HELD))
    missing[12] = 1.0
    reached = []
    for weight in (1.0, 10.0, 100.0, 1000.0):
        monkeypatch.setattr(correction, "WEIGHT", weight)
        reached.append(float((correction_matrix(grid[1], SIDE**2, *at_vertices(HELD)) @ missing)[HELD[12]]))
    assert 0 < reached[0] < reached[1] < reached[2] < reached[3] < 1


def test_what_one_point_misses_fades_smoothly_and_with_the_distance(matrix):
    middle = len(HELD) // 2
    field = matrix[:, middle].reshape(SIDE, SIDE).astype(float)
    assert np.unravel_index(field.argmax(), field.shape) == (10, 10)
    # No vertex jumps from the mean of its four neighbours, nor from any neighbour, as a plate bends.
    jumps = np.abs(np.diff(field, axis=0)).max(), np.abs(np.diff(field, axis=1)).max()
    assert max(jumps) < 0.4 * field.max()
    rows, columns = np.indices(field.shape)
    distance = np.maximum(np.abs(rows - 10), np.abs(columns - 10))
    rings = [np.abs(field[distance == ring]).max() for ring in range(11)]
    assert rings[0] > rings[1] > rings[2] > rings[3]
    assert max(rings[5:]) < 0.15 * rings[0], "the next points, four away, hold it"


def test_a_slope_of_what_is_missing_is_continued_between_the_points(matrix):
    rows, columns = np.divmod(HELD, SIDE)
    moved = (matrix @ (0.1 * rows + 0.2 * columns)).reshape(SIDE, SIDE)
    inner = moved[6:15, 6:15]
    expected = 0.1 * np.arange(6, 15)[:, None] + 0.2 * np.arange(6, 15)
    # Neighbouring points differ by 0.4 and 0.8; the mesh's free border takes less than a fifth of that.
    assert inner == pytest.approx(expected, abs=0.08)


def test_on_a_symmetric_mesh_the_mirror_image_of_what_is_missing_moves_the_mirror_image():
    # A fan round the middle of each square makes the grid its own mirror image.
    count = 6
    corner = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    middle = (count + 1) ** 2 + np.arange(count**2).reshape(count, count)
    ring = [corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]]
    triangles = np.concatenate(
        [np.stack([ring[i], ring[(i + 1) % 4], middle], axis=-1).reshape(-1, 3) for i in range(4)]
    )
    mirror = np.concatenate([corner[:, ::-1].ravel(), middle[:, ::-1].ravel()])
    held = np.array([corner[2, 1], corner[2, 5], corner[4, 3], middle[1, 0], middle[1, 5]])
    mirrored_points = [1, 0, 2, 4, 3]
    matrix = correction_matrix(triangles, len(mirror), *at_vertices(held))
    missing = np.random.default_rng(0).normal(size=5)
    assert (matrix @ missing)[mirror] == pytest.approx(matrix @ missing[mirrored_points], abs=1e-5)


def test_it_depends_on_no_order_of_triangles_or_of_their_corners(grid, matrix):
    triangles = np.roll(grid[1][::-1], 1, axis=1)
    assert correction_matrix(triangles, SIDE**2, *at_vertices(HELD)) == pytest.approx(matrix, abs=1e-5)


def test_a_vertex_of_no_triangle_stays(grid):
    matrix = correction_matrix(grid[1], SIDE**2 + 1, *at_vertices(HELD))
    assert not matrix[-1].any()


def test_a_part_that_no_point_holds_stays(grid):
    triangles = np.concatenate([grid[1], grid[1] + SIDE**2])
    matrix = correction_matrix(triangles, 2 * SIDE**2, *at_vertices(HELD))
    assert np.abs(matrix[SIDE**2 :]).max() < 1e-6
    assert np.abs(matrix[: SIDE**2]).max() > 0.5
