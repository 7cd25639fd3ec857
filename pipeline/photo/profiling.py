"""Face profiling: turn the head of a photo in depth by its fitted mesh, as the large poses of 300W-LP were made.

References
----------
Zhu, Lei, Liu, Shi and Li, 2016. Face Alignment Across Large Poses: A 3D Solution. Section 4, face profiling.
"""

import cv2
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from ..face.camera import euler_angles, rotation_matrix
from ..face.rendering import facing_viewer, interpolate, rasterize, vertex_normals
from ..store.arrays import Array, Image

# What a photo shows more from the side than by this cosine, and what comes so much nearer by the turn, has the colours
# of what is so far inside of it, both in sides of the face: no mesh fits so well that its rim is free of background.
GRAZING, NEARER, INSIDE = 0.5, 0.25, 0.05
# Anchors along a side of the face, and how far they reach beyond it, before and after the turn, in its sides.
ANCHORS, REACH = 20, 0.75
# How far behind the mesh the anchors on it lie, in its sides: they show only where the mesh has no triangle to draw.
BEHIND = 0.02
# A pixel whose neighbours come from places so far apart is a mean of them, in px.
JUMP = 8.0
# Nearer to the front than this, a head may be turned to either side; in radians.
FRONTAL = np.deg2rad(10)


def head_yaw(pose: NDArray) -> float:
    """Angle in radians by which a head (7,) is turned about its own vertical axis, from facing the camera.

    It is the annotated yaw where the roll is 0, and grows by `angle` in `turn_pose`.
    """
    towards_camera = rotation_matrix(*pose[:3])[2]
    return float(np.arctan2(towards_camera[0], towards_camera[2]))


def turn_pose(pose: NDArray, angle: float) -> Array:
    """Turn a head about its own vertical axis, through the origin of the face model.

    Parameters
    ----------
    pose : (7,) float
        As in ``Pose_Para``.
    angle : float
        In radians; of the sign of the annotated yaw.

    Returns
    -------
    (7,) float64
        ``R' = R Ry(angle)``; scale and translation are as they were.
    """
    pose = np.asarray(pose, np.float64)
    rotation = rotation_matrix(*pose[:3]) @ rotation_matrix(0.0, angle, 0.0)
    return np.array([*euler_angles(rotation), *pose[3:]])


def draw_turns(
    yaw: float, copies: int, turn: tuple[float, float], limit: float, generator: np.random.Generator
) -> list[float]:
    """Draw by how much a head is turned further to the side that it is turned to already.

    Parameters
    ----------
    yaw : float
        Its `head_yaw`; within `FRONTAL` of the front each copy's side is drawn, too. All angles are in radians.
    copies : int
    turn : (float, float)
        Least and largest turn.
    limit : float
        Largest absolute yaw after it.
    generator : Generator

    Returns
    -------
    list of float
        One a copy, drawn in equal parts of the range that there is; none where the limit leaves no room for the least.
    """
    least, largest = turn
    parts, sides = generator.random(copies), generator.choice([-1.0, 1.0], copies)
    if abs(yaw) > FRONTAL:
        sides = np.full(copies, np.sign(yaw))
    largest = min(largest, limit - abs(yaw))
    if largest < least:
        return []
    return list(sides * (least + (largest - least) * (np.arange(copies) + parts) / copies))


