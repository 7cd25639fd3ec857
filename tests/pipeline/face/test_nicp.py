"""Non-rigid registration: a bulging sheet with a nose, bent as one knows, and scanned with other vertices."""

import functools

import numpy as np
import pytest
import scipy.spatial

from pipeline.face import nicp
from pipeline.face.nicp import register_scan, sample_scan
from tests.helpers.made_scans import GRID, UNIT, from_scanner, into_scanner, make_scan, make_template, surface, warp
from tests.helpers.meshes import grid_mesh

# Vertices of the template that are known on the scan: brows, eyes, nose, mouth and chin, so to say.
LANDMARKS = np.array([row * GRID + column for row, column in ((4, 4), (4, 14), (9, 9), (13, 6), (13, 12), (16, 9))])
NOISE = 0.002


def register(scan, triangles):
    template, own = make_template()
    return register_scan(template, own, scan, triangles, LANDMARKS, into_scanner(warp(template[LANDMARKS])))


def off_surface(vertices):
    """Distances of vertices, in the template's frame, from the warped surface: from its plane at the nearest sample."""
    tree, normals = finely_sampled()
    points = from_scanner(vertices)
    near = tree.query(points)[1]
    return np.abs(np.einsum("vd,vd->v", points - tree.data[near], normals[near]))


@functools.cache
def finely_sampled():
    x, y = np.meshgrid(np.linspace(-0.85, 0.85, 400), np.linspace(-1.1, 1.1, 500))
    points = warp(surface(x.ravel(), y.ravel())).reshape(*x.shape, 3)
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0)).reshape(-1, 3)
    return scipy.spatial.cKDTree(points.reshape(-1, 3)), normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_a_smooth_warp_is_found_again():
    template, _ = make_template()
    result = register(*make_scan())
    assert result.matched.mean() > 0.95
    assert np.percentile(off_surface(result.vertices), 95) < 0.002  # of a height of 2
    # Where along the surface a vertex belongs is known by landmarks and stiffness alone.
    errors = np.linalg.norm(from_scanner(result.vertices) - warp(template), axis=1)
    begun = np.linalg.norm(template - warp(template), axis=1)
    assert np.median(errors) < 0.03
    assert np.median(errors) < np.median(begun) / 4
    assert np.nanmedian(result.distances) < 0.001 / UNIT


def test_noise_of_the_scan_is_evened_out():
    clean, noisy = register(*make_scan()), register(*make_scan(noise=NOISE))
    assert np.median(off_surface(noisy.vertices)) < NOISE / 2
    moved = np.linalg.norm(from_scanner(noisy.vertices) - from_scanner(clean.vertices), axis=1)
    assert np.median(moved) < 2 * NOISE


def test_points_without_triangles_are_enough():
    result = register(make_scan()[0], None)
    assert result.matched.mean() > 0.95
    assert np.median(off_surface(result.vertices)) < 0.001


@pytest.mark.parametrize("with_triangles", [True, False])
def test_a_hole_pulls_no_vertex(with_triangles):
    template, _ = make_template()
    scan, triangles = make_scan()
    place = from_scanner(scan)
    left = np.hypot(place[:, 0] - 0.35, place[:, 1] - 0.4) > 0.25
    number = np.cumsum(left) - 1
    kept = number[triangles[left[triangles].all(axis=1)]]
    result = register(scan[left], kept if with_triangles else None)
    truth = warp(template)
    over = np.hypot(truth[:, 0] - 0.35, truth[:, 1] - 0.4) < 0.18
    assert over.sum() > 8
    assert not result.matched[over].any()
    # Within the hole the sheet goes on: no vertex was drawn to the rim, up to 0.25 away.
    assert off_surface(result.vertices[over]).max() < 0.02
    errors = np.linalg.norm(from_scanner(result.vertices) - truth, axis=1)
    assert np.median(errors[over]) < 0.03


