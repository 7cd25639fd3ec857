"""The ICT Face Model Light of ICT-FaceKit as it is published: a folder of Wavefront OBJ files, one a shape.

References
----------
R. Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020; https://github.com/ICT-VGL/ICT-FaceKit.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel

NEUTRAL = "generic_neutral_mesh.obj"
# Vertices of every published file, and the first of them, which are the "narrow face": without ears, neck, eyeballs,
# teeth and the bag of the mouth.
VERTICES, NARROW_FACE = 26_719, 6_706
# The unit is not published. Centimetres give a face 15 cm wide whose eyes are 6.3 cm apart.
MICROMETRES = 1e4
VERTEX, FACE = re.compile(r"^v .*$", re.MULTILINE), re.compile(r"^f (.*)$", re.MULTILINE)
# In upstream's order. Its folder has more, which its own list leaves out too.
EXPRESSIONS = (
    *("browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "browOuterUp_L", "browOuterUp_R"),
    *("cheekPuff_L", "cheekPuff_R", "cheekSquint_L", "cheekSquint_R", "eyeBlink_L", "eyeBlink_R"),
    *("eyeLookDown_L", "eyeLookDown_R", "eyeLookIn_L", "eyeLookIn_R", "eyeLookOut_L", "eyeLookOut_R"),
    *("eyeLookUp_L", "eyeLookUp_R", "eyeSquint_L", "eyeSquint_R", "eyeWide_L", "eyeWide_R"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimple_L", "mouthDimple_R"),
    *("mouthFrown_L", "mouthFrown_R", "mouthFunnel", "mouthLeft", "mouthLowerDown_L", "mouthLowerDown_R"),
    *("mouthPress_L", "mouthPress_R", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper"),
    *("mouthShrugLower", "mouthShrugUpper", "mouthSmile_L", "mouthSmile_R", "mouthStretch_L", "mouthStretch_R"),
    *("mouthUpperUp_L", "mouthUpperUp_R", "noseSneer_L", "noseSneer_R"),
)
# Vertices of the 68 iBUG points, from upstream's vertex_indices.json: jaw, brows, nose, eyes, mouth.
LANDMARKS = (
    *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
    *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509),
    *(978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360),
    *(1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732),
    *(5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),
    *(5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
)


def load_ict(folder: Path) -> FaceModel:
    """Read ``FaceXModel/``, ICT-FaceKit's published folder, cut to the narrow face.

    Parameters
    ----------
    folder : Path
        With ``generic_neutral_mesh.obj``, any of ``identity000.obj`` to ``identity099.obj`` and any of the expressions
        under their names (`EXPRESSIONS`), at least one of each.

    Returns
    -------
    FaceModel
        The vectors are the shapes less the neutral one, of what is there, in the order of the numbers and of
        `EXPRESSIONS`. A coefficient of identity is about N(0, 1), one of an expression from 0 to 1. Quads are split
        along the shorter diagonal, which is the same on both sides of the face.

    Raises
    ------
    FileNotFoundError
        If the neutral shape, all identities or all expressions are missing.
    ValueError
        If a file is damaged or of another mesh.
    """
    identities = sorted(folder.glob("identity[0-9][0-9][0-9].obj"))
    names = [name for name in EXPRESSIONS if (folder / f"{name}.obj").is_file()]
    for there, what in (
        ((folder / NEUTRAL).is_file(), NEUTRAL),
        (identities, "identity, such as identity000.obj"),
        (names, "expression, such as jawOpen.obj"),
    ):
        if not there:
            raise FileNotFoundError(f"{folder} has no {what}; docs/data.md says where to get ICT-FaceKit's model.")
    neutral = _read_text(folder / NEUTRAL)
    mean = _vertices(neutral, folder / NEUTRAL)
    return FaceModel(
        mean=mean.astype(np.float32),
        shape_basis=_basis(identities, mean),
        expression_basis=_basis([folder / f"{name}.obj" for name in names], mean),
        triangles=_split(_quads(neutral, folder / NEUTRAL), mean),
        landmarks=np.array(LANDMARKS, np.int32),
        expression_names=tuple(names),
    )


def _read_text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def _vertices(text: str, path: Path) -> NDArray[np.float64]:
    """Vertices (NARROW_FACE, 3) of a file's text, in micrometres."""
    count = text.count("\nv ")
    if count != VERTICES:
        raise ValueError(f"{path} has {count} vertices; expected ICT-FaceKit's {VERTICES}. Get the file again.")
    # The first quarter of 2.5 MB has them; reading all lines would take a folder of 154 files twice as long.
    rows = [line.group() for line in itertools.islice(VERTEX.finditer(text), NARROW_FACE)]
    try:
        vertices = np.loadtxt(rows, usecols=(1, 2, 3), comments=None)
    except ValueError as error:
        raise ValueError(f"{path} has a damaged vertex ({error}). Get the file again.") from error
    if not np.isfinite(vertices).all():
        raise ValueError(f"{path} has a vertex that is not finite. Get the file again.")
    return vertices * MICROMETRES


def _basis(paths: Sequence[Path], mean: NDArray[np.float64]) -> NDArray[np.float32]:
    """Displacements (V, 3, K) from the mean, a vector a file."""
    basis = np.zeros((*mean.shape, len(paths)), np.float32)
    for number, path in enumerate(paths):
        basis[..., number] = _vertices(_read_text(path), path) - mean
    return basis


def _quads(text: str, path: Path) -> NDArray[np.int32]:
    """Faces (Q, 4) that have all corners in the narrow face, 0-based, of lines such as ``f 874/1 12/2 871/3 873/4``."""
    try:
        faces = [[int(corner.split("/")[0]) - 1 for corner in line.split()] for line in FACE.findall(text)]
    except ValueError as error:
        raise ValueError(f"{path} has a damaged face ({error}). Get the file again.") from error
    kept = [face for face in faces if max(face, default=0) < NARROW_FACE]
    if not kept or any(len(face) != 4 or min(face) < 0 for face in kept):
        raise ValueError(f"{path} has another mesh than ICT-FaceKit's, a face made of quads. Get the file again.")
    return np.array(kept, np.int32)


def _split(quads: NDArray[np.int32], vertices: NDArray) -> NDArray[np.int32]:
    """Split quads (Q, 4) along the shorter diagonal: rows 2q and 2q + 1 are quad q."""
    a, b, c, d = vertices[quads].transpose(1, 0, 2)
    first = np.linalg.norm(a - c, axis=1) <= np.linalg.norm(b - d, axis=1)
    corners = np.where(first[:, None], [[0, 1, 2, 0, 2, 3]], [[0, 1, 3, 1, 2, 3]])
    return np.take_along_axis(quads, corners, axis=1).reshape(-1, 3)
