"""Faces in any photo by MTCNN, whichever way up it lies, and the crop of each.

The thesis names fastMTCNN (sections 3.2.2 and 3.3.1), and cites a paper on MTCNN for it: MTCNN, of the package `mtcnn`,
stands in for it.
"""

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.similarity import apply_similarity, make_similarity
from ..store.arrays import Array
from .alignment import box_similarity
from .detection import choose_face, open_mtcnn

RIGHT_EYE, LEFT_EYE, NOSE, RIGHT_MOUTH, LEFT_MOUTH = range(5)
CORNERS = [RIGHT_EYE, LEFT_EYE, RIGHT_MOUTH, LEFT_MOUTH]
# MTCNN's cost grows with the pixels. Its smallest face has 20 px, 2 % of this side.
LONGEST_SIDE = 1000
# Smaller faces have eyes of a few px, and what MTCNN takes for a face and is none is mostly smaller.
MIN_SIDE = 32
# MTCNN's own threshold. Of 300 test photos of AFLW2000-3D, 0.9 would lose two faces more, and 0.7 win none.
MIN_CONFIDENCE = 0.8
# MTCNN finds most faces that lie on their side or head as well, with wrong points, but mostly with less confidence.
# Where it is not as sure as this, the other ways up are tried: for one photo of eight, if all are upright.
CERTAIN = 0.98
# How much surer it must be of another way up, because most photos lie as they should.
ODDS_OF_UPRIGHT = 3.0

# Fitted to the landmarks of 400 training photos of AFLW2000-3D (least absolute deviations). A side that depends on the
# pose, or on the points too, was no better.
# How far the nose is off the midline of eyes and mouth, in distances from eyes to mouth: at most, to bound bad points.
MOST_ASIDE = 0.3
# Roll of a profile, in radians a unit of the nose's offset: the line from nose bridge to chin leans forward.
LEAN = 0.88
# Side of the box of the 68 landmarks, and its centre seen from the middle of eyes and mouth, in sides of MTCNN's box.
SIDE, ASIDE, BELOW = 0.862, -0.77, 0.065


@dataclasses.dataclass(frozen=True)
class Face:
    """A face that was found in a photo; all in pixels of the photo as given, whichever way it was turned to find it.

    Attributes
    ----------
    box : (4,) float64
        x and y of the upper left corner, width and height; it may reach beyond the photo.
    points : (5, 2) float64
        Right eye, left eye, nose, right and left mouth corner, right and left being the subject's.
    confidence : float
        MTCNN's, up to 1.
    quarter_turns : int
        0 to 3: how many turns by 90 degrees, counter-clockwise on the screen as by `numpy.rot90`, brought the face
        upright.
    """

    box: Array
    points: Array
    confidence: float
    quarter_turns: int


def find_faces(photo: NDArray[np.uint8]) -> list[Face]:
    """Find the faces in a photo.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB, of any size: MTCNN sees it scaled down to `LONGEST_SIDE`.

    Returns
    -------
    list of Face
        Largest box first: who is photographed fills the photo, and what is no face is mostly small. All were found the
        same way up, the one that the confidence of its largest face speaks for.
    """
    best = _detect(photo, 0)
    if _doubt(best) > 1 - CERTAIN:
        others = [_detect(photo, turns) for turns in (1, 2, 3)]
        best = min([best, *others], key=_doubt)
    return best


def choose_annotated(faces: list[Face], landmarks: NDArray) -> Face | None:
    """Choose the face that landmarks (68, >=2) were annotated on, see `detection.choose_face`; None where none is."""
    chosen = choose_face(np.array([face.box for face in faces]).reshape(-1, 4), landmarks)
    return None if chosen is None else faces[chosen]


def _doubt(faces: list[Face]) -> float:
    if not faces:
        return ODDS_OF_UPRIGHT
    return (1 - faces[0].confidence) * (1 if faces[0].quarter_turns == 0 else ODDS_OF_UPRIGHT)


def _detect(photo: NDArray[np.uint8], turns: int) -> list[Face]:
    """Faces that are upright after so many quarter turns, the largest first."""
    height, width = photo.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    small_width, small_height = round(scale * width), round(scale * height)
    if min(small_width, small_height) < MIN_SIDE:
        return []
    small = photo
    if scale < 1:
        small = np.asarray(cv2.resize(photo, (small_width, small_height), interpolation=cv2.INTER_AREA), np.uint8)
    rows = open_mtcnn().detect_faces(
        np.ascontiguousarray(np.rot90(small, turns)), output_type="numpy", box_format="xyxy", fit_to_image=False
    )
    ratio = np.array([width / small_width, height / small_height])
    faces = []
    for row in np.asarray(rows, np.float64).reshape(-1, 16):
        corners, points = row[1:5].reshape(2, 2), row[6:16].reshape(2, 5).T
        placed = (turn_back(np.concatenate([corners, points]), turns, small_height, small_width) + 0.5) * ratio - 0.5
        low, high = placed[:2].min(axis=0), placed[:2].max(axis=0)
        faces.append(Face(np.concatenate([low, high - low]), placed[2:], float(row[5]), turns))
    return sorted(filter(_is_usable, faces), key=lambda face: -face.box[2] * face.box[3])


