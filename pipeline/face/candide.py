"""CANDIDE-3 (Ahlberg, 2001): a wireframe of about a hundred vertices with units of shape and of animation.

Its file, ``candide3.wfm``, is a text: after the comments VERTEX LIST, FACE LIST, ANIMATION UNITS LIST and SHAPE UNITS
LIST stand a count and so many lines, of a unit a comment with its name, a count, and lines ``vertex dx dy dz``.

The wireframe becomes a face model whose identity vectors are the shape units and whose expression vectors are the
animation units, in the units of its file, and is fitted as any other. What it cannot do: its vertices are too few for
a surface (a cheek is two triangles), its units are drawn by hand and neither orthogonal nor measured from people, and
only 37 of the 68 landmarks have a vertex of their own: of the jaw line the chin alone.

References
----------
Ahlberg, 2001. CANDIDE-3 - an updated parameterised face. Report LiTH-ISY-R-2326, Linkoping University. Appendix A says
which point of the face each vertex is.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array
from .face_model import FaceModel, at_vertices
from .fit import FaceFit, Prior, fit_face, place
from .landmarks import LANDMARKS

# The vertex that each landmark is, by the report's descriptions; left and right are the subject's in both.
VERTEX_OF = (
    {8: 10}  # bottom of the chin
    | {17: 48, 19: 49, 21: 50, 22: 17, 24: 16, 26: 15}  # brows: outer ends, uppermost points, inner ends
    | {30: 5, 31: 59, 33: 6, 35: 26}  # tip of the nose, outer borders of the nostrils, middle of its lower edge
    | {36: 53, 37: 98, 38: 106, 39: 56, 40: 108, 41: 100}  # right eye: corners, and the lids' rims
    | {42: 23, 43: 105, 44: 97, 45: 20, 46: 99, 47: 107}  # left eye
    | {48: 64, 50: 66, 51: 7, 52: 33, 54: 31, 57: 8}  # outer lips: corners, peaks, middles
    | {60: 89, 61: 81, 62: 87, 63: 82, 64: 88, 65: 84, 66: 40, 67: 83}  # inner lips
)
# A heading of a section; the comment of a unit may be in capitals, too.
HEADING = re.compile(r"#\s*([A-Z][A-Z ]* (?:LIST|PARAMETERS|FILE)|TEXTURE):?\s*$")
VERTICES, FACES = "VERTEX LIST", "FACE LIST"
ANIMATION, SHAPE = "ANIMATION UNITS LIST", "SHAPE UNITS LIST"
# In distances of the outer corners of the eyes: how far at least the tip of the nose stands before them, and how far
# the unit that moves most moves.
LEAST_NOSE, LEAST_MOVE, MOST_MOVE = 0.05, 0.002, 5.0
# Standard deviation of a unit's parameter: the report has them go from -1 to 1.
UNIT_SIGMA = 0.5


def read_wireframe(path: Path) -> FaceModel:
    """Read a ``.wfm`` file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    FaceModel
        In the file's frame, which is that of our models but for its unit: x to the subject's left, y up, z towards the
        viewer. Identity vectors are the shape units, expression vectors the animation units with their names;
        `landmarks` is empty, since not all 68 are vertices: see `VERTEX_OF`.

    Raises
    ------
    ValueError
        If there is no such file, a section is missing or is not as the format has it, the face is turned or
        mirrored, or its units are of another unit of length.
    OSError
        If the file can't be read.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file; expected CANDIDE-3's wireframe, candide3.wfm, see docs/survey.md.")
    sections = _sections(path.read_text(encoding="latin-1").splitlines())
    missing = [name for name in (VERTICES, FACES, ANIMATION, SHAPE) if name not in sections]
    if missing:
        raise ValueError(f"{path} is no CANDIDE wireframe: it lacks the section {', '.join(missing)}.")
    vertices = _table(path, VERTICES, sections[VERTICES], 3)
    triangles = _table(path, FACES, sections[FACES], 3)
    if len(vertices) <= max(VERTEX_OF.values()):
        raise ValueError(f"{path} has {len(vertices)} vertices; CANDIDE-3 has 113, and its landmarks need them.")
    if not ((triangles >= 0) & (triangles < len(vertices)) & (triangles % 1 == 0)).all():
        raise ValueError(f"{path}, {FACES}: a face is not of three of the {len(vertices)} vertices.")
    right, left = (vertices[VERTEX_OF[corner], 0] for corner in (36, 45))
    if right >= left:
        raise ValueError(f"{path}: the left eye's outer corner is not to the left of the right one's; x is mirrored.")
    corners, nose, chin = vertices[[VERTEX_OF[36], VERTEX_OF[45]]], vertices[VERTEX_OF[30]], vertices[VERTEX_OF[8]]
    width = float(left - right)
    if corners[:, 1].min() <= chin[1]:
        raise ValueError(f"{path}: the corners of the eyes are not above the chin; y is to point up.")
    if nose[2] < corners[:, 2].max() + LEAST_NOSE * width:
        raise ValueError(f"{path}: the tip of the nose is not before the eyes; z is to point out of the face.")
    animation, names = _units(path, ANIMATION, sections[ANIMATION], len(vertices))
    shape, _ = _units(path, SHAPE, sections[SHAPE], len(vertices))
    for section, units in ((ANIMATION, animation), (SHAPE, shape)):
        most = float(np.abs(units).max(initial=0.0))
        if units.any() and not LEAST_MOVE * width < most < MOST_MOVE * width:
            raise ValueError(
                f"{path}, {section}: the largest move of a unit is {most:g}, and the eyes' outer corners are {width:g} "
                "apart: units and vertices are to have one unit of length."
            )
    return FaceModel(
        mean=vertices.astype(np.float32),
        shape_basis=shape,
        expression_basis=animation,
        triangles=triangles.astype(np.int32),
        landmarks=np.zeros(0, np.int32),
        expression_names=names,
    )


