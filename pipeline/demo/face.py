"""A procedural linear face model: identity, expression, topology and landmarks, no scan and no person behind it.

The frame is a face model's: x to the subject's left, y up, z towards the viewer. Formulas are in millimetres, results
in micrometres, as BFM's. Only the subject's left half is computed; the other half is its mirror image, bit for bit.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LANDMARKS, MIRRORED
from ..store.arrays import Floats
from .surface import (
    COLUMNS,
    EYE_X,
    EYE_Y,
    MOUTH_COLUMN,
    MOUTH_ROW,
    ROWS,
    eye_lids,
    gauss,
    grid_columns,
    half_surface,
    is_lower,
    smoothstep,
)

MICROMETRES = 1000.0

# The 68 iBUG points: on the midline and on the subject's left half, as (x, y) seen from the front, or (x, y, z).
JAW_LEFT = {
    16: (73, 18, 16), 15: (72, 2, 17), 14: (69, -15, 20), 13: (65, -33, 26), 12: (59, -50, 34),
    11: (50, -64, 47), 10: (38, -74, 66), 9: (21, -82, 84),
}  # fmt: skip
FRONT_LEFT = {
    22: (17, 43), 23: (27, 47), 24: (38, 48.5), 25: (49, 46.5), 26: (57.5, 40),
    34: (6, -17.5), 35: (12, -16),
    42: (19.4, 25.3), 43: (26.6, 30.4), 44: (36, 30.6), 45: (43.8, 26.2), 46: (36.2, 22.6), 47: (27, 22.4),
    52: (5.5, -31), 53: (15, -34.5), 54: (27.2, -41), 55: (15.5, -46.5), 56: (7.5, -49),
}  # fmt: skip
FRONT_MIDLINE = {
    8: (0, -86),
    27: (0, 27),
    28: (0, 15),
    29: (0, 3),
    30: (0, -8),
    33: (0, -19),
    51: (0, -32.3),
    57: (0, -49.8),
}
INNER_LIPS = {62: (0, "upper"), 63: (4, "upper"), 64: (MOUTH_COLUMN, "upper"), 65: (4, "lower"), 66: (0, "lower")}


@dataclasses.dataclass(frozen=True)
class ProceduralFace:
    """A linear face model with the knowledge of its symmetry.

    Attributes
    ----------
    mean : (V, 3) float32
        Neutral face with slightly open mouth, micrometres. Its mirror image is ``mean[mirror] * (-1, 1, 1)``.
    shape_basis : (V, 3, S) float32
        Identity vectors of unit length.
    expression_basis : (V, 3, E) float32
        Expression vectors, micrometres per unit of coefficient.
    shape_sigma : (S,) float64
        Standard deviations of the identity coefficients.
    shape_parity, expression_parity : (S,) and (E,) float64
        1 for a vector that is its own mirror image, -1 for one that is the negative of it.
    triangles : (F, 3) int32
        Counter-clockwise seen from outside.
    landmarks : (68,) int32
    mirror : (V,) int32
        Index of each vertex's mirror image.
    mouth_upper, mouth_lower : (2 k + 1,) int32
        Vertices of both lips along the mouth's hole, from the subject's right corner to the left one.
    rim : (R,) int32
        Vertices of the outer rim behind the subject's left ear, from top to bottom.
    top, bottom : (C,) int32
        Vertices of the outer rim over the forehead and along the neck, from the subject's right to the left.
    """

    mean: NDArray[np.float32]
    shape_basis: NDArray[np.float32]
    expression_basis: NDArray[np.float32]
    shape_sigma: Floats
    shape_parity: Floats
    expression_parity: Floats
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]
    mirror: NDArray[np.int32]
    mouth_upper: NDArray[np.int32]
    mouth_lower: NDArray[np.int32]
    rim: NDArray[np.int32]
    top: NDArray[np.int32]
    bottom: NDArray[np.int32]


def make_face() -> ProceduralFace:
    """Build the model; it takes no random numbers and comes out the same every time."""
    half = half_surface()
    lower = is_lower()
    on_midline = grid_columns() == 0
    mirror, left = _mirror(on_midline)
    identity = [(_unit(_unfold(field, parity, left)), parity, rms) for field, parity, rms in identity_fields(half)]
    sigma = [1000 * rms * np.sqrt(len(mirror)) for _, _, rms in identity]
    expression = [(_unfold(field, parity, left), parity) for field, parity in expression_fields(half, lower)]
    upper, under = _mouth_loop(mirror)
    mean = (_unfold(half, 1, left) * MICROMETRES).astype(np.float32)
    return ProceduralFace(
        mean=mean,
        shape_basis=np.stack([vector for vector, _, _ in identity], axis=-1).astype(np.float32),
        expression_basis=(np.stack([vector for vector, _ in expression], axis=-1) * MICROMETRES).astype(np.float32),
        shape_sigma=np.array(sigma),
        shape_parity=np.array([parity for _, parity, _ in identity], np.float64),
        expression_parity=np.array([parity for _, parity in expression], np.float64),
        triangles=_triangles(mirror),
        landmarks=_landmarks(half, mirror),
        mirror=mirror,
        mouth_upper=upper,
        mouth_lower=under,
        rim=np.arange(COLUMNS - 1, ROWS * COLUMNS, COLUMNS, dtype=np.int32),
        top=_across(np.arange(COLUMNS), mirror),
        bottom=_across(np.arange((ROWS - 1) * COLUMNS, ROWS * COLUMNS), mirror),
    )


# --- identity and expression -------------------------------------------------------------------------------------

Field = tuple[Floats, int, float]  # displacement (H, 3) in mm, parity, root mean square over the face in mm


def _vector(x: Floats | float, y: Floats | float, z: Floats | float, like: Floats) -> Floats:
    return np.stack([np.broadcast_to(part, len(like)) for part in (x, y, z)], axis=1).astype(np.float64)


def identity_fields(p: Floats) -> list[Field]:
    """What makes one person's left half differ from the mean: displacement, parity, typical size."""
    x, y, z = p.T
    front = smoothstep(10, 70, z)
    below, above = smoothstep(-10, -75, y), smoothstep(35, 85, y)
    nose = gauss(p, [0, -4], [13, 15]) * smoothstep(96, 112, z)
    ridge = gauss(p, [0, 6], [9, 14]) * smoothstep(96, 108, z)
    eye = gauss(p, [EYE_X, EYE_Y], [13, 9]) * front
    mouth = gauss(p, [0, -40], [24, 10]) * front
    chin = gauss(p, [0, -76], [24, 14]) * front
    jaw = gauss(p, [58, -50, 35], [22, 22, 40])
    cheek = gauss(p, [43, -14], [18, 22]) * front
    brow = gauss(p, [26, 42], [22, 8]) * front
    wings = gauss(p, [11, -14], [8, 8]) * front
    return [
        (_vector(0.10 * x, -0.05 * y, 0, p), 1, 2.2),  # a broad or a narrow face
        (_vector(-0.04 * x * below, -9 * below + 4 * above, 0, p), 1, 2.2),  # a long face
        (_vector(5 * jaw, -3 * jaw - 2 * chin, -1 * chin, p), 1, 1.0),  # a square jaw
        (_vector(0, -3 * chin, 6 * chin, p), 1, 0.8),  # a strong chin
        (_vector(0, -2.5 * nose, 8 * nose, p), 1, 0.55),  # a long nose
        (_vector(4 * wings + 0.15 * x * ridge, 0, -2 * wings, p), 1, 0.28),  # a broad nose
        (_vector(0, 0, 5 * ridge - 1.5 * nose, p), 1, 0.3),  # a high bridge
        (_vector(3 * eye, 0.25 * (y - EYE_Y) * eye, 0, p), 1, 0.38),  # eyes wide apart and open
        (_vector(5 * cheek, 0, 4 * cheek, p), 1, 0.9),  # full cheeks
        (_vector(0.12 * x * mouth, 0.28 * (y + 40) * mouth, 3 * mouth, p), 1, 0.6),  # full lips
        (_vector(0, -2 * brow, 5 * brow - 5 * above * front, p), 1, 0.9),  # heavy brows, a receding forehead
        (_vector(5 * nose, 0, 0, p), -1, 0.35),  # a nose bent to one side
        (_vector(5 * below * front, 0, 0, p), -1, 0.5),  # a jaw set to one side
    ]


