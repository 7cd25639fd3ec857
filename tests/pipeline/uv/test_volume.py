"""Solids as voxels, and back to surfaces, by boxes and ellipsoids."""

import numpy as np
import pytest
import trimesh

from pipeline.face.rendering import vertex_normals
from pipeline.uv.volume import (
    closed_triangles,
    face_volumes,
    isosurface,
    to_pixels,
    to_voxels,
    volume_side,
    voxelise,
)

SIDE = 64
CENTRE, RADII = np.array([31.3, 30.2, 32.9]), np.array([20.0, 25.0, 18.0])


def box(low, high):
    """A box whose triangles go round counterclockwise on the screen where they face the viewer."""
    made = trimesh.creation.box(bounds=[low, high])
    # trimesh's y points up.
    return np.asarray(made.vertices) * [1, -1, 1] + [0, low[1] + high[1], 0], np.asarray(made.faces)


def ellipsoid():
    ball = trimesh.creation.icosphere(subdivisions=5)
    return np.asarray(ball.vertices) * [1, -1, 1] * RADII + CENTRE, np.asarray(ball.faces)


def distance_from_ellipsoid(points):
    """To first order, in voxels: the value of its equation over the length of the gradient."""
    offset = (points - CENTRE) / RADII
    length = np.linalg.norm(offset, axis=1)
    return (length - 1) * length / np.linalg.norm(offset / RADII, axis=1)


def test_a_box_holds_the_voxels_whose_centres_are_in_it():
    volume = voxelise(*box([1.5, 2.2, 0.7], [4.5, 3.9, 6.0]), 8)
    assert volume.shape == (8, 8, 8)
    rows, columns, slices = np.nonzero(volume)
    # y from 2.2 to 3.9, x from 1.5 to 4.5, z from 0.7 to 6: a centre on the front face counts as before it.
    assert {*rows} == {3}
    assert {*columns} == {2, 3, 4}
    assert {*slices} == {1, 2, 3, 4, 5}
    assert volume.sum() == 1 * 3 * 5


def test_what_lies_beyond_the_grid_is_cut_off():
    volume = voxelise(*box([-9.5, -9.5, -9.5], [2.5, 1.5, 99.5]), 4)
    assert volume[:2, :3].all()
    assert volume.sum() == 2 * 3 * 4


def test_where_solids_overlap_it_stays_filled_and_between_them_empty():
    first, faces = box([0.5, 0.5, 0.5], [6.5, 6.5, 3.5])
    others = [box([0.5, 0.5, low], [6.5, 6.5, high])[0] for low, high in ((2.5, 4.5), (5.5, 6.5))]
    volume = voxelise(np.concatenate([first, *others]), np.concatenate([faces, faces + 8, faces + 16]), 8)
    assert volume[3, 3].tolist() == [False, True, True, True, True, False, True, False]
    assert np.array_equal(volume[1:7, 1:7], np.broadcast_to(volume[3, 3], (6, 6, 8)))


def test_an_ellipsoid_holds_what_its_equation_says():
    volume = voxelise(*ellipsoid(), SIDE)
    y, x, z = np.indices(volume.shape)
    distance = distance_from_ellipsoid(np.stack([x, y, z], axis=-1).reshape(-1, 3)).reshape(volume.shape)
    # The icosphere lies within 0.03 voxels of the ellipsoid.
    assert volume[distance < -0.03].all()
    assert not volume[distance > 0.03].any()


def test_marching_cubes_bring_the_surface_back_to_half_a_voxel():
    volume = voxelise(*ellipsoid(), SIDE)
    vertices, triangles = isosurface(np.where(volume, 255, 0).astype(np.uint8), SIDE)
    assert triangles.max() == len(vertices) - 1
    outwards = (vertices - to_pixels(CENTRE, SIDE)) / RADII**2
    assert ((vertex_normals(vertices, triangles) * outwards).sum(axis=1) > 0).all()
    voxels = to_voxels(vertices, SIDE)
    distance = distance_from_ellipsoid(voxels)
    assert np.abs(distance).max() < 0.55
    assert np.abs(distance).mean() < 0.2
    # And none of the surface is missing.
    true, _ = ellipsoid()
    nearest = np.linalg.norm(true[::50, None] - voxels[None], axis=2).min(axis=1)
    assert nearest.max() < 1


