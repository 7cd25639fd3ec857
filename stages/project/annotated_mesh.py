"""Face Mesh's points of the face that an annotation is of."""

import numpy as np
from numpy.typing import NDArray

from pipeline.crops.detection import choose_face
from pipeline.crops.face_mesh import find_faces, open_networks


def annotated_mesh(photo: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float64] | None:
    """Find the points (468, 3) of the annotated face, in pixels of the photo.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    landmarks : (68, >=2) float
        Annotated. They say which of the faces that were found is meant, and nothing else.

    Returns
    -------
    (468, 3) float64 or None
        None where no face was found there.
    """
    faces = find_faces(photo, open_networks())
    chosen = choose_face(np.array([face.box for face in faces]).reshape(-1, 4), landmarks)
    return None if chosen is None else faces[chosen].mesh
