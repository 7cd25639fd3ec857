"""A face by the face model alone: fitted to the points of Face Mesh, and corrected where the model cannot follow."""

import numpy as np

from ..crops.face_mesh import MIN_PRESENCE, MeshFace
from ..crops.mesh_landmarks import read_landmarks
from ..face.fit import FaceFit, fit_face, place
from ..store.arrays import Array
from .bundle import Bundle
from .reconstruction import Reconstruction

# Standard deviation of a point in sizes of the face: across, and in depth, which Face Mesh knows less well.
SIGMA = np.array([0.01, 0.01, 0.03])
# How much of what is missing in depth is corrected.
DEPTH = 0.3
# Root mean square distance of the points from the fitted model, in sizes of the face, above which it fits no face.
FAR = 0.06


def fit_mesh(face: MeshFace, bundle: Bundle, height: int) -> Reconstruction:
    """Reconstruct a face from the points of Face Mesh.

    Parameters
    ----------
    face : MeshFace
        Pixels of the photo.
    bundle : Bundle
    height : int
        Of the photo in px.

    Returns
    -------
    Reconstruction
        Its `landmarks` are those read off the points; z is up to an offset.
    """
    fit = fit_points(face.mesh, bundle, height)
    corrected, offset = correct(fit, face.mesh, bundle)
    vertices: Array = bundle.spread @ corrected
    landmarks = read_landmarks(face.mesh) - [0, 0, offset]
    count = len(bundle.surface.vertices)
    return Reconstruction(
        similarity=np.eye(3),
        position_map=(bundle.operator @ vertices).reshape(*bundle.surface.face_mask.shape, 3).astype(np.float32),
        vertices=vertices[:count],
        landmarks=landmarks,
        pose=fit.pose,
        coefficients=fit.coefficients,
        mesh=face.mesh,
        doubt=doubt_of(face.confidence, fit.residual_px / size_of(face.mesh)),
    )


def size_of(mesh: Array) -> float:
    """Size in px of a face: the mean of width and height of its points (468, 3)."""
    return float(np.ptp(mesh[:, :2], axis=0).mean())


def fit_points(mesh: Array, bundle: Bundle, height: int) -> FaceFit:
    """Fit the face model of a bundle to the points (468, 3) of Face Mesh in a photo of some height in px."""
    sigma = np.tile(size_of(mesh) * SIGMA, (len(mesh), 1))
    return fit_face(bundle.points, mesh, sigma, bundle.prior, height)


def correct(fit: FaceFit, mesh: Array, bundle: Bundle) -> tuple[Array, float]:
    """Place the face model in a photo, and correct it where it cannot follow the points of Face Mesh.

    Parameters
    ----------
    fit : FaceFit
    mesh : (468, 3) float64
        Pixels of the photo.
    bundle : Bundle

    Returns
    -------
    vertices : (C, 3) float64
        Of `Bundle.model`, in pixels of the photo.
    offset : float
        Of the points' z from theirs.
    """
    missing = mesh - place(bundle.points, fit)
    offset = float(missing[:, 2].mean())
    missing[:, 2] = DEPTH * (missing[:, 2] - offset)
    # A product of two precisions would copy the matrix.
    return place(bundle.model, fit) + bundle.correction @ missing.astype(np.float32), offset


def doubt_of(presence: float, residual: float) -> str:
    """Why a face is likely wrong, as a sentence; empty if it is not.

    Parameters
    ----------
    presence : float
        Face Mesh's score.
    residual : float
        Distance of the points from the fitted face model, in sizes of the face.
    """
    if presence < MIN_PRESENCE:
        return f"Likely wrong: seen from the side, or no face (Face Mesh is sure to {100 * presence:.0f} %)."
    if residual > FAR:
        return f"Likely wrong: the points found are {100 * residual:.0f} % of the face's size from those of any face."
    return ""
