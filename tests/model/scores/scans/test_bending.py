"""Non-rigid ICP on a sheet."""

import numpy as np
import pytest

from model.scores.scans.bending import STIFFNESS, Anchors, _edge_laplacian, _maps, bend
from tests.helpers.meshes import grid_mesh

VERTICES, TRIANGLES = grid_mesh(12, 12)
VERTICES = VERTICES / 3


def test_what_lies_on_its_targets_stays():
    assert bend(VERTICES, TRIANGLES, VERTICES) == pytest.approx(VERTICES, abs=1e-6)


def test_a_sheet_follows_an_affine_map_whose_neighbours_all_move_alike():
    """A stretch costs no stiffness: at the least sum of squares all vertices are where they shall be."""
    targets = VERTICES * [1.1, 0.95, 1.2] + [0.1, 0, 0.2]
    maps = _maps(
        VERTICES, _edge_laplacian(TRIANGLES, len(VERTICES)), STIFFNESS[0], (1, 1, 1, 1), [(np.ones(144), targets)]
    )
    moved = np.einsum("vi,vic->vc", np.column_stack([VERTICES, np.ones(144)]), maps)
    assert moved == pytest.approx(targets, abs=1e-5)


def test_maps_are_those_of_the_least_sum_of_squares():
    """Against the system written out in full, with the stiffness of each edge and the pull on each vertex."""
    rng = np.random.default_rng(0)
    vertices, triangles = rng.normal(size=(5, 3)), np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    weights, places = rng.uniform(0, 2, 5), rng.normal(size=(5, 3))
    stiffness, factors = 3.0, (2, 2, 3, 2)
    rows, right = [], []
    for a, b in [(0, 1), (1, 2), (0, 2), (2, 3), (1, 3), (3, 4), (2, 4)]:
        block = np.zeros((4, 20))
        block[:, 4 * a : 4 * a + 4], block[:, 4 * b : 4 * b + 4] = np.diag(factors), -np.diag(factors)
        rows.append(stiffness * block)
        right.append(np.zeros((4, 3)))
    for number, (vertex, weight, place) in enumerate(zip(vertices, weights, places, strict=True)):
        row = np.zeros((1, 20))
        row[0, 4 * number : 4 * number + 4] = weight * np.array([*vertex, 1])
        rows.append(row)
        right.append(weight * place[None])
    known = np.linalg.lstsq(np.vstack(rows), np.vstack(right), rcond=None)[0].reshape(5, 4, 3)
    found = _maps(vertices, _edge_laplacian(triangles, 5), stiffness, factors, [(weights, places)])
    assert found == pytest.approx(known, abs=1e-5)


def test_anchors_draw_their_vertices_along():
    """The targets lie along the sheet, where nearest points tell nothing: anchors alone say that it slides."""
    corners = np.array([0, 11, 132, 143, 70])
    targets = VERTICES * [1, 1, 0]
    places = targets[corners] + [0.5, 0, 0]
    loose = bend(targets, TRIANGLES, targets)
    held = bend(targets, TRIANGLES, targets, Anchors(corners, places))
    assert np.abs(loose - targets).max() < 1e-6
    assert (held - targets)[:, 0].mean() > 0.25
    assert np.abs(held[:, 2]).max() < 1e-6


def test_a_vertex_in_no_triangle_stays_while_anchors_pull_the_others():
    vertices = np.vstack([VERTICES, [[50, 50, 50]]])
    bent = bend(vertices, TRIANGLES, vertices, Anchors(np.array([0, 143]), vertices[[0, 143]] + 0.1))
    assert bent[-1] == pytest.approx([50, 50, 50], abs=1e-3)
