"""A face by the face model alone: fitted to the points of Face Mesh, and corrected where the model cannot follow."""

import numpy as np

from ..crops.face_mesh import MIN_PRESENCE, MeshFace
from ..crops.mesh_landmarks import read_landmarks
from ..face.fit import fit_face, place
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
    size = float(np.ptp(face.mesh[:, :2], axis=0).mean())
    fit = fit_face(bundle.points, face.mesh, np.tile(size * SIGMA, (len(face.mesh), 1)), bundle.prior, height)
    missing = face.mesh - place(bundle.points, fit)
    offset = float(missing[:, 2].mean())
    missing[:, 2] = DEPTH * (missing[:, 2] - offset)
    vertices: Array = bundle.spread @ (place(bundle.model, fit) + bundle.correction @ missing)
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
        doubt=doubt_of(face.confidence, fit.residual_px / size),
    )


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
