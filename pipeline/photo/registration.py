"""Where the 468 points of Face Mesh lie on a face model: Face Mesh looks at pictures of the model's mean face.

Each point is carried by a ray from the picture onto the mesh, in views from several sides. Then those in and around
eyes, nose and mouth are moved as the landmarks that are read off them (`pipeline.crops.mesh_landmarks`) have to be
moved to the model's own; jaw and brows stay, since Face Mesh draws a silhouette there, and the annotations a line on
the face.
"""

from typing import NamedTuple

import cv2
import numpy as np
import scipy.interpolate
from numpy.typing import NDArray

from ..crops.blaze_face import Network
from ..crops.face_mesh import MIRRORED, POINTS, find_faces
from ..crops.mesh_landmarks import read_landmarks
from ..face.camera import rotation_matrix
from ..face.face_model import FaceModel, at_vertices
from ..face.landmarks import LANDMARKS, NOSE_ROOT
from ..face.nearest import nearest_points
from ..face.rendering import rasterize, shade, vertex_normals
from ..store.arrays import Array, Image

# Yaw and pitch in degrees of the views: from further aside Face Mesh is less exact. A point counts where the surface
# faces the viewer.
VIEWS = ((0, 0), (15, 0), (-15, 0), (0, 10), (0, -10))
LEAST_FACING = 0.3
# Side of a view in px, and what share of it the model's height takes.
SIDE, HEIGHT = 512, 0.6
# What lies at a point is looked up in a picture so many times finer.
FINER = 2
# Of the picture of a registration: the yaw of its rows in degrees, how many times it is enlarged, and the px round a
# view that are cut off. The golden section makes the hues of neighbouring numbers differ.
SHOWN, ENLARGED, CUT, GOLDEN = (0, 30), 3, 82, 0.618
# The landmarks that points are moved by, how far one's influence reaches in heights of the model, and how much of what
# is between them is taken as error.
ANCHORS = slice(NOSE_ROOT, LANDMARKS)
REACH, SMOOTHING = 0.1, 0.1


class Correspondence(NamedTuple):
    """Points on a mesh: the vertices (K, 3) int32 of each one's triangle, and their weights (K, 3) float64."""

    vertices: NDArray[np.int32]
    weights: Array


def model_at(model: FaceModel, correspondence: Correspondence) -> FaceModel:
    """Face model at points on its mesh, see `at_vertices`."""
    return at_vertices(model, lambda values: take(values, correspondence))


def take(values: NDArray, correspondence: Correspondence) -> NDArray:
    """Values (K, ...) at points on a mesh, of those at its vertices (V, ...)."""
    return np.einsum("kc...,kc->k...", values[correspondence.vertices], correspondence.weights).astype(values.dtype)


def register(model: FaceModel, networks: dict[str, Network]) -> Correspondence:
    """Find the 468 points of Face Mesh on a face model.

    Parameters
    ----------
    model : FaceModel
        With triangles and landmarks.
    networks : dict of str to Network
        See `pipeline.crops.face_mesh.open_networks`.

    Returns
    -------
    Correspondence
        In the order of Face Mesh.

    Raises
    ------
    ValueError
        If Face Mesh sees no face in a picture of the model.
    """
    vertices = _in_heights(model.mean, model.mean)
    meshes, seen = zip(*(_see(vertices, model.triangles, *view, networks) for view in VIEWS), strict=True)
    points = np.full((POINTS, 3), np.nan)
    hit = np.isfinite(seen)[..., 0].any(axis=0)
    points[hit] = np.nanmedian(np.array(seen)[:, hit], axis=0)
    # In the mouth of a model, which is open, a ray meets nothing: these points follow those around them.
    points[~hit] = scipy.interpolate.RBFInterpolator(meshes[0][hit], points[hit])(meshes[0][~hit])
    # A mean face is nearly its own mirror image, what Face Mesh sees of it is less so: on the procedural one's cheeks
    # the depths of both sides were 9 mm apart. Faces in photos fit the mean of the sides better by 9 %.
    points = (points + points[MIRRORED] * [-1, 1, 1]) / 2
    anchors = read_landmarks(points)[ANCHORS]
    warp = scipy.interpolate.RBFInterpolator(
        anchors,
        vertices[model.landmarks[ANCHORS]] - anchors,
        smoothing=SMOOTHING,
        kernel="gaussian",
        epsilon=1 / REACH,
        degree=-1,
    )
    return nearest_on_mesh(points + warp(points), vertices, model.triangles)