def _sections(lines: Sequence[str]) -> dict[str, list[str]]:
    """Lines that are not empty below each heading."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in map(str.strip, lines):
        if heading := HEADING.match(line):
            current = sections.setdefault(heading[1].strip(), [])
        elif line:
            current.append(line)
    return sections


def _numbers(path: Path, section: str, lines: Sequence[str], columns: int) -> Array:
    """Lines of so many numbers each, (N, columns)."""
    try:
        table = np.array([[float(word) for word in line.split()] for line in lines]).reshape(len(lines), columns)
    except ValueError as error:
        raise ValueError(f"{path}, {section}: expected lines of {columns} numbers: {error}.") from error
    if not np.isfinite(table).all():
        raise ValueError(f"{path}, {section}: a number is not finite.")
    return table


def _table(path: Path, section: str, lines: Sequence[str], columns: int) -> Array:
    """A count and so many lines of numbers."""
    lines = [line for line in lines if not line.startswith("#")]
    count = _count(path, section, lines)
    if len(lines) - 1 < count:
        raise ValueError(f"{path}, {section}: {count} lines are announced and {len(lines) - 1} are there.")
    return _numbers(path, section, lines[1 : count + 1], columns)


def _count(path: Path, section: str, lines: Sequence[str]) -> int:
    if not (lines and lines[0].isdigit()):
        raise ValueError(f"{path}, {section}: expected a count, found {lines[0] if lines else 'nothing'!r}.")
    return int(lines[0])


def _units(
    path: Path, section: str, lines: Sequence[str], vertices: int
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Units as vectors (vertices, 3, N), and their names."""
    first = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    count = _count(path, section, lines[first:])
    units = list(_split_units(path, section, lines[first + 1 :]))
    if len(units) != count:
        raise ValueError(f"{path}, {section}: {count} units are announced and {len(units)} are there.")
    basis = np.zeros((vertices, 3, count), np.float32)
    for index, (name, moved) in enumerate(units):
        chosen = moved[:, 0].astype(np.int64)
        if (chosen != moved[:, 0]).any() or (chosen < 0).any() or (chosen >= vertices).any():
            raise ValueError(f"{path}, {section}: unit {name!r} moves a vertex that is none of the {vertices}.")
        basis[chosen, :, index] = moved[:, 1:]
    return basis, tuple(name for name, _ in units)


def _split_units(path: Path, section: str, lines: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Each unit's name, the first of the comments above it, and its lines (N, 4)."""
    name, rest = "", list(lines)
    while rest:
        line = rest.pop(0)
        if line.startswith("#"):
            name = name or line.lstrip("# \t")
            continue
        count = _count(path, section, [line])
        if len(rest) < count:
            raise ValueError(f"{path}, {section}: unit {name!r} ends after {len(rest)} of {count} lines.")
        yield name, _numbers(path, section, rest[:count], 4)
        name, rest = "", rest[count:]


def fit_candide(model: FaceModel, landmarks: NDArray, sigma: float, height: int) -> FaceFit:
    """Fit pose and units to those of the 68 landmarks that the wireframe has.

    Parameters
    ----------
    model : FaceModel
        From `read_wireframe`.
    landmarks : (68, 2) float
        Pixels of the photo, y down.
    sigma : float
        Standard deviation of each in px.
    height : int
        Of the photo in px.

    Returns
    -------
    FaceFit

    Raises
    ------
    ValueError
        As `fit_face`.
    """
    vertices = list(VERTEX_OF.values())
    count = model.shape_basis.shape[2] + model.expression_basis.shape[2]
    prior = Prior(np.zeros(count), np.full(count, UNIT_SIGMA))
    own = at_vertices(model, lambda values: values[vertices])
    return fit_face(own, np.asarray(landmarks)[list(VERTEX_OF)], sigma, prior, height)


def place_candide(model: FaceModel, fit: FaceFit) -> tuple[Array, Array]:
    """Place the wireframe in a photo: vertices (V, 3) in px, and the 68 landmarks (68, 3), NaN where it has none."""
    vertices = place(model, fit)
    landmarks = np.full((LANDMARKS, 3), np.nan)
    landmarks[list(VERTEX_OF)] = vertices[list(VERTEX_OF.values())]
    return vertices, landmarks