def expression_fields(p: Floats, lower: NDArray[np.bool_]) -> list[tuple[Floats, int]]:
    """Displacement (mm) of the left half for one unit of each expression, and its parity."""
    x, y, z = p.T
    front = smoothstep(10, 70, z)
    jaw = 0.045 * _jaw_share(p, lower)
    corner = gauss(p, [26, -40], [13, 11]) * front
    cheek = gauss(p, [40, -8], [13, 12]) * front
    one_side = corner * smoothstep(0, 18, x)
    brow = gauss(p, [29, 47], [22, 10]) * front + 0.5 * gauss(p, [20, 66], [26, 12])
    mouth = gauss(p, [0, -40], [24, 13]) * front
    upper, under = eye_lids(x)
    lid = np.where(y > under, np.clip((y - under) / np.maximum(upper - under, 1e-9), 0, 1), 0)
    lid = np.where(y > upper, np.exp(-(((y - upper) / 5) ** 2)), lid) * smoothstep(14, 11.5, np.abs(x - EYE_X))
    return [
        (_vector(0, -(z - 5) * jaw, (y - 8) * jaw, p), 1),  # jaw open, turning about the ears
        (_vector(2.6 * corner, 3.0 * corner + 1.2 * cheek, -1.4 * corner + 1.6 * cheek, p), 1),  # smile
        (_vector(0, 2.2 * brow, 0, p), 1),  # brows up
        (_vector(-0.12 * x * mouth, 0, 2.4 * mouth, p), 1),  # pucker
        (_vector(0, -0.33 * (upper - under) * lid, 0.3 * lid, p), 1),  # blink: shut at 3
        (_vector(0.8 * one_side, 2.4 * one_side, 0, p), -1),  # one corner of the mouth up
    ]