def test_a_blurred_volume_has_its_surface_where_it_is_a_half():
    volume = np.zeros((8, 8, 8), np.uint8)
    volume[2:6, 2:6, 2:6] = 255
    # From 204 to 0, a half (127.5) is 0.375 of a voxel beyond the centre of the last slice that has something.
    volume[2:6, 2:6, 5] = 204
    vertices, _ = isosurface(volume, 8)
    assert to_voxels(vertices, 8)[:, 2].max() == pytest.approx(5.375)


@pytest.mark.parametrize(("value", "kind"), [(0, "empty"), (127, "empty"), (255, "full")])
def test_a_volume_without_a_surface_is_refused(value, kind):
    with pytest.raises(ValueError, match=f"^The volume has no surface: its voxels are all {kind}"):
        isosurface(np.full((8, 8, 8), value, np.uint8), 8)


def test_a_crop_has_64_voxels_or_what_its_halvings_leave():
    assert [volume_side(size) for size in (32, 64, 96, 128, 160, 256, 512)] == [32, 64, 48, 64, 40, 64, 64]


def test_a_voxel_covers_its_pixels_and_the_middle_slices_lie_about_the_mean_depth():
    # Of 256 px: voxel 0 covers pixels 0 to 3, whose middle is 1.5; z = 0 lies between slices 31 and 32.
    assert to_voxels(np.array([1.5, 253.5, 0]), 256).tolist() == [0, 63, 31.5]
    assert to_voxels(np.array([3.0, 4.0, 0.5]), 64).tolist() == [3, 4, 32]
    points = np.random.default_rng(0).normal(50, 40, (5, 3))
    assert to_pixels(to_voxels(points, 256), 256) == pytest.approx(points)


def dome(size, turned=False):
    """A position map of half of an ellipsoid on a flat back, in px; its texels fill the disk."""
    across, down = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    x, y = across * np.sqrt(1 - down**2 / 2), down * np.sqrt(1 - across**2 / 2)
    z = np.sqrt(np.maximum(0, 1 - x**2 - y**2))
    offset = np.stack([x, y, z], axis=-1) * RADII * size / SIDE
    if turned:  # by 90 degrees: what faced the viewer faces to the right
        offset = np.stack([offset[..., 2], offset[..., 1], -offset[..., 0]], axis=-1)
    return offset + np.array([0.49 * size, 0.47 * size, 1000])


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("turned", [False, True])
def test_a_map_is_closed_at_the_back_and_bounds_a_solid_centred_on_the_faces_depth(size, turned):
    position_map, mask = dome(size, turned), np.zeros((size, size), bool)
    mask[size // 4 : -size // 4, size // 4 : -size // 4] = True
    volume = face_volumes(position_map[None], mask)[0]
    assert (volume.shape, volume.dtype) == ((SIDE, SIDE, SIDE), np.uint8)
    shift = position_map[mask, 2].mean() - 1000
    y, x, z = np.indices(volume.shape)
    pixels = to_pixels(np.stack([x, y, z], axis=-1), size) - [0.49 * size, 0.47 * size, -shift]
    if turned:
        pixels = np.stack([-pixels[..., 2], pixels[..., 1], pixels[..., 0]], axis=-1)
    offset = pixels / (RADII * size / SIDE)
    height, length = offset[..., 2], np.linalg.norm(offset, axis=-1)
    # Between the texels it is flat, and its rim steep: to 0.06 of the radius, which is about a voxel.
    assert volume[(length < 0.94) & (height > 0.04)].all()
    assert not volume[(length > 1.01) | (height < -0.01)].any()


def test_the_map_of_a_mirror_image_has_the_mirror_image_of_the_volume():
    position_map = dome(64) + np.array([3.3, 0, 0])
    mirrored = position_map[:, ::-1] * [-1, 1, 1] + [63, 0, 0]
    first, second = face_volumes(np.stack([position_map, mirrored]), np.ones((64, 64), bool))
    assert first.any()
    # But for columns whose axis lies on a vertex.
    assert (first[:, ::-1] != second).mean() < 0.001


def test_closed_triangles_use_every_edge_once_in_each_direction():
    triangles = closed_triangles(5)
    edges = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert {*map(tuple, edges)} == {*map(tuple, edges[:, ::-1])}