def draw_registration(model: FaceModel, points: NDArray, networks: dict[str, Network]) -> Image:
    """Draw what a registration can be judged by: Face Mesh's own points on the mean face, and where they lie on it.

    Parameters
    ----------
    model : FaceModel
        With triangles.
    points : (468, 3) float
        Where the points of Face Mesh were found to lie, model frame.
    networks : dict of str to Network
        See `pipeline.crops.face_mesh.open_networks`.

    Returns
    -------
    (2 * S, 2 * S, 3) uint8
        On the left what Face Mesh sees in a view, on the right the points on the model in the same view, from the front
        and from the side. A point has the same colour in all four; every tenth has its number.

    Raises
    ------
    ValueError
        If Face Mesh sees no face in a view.
    """
    vertices, on_model = (_in_heights(values, model.mean) for values in (model.mean, points))
    rows = []
    for yaw in SHOWN:
        placed, seen = _place(vertices, yaw, 0), _look(vertices, model.triangles, yaw, 0, networks)
        picture = shade(placed * ENLARGED, model.triangles, ENLARGED * SIDE, ENLARGED * SIDE)[0]
        both = (seen, _place(on_model, yaw, 0))
        drawn = [_draw_points(picture, each[:, :2] * ENLARGED) for each in both]
        shown = slice(ENLARGED * CUT, ENLARGED * (SIDE - CUT))
        rows.append(np.hstack([each[shown, shown] for each in drawn]))
    return np.vstack(rows)


def _draw_points(picture: Image, points: Array) -> Image:
    """Draw points (K, 2) on a copy of a picture, each in a colour of its own, every tenth with its number."""
    drawn = picture.copy()
    hues = (np.arange(len(points)) * 179 * GOLDEN % 180).astype(np.uint8)
    colours = cv2.cvtColor(np.stack([hues, *np.full((2, len(hues)), 255, np.uint8)], axis=1)[None], cv2.COLOR_HSV2RGB)
    for number, ((x, y), colour) in enumerate(
        zip(np.rint(points).astype(int).tolist(), colours[0].tolist(), strict=True)
    ):
        cv2.circle(drawn, (x, y), 4, colour, -1, cv2.LINE_AA)
        if number % 10 == 0:
            cv2.putText(drawn, str(number), (x + 5, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return drawn


def _in_heights(points: NDArray, mean: NDArray) -> Array:
    """Points of the model's frame about the middle of its mean face, in heights of that."""
    middle = (mean.max(axis=0) + mean.min(axis=0)) / 2
    return (points - middle).astype(np.float64) / np.ptp(mean[:, 1])


def _place(points: Array, yaw: float, pitch: float) -> Array:
    """Points (K, 3) of `_in_heights` in a view, in its px."""
    turned = points @ rotation_matrix(np.deg2rad(pitch), np.deg2rad(yaw), 0.0).T
    return turned * [HEIGHT * SIDE, -HEIGHT * SIDE, HEIGHT * SIDE] + [SIDE / 2, SIDE / 2, 0]


def _look(
    vertices: Array, triangles: NDArray[np.integer], yaw: float, pitch: float, networks: dict[str, Network]
) -> Array:
    """Points of Face Mesh (468, 3) in a view."""
    faces = find_faces(shade(_place(vertices, yaw, pitch), triangles, SIDE, SIDE)[0], networks)
    if not faces:
        raise ValueError(f"Face Mesh sees no face in a picture of the face model, yaw {yaw}, pitch {pitch} degrees.")
    return faces[0].mesh


def _see(
    vertices: Array, triangles: NDArray[np.integer], yaw: float, pitch: float, networks: dict[str, Network]
) -> tuple[Array, Array]:
    """Points of Face Mesh (468, 3) in a view, and where on the mesh they lie, in its frame; NaN where unseen."""
    mesh, placed = _look(vertices, triangles, yaw, pitch, networks), _place(vertices, yaw, pitch)
    ids, weights = rasterize(placed * FINER, triangles, FINER * SIDE, FINER * SIDE)
    column, row = np.clip(np.rint(mesh[:, :2].T * FINER), 0, FINER * SIDE - 1).astype(int)
    triangle = ids[row, column]
    facing = vertex_normals(placed, triangles)[:, 2] > LEAST_FACING
    good = (triangle >= 0) & facing[triangles[triangle]].all(axis=1)
    points = np.full((POINTS, 3), np.nan)
    corners = vertices[triangles[triangle[good]]]
    points[good] = np.einsum("kcd,kc->kd", corners, weights[row[good], column[good]])
    return mesh, points


def nearest_on_mesh(points: Array, vertices: Array, triangles: NDArray[np.integer]) -> Correspondence:
    """Find the nearest point on a mesh (V, 3), (F, 3) to each point (K, 3)."""
    from trimesh.triangles import points_to_barycentric  # trimesh takes half a second to import

    found = nearest_points(points, vertices, triangles)
    chosen = triangles[found.triangles]
    weights = np.clip(points_to_barycentric(vertices[chosen], found.points), 0, 1)
    return Correspondence(chosen.astype(np.int32), weights / weights.sum(axis=1, keepdims=True))
