"""Which triangle a texel takes."""

import numpy as np

from pipeline.uv.embedding import count_flipped, from_table
from pipeline.uv.texels import barycentric, find_triangles
from tests.helpers.meshes import grid_mesh

# The unit square as two triangles, clockwise with v down, as the mesh's are: lower left and upper right half.
SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64)
HALVES = np.array([[0, 2, 3], [0, 3, 1]], np.int32)


def test_each_texel_takes_the_half_that_it_lies_in():
    found = find_triangles(SQUARE, HALVES, 5).reshape(5, 5)
    row, column = np.mgrid[:5, :5]
    assert (found[row > column] == 0).all()
    assert (found[row < column] == 1).all()
    assert found.min() == 0


def test_where_triangles_overlap_one_that_is_not_turned_over_goes_first_and_then_the_deeper_one():
    # A small triangle around the texel in row 3, column 1 of 5, which is near the edge of the lower left half.
    small = np.array([[0.05, 0.6], [0.05, 0.95], [0.45, 0.75]])
    uv = np.concatenate([SQUARE, small])
    proper, turned = np.array([[4, 5, 6]], np.int32), np.array([[4, 6, 5]], np.int32)
    weights = [barycentric(np.array([[0.25, 0.75]]), uv[triangle])[0].min() for triangle in (HALVES[:1], proper)]
    assert 0 < weights[0] < 0.3
    deeper = int(weights[1] > weights[0])
    found = find_triangles(uv, np.concatenate([HALVES, proper]), 5).reshape(5, 5)
    assert found[3, 1] == (2 if deeper else 0)
    found = find_triangles(uv, np.concatenate([turned, HALVES]), 5).reshape(5, 5)
    assert found[3, 1] == 1
    alone = find_triangles(uv, turned, 5).reshape(5, 5)
    assert alone[3, 1] == 0


def test_a_texel_outside_takes_the_triangle_nearest_to_it():
    inner = 0.25 + SQUARE / 2
    found = find_triangles(inner, HALVES, 9).reshape(9, 9)
    assert (found[8, 0], found[0, 8]) == (0, 1)
    assert (found >= 0).all()


def test_a_triangle_without_area_is_never_taken():
    flat = np.array([[0, 3, 3]], np.int32)
    assert 0 not in find_triangles(SQUARE, np.concatenate([flat, HALVES]), 7)


def test_a_table_has_v_upwards_and_its_hole_is_closed_in_the_middle_of_its_rim():
    vertices, triangles = grid_mesh(5, 5, hole=(1, 2))
    table = (vertices[:, :2] + 2) / 4
    embedding = from_table(table, triangles)
    # The first vertex is the upper left one; the hole's corners are in rows 1 and 2, columns 2 and 3 of 0 .. 4.
    np.testing.assert_allclose(embedding.uv[0], [0, 0])
    np.testing.assert_allclose(embedding.uv[-1], [0.625, 0.375])
    assert (len(embedding.uv), len(embedding.triangles)) == (26, len(triangles) + 4)
    assert count_flipped(embedding) == 0


def test_flipped_triangles_of_a_table_are_counted_and_stop_nothing():
    vertices, triangles = grid_mesh(5, 5)
    table = (vertices[:, :2] + 2) / 4
    table[12] = table[0]
    # Of the six triangles around the middle, the two towards the upper left corner, which it was moved to, turn over.
    assert count_flipped(from_table(table, triangles)) == 2
