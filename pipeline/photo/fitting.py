"""A face by the face model, fitted to the points of Face Mesh, and corrected there, or to the map of a network."""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from ..crops.face_mesh import MeshFace
from ..crops.landmark_map import apply_map
from ..crops.mesh_landmarks import read_landmarks
from ..face.camera import camera_matrix, transform_pose
from ..face.fit import FaceFit, fit_face, place
from ..face.rendering import vertex_normals
from ..face.similarity import make_similarity
from ..store.arrays import Array
from ..uv.map_fit import fit_texels
from .bundle import Bundle
from .map_network import MapNetwork
from .reconstruction import Reconstruction
from .texture import inside_photo

# Standard deviation of a point in sizes of the face: across, and in depth, which Face Mesh knows less well.
SIGMA = np.array([0.01, 0.01, 0.03])
# A covered point, which Face Mesh guesses by the others, has so many times the deviation of a seen one.
COVERED = 3.0
# How much of what is missing in depth is corrected.
DEPTH = 0.3
# What exceeds this estimated yaw, in radians, is by so much more in truth: by 1,199 other photos of AFLW2000-3D an
# estimate of 50 degrees means 62. The share was chosen on them by the landmarks' error.
ASIDE, FURTHER = np.deg2rad(25), 0.3
# At 90 degrees pitch and roll are one and the same turn, so that neither would be known.
MOST_ASIDE = np.deg2rad(89)
# Root mean square distance of the points from the fitted model, in sizes of the face, above which it fits no face.
FAR = 0.06
# Face Mesh is as sure as this of nearly all faces that it sees well, and its points of eyes, nose and mouth are nearer
# than so many sizes of the face, in the mean, to those of the detector: chosen on 600 other photos of AFLW2000-3D.
SURE_PRESENCE, APART = 0.999, 0.1

# Into so many parts the points are split where each is compared with all vertices.
PARTS = 16


def fit_mesh(face: MeshFace, bundle: Bundle, size: tuple[int, int]) -> Reconstruction:
    """Reconstruct a face from the points of Face Mesh.

    Parameters
    ----------
    face : MeshFace
        Pixels of the photo.
    bundle : Bundle
    size : (int, int)
        Height and width of the photo in px.

    Returns
    -------
    Reconstruction
        Its `landmarks` are those read off the points, but for hidden ones and those beyond the photo's border, which
        are the model's where the bundle has no landmark map: on 297 test photos of AFLW2000-3D the map has a mean error
        of 3.86 %, and 4.00 where the hidden ones are the model's. z is up to an offset. Points beyond the border count
        in the fit as others do: of 117 faces that were cut, a fit that trusts them less has the same landmarks and a
        yaw that is 0.5 degrees further off.
    """
    height = size[0]
    covered = np.zeros(len(face.mesh), bool) if face.covered is None else face.covered
    fit = fit_points(face.mesh, np.ones(len(face.mesh), bool), bundle, height, covered)
    residual = fit.residual_px / size_of(face.mesh)
    # The hidden half of a face, which Face Mesh guesses, is left to the face model.
    seen, seen_landmarks = (normals @ fit.camera[2, :3] > 0 for normals in outward_normals(bundle))
    fit = fit_points(face.mesh, seen, bundle, height, covered, fit)
    fit = turn_further(fit, face.mesh, seen, bundle, height)
    followed = seen & ~covered
    vertices, offset = correct(fit, face.mesh, followed if followed.any() else seen, bundle)
    landmarks = read_mesh(bundle, face.mesh, face.confidence, face.keypoints) - [0, 0, offset]
    if bundle.landmark_map is None:
        read = seen_landmarks & inside_photo(landmarks, *size)
        landmarks = np.where(read[:, None], landmarks, place(bundle.landmarks, fit))
    doubt = doubt_of(face.confidence, residual, keypoint_distance(face))
    return dataclasses.replace(_placed(fit, vertices, landmarks, bundle), mesh=face.mesh, doubt=doubt)


