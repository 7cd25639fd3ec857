"""Light, albedo and displacement by shading, on surfaces whose light and shape are known."""

import numpy as np
import pytest

from pipeline.photo.shading import (
    Grid,
    estimate_albedo,
    estimate_light,
    harmonics,
    harmonics_gradient,
    shape_from_shading,
)

LIGHT = np.array([0.6, 0.4, -0.3, 0.3, 0.05, -0.04, 0.03, 0.02, 0.05])
SIDE = 97


def hemisphere(count):
    """Unit normals towards the viewer."""
    normals = np.random.default_rng(0).normal(size=(count, 3))
    normals[:, 2] = np.abs(normals[:, 2])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_the_light_of_a_lambertian_surface_is_found_in_spite_of_what_is_none():
    normals = hemisphere(4000)
    brightness = harmonics(normals) @ LIGHT
    brightness[:400] *= 0.2  # hair
    found = estimate_light(brightness, normals, np.ones(len(normals)))
    shading = harmonics(normals) @ LIGHT
    error = np.abs(harmonics(normals) @ found - shading)
    assert error.mean() < 0.03 * shading.mean()
    assert error.max() < 0.2 * shading.mean()


def test_nine_harmonics_hold_a_lamps_light_to_a_few_percent():
    # Ramamoorthi and Hanrahan, 2001: second order holds 99 % of the energy of Lambert's cosine.
    around = np.random.default_rng(1).normal(size=(4000, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    brightness = np.clip(around[:, 2], 0, None)
    basis = harmonics(around)
    left = brightness - basis @ np.linalg.lstsq(basis, brightness, rcond=None)[0]
    assert (left**2).sum() / (brightness**2).sum() == pytest.approx(0.01, abs=0.004)


def test_the_gradient_is_that_of_differences():
    normals, step = hemisphere(50), 1e-6
    gradient = harmonics_gradient(normals, LIGHT)
    for axis in range(3):
        moved = normals + step * np.eye(3)[axis]
        assert np.allclose((harmonics(moved) - harmonics(normals)) @ LIGHT / step, gradient[:, axis], atol=1e-4)


def test_the_albedo_of_another_hue_is_told_from_the_skins():
    colours = np.tile([0.6, 0.4, 0.3], (40, 40, 1))
    colours[:, 20:] = [0.1, 0.15, 0.3]
    albedo = estimate_albedo(colours, np.ones((40, 40)), np.ones((40, 40)), 3.0)
    assert albedo[:, :15].mean() == pytest.approx(1.3 / 3, rel=0.02)
    assert albedo[:, 25:].mean() == pytest.approx(0.55 / 3, rel=0.1)


def bulge(relief):
    """A bulging sheet as large as a photo, and its photo where a relief (SIDE, SIDE) is added to its depth."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    z = -((x - 48) ** 2 + (y - 48) ** 2) / 160

    def normals_of(depth):
        down, right = np.gradient(depth)
        normals = np.dstack([-right, -down, np.ones_like(depth)])
        return normals / np.linalg.norm(normals, axis=2, keepdims=True)

    grid = Grid(np.dstack([x, y, z]), normals_of(z), np.ones((SIDE, SIDE)))
    photo = (harmonics(normals_of(z + relief)) @ LIGHT)[..., None] * [0.6, 0.4, 0.3]
    return grid, photo, normals_of


def test_a_bump_is_found_and_a_sheet_without_one_stays():
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    bump = 1.5 * np.exp(-((x - 60) ** 2 + (y - 40) ** 2) / (2 * 5**2))
    grid, photo, normals_of = bulge(bump)
    moved = shape_from_shading(photo, grid, SIDE).displacement
    z = grid.places[..., 2]

    def apart(depth):
        cosine = (normals_of(depth) * normals_of(z + bump)).sum(axis=2)
        return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))[25:56, 45:76].mean()

    # Along the normal instead of in depth: as far, to a few percent, on so flat a sheet.
    assert apart(z + moved) < 2 / 3 * apart(z)
    assert moved[40, 60] > 0.4 * bump.max()
    # A grey photo does not tell shading from paint, and is taken for less.
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    assert 0 < shape_from_shading(grey, grid, SIDE).displacement[40, 60] < 0.7 * moved[40, 60]
    flat, even, _ = bulge(0 * bump)
    assert np.abs(shape_from_shading(even, flat, SIDE).displacement).max() < 0.1 * bump.max()


def test_nothing_moves_where_nothing_is_seen_nor_at_the_rim_of_the_rest():
    grid, photo, _ = bulge(np.random.default_rng(2).normal(size=(SIDE, SIDE)))
    weight = np.zeros((SIDE, SIDE))
    weight[20:70, 20:70] = 1
    moved = shape_from_shading(photo, grid._replace(weight=weight), SIDE).displacement
    assert moved[21:69, 21:69].any()
    assert not moved[weight == 0].any()
    assert not moved[20, :].any()
    assert not moved[:, 69].any()


@pytest.mark.parametrize("photo", [np.zeros((SIDE, SIDE, 3)), np.ones((SIDE, SIDE, 3))])
def test_a_black_or_a_white_photo_moves_nothing(photo):
    grid, _, _ = bulge(np.zeros((SIDE, SIDE)))
    moved = shape_from_shading(photo, grid, SIDE).displacement
    assert np.isfinite(moved).all()
    assert np.abs(moved).max() < 0.1
    few = np.zeros((SIDE, SIDE))
    few[50:55, 50:55] = 1
    assert not shape_from_shading(photo, grid._replace(weight=few), SIDE).displacement.any()
