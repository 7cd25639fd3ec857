"""The face, by BlazeFace and Face Mesh, that an annotation is of."""

import numpy as np
from numpy.typing import NDArray

from pipeline.crops.detection import choose_by_union
from pipeline.crops.face_mesh import MeshFace, find_faces, look_again, open_networks


def annotated_face(photo: NDArray[np.uint8], landmarks: NDArray) -> MeshFace | None:
    """Find the annotated face of a photo, and look at it several times.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    landmarks : (68, >=2) float
        Annotated. They say which of the faces that were found is meant, and nothing else.

    Returns
    -------
    MeshFace or None
        None where no face was found there.
    """
    networks = open_networks()
    faces = find_faces(photo, networks)
    chosen = choose_by_union(np.array([face.box for face in faces]).reshape(-1, 4), landmarks)
    return None if chosen is None else look_again(photo, faces[chosen], networks["mesh"])
