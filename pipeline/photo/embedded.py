"""The bundle that everyone has: the procedural face and the networks of Face Mesh, nothing licensed, nothing learnt."""

from collections.abc import Mapping

import numpy as np

from ..demo.face import make_face
from ..face.face_model import FaceModel
from ..face.fit import Prior
from .bundle import Bundle
from .bundling import make_bundle

# Names of the procedural face's expressions, ARKit's where it has the same one for a single side or both.
EXPRESSIONS = ("jawOpen", "mouthSmile", "browUp", "mouthPucker", "eyeBlink", "mouthCornerUp")
# Of an expression's coefficient: 1 is a wide open mouth, or a smile. 468 points outweigh it: with 1 or 2 the face model
# fits photos with open mouths no better.
EXPRESSION_SIGMA = 0.5
LICENCE = "procedural, of this software (MIT)"


def embedded_model() -> tuple[FaceModel, Prior]:
    """Make the procedural face model, its expressions named, and the prior of its coefficients."""
    face = make_face()
    model = FaceModel(face.mean, face.shape_basis, face.expression_basis, face.triangles, face.landmarks, EXPRESSIONS)
    sigma = np.concatenate([face.shape_sigma, np.full(face.expression_basis.shape[2], EXPRESSION_SIGMA)])
    return model, Prior(np.zeros(len(sigma)), sigma)


def make_embedded(files: Mapping[str, bytes] | None = None) -> Bundle:
    """Make the bundle; some seconds.

    Parameters
    ----------
    files : mapping of str to bytes, optional
        The networks, as `pipeline.crops.face_mesh.read_files` gives them; by default those of the installed package.

    Raises
    ------
    FileNotFoundError
        If the networks are not installed.
    """
    return make_bundle(*embedded_model(), "embedded", LICENCE, files)
