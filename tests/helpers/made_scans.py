"""A bulging sheet with a nose, and scans of it bent as one knows, with other vertices and in another frame."""

import functools

import numpy as np
import scipy.spatial

from tests.helpers.meshes import grid_mesh

GRID = 19
# A scanner's frame: another unit, another pose.
TURN = scipy.spatial.transform.Rotation.from_euler("xyz", [20, -30, 10], degrees=True).as_matrix()
UNIT, SHIFT = 0.16, np.array([3.0, -40.0, 500.0])


def surface(x, y):
    """A face of height 2 and width 1.5 or so: a bulge with a nose."""
    z = 0.8 - 0.5 * x**2 - 0.2 * y**2 + 0.25 * np.exp(-((x / 0.2) ** 2) - ((y + 0.05) / 0.3) ** 2)
    return np.stack([x, y, z], axis=-1)


def warp(points):
    """Another face: broader, its chin longer, its nose to one side, all smooth; up to 12 % of the height away."""
    x, y, z = points.T
    nose = np.exp(-((x / 0.3) ** 2) - (y / 0.4) ** 2)
    return np.stack([1.15 * x + 0.08 * nose, y - 0.1 * np.maximum(-y, 0) ** 2 * 2, z + 0.1 * np.cos(2 * y)], axis=1)


def into_scanner(points):
    return (points @ TURN.T) / UNIT + SHIFT


def from_scanner(points):
    return (points - SHIFT) * UNIT @ TURN


@functools.cache
def make_template():
    vertices, triangles = grid_mesh(GRID, GRID)
    x, y = vertices[:, :2].T / ((GRID - 1) / 2)
    return surface(0.75 * x, y), triangles


@functools.cache
def make_scan(points=9000, noise=0.0):
    """Scattered points of the warped face, a little beyond the template on all sides, and their triangles."""
    rng = np.random.default_rng(3)
    x, y = rng.uniform(-1.08, 1.08, size=(2, points))
    flat = np.stack([0.75 * x, y], axis=1)
    triangles = scipy.spatial.Delaunay(flat).simplices  # counter-clockwise, as scipy says
    return into_scanner(warp(surface(0.75 * x, y)) + noise * rng.normal(size=(points, 3))), triangles
