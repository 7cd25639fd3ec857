"""A network that regresses position maps, as a bundle holds it, with all that its crops and its maps are made by."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..crops.alignment import align
from ..face.face_model import FaceModel, at_vertices
from ..face.similarity import apply_similarity, make_similarity
from ..store.arrays import Array
from ..store.sparse import SparseMatrix, from_scipy
from ..uv.map_fit import choose_texels
from ..uv.position_map import UVLayout
from ..uv.surface import Surface, make_surface


@dataclasses.dataclass(frozen=True)
class NetworkFacts:
    """What is known of a network beside its weights.

    Attributes
    ----------
    scaling : str
        How its output becomes px, by the name that training has for it.
    size : int
        Side in px of its crops and maps.
    margin : float
        Side of the crop in sides of the box of the 68 landmarks.
    level : bool
        Whether its crops are levelled.
    variant : str
        Which network it is.
    weights_sha256 : str
        Of the file of the weights that it was exported from.
    trained_on : str
        Names of the sets of faces that it has learnt from.
    demo : bool
        Whether these are procedural: then it knows no real face.
    faces : int
        How many it has learnt from.
    """

    scaling: str
    size: int
    margin: float
    level: bool
    variant: str
    weights_sha256: str
    trained_on: str
    demo: bool
    faces: int

    def __str__(self) -> str:
        kind = "procedural" if self.demo else "real"
        return f"network {self.variant!r}, trained on {self.faces:,} {kind} faces ({self.trained_on})"


@dataclasses.dataclass(frozen=True, eq=False)
class MapNetwork:
    """A network that regresses position maps.

    Attributes
    ----------
    onnx : bytes
        ONNX file: from a crop (1, S, S, 3) float32, RGB in [0, 1], to its map (1, S, S, 3), scaled as `facts` says.
    facts : NetworkFacts
    surface : Surface
        Where its maps are read.
    operator : (S * S, V) sparse float32
        Of its UV layout: texels of what the V vertices of the surface carry.
    mean : (V, 3) float32
        Mean face at these vertices, model frame.
    texels : (K,) int64
        Texels of its maps, row-major, that the face model is fitted to.
    points : FaceModel
        At these texels.
    weights : bytes
        Keras's file of its weights, to train it further (see `model.weights`); empty if there are none.
    """

    onnx: bytes
    facts: NetworkFacts
    surface: Surface
    operator: SparseMatrix
    mean: NDArray[np.float32]
    texels: NDArray[np.int64]
    points: FaceModel
    weights: bytes = b""


def make_network(onnx: bytes, facts: NetworkFacts, model: FaceModel, layout: UVLayout) -> MapNetwork:
    """Put a network together with the face model and the UV layout that it was trained with.

    Raises
    ------
    ValueError
        If the layout is of another size than the network, or its mask covers no vertex of the model.
    """
    if layout.size != facts.size:
        raise ValueError(f"The network's maps have {facts.size} px, its UV layout {layout.size}.")
    surface = make_surface(layout.uv, model.triangles, model.landmarks, layout.face_mask)
    texels = choose_texels(layout.face_mask)
    rows = layout.operator[texels]
    points = at_vertices(
        model,
        lambda values: (rows @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:]).astype(np.float32),
    )
    operator = from_scipy(layout.operator.tocsc()[:, surface.vertices].tocsr())
    return MapNetwork(onnx, facts, surface, operator, model.mean[surface.vertices], texels, points)


def place_crop(landmarks: NDArray, quarter_turns: int, facts: NetworkFacts) -> Array:
    """Similarity (3, 3) from photo pixels to those of a network's crop.

    Parameters
    ----------
    landmarks : (68, >=2) float
        Photo pixels. Their box places the crop, as the annotated ones do in training, and they level it.
    quarter_turns : int
        That bring the face upright, see `Face`. A network whose crops are not levelled has seen upright faces too.
    facts : NetworkFacts
    """
    if facts.level:
        return align(landmarks, facts.margin, True, facts.size)
    turn = make_similarity(1.0, -quarter_turns * np.pi / 2, (0, 0), (0, 0))
    return align(apply_similarity(turn, landmarks[:, :2]), facts.margin, False, facts.size) @ turn
