"""Detail by shading on a procedural face with a relief, whose normals are known at each pixel."""

import dataclasses

import numpy as np
import pytest

from pipeline.demo.face import make_face
from pipeline.demo.relief import draw_lamp, draw_relief_face, photograph_matte, relief, seen_normals, true_surface
from pipeline.face.rendering import vertex_normals
from pipeline.photo.detail import add_detail, levels_for, make_grid, refine
from pipeline.photo.labels import placed

SIZE = 300


@pytest.fixture(scope="module")
def face():
    return draw_relief_face(make_face(), "a face with a relief", 3, SIZE, (0.0, 20.0))


@pytest.fixture(scope="module")
def plain(face, embedded):
    """Vertices in px of the best that the face model can do: the person's own shape without the relief."""
    coefficients = np.concatenate([face.person.shape, face.person.expression])
    return embedded.spread @ placed(embedded.model, coefficients, face.pose, SIZE)


def photograph(face, noise=0.5):
    setting = dataclasses.replace(face.person.setting, noise=noise, blur=0.3)
    generator = np.random.default_rng(0)
    person = dataclasses.replace(face.person, setting=setting)
    return photograph_matte(face._replace(person=person), draw_lamp(generator, (35, 45)), 0.3, generator, painted=False)


def angle(first, second):
    return np.rad2deg(np.arccos(np.clip((first * second).sum(axis=-1), -1, 1)))


def test_the_relief_spares_eyes_and_lips_and_is_the_same_again():
    places = np.array([[31.5, 25.8, 90], [0, -40, 105], [0, 61, 100], [-45, 0, 85.0]])
    height = relief(places, np.random.default_rng(1))
    assert np.array_equal(height, relief(places, np.random.default_rng(1)))
    assert np.abs(height[:2]).max() < 0.01
    assert (np.abs(height[2:]) > 0.01).all()


def test_shading_brings_the_normals_nearer_to_the_true_ones(face, plain, embedded):
    surface = embedded.surface
    levels = levels_for(plain, surface.triangles)
    fine = refine(surface, levels)
    assert len(fine.uv) > 1.5 * 4 ** (levels - 1) * len(plain)
    found = add_detail(photograph(face), plain, surface, fine)
    truth, there = seen_normals(*true_surface(face), SIZE)
    before, seen = seen_normals(plain, surface.triangles, SIZE)
    after, still = seen_normals(found.vertices, fine.triangles, SIZE)
    judged = there & seen & still & (before[..., 2] > 0.3)
    assert 6 < angle(before, truth)[judged].mean() < 14
    # `benchmarks.shading` measures how much in the mean over many faces.
    assert angle(after, truth)[judged].mean() < 0.8 * angle(before, truth)[judged].mean()


def test_nothing_moves_that_the_photo_does_not_show(face, plain, embedded):
    surface, fine = embedded.surface, refine(embedded.surface, 0)
    middle = plain[:, 0].mean()
    found = add_detail(photograph(face), plain, surface, fine, lambda points: points[..., 0] < middle)
    moved = np.linalg.norm(found.vertices - plain, axis=1)
    assert moved.max() > 0.1
    assert moved[plain[:, 0] < middle - 3].max() == 0
    away = vertex_normals(plain, surface.triangles)[:, 2] < 0.1
    assert moved[away].max() < 0.05
    assert np.abs(found.moved).sum(axis=2)[found.shading.displacement == 0].max() == 0


def test_texels_lie_on_the_mesh_and_face_as_it_does(plain, embedded):
    grid = make_grid(plain, embedded.surface, (SIZE, SIZE), 96)
    seen = grid.weight > 0
    assert 0.2 < seen.mean() < 0.7
    assert np.allclose(np.linalg.norm(grid.normals[seen], axis=1), 1)
    nearest = np.linalg.norm(grid.places[seen][::50, None] - plain[None], axis=2).min(axis=1)
    assert nearest.max() < 4
    assert not seen[0].any()
