"""Volumes: the solid that a position map bounds as voxels, and the surface of a volume of voxels.

The grid lies over the crop: a voxel has `size` / `side` px in x, y and z, its slices are centred on the mean z of the
face, and slice numbers grow towards the viewer. A voxel is occupied where its centre is inside the closed surface.

References
----------
A. S. Jackson, A. Bulat, V. Argyriou, G. Tzimiropoulos, "Large Pose 3D Face Reconstruction from a Single Image via
Direct Volumetric CNN Regression", ICCV 2017, section 3.1.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array

# Voxels along an edge at most.
LARGEST_SIDE = 64
# Of triangles in the fan that closes a mesh.
RINGS = 8
# Coordinates are multiples of 1/256 px: shifted by what is none, no vertex and no edge lies on the axis of a column.
OFF_AXIS = 1e-4 * np.sqrt([2.0, 3.0])


def volume_side(size: int) -> int:
    """Voxels along an edge over a crop of `size` px: as many as it has px after the halvings that leave at most 64."""
    while size > LARGEST_SIDE:
        size //= 2
    return size


@functools.lru_cache(maxsize=2)
def closed_triangles(size: int) -> NDArray[np.int64]:
    """Triangles of the vertices that `close_map` makes of a map of `size` texels a side, (F, 3) int64.

    Seen from outside, all go round the same way.
    """
    texels = np.arange(size * size).reshape(size, size)
    rim = _rim(texels)
    cap = np.concatenate([rim, size * size + np.arange(len(rim) * (RINGS - 1))]).reshape(RINGS, len(rim))
    tip = np.full_like(rim, cap[-1, -1] + 1)
    following = np.roll(cap, -1, axis=1)
    quads = [
        (texels[:-1, :-1], texels[1:, :-1], texels[1:, 1:], texels[:-1, 1:]),
        (cap[:-1], following[:-1], following[1:], cap[1:]),
    ]
    halves = [np.stack(half, axis=-1).reshape(-1, 3) for a, b, c, d in quads for half in ((a, b, d), (b, c, d))]
    return np.concatenate([*halves, np.stack([cap[-1], following[-1], tip], axis=-1)])


def close_map(position_map: NDArray) -> Array:
    """Close the mesh of a position map at the back, by a fan of triangles from the rim to the mean of its points.

    Parameters
    ----------
    position_map : (size, size, 3) float

    Returns
    -------
    (V, 3) float64
        The texels row by row, then those that divide the fan in rings, its tip last: small triangles are quickly found
        in a grid.
    """
    texels = np.asarray(position_map, np.float64)
    rim = _rim(texels)
    tip = rim.mean(axis=0)
    shares = np.arange(1, RINGS)[:, None, None] / RINGS
    rings = rim + shares * (tip - rim)
    return np.concatenate([texels.reshape(-1, 3), rings.reshape(-1, 3), tip[None]])


def _rim(texels: NDArray) -> NDArray:
    """Texels (size, size, ...) along the rim of the map, clockwise from the lower left corner: (4 size - 4, ...)."""
    return np.concatenate([texels[:0:-1, 0], texels[0, :-1], texels[:-1, -1], texels[-1, :0:-1]])


def face_volumes(position_maps: NDArray, face_mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Voxelise the heads of position maps: all of the mesh, as in VRN's training data, not the face alone.

    Parameters
    ----------
    position_maps : (n, size, size, 3) float
        Pixels of the aligned image.
    face_mask : (size, size) bool
        The texels on whose mean z the grid is centred.

    Returns
    -------
    (n, side, side, side) uint8
        Row, column, slice; 1 where a voxel is occupied. `side` is `volume_side(size)`.
    """
    size = len(face_mask)
    side, triangles = volume_side(size), closed_triangles(size)
    volumes = np.zeros((len(position_maps), side, side, side), np.uint8)
    for volume, position_map in zip(volumes, position_maps, strict=True):
        points = np.asarray(position_map, np.float64) - [0, 0, position_map[face_mask, 2].mean(dtype=np.float64)]
        volume[:] = voxelise(to_voxels(close_map(points), size), triangles, side)
    return volumes


def to_voxels(points: NDArray, size: int) -> Array:
    """Turn pixels of an aligned image of `size` px, z counted from the face's mean, into voxels; (..., 3) float64."""
    scale = volume_side(size) / size
    middle = (volume_side(size) - 1) / 2
    return (np.asarray(points, np.float64) - [(size - 1) / 2, (size - 1) / 2, 0]) * scale + middle


