import numpy as np
import pytest

from pipeline.face import rendering
from pipeline.face.rendering import depth, interpolate, overlay, rasterize, shade, vertex_normals

# Seen on the screen (y down) these corners run counter-clockwise, as a model's triangles do.
CORNER = np.array([[1.0, 1.0, 0.0], [1.0, 5.0, 0.0], [5.0, 1.0, 0.0]])
ONE = np.array([[0, 1, 2]])


def icosphere(subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit sphere, y up, triangles counter-clockwise from outside, by subdividing an octahedron."""
    vertices = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    octants = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    corners = vertices[octants]
    for _ in range(subdivisions):
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        corners = np.concatenate([np.stack(part, 1) for part in parts])
    vertices, triangles = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), triangles.reshape(-1, 3)


def in_pixels(vertices: np.ndarray, radius: float, centre: float) -> np.ndarray:
    return vertices * [radius, -radius, radius] + [centre, centre, 0]


def test_a_triangle_covers_exactly_the_pixel_centres_inside_it_or_on_its_edges():
    ids, _ = rasterize(CORNER, ONE, 8, 7)
    x, y = np.meshgrid(np.arange(7), np.arange(8))
    np.testing.assert_array_equal(ids, np.where((x >= 1) & (y >= 1) & (x + y <= 6), 0, -1))
    assert (ids == 0).sum() == 5 + 4 + 3 + 2 + 1


def test_weights_are_barycentric():
    _, weights = rasterize(CORNER, ONE, 8, 8)
    np.testing.assert_allclose(weights[1, 1], [1, 0, 0])
    np.testing.assert_allclose(weights[5, 1], [0, 1, 0])
    np.testing.assert_allclose(weights[2, 3], [0.25, 0.25, 0.5])
    np.testing.assert_array_equal(weights[7, 7], 0)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_larger_z_is_seen_whatever_the_order(order):
    near = CORNER + np.array([1, 1, 2])
    ids, _ = rasterize(np.vstack([CORNER, near]), np.array([[0, 1, 2], [3, 4, 5]])[order], 9, 9)
    assert ids[1, 1] == order.index(0)
    assert (ids[ids >= 0] == order.index(1)).sum() == 15
    assert (ids == order.index(0)).sum() == 9  # x = 1 or y = 1


def test_crossing_triangles_swap_where_they_cross():
    flat = np.array([[-1.0, -50, 5], [-1, 50, 5], [60, 0, 5]])
    steep = np.array([[-1.0, -50, -1], [-1, 50, -1], [60, 0, 60]])  # z = x
    ids, _ = rasterize(np.vstack([flat, steep]), np.array([[0, 1, 2], [3, 4, 5]]), 1, 11)
    np.testing.assert_array_equal(ids[0], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1])


def test_a_dense_mesh_leaves_no_hole_and_covers_each_pixel_once():
    generator = np.random.default_rng(0)
    side = 90
    column, row = np.meshgrid(np.arange(side), np.arange(side))
    vertices = (
        np.stack([column, row, 0 * row], -1).reshape(-1, 3) * 0.7 - 3 + generator.uniform(-0.2, 0.2, (side**2, 3))
    )
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    cells = corner[:, None] + [0, side, 1, 1, side, side + 1]
    triangles = cells.reshape(-1, 3)[generator.permutation(2 * len(cells))]
    ids, weights = rasterize(vertices, triangles, 50, 50)
    assert (ids >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    for x, y in [(0, 0), (17, 31), (49, 49)]:
        a, b, c = (vertices[triangles[:, k], :2] for k in range(3))
        turns = [(e - s)[:, 0] * (y - s[:, 1]) - (e - s)[:, 1] * (x - s[:, 0]) for s, e in ((a, b), (b, c), (c, a))]
        assert np.flatnonzero(np.max(turns, 0) <= 0).tolist() == [ids[y, x]]


def test_pixels_on_a_shared_edge_belong_to_one_of_its_triangles():
    square = np.array([[0.1, 0.1, 0], [0.1, 6.1, 0], [6.1, 0.1, 0], [6.1, 6.1, 0]]) + 1 / 3
    ids, _ = rasterize(square, np.array([[0, 1, 2], [2, 1, 3]]), 8, 8)
    assert (ids >= 0).sum() == 36
    assert (ids[1:7, 1:7] >= 0).all()


def test_interpolation_reproduces_a_linear_function():
    vertices = np.array([[-30.3, -20.7, 1.0], [2.2, 90.1, 5.0], [80.9, 3.3, -4.0]])
    function = np.array([[0.3, -0.2], [1.7, 0.4]])
    ids, weights = rasterize(vertices, ONE, 12, 15)
    values = interpolate(vertices[:, :2] @ function + 7, ONE, ids, weights)
    x, y = np.meshgrid(np.arange(15), np.arange(12))
    assert (ids == 0).all()
    np.testing.assert_allclose(values, np.stack([x, y], -1) @ function + 7, atol=1e-4)


def test_depth_is_nan_outside_and_the_plane_inside():
    plane = CORNER + np.outer([0, 8, 4], [0, 0, 1])  # z = (x - 1) + 2 (y - 1)
    z = depth(plane, ONE, 8, 8)
    assert z.dtype == np.float32
    assert np.isnan(z).sum() == 64 - 15
    assert z[2, 3] == pytest.approx(2 + 2)


def test_normals_of_a_sphere_point_outward_and_have_unit_length():
    sphere, triangles = icosphere(4)
    vertices = in_pixels(sphere, 30, 40)
    normals = vertex_normals(vertices, triangles)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    outward = (vertices - [40, 40, 0]) / 30
    assert (normals * outward).sum(1).min() > np.cos(np.deg2rad(1))


def test_a_sphere_is_seen_from_its_front_and_bright_towards_the_light():
    sphere, triangles = icosphere(4)
    vertices = in_pixels(sphere, 30, 40)
    z = depth(vertices, triangles, 81, 81)
    assert z[40, 40] == pytest.approx(30, abs=0.1)
    assert np.nanmin(z) >= -1
    image, mask = shade(vertices, triangles, 81, 81, light=(-1, -1, 0))
    assert image.dtype == np.uint8
    assert abs(mask.sum() - np.pi * 30**2) < 40
    assert (image[~mask] == 255).all()
    assert image[24, 24].sum() > 2 * image[56, 56].sum() > 0


def test_the_inside_of_a_surface_is_lit_like_its_outside():
    front, _ = shade(CORNER, ONE, 8, 8, light=(0, 0, 1))
    back, _ = shade(CORNER, ONE[:, ::-1], 8, 8, light=(0, 0, 1))
    np.testing.assert_array_equal(front, back)
    assert tuple(front[2, 2]) == tuple(int(part) for part in rendering.GREY)


def test_colours_are_shaded_by_vertex():
    colour = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]])
    image, _ = shade(CORNER, ONE, 8, 8, colour, light=(0, 0, 1))
    np.testing.assert_array_equal(image[2, 3], [50, 50, 100])


def test_overlay_blends_where_the_mesh_is_and_leaves_the_photo_elsewhere():
    photo = np.full((8, 8, 3), 10, np.uint8)
    shaded, mask = shade(CORNER, ONE, 8, 8)
    half = overlay(photo, CORNER, ONE, 0.5)
    np.testing.assert_array_equal(half[~mask], 10)
    np.testing.assert_array_equal(half[mask], np.rint(0.5 * (shaded[mask] + 10.0)))
    np.testing.assert_array_equal(overlay(photo, CORNER, ONE, 0.0), photo)
    assert photo.max() == 10


def test_portions_do_not_change_the_picture(monkeypatch):
    sphere, triangles = icosphere(2)
    vertices = in_pixels(sphere, 30, 32)
    whole = rasterize(vertices, triangles, 64, 64)
    monkeypatch.setattr(rendering, "CANDIDATES_AT_ONCE", 100)
    portioned = rasterize(vertices, triangles, 64, 64)
    np.testing.assert_array_equal(whole[0], portioned[0])
    np.testing.assert_array_equal(whole[1], portioned[1])


def test_nothing_to_see_and_degenerate_triangles():
    line = np.array([[1.0, 1, 0], [3, 3, 0], [5, 5, 0]])
    assert (rasterize(line, ONE, 8, 8)[0] == -1).all()
    assert (rasterize(CORNER + 100, ONE, 8, 8)[0] == -1).all()
    assert (rasterize(CORNER - 100, ONE, 8, 8)[0] == -1).all()


def test_a_vertex_that_is_not_finite_gets_a_sentence():
    broken = CORNER.copy()
    broken[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        rasterize(broken, ONE, 8, 8)