def test_a_part_of_the_template_that_the_scan_lacks_is_not_drawn_to_its_rim():
    scan, triangles = make_scan()
    above = from_scanner(scan)[:, 1] > -0.6
    number = np.cumsum(above) - 1
    result = register(scan[above], number[triangles[above[triangles].all(axis=1)]])
    template, _ = make_template()
    below = warp(template)[:, 1] < -0.65
    assert not result.matched[below].any()
    assert from_scanner(result.vertices)[below, 1].min() < -0.9


def test_a_sphere_becomes_the_ellipsoid():
    """Of semi-axes 1.2, 1, 0.8, by the six ends of its axes."""
    trimesh = pytest.importorskip("trimesh")
    sphere, scanned = trimesh.creation.icosphere(2), trimesh.creation.uv_sphere(count=[60, 60])
    axes = np.array([1.2, 1.0, 0.8])
    ends = np.concatenate([np.eye(3), -np.eye(3)])
    landmarks = np.array([np.argmax(sphere.vertices @ end) for end in ends])
    places = sphere.vertices[landmarks] * axes
    result = register_scan(sphere.vertices, sphere.faces, scanned.vertices * axes, scanned.faces, landmarks, places)
    on_ellipsoid = np.linalg.norm(result.vertices / axes, axis=1)
    np.testing.assert_allclose(on_ellipsoid, 1, atol=0.004)
    errors = np.linalg.norm(result.vertices - sphere.vertices * axes, axis=1)
    assert np.median(errors) < 0.03


def test_a_large_template_follows_nodes_and_comes_to_the_same(monkeypatch):
    dense = register(*make_scan())
    monkeypatch.setattr(nicp, "NODES", 80)
    few = register(*make_scan())
    assert np.median(off_surface(few.vertices)) < 0.001
    moved = np.linalg.norm(from_scanner(few.vertices) - from_scanner(dense.vertices), axis=1)
    assert np.median(moved) < 0.02


def test_the_weights_of_nodes_are_shares_and_do_not_cross_a_cut():
    """Two sheets a hair apart, one below the other: neither follows a node of the other."""
    vertices, triangles = grid_mesh(60, 60)
    both = np.concatenate([vertices, vertices - [0, 0, 0.01]]) / 59
    template = nicp._prepare(both, np.concatenate([triangles, triangles + len(vertices)]))
    assert template.weights.shape[1] < len(both) / 2
    np.testing.assert_allclose(template.weights.sum(axis=1), 1)
    upper = np.asarray(template.weights[: len(vertices)].sum(axis=0)).ravel() > 0
    lower = np.asarray(template.weights[len(vertices) :].sum(axis=0)).ravel() > 0
    assert not (upper & lower).any()


def test_sampled_triangles_lie_on_the_mesh_and_know_its_rim():
    vertices, triangles = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]])
    scan = sample_scan(vertices, triangles, 0.2)
    assert scan.spacing == 0.2
    np.testing.assert_allclose(scan.normals, [[0, 0, 1]] * len(scan.points))
    tree = scipy.spatial.cKDTree(scan.points)
    inside = np.random.default_rng(0).uniform(size=(100, 2))
    assert tree.query(np.column_stack([inside, np.zeros(100)]))[0].max() < 0.15
    on_rim = np.abs(scan.points[:, :2] - 0.5).max(axis=1) > 0.5 - 1e-9
    np.testing.assert_array_equal(scan.rim, on_rim)


def test_what_cannot_be_registered_is_refused():
    template, own = make_template()
    scan, triangles = make_scan()
    places = into_scanner(warp(template[LANDMARKS]))
    with pytest.raises(ValueError, match="at least four"):
        register_scan(template, own, scan, triangles, LANDMARKS[:3], places[:3])
    with pytest.raises(ValueError, match="not finite"):
        register_scan(template, own, scan, triangles, LANDMARKS, places * np.nan)