def to_pixels(voxels: NDArray, size: int) -> Array:
    """Undo `to_voxels`."""
    scale = volume_side(size) / size
    middle = (volume_side(size) - 1) / 2
    return (np.asarray(voxels, np.float64) - middle) / scale + [(size - 1) / 2, (size - 1) / 2, 0]


def voxelise(vertices: NDArray, triangles: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """Find the voxels whose centre is inside a closed surface.

    The line along z through each column of voxels goes in where it crosses the surface from outside, and out where it
    leaves: a voxel is inside where it went in more often than out. So what overlaps stays filled.

    Parameters
    ----------
    vertices : (V, 3) float
        x, y, z in voxels, whose centres are at whole numbers.
    triangles : (F, 3) int64
        Counterclockwise on the screen, whose y points down, where the outside is towards the viewer.
    side : int
        Voxels along an edge.

    Returns
    -------
    (side, side, side) bool
        y, x, z.
    """
    corners = np.asarray(vertices, np.float64)[triangles]
    places, depths = corners[..., :2] + OFF_AXIS, corners[..., 2]
    first, second, third = places.transpose(1, 0, 2)
    least, most = np.minimum(np.minimum(first, second), third), np.maximum(np.maximum(first, second), third)
    low = np.clip(np.ceil(least), 0, side).astype(np.int64)
    high = np.clip(np.floor(most), -1, side - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    counts = extent.prod(axis=1)
    # A row for each column of voxels in the box of a triangle.
    owner = np.repeat(np.arange(len(triangles)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    down, right = np.divmod(number, extent[owner, 0])
    column = low[owner] + np.stack([right, down], axis=1)
    offset = places[owner] - column[:, None]
    # Twice the signed areas that the column's axis has with the side opposite to each corner.
    areas = np.stack([_cross(offset[:, (k + 1) % 3], offset[:, (k + 2) % 3]) for k in range(3)], axis=1)
    hit = (areas > 0).all(axis=1) | (areas < 0).all(axis=1)
    areas, column, depths = areas[hit], column[hit], depths[owner[hit]]
    whole = areas.sum(axis=1)
    depth = (areas * depths).sum(axis=1) / whole
    above = np.clip(np.ceil(depth), 0, side).astype(np.int64)
    line = (column[:, 1] * side + column[:, 0]) * (side + 1) + above
    # The area of what faces the viewer is below 0: there the line goes out.
    turns = np.zeros((side, side, side + 1), np.int16)
    np.add.at(turns.reshape(-1), line, np.sign(whole).astype(np.int16))
    return np.add.accumulate(turns[..., :-1], axis=2, dtype=np.int16) > 0


def isosurface(volume: NDArray[np.uint8], size: int) -> tuple[Array, NDArray[np.int64]]:
    """Find the surface of a volume by marching cubes, where the probability that a voxel is occupied is a half.

    Parameters
    ----------
    volume : (side, side, side) uint8
        Row, column, slice; 255 where a voxel is surely occupied.
    size : int
        Side of the aligned image in px.

    Returns
    -------
    vertices : (V, 3) float64
        Pixels of the aligned image; z counts from the face's mean. It is open where the volume ends.
    triangles : (F, 3) int64
        Counterclockwise seen from outside.

    Raises
    ------
    ValueError
        If the volume is all empty, or all full.

    References
    ----------
    T. Lewiner, H. Lopes, A. W. Vieira, G. Tavares, "Efficient implementation of marching cubes' cases with topological
    guarantees", 2003, which scikit-image implements.
    """
    from skimage.measure import marching_cubes  # a third of a second, which only those who read volumes pay

    level = 127.5
    if not volume.min() < level < volume.max():
        raise ValueError(
            f"The volume has no surface: its voxels are all {'empty' if volume.max() < level else 'full'}."
        )
    places, triangles, _, _ = marching_cubes(volume.astype(np.float32), level)
    # Of rows, columns and slices to x, y and z, with the triangles turned so that their outside is outside.
    return to_pixels(places[:, [1, 0, 2]], size), triangles[:, ::-1].astype(np.int64)


def _cross(first: Array, second: Array) -> Array:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