def _is_usable(face: Face) -> bool:
    return face.confidence >= MIN_CONFIDENCE and bool(face.box[2:].min() >= MIN_SIDE)


def turn_back(points: NDArray, turns: int, height: int, width: int) -> Array:
    """Bring points of a photo that `numpy.rot90` has turned back to the photo before.

    Parameters
    ----------
    points : (..., 2) float
        Pixel frame of ``numpy.rot90(photo, turns)``.
    turns : int
        Quarter turns, counter-clockwise on the screen.
    height, width : int
        Of the photo before, in px.

    Returns
    -------
    (..., 2) float64
        Pixel frame of the photo before.
    """
    turned_height, turned_width = (height, width) if turns % 2 == 0 else (width, height)
    turned_middle = np.array([turned_width - 1, turned_height - 1]) / 2
    middle = np.array([width - 1, height - 1]) / 2
    return apply_similarity(make_similarity(1.0, turns * np.pi / 2, turned_middle, middle), np.asarray(points))


def points_roll(points: NDArray) -> float:
    """In-plane roll of a face by its five points, over the full circle.

    Parameters
    ----------
    points : (5, 2) float
        As in `Face`.

    Returns
    -------
    float
        Radians, as `pipeline.crops.alignment.face_roll` has it by 68 landmarks.

    Notes
    -----
    The direction is the sum of the lines from the right to the left eye and mouth corner, and of two lines from eyes to
    mouth, turned by 90 degrees. In a profile, where the nose is far off their midline, `face_roll`'s line from nose
    bridge to chin leans against them, which is taken into account.
    """
    roll, aside, narrowness = _describe(points)
    return float(np.angle(np.exp(1j * (roll + LEAN * aside * narrowness))))


def _describe(points: NDArray) -> tuple[float, float, float]:
    """Roll of eyes and mouth; how far the nose is off their midline; how much narrower than high the four are."""
    points = np.asarray(points, np.float64)
    across = (points[LEFT_EYE] - points[RIGHT_EYE] + points[LEFT_MOUTH] - points[RIGHT_MOUTH]) / 2
    down = (points[RIGHT_MOUTH] + points[LEFT_MOUTH] - points[RIGHT_EYE] - points[LEFT_EYE]) / 2
    axis = across + np.array([down[1], -down[0]])
    roll = float(np.arctan2(axis[1], axis[0]))
    level = make_similarity(1.0, -roll, (0, 0), (0, 0))
    width, height = apply_similarity(level, across)[0], apply_similarity(level, down)[1]
    height = max(float(height), 1e-6)  # bad points may coincide
    aside = apply_similarity(level, points[NOSE] - points[CORNERS].mean(axis=0))[0] / height
    return roll, float(np.clip(aside, -MOST_ASIDE, MOST_ASIDE)), float(1 - width / height)


def landmark_box_of(face: Face) -> Array:
    """Box of the 68 landmarks, as far as the box and the points of a found face tell where it is.

    MTCNN's own box is larger and lies elsewhere in a profile. Crops that a detector places, to learn from and of any
    photo, are framed by this one, and thus as those of landmarks are.

    Returns
    -------
    (4,) float64
        x and y of the upper left pixel, width and height in px of the photo; a square.
    """
    aside, side = _describe(face.points)[1], float(face.box[2:].mean())
    turn = make_similarity(side, points_roll(face.points), (0, 0), face.points[CORNERS].mean(axis=0))
    centre = apply_similarity(turn, np.array([ASIDE * aside, BELOW]))
    return np.concatenate([centre - (SIDE * side - 1) / 2, [SIDE * side, SIDE * side]])


def first_crop(face: Face, margin: float, size: int) -> Array:
    """Similarity of a face's levelled crop, without landmarks.

    Parameters
    ----------
    face : Face
    margin : float
        Side of the crop in sides of the box of the 68 landmarks, 1.5 in training.
    size : int
        Side of the aligned image in px.

    Returns
    -------
    (3, 3) float64
        Photo pixels to aligned pixels, near to what `pipeline.crops.alignment.align` makes of the landmarks.
    """
    return box_similarity(landmark_box_of(face), margin, points_roll(face.points), size)