def turn_photo(photo: Image, vertices: NDArray, turned: NDArray, triangles: NDArray[np.integer]) -> Image:
    """Turn the face of a photo as its mesh was turned, and carry what is around it along.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    vertices, turned : (V, 3) float
        The mesh of the face, without ears and neck, before and after, in pixels of the photo. The head was turned
        further to its side, up to 90 degrees from the front.
    triangles : (F, 3) int

    Returns
    -------
    (H, W, 3) uint8
        The face is drawn by the mesh, and what is around it by a net of anchors behind it: those on the face move with
        it, those on the photo's border stay, and those between move by the mean of their neighbours' moves. So the net
        has no holes, nor has the photo: where the head was, is what was beside it, stretched.
    """
    height, width = photo.shape[:2]
    side = float(np.ptp(vertices[:, :2], axis=0).mean())
    both = np.concatenate([vertices, turned])[:, :2]
    last = np.array([width, height]) - 1
    low = np.clip(np.floor(both.min(axis=0) - REACH * side), 0, last - 1).astype(int)
    high = np.clip(np.ceil(both.max(axis=0) + REACH * side), low + 1, last).astype(int)
    columns, rows = high - low + 1
    source = _trace(vertices - np.array([*low, 0]), turned - np.array([*low, 0]), triangles, rows, columns, side) + low
    x, y = np.moveaxis(source.astype(np.float32), -1, 0)
    moved = np.asarray(cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    result = photo.copy()
    result[low[1] : high[1] + 1, low[0] : high[0] + 1] = _soften(moved, source)
    return result


def _trace(
    vertices: Array, turned: Array, triangles: NDArray[np.integer], rows: int, columns: int, side: float
) -> NDArray[np.float32]:
    """Where each pixel (rows, columns, 2) of a turned picture was before."""
    anchors, moved, on_face = _move_anchors(vertices, turned, triangles, rows, columns, side)
    points = np.concatenate([turned, moved.reshape(-1, 3)])
    origins = np.concatenate([_colour_places(vertices, turned, triangles, side), anchors.reshape(-1, 2)])
    net = _net_triangles(*on_face.shape) + len(vertices)
    held = np.concatenate([np.zeros(len(vertices), bool), on_face.ravel()])[net].sum(axis=1)
    face = np.concatenate([triangles, net[held > 0]])
    face = face[facing_viewer(points, face)]
    ids, weights = rasterize(points, face, rows, columns)
    source = interpolate(origins, face, ids, weights)
    # What is around the face moves smoothly, so that every second pixel will do.
    around = net[held < 3]
    half = rasterize(points / np.array([2, 2, 1]), around, rows // 2 + 1, columns // 2 + 1)
    coarse = interpolate(origins, around, *half)
    between = cv2.warpAffine(
        coarse,
        np.array([[2.0, 0, 0], [0, 2.0, 0]]),
        (columns, rows),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.where(ids[..., None] >= 0, source, between).astype(np.float32)


def _move_anchors(
    vertices: Array, turned: Array, triangles: NDArray[np.integer], rows: int, columns: int, side: float
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """A grid of anchors over a picture, with a ring around it.

    Returns
    -------
    anchors : (m, n, 2) float64
    moved : (m, n, 3) float64
        Where they move to, and their depth.
    on_face : (m, n) bool
        Which of them lie on the mesh.
    """
    extent = np.array([columns, rows]) - 1
    count = np.maximum(np.ceil(extent * ANCHORS / side), 1).astype(int)
    step = extent / count
    x, y = (step[k] * np.arange(-1, count[k] + 2) for k in (0, 1))
    anchors = np.stack(np.meshgrid(x, y), axis=-1)

    # The farthest part of the mesh: what is beside the face goes with its rim, which may be hidden behind its cheeks.
    placed = (vertices + np.array([*step, 0])) / np.array([*step, -1])
    ids, weights = rasterize(placed, triangles, *anchors.shape[:2])
    shift = turned - np.array([0, 0, BEHIND * side])
    shift[:, :2] -= vertices[:, :2]
    moves = interpolate(shift, triangles, ids, weights).astype(np.float64)
    on_face = ids >= 0
    ring = np.ones(on_face.shape, bool)
    ring[1:-1, 1:-1] = False
    stays = ring.copy()
    stays[1:-1, 1:-1] = ~on_face[1:-1, 1:-1]
    stays[2:-2, 2:-2] = False
    moves[stays] = [0, 0, turned[:, 2].min() - side]
    moves = _harmonic(moves, on_face | stays)
    return anchors, np.concatenate([anchors + moves[..., :2], moves[..., 2:]], axis=-1), on_face & ~ring


def _colour_places(vertices: Array, turned: Array, triangles: NDArray[np.integer], side: float) -> Array:
    """Where in the photo (V, 2) each vertex has its colour from: its place, or inside of it where it comes nearer."""
    normals = vertex_normals(vertices, triangles)
    nearer = np.clip((turned - vertices)[:, 2:] / (NEARER * side), 0, 1)
    return vertices[:, :2] - INSIDE * side * nearer * np.clip(1 - normals[:, 2:] / GRAZING, 0, 1) * normals[:, :2]


def _harmonic(values: Array, known: NDArray[np.bool_]) -> Array:
    """Fill in a grid (m, n, C) so that each value that is not known (m, n) is the mean of its four neighbours."""
    index = np.arange(known.size).reshape(known.shape)
    start = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    end = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    ones = np.ones(2 * len(start))
    ends = (np.concatenate([start, end]), np.concatenate([end, start]))
    joined = scipy.sparse.coo_array((ones, ends), shape=(known.size, known.size)).tocsr()
    free = ~known.ravel()
    rows = (scipy.sparse.diags_array(joined.sum(axis=1)) - joined).tocsr()[free]
    filled = values.reshape(known.size, -1).copy()
    options = {"SymmetricMode": True}
    factors = scipy.sparse.linalg.splu(rows[:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", options=options)
    filled[free] = factors.solve(-(rows[:, ~free] @ filled[~free]))
    return filled.reshape(values.shape)


def _net_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    """Triangles (F, 3) of a grid of points, two a cell, wound as `facing_viewer` has them."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.concatenate([np.stack(corners, axis=-1).reshape(-1, 3) for corners in ((a, c, d), (a, d, b))])


def _soften(picture: Image, source: NDArray[np.float32]) -> Image:
    """Smooth the edges of what lies before something else, where `source` (H, W, 2) jumps."""
    around = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(source, around) - cv2.erode(source, around)
    jumps = (spread[..., 0] > JUMP) | (spread[..., 1] > JUMP)
    return np.where(jumps[..., None], cv2.GaussianBlur(picture, (3, 3), 0), picture)
