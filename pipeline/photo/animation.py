"""A face of a video as one GLB: its mesh, with the expressions as morph targets, moves as it did in the video."""

from collections.abc import Sequence

import numpy as np

from ..face.camera import rotation_matrix
from ..face.face_model import name_expressions
from ..store.arrays import Array, Image
from .bundle import Bundle
from .fitting import correct
from .mesh_files import Mesh
from .morph_files import Animation, morph_glb
from .texture import vertex_colours
from .tracking import ALL_SEEN, TrackedFace


def animated_glb(
    bundle: Bundle, photo: Image, face: TrackedFace, times: Sequence[float], poses: Array, weights: Array
) -> bytes:
    """Make the GLB of one face.

    Parameters
    ----------
    bundle : Bundle
    photo : (H, W, 3) uint8
        A frame that shows the face well, best from the front: it gives the colours.
    face : TrackedFace
        The face in it: without its expression it is the mesh at rest.
    times : sequence of T float
        Seconds, which grow.
    poses : (T, 7) float64
        As `FaceFit` has them.
    weights : (T, E) float64
        Coefficients of the expressions.

    Returns
    -------
    bytes
        In the model's frame, and in px of the photo.
    """
    scale, camera = face.fit.pose[6], face.fit.camera
    seen = bundle.spread @ correct(face.fit, face.mesh, ALL_SEEN, bundle)[0]
    placed = (seen - camera[:, 3]) @ np.linalg.inv(camera[:, :3]).T * scale
    targets = np.stack([scale * (bundle.spread @ basis) for basis in np.moveaxis(bundle.model.expression_basis, 2, 0)])
    rest = placed - np.tensordot(face.fit.coefficients[-len(targets) :], targets, 1)
    mesh = Mesh(rest, bundle.surface.triangles, colours=vertex_colours(photo, seen))
    rotations = np.array([rotation_matrix(*pose[:3]) for pose in poses])
    animation = Animation(np.asarray(times), weights, rotations, poses[:, 3:6], poses[:, 6] / scale)
    return morph_glb(mesh, targets, name_expressions(bundle.model), animation=animation)
