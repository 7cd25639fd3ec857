"""Pictures of coordinate codes, against a plane worked out by hand and the rasteriser."""

import importlib.util

import numpy as np
import pytest

from model.backend import prepare_keras
from pipeline.face.rendering import interpolate, rasterize
from tests.helpers.processes import run_alone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

SIZE = 32
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32) / (SIZE - 1)


def draw(maps, colours):
    from model.pncc import draw_codes

    return np.asarray(draw_codes(np.asarray(maps, np.float32), np.asarray(colours, np.float32).reshape(-1, 3)))


def heads(count=4):
    """Heads of all turns, two thirds of the picture high: half of an ellipsoid each, with a nose that hides a cheek."""
    from scipy.spatial.transform import Rotation

    angle, height = 2.6 * (COLUMNS - 0.5), 2.6 * (ROWS - 0.5)
    nose = 0.35 * np.exp(-(((COLUMNS - 0.5) / 0.08) ** 2) - ((ROWS - 0.5) / 0.1) ** 2)
    head = np.stack(
        [0.8 * np.sin(angle) * np.cos(height), np.sin(height), 0.8 * np.cos(angle) * np.cos(height) + nose], axis=-1
    )
    turns = Rotation.from_euler("yx", [[0, 0], [0.5, 0.2], [-1.0, -0.3], [1.4, 0.1]][:count]).as_matrix()
    placed = (head.reshape(1, -1, 3) @ turns.transpose(0, 2, 1)) * SIZE / 3 + [SIZE / 2, SIZE / 2, 0]
    return head, placed.reshape(count, SIZE, SIZE, 3)


def test_coordinates_are_scaled_to_0_to_1_each_by_its_own_range():
    from model.pncc import normalised_coordinates

    assert normalised_coordinates(np.array([[-2, 0, 5], [2, 10, 6], [0, 5, 5.5]])).tolist() == [
        [0, 0, 0],
        [1, 1, 1],
        [0.5, 0.5, 0.5],
    ]


def test_a_plane_has_at_each_pixel_the_colour_of_its_point_and_is_black_outside():
    # From pixel 4.5 to 24.5 and 8.5 to 28.5, in steps of 20/31 px.
    maps = np.stack([4.5 + 20 * COLUMNS, 8.5 + 20 * ROWS, 0 * ROWS], axis=-1)
    picture = draw([maps], np.stack([COLUMNS, ROWS, 1 - COLUMNS], axis=-1))[0]
    rows, columns = np.mgrid[:SIZE, :SIZE]
    inside = (columns >= 5) & (columns <= 24) & (rows >= 9) & (rows <= 28)
    expected = np.stack([(columns - 4.5) / 20, (rows - 8.5) / 20, 1 - (columns - 4.5) / 20], axis=-1)
    assert picture == pytest.approx(np.where(inside[..., None], expected, 0), abs=1e-4)


def test_of_two_faces_each_has_its_own_picture_and_the_nearer_half_of_a_folded_one_is_seen():
    # Folded along the middle column: the right half lies over the left one, 5 px nearer.
    x, near = 6 + 20 * np.abs(COLUMNS - 0.5) * 2, COLUMNS > 0.5
    folded = np.stack([x, 6 + 20 * ROWS, np.where(near, 5, 0)], axis=-1)
    colours = np.stack([near, ROWS, 0 * ROWS], axis=-1)
    pictures = draw([folded, folded * [1, 1, -1]], colours)
    # But for the two columns of texels where it folds.
    assert np.abs(pictures[0, 8:24, 10:26, 0] - 1).max() < 1e-4
    assert np.abs(pictures[1, 8:24, 10:26, 0]).max() < 1e-4
    assert pictures[0, ..., 1:] == pytest.approx(pictures[1, ..., 1:], abs=1e-4)


def test_heads_of_known_poses_are_drawn_as_the_rasteriser_draws_them():
    from model.pncc import grid_triangles, normalised_coordinates

    head, placed = heads()
    colours, triangles = normalised_coordinates(head.reshape(-1, 3)), grid_triangles(SIZE)
    for found, points in zip(draw(placed, colours), placed.reshape(len(placed), -1, 3), strict=True):
        ids, shares = rasterize(points, triangles, SIZE, SIZE)
        expected = interpolate(colours, triangles, ids, shares)
        shown = (ids >= 0) | (found.max(axis=-1) > 0)
        same = np.abs(found - expected).max(axis=-1)[shown] < 1e-3
        assert shown.sum() > 100
        assert same.mean() > 0.99


def test_a_face_beyond_the_picture_and_one_that_is_no_number_leave_it_black():
    maps = np.stack([4 + 20 * COLUMNS, 8 + 20 * ROWS, 0 * ROWS], axis=-1)
    aside, above = np.array([100, 0, 0]), np.array([0, -100, 0])
    pictures = draw([maps + aside, maps + above, maps * np.nan, maps], np.ones((SIZE * SIZE, 3)))
    assert pictures[:3].max() == 0
    assert pictures[3].max() == pytest.approx(1, abs=1e-4)


def drawn_on_jax():
    prepare_keras(backend="jax")
    head, placed = heads()
    return draw(placed, head - head.min())


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_it_draws_the_same_on_jax():
    head, placed = heads()
    expected = draw(placed, head - head.min())
    # A pixel centre on the very edge may fall to either side.
    assert (np.abs(run_alone(drawn_on_jax) - expected).max(axis=-1) < 1e-4).mean() > 0.999