def fit_map_to_photo(
    position_map: NDArray[np.float32], similarity: Array, network: MapNetwork, bundle: Bundle, height: int
) -> tuple[Reconstruction, float]:
    """Fit the face model to the map that a network predicted, see `pipeline.uv.map_fit`.

    Parameters
    ----------
    position_map : (S, S, 3) float32
        Pixels of the crop.
    similarity : (3, 3) float64
        Photo pixels to those of the crop.
    network : MapNetwork
    bundle : Bundle
        That the network is in.
    height : int
        Of the photo in px.

    Returns
    -------
    face : Reconstruction
    residual : float
        Root mean square distance of the map from the fitted model, in sizes of the face.
    """
    fit = fit_texels(position_map, network.points, network.texels, bundle.prior)
    residual = fit.residual_px / size_of(position_map.reshape(-1, 3)[network.texels])
    pose = transform_pose(fit.pose, len(position_map), np.asarray(np.linalg.inv(similarity), np.float64), height)
    fit = dataclasses.replace(fit, pose=pose, camera=camera_matrix(pose, height))
    return _placed(fit, place(bundle.model, fit), place(bundle.landmarks, fit), bundle), residual


def _placed(fit: FaceFit, vertices: Array, landmarks: Array, bundle: Bundle) -> Reconstruction:
    """A face whose vertices (C, 3) of the bundle's model and whose landmarks (68, 3) are known, in photo pixels."""
    return Reconstruction(
        similarity=np.eye(3),
        make_map=functools.partial(_make_map, bundle, vertices),
        vertices=bundle.spread @ vertices,
        landmarks=landmarks,
        pose=fit.pose,
        coefficients=fit.coefficients,
    )


def _make_map(bundle: Bundle, vertices: Array) -> NDArray[np.float32]:
    return (bundle.operator @ vertices).reshape(*bundle.surface.face_mask.shape, 3).astype(np.float32)


def read_mesh(bundle: Bundle, mesh: Array, presence: float = 1.0, keypoints: Array | None = None) -> Array:
    """Read the 68 landmarks off the points of Face Mesh, by the bundle's landmark map or else by the table.

    Parameters
    ----------
    bundle : Bundle
    mesh : (468, 3) float64
        Pixels of the photo.
    presence, keypoints
        See `pipeline.crops.landmark_map.apply_map`.

    Returns
    -------
    (68, 3) float64
        Pixels of the photo; z is the table's, which a map knows up to an offset only.
    """
    landmarks = read_landmarks(mesh)
    if bundle.landmark_map is not None:
        landmarks[:, :2] = apply_map(bundle.landmark_map, mesh, presence, keypoints)[:, :2]
    return landmarks


def size_of(mesh: NDArray) -> float:
    """Size in px of a face: the mean of width and height of its points (K, 3)."""
    return float(np.ptp(mesh[:, :2], axis=0).mean())


def fit_points(
    mesh: Array,
    seen: NDArray[np.bool_],
    bundle: Bundle,
    height: int,
    covered: NDArray[np.bool_] | None = None,
    start: FaceFit | None = None,
) -> FaceFit:
    """Fit the face model of a bundle to those points of Face Mesh that are seen.

    Parameters
    ----------
    mesh : (468, 3) float64
        Pixels of the photo.
    seen : (468,) bool
    bundle : Bundle
    height : int
        Of the photo in px.
    covered : (468,) bool, optional
        Points that count less; none by default.
    start : FaceFit, optional
        To other points of the same mesh, from which this one is found sooner.

    Returns
    -------
    FaceFit
    """
    sigma = np.where(seen[:, None], size_of(mesh) * SIGMA, np.inf)
    if covered is not None:
        sigma[covered] *= COVERED
    return fit_face(bundle.points, mesh, sigma, bundle.prior, height, start)


def correct(fit: FaceFit, mesh: Array, seen: NDArray[np.bool_], bundle: Bundle) -> tuple[Array, float]:
    """Place the face model in a photo, and correct it where it cannot follow the points of Face Mesh.

    Parameters
    ----------
    fit : FaceFit
    mesh : (468, 3) float64
        Pixels of the photo.
    seen : (468,) bool
        Points that the viewer sees; nothing is corrected at the others.
    bundle : Bundle

    Returns
    -------
    vertices : (C, 3) float64
        Of `Bundle.model`, in pixels of the photo.
    offset : float
        Of the points' z from theirs.
    """
    missing = mesh - place(bundle.points, fit)
    offset = float(missing[seen, 2].mean())
    missing[:, 2] = DEPTH * (missing[:, 2] - offset)
    missing[~seen] = 0
    # A product of two precisions would copy the matrix, and one of few columns takes twice as long as they alone.
    moved = [bundle.correction @ axis for axis in np.ascontiguousarray(missing.T, np.float32)]
    return place(bundle.model, fit) + np.stack(moved, axis=1), offset


