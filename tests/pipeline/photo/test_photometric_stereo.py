"""Photometric stereo of a sphere, whose normals and depth are known."""

import numpy as np
import pytest

from pipeline.photo.linear_light import to_light, to_photo
from pipeline.photo.photometric_stereo import (
    brightness_of,
    check_lights,
    depth_mesh,
    estimate_lights,
    integrate,
    solve_albedo,
    solve_normals,
)

RADIUS = 60
LIGHTS = np.array([[0.5, 0, 1], [-0.5, 0.1, 1], [0, 0.5, 1], [0.1, -0.5, 1], [0.4, 0.4, 1], [-0.3, -0.4, 1]])
LIGHTS /= np.linalg.norm(LIGHTS, axis=1, keepdims=True)
COLOURS = np.array([1.0, 0.8, 0.6])


def sphere(share):
    """Normals and depth of a sphere in the pixel frame, and where it is seen out to a share of its radius."""
    y, x = np.mgrid[-70:71, -70:71].astype(float)
    mask = x**2 + y**2 < (share * RADIUS) ** 2
    z = np.sqrt(np.maximum(RADIUS**2 - x**2 - y**2, 0))
    return np.dstack([x, y, z]) / RADIUS, z, mask


def photograph(normals, albedo, lights):
    """Linear light (K, N) of normals (N, 3) as Lambert has it."""
    return np.maximum(lights @ normals.T, 0) * albedo


def angles(normals, truth):
    return np.rad2deg(np.arccos(np.clip((normals * truth).sum(axis=-1), -1, 1)))


@pytest.fixture(scope="module")
def ball():
    normals, z, mask = sphere(0.9)
    rng = np.random.default_rng(0)
    albedo = 0.4 + 0.4 * rng.random(int(mask.sum()))
    return normals[mask], z, mask, albedo


def test_normals_albedo_and_depth_of_a_sphere_in_photos_of_eight_bits(ball):
    truth, z, mask, albedo = ball
    photos = to_photo(photograph(truth, albedo, LIGHTS)[..., None] * COLOURS)
    colours = to_light(photos)
    found = solve_normals(brightness_of(colours), LIGHTS)
    assert angles(found.normals, truth).mean() < 0.5
    assert np.percentile(angles(found.normals, truth), 99) < 1
    assert np.abs(solve_albedo(colours, LIGHTS, found) - albedo[:, None] * COLOURS).mean() < 0.005
    picture = np.zeros((*mask.shape, 3))
    picture[mask] = found.normals
    depth = integrate(picture, mask)
    assert np.isnan(depth[~mask]).all()
    error = depth[mask] - (z[mask] - z[mask].mean())
    assert np.abs(error).mean() < 0.05  # of a sphere 120 px wide
    assert np.abs(error).max() < 0.5


def test_shadows_and_highlights_are_left_out(ball):
    truth, _, _, albedo = ball
    brightness = photograph(truth, albedo, LIGHTS)
    rng = np.random.default_rng(1)
    # Nearer to the rim the lamps that are left are too few to tell which photo is spoilt.
    facing = np.flatnonzero(truth[:, 2] > 0.75)
    spoilt, whole = facing[::3], facing[1::3]
    photo = rng.integers(0, len(LIGHTS), len(spoilt))
    brightness[photo, spoilt] = rng.choice([0.0, 1.0], len(spoilt))  # in a cast shadow, or cut off
    found = solve_normals(brightness, LIGHTS)
    assert np.percentile(angles(found.normals[spoilt], truth[spoilt]), 95) < 0.5
    assert angles(found.normals[whole], truth[whole]).max() < 1e-3


def test_lights_are_found_by_a_surface_that_is_roughly_known(ball):
    truth, _, _, albedo = ball
    strengths = np.array([1, 0.8, 1.2, 1, 0.9, 1.1])
    lights = LIGHTS * strengths[:, None]
    # What is fitted is a sphere that is a tenth flatter.
    rough = truth * [1, 1, 1.1]
    rough /= np.linalg.norm(rough, axis=1, keepdims=True)
    found = estimate_lights(photograph(truth, albedo, lights) / 2, rough)
    lengths = np.linalg.norm(found, axis=1)
    assert angles(found / lengths[:, None], LIGHTS).max() < 4
    assert np.allclose(lengths / lengths.mean(), strengths, rtol=0.03)


def test_what_cannot_be_solved_is_refused(ball):
    truth, _, mask, albedo = ball
    brightness = photograph(truth, albedo, LIGHTS)
    with pytest.raises(ValueError, match="2 photos; normals need 3"):
        solve_normals(brightness[:2], LIGHTS[:2])
    with pytest.raises(ValueError, match="a row of three for each photo"):
        solve_normals(brightness, LIGHTS[:4])
    plane = np.array([[0.5, 0, 1], [0, 0, 1], [-0.5, 0, 1.0]])
    with pytest.raises(ValueError, match="Light 2 has a number that is not finite"):
        check_lights(np.array([[0, 0, 1], [np.nan, 1, 1], [1, 0, 1.0]]))
    with pytest.raises(ValueError, match="lie in one plane"):
        solve_normals(brightness[:3], plane)
    with pytest.raises(ValueError, match="no pixel"):
        integrate(np.zeros((*mask.shape, 3)), np.zeros_like(mask))


def test_a_plane_with_a_hole_and_an_island_integrates_to_its_slope():
    mask = np.ones((20, 30), bool)
    mask[5:9, 5:9] = False
    mask[:, 20:22] = False
    normals = np.broadcast_to(np.array([-0.3, 0.2, 1]) / np.linalg.norm([-0.3, 0.2, 1]), (20, 30, 3))
    depth = integrate(normals, mask)
    y, x = np.mgrid[:20, :30]
    for part in (mask & (x < 20), mask & (x > 21)):
        plane = 0.3 * x[part] - 0.2 * y[part]
        assert np.allclose(depth[part], plane - plane.mean(), atol=1e-3)


def test_the_mesh_of_a_depth_picture_faces_the_viewer():
    depth = np.array([[0, 1, np.nan], [2, 3, 4], [5, 6, 7.0]])
    vertices, triangles = depth_mesh(depth)
    assert np.array_equal(vertices[:3], [[0, 0, 0], [1, 0, 1], [0, 1, 2]])
    assert len(vertices) == 8
    assert len(triangles) == 6  # of the cell with the missing pixel none
    a, b, c = (vertices[triangles[:, k]] * [1, -1, 1] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