def _jaw_share(p: Floats, lower: NDArray[np.bool_]) -> Floats:
    """How far each vertex goes with the lower jaw: 0 on the upper lip, 1 on the lower one, 1/2 at the mouth's corners.

    It follows the angle of elliptic coordinates whose foci are the corners, so the mouth opens to an ellipse.
    """
    corner_x, corner_y = p[MOUTH_ROW * COLUMNS + MOUTH_COLUMN, :2]
    x, y = p[:, 0], p[:, 1] - corner_y
    cosine = np.clip((np.hypot(x + corner_x, y) - np.hypot(x - corner_x, y)) / (2 * corner_x), -1, 1)
    down = np.where(x < corner_x, lower, y < 0)
    share = smoothstep(0.06, 0.94, 0.5 + np.where(down, 0.5, -0.5) * np.sqrt(1 - cosine**2))
    return share * (1 - 0.8 * smoothstep(-88, -118, p[:, 1])) * smoothstep(-25, 10, p[:, 2])


def _unit(field: Floats) -> Floats:
    return field / np.linalg.norm(field)


# --- mirror, triangles, landmarks --------------------------------------------------------------------------------


def _mirror(on_midline: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the right half after the left: each vertex's mirror image (V,), and the left vertices that have one."""
    left = np.flatnonzero(~on_midline)
    right = np.arange(len(left)) + len(on_midline)
    mirror = np.concatenate([np.arange(len(on_midline)), left])
    mirror[left] = right
    return mirror.astype(np.int32), left


def _unfold(half: Floats, parity: int, left: NDArray[np.int64]) -> Floats:
    """Complete a half's field (H, 3) to the whole face: mirrored, and negated if `parity` is -1.

    On the midline, where both halves meet, what the symmetry forbids is removed.
    """
    flip = parity * np.array([-1.0, 1.0, 1.0])
    half = half.copy()
    middle = np.setdiff1d(np.arange(len(half)), left)
    half[middle] = (half[middle] + flip * half[middle]) / 2
    return np.concatenate([half, flip * half[left]])


def _triangles(mirror: NDArray[np.int32]) -> NDArray[np.int32]:
    """Two triangles a grid cell, the cells below the cut hanging on the lower lip's copies; then the mirror images."""
    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    top, bottom = index[:-1].copy(), index[1:]
    top[MOUTH_ROW, :MOUTH_COLUMN] = ROWS * COLUMNS + np.arange(MOUTH_COLUMN)
    a, b, c, d = (part.ravel() for part in (top[:, :-1], top[:, 1:], bottom[:, :-1], bottom[:, 1:]))
    left = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    # the other diagonal at the lower corner: a triangle on the rim alone would be flat in an embedding
    left[[len(a) - 1, -1]] = [[a[-1], c[-1], d[-1]], [a[-1], d[-1], b[-1]]]
    return np.concatenate([left, mirror[left][:, ::-1]]).astype(np.int32)


def _mouth_loop(mirror: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    upper = MOUTH_ROW * COLUMNS + np.arange(MOUTH_COLUMN + 1)
    lower = np.append(ROWS * COLUMNS + np.arange(MOUTH_COLUMN), upper[-1])
    return _across(upper, mirror), _across(lower, mirror)


def _across(left: NDArray[np.integer], mirror: NDArray[np.int32]) -> NDArray[np.int32]:
    """Complete a chain of vertices that starts on the midline to one from the subject's right to the left."""
    return np.concatenate([mirror[left[:0:-1]], left]).astype(np.int32)


def _landmarks(half: Floats, mirror: NDArray[np.int32]) -> NDArray[np.int32]:
    """Find the vertices nearest to the 68 points' places; on the subject's right the mirror images of the left ones."""
    column = grid_columns()
    found = np.full(LANDMARKS, -1, np.int64)
    inner = {number: _lip_vertex(*place) for number, place in INNER_LIPS.items()}
    loop = set(range(MOUTH_ROW * COLUMNS, MOUTH_ROW * COLUMNS + MOUTH_COLUMN + 1)) | set(
        range(ROWS * COLUMNS, len(half))
    )
    free = np.ones(len(half), bool)
    free[list(loop)] = False
    for places, allowed in (
        (FRONT_MIDLINE, free & (column == 0)),
        (FRONT_LEFT, free & (column > 0) & (half[:, 2] > 55)),
        (JAW_LEFT, free & (column > 0)),
    ):
        candidates = np.flatnonzero(allowed)
        for number, place in places.items():
            distance = np.linalg.norm(half[candidates, : len(place)] - np.array(place), axis=1)
            found[number] = candidates[np.argmin(distance)]
    for number, vertex in inner.items():
        found[number] = vertex
    right = found < 0
    found[right] = mirror[found[MIRRORED[right]]]
    return found.astype(np.int32)


def _lip_vertex(column: int, lip: str) -> int:
    return (ROWS if lip == "lower" else MOUTH_ROW) * COLUMNS + column