def turn_further(fit: FaceFit, mesh: Array, seen: NDArray[np.bool_], bundle: Bundle, height: int) -> FaceFit:
    """Turn a face that is seen from the side as far as it is, which Face Mesh falls short of, about the seen points.

    Parameters
    ----------
    fit : FaceFit
    mesh : (468, 3) float64
        Pixels of the photo.
    seen : (468,) bool
        Points that the viewer sees.
    bundle : Bundle
    height : int
        Of the photo in px.

    Returns
    -------
    FaceFit
        With a yaw that is larger by `FURTHER` of what exceeds `ASIDE`, up to `MOST_ASIDE`, and scale and translation by
        least squares in x and y.
    """
    pose = fit.pose.copy()
    further = FURTHER * max(abs(pose[1]) - ASIDE, 0)
    pose[1] = np.clip(pose[1] + np.sign(pose[1]) * further, -MOST_ASIDE, MOST_ASIDE)
    turned = place(bundle.points, dataclasses.replace(fit, camera=camera_matrix(pose, height)))[seen]
    middle, target = turned.mean(axis=0), mesh[seen].mean(axis=0)
    across, wanted = (turned - middle)[:, :2], (mesh[seen] - target)[:, :2]
    scale = float((across * wanted).sum() / (across**2).sum())
    similarity = make_similarity(scale, 0.0, middle[:2], target[:2])
    pose = transform_pose(pose, height, similarity, height)
    return dataclasses.replace(fit, pose=pose, camera=camera_matrix(pose, height))


@functools.cache
def outward_normals(bundle: Bundle) -> tuple[Array, Array]:
    """Outward normals of the mean face at the 468 points and the 68 landmarks, model frame."""
    flipped = np.array([1, -1, 1])  # to the pixel frame and back
    normals = (flipped * vertex_normals(bundle.model.mean * flipped, bundle.model.triangles)).astype(np.float64)
    mean = bundle.model.mean.astype(np.float64)
    # The squared distance of each from a point, less that of the point from the origin; a few points at once, since
    # what is new in memory takes longer than all else.
    squares, parts = (mean**2).sum(axis=1), np.array_split(bundle.points.mean, PARTS)
    nearest = np.concatenate([(squares - 2 * part @ mean.T).argmin(axis=1) for part in parts])
    return normals[nearest], normals[bundle.model.landmarks]


def keypoint_distance(face: MeshFace) -> float:
    """Mean distance of Face Mesh's eyes, nose and mouth from the detector's, in sizes of the face; 0 without these."""
    if face.keypoints is None:
        return 0.0
    points = np.vstack([face.points[:3], face.points[3:].mean(axis=0)])
    return float(np.linalg.norm(face.keypoints[:4] - points, axis=1).mean()) / size_of(face.mesh)


def doubt_of(presence: float, residual: float, apart: float) -> str:
    """Why a face is likely wrong, as a sentence; empty if it is not.

    Parameters
    ----------
    presence : float
        Face Mesh's score.
    residual : float
        Distance of the points from the fitted face model, in sizes of the face.
    apart : float
        Distance of the points from the detector's, in sizes of the face.
    """
    if presence < SURE_PRESENCE:
        told = min(presence, SURE_PRESENCE - 0.001)  # what is below the limit is not rounded up to it
        return (
            f"Likely wrong: seen from the side, half covered, or no face (Face Mesh's score is {told:.3f}; of a face "
            f"that it sees well it is over {SURE_PRESENCE})."
        )
    if apart > APART:
        return (
            f"Likely wrong: half covered or seen from the side (eyes, nose and mouth are {100 * apart:.0f} % of the "
            "face's size from where the detector saw them)."
        )
    if residual > FAR:
        return f"Likely wrong: the points found are {100 * residual:.0f} % of the face's size from those of any face."
    return ""
