"""The surface of a procedural face: formulas for skull, nose, eyes, lips and ears, in millimetres.

The frame is a face model's: x to the subject's left, y up, z towards the viewer. Only the subject's left half (x >= 0)
is described; `pipeline.demo.face` mirrors it.

The surface is a grid of rows (forehead to neck) and columns (midline to behind the ear). One row is cut between the
corners of the mouth: the vertices along the cut exist twice, once for each lip. The half's vertices are the grid's, row
by row, then the lower lip's copies along the cut.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from ..store.arrays import Floats

# Rows: number, then the midline's y and z, the rim's x, y and z, and the exponent of the superellipse between them.
ROW_KEYS = np.array(
    [
        # row   y     z    rim x  rim y  rim z  exponent
        [0.0, 90.0, 84.0, 62.0, 84.0, -30.0, 2.3],
        [3.0, 77.0, 94.0, 68.0, 72.0, -30.0, 2.4],
        [8.0, 54.0, 103.0, 74.0, 51.0, -30.0, 2.7],
        [15.0, 34.0, 105.0, 76.0, 32.0, -30.0, 2.9],
        [23.0, 21.0, 103.0, 76.0, 21.0, -30.0, 2.9],
        [30.0, 2.0, 104.5, 74.0, 8.0, -30.0, 2.7],
        [40.0, -20.0, 107.5, 71.0, -8.0, -30.0, 2.5],
        [44.0, -28.0, 108.5, 69.5, -13.0, -30.0, 2.4],
        [50.0, -39.5, 108.0, 67.5, -21.0, -30.0, 2.25],
        [57.0, -54.0, 104.5, 65.0, -30.0, -30.0, 2.0],
        [62.0, -68.0, 105.0, 63.0, -40.0, -30.0, 1.85],
        [66.0, -80.0, 101.0, 60.5, -48.0, -30.0, 1.9],
        [68.0, -87.0, 92.0, 57.0, -53.0, -30.0, 1.95],
        [70.0, -92.0, 72.0, 51.0, -61.0, -31.0, 2.0],
        [72.0, -97.0, 53.0, 48.0, -75.0, -32.0, 2.1],
        [74.0, -107.0, 43.0, 47.0, -94.0, -33.0, 2.1],
        [76.0, -124.0, 40.0, 48.0, -118.0, -34.0, 2.1],
    ]
)
ROWS = 77
MOUTH_ROW = 50
# Columns: number, and the share of the row's length from the midline to the rim.
COLUMN_KEYS = np.array([[0, 0.0], [6, 0.083], [12, 0.167], [22, 0.315], [28, 0.69], [38, 1.0]])
COLUMNS = 39
MOUTH_COLUMN = 11

MOUTH_Y, MOUTH_CORNER_Y = -39.5, -41.0
EYE_X, EYE_Y, EYE_HALF_WIDTH, EYE_TOP, EYE_BOTTOM = 31.5, 25.8, 12.4, 5.0, 3.6


def gauss(points: Floats, centre: Sequence[float], width: Sequence[float]) -> Floats:
    """Bell of height 1 around `centre` with standard deviations `width`; as many leading axes as `centre` has."""
    squares = [((points[:, k] - c) / w) ** 2 for k, (c, w) in enumerate(zip(centre, width, strict=True))]
    return np.exp(-0.5 * sum(squares))


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """Rise from 0 at `low` to 1 at `high`, smoothly; `low` may be the larger."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def grid_columns() -> NDArray[np.int64]:
    """Grid column of each vertex of the half, (H,); column 0 is the midline."""
    return np.concatenate([np.tile(np.arange(COLUMNS), ROWS), np.arange(MOUTH_COLUMN)])


def is_lower() -> NDArray[np.bool_]:
    """Tell the vertices (H,) below the cut of the mouth, the lower lip's copies included."""
    row = np.repeat(np.arange(ROWS), COLUMNS)
    return np.concatenate([row > MOUTH_ROW, np.ones(MOUTH_COLUMN, bool)])


def half_surface() -> Floats:
    """Left half of the mean face, (H, 3) in millimetres."""
    grid = _skull()
    columns = grid[:, :, 0]
    points = np.concatenate([grid.reshape(-1, 3), grid[MOUTH_ROW, :MOUTH_COLUMN]])
    points = _open_mouth(points, float(columns[MOUTH_ROW, MOUTH_COLUMN]))
    front = smoothstep(20, 60, points[:, 2])
    points[:, 2] += front * (_relief(points) + _nose(points) + _eye_relief(points) + _lip_relief(points))
    points += _ear(points)
    points[grid_columns() == 0, 0] = 0
    return points


def _skull() -> Floats:
    """Grid (ROWS, COLUMNS, 3) of the head without features."""
    row = np.arange(ROWS)
    curves = PchipInterpolator(ROW_KEYS[:, 0], ROW_KEYS[:, 1:])(row)
    curves[:, 2:] = gaussian_filter1d(curves[:, 2:], 2.5, axis=0, mode="nearest")
    y, z, rim_x, rim_y, rim_z, exponent = (curve[:, None] for curve in curves.T)
    angle = np.linspace(0, np.pi / 2, 2000)[None]
    x = rim_x * np.sin(angle) ** (2 / exponent)
    depth = rim_z + (z - rim_z) * np.cos(angle) ** (2 / exponent)
    length = np.cumsum(np.hypot(np.diff(x, prepend=0), np.diff(depth, prepend=z)), axis=1)
    share = PchipInterpolator(*COLUMN_KEYS.T)(np.arange(COLUMNS))
    climb = smoothstep(0, 0.85, share)
    grid = np.zeros((ROWS, COLUMNS, 3))
    for i in range(ROWS):
        wanted = share * length[i, -1]
        grid[i, :, 0] = np.interp(wanted, length[i], x[i])
        grid[i, :, 1] = y[i] + (rim_y[i] - y[i]) * climb
        grid[i, :, 2] = np.interp(wanted, length[i], depth[i])
    return grid


def _open_mouth(points: Floats, corner_x: float) -> Floats:
    """Part the lips along the cut and lower the corners; the rows around follow."""
    away = points[:, 1] - MOUTH_Y
    across = np.clip(1 - (points[:, 0] / corner_x) ** 2, 0, 1)
    part = np.where(is_lower(), -1.6, 1.4) * across * np.exp(-np.abs(away) / 5)
    droop = (MOUTH_CORNER_Y - MOUTH_Y) * smoothstep(0.3, 1, points[:, 0] / corner_x) * np.exp(-((away / 9) ** 2))
    return points + np.stack([0 * away, part + droop * smoothstep(52, 28, points[:, 0]), 0 * away], axis=1)


def _relief(p: Floats) -> Floats:
    """Brow ridge, eye sockets, cheekbones, hollows, philtrum and chin: what they add to z."""
    x, y = p[:, 0], p[:, 1]
    relief = 2.8 * gauss(p, [27, 43], [17, 5.5]) + 1.5 * gauss(p, [0, 37], [11, 8])
    relief -= 7.5 * gauss(p, [EYE_X - 2, EYE_Y], [14.5, 10]) + 3.5 * gauss(p, [17, 25], [5, 8])
    relief += 4.5 * gauss(p, [43, 0], [15, 13]) + 2.5 * gauss(p, [24, -6], [10, 12])
    relief -= 3.5 * gauss(p, [46, -34], [14, 18]) + 2.0 * gauss(p, [60, 48], [8, 18])
    relief += 1.2 * gauss(p, [4.5, -26], [2, 5]) - 0.9 * gauss(p, [0, -26], [2.2, 5])
    fold = np.exp(-(((x - 18 - 0.5 * (-16 - y)) / 4) ** 2))
    relief -= fold * smoothstep(-8, -20, y) * smoothstep(-46, -28, y)
    return relief + 4.5 * gauss(p, [0, -70], [13, 9]) - 3.0 * gauss(p, [0, -56], [14, 4.5])


NOSE_KEYS = np.array(  # y, height of the ridge over the face, half width of the ridge
    [[36, 0, 9], [26, 4, 7.5], [14, 12, 8], [4, 18.5, 9], [-4, 24, 11], [-8, 25.5, 12], [-12, 23.5, 12],
     [-15.5, 16.5, 11], [-18.5, 8, 9.5], [-21.5, 2.5, 9], [-26, 0, 9]]
)  # fmt: skip


def _nose(p: Floats) -> Floats:
    order = np.argsort(NOSE_KEYS[:, 0])
    y, height, half_width = NOSE_KEYS[order].T
    level = np.clip(p[:, 1], y[0], y[-1])
    ridge = PchipInterpolator(y, height)(level) * np.exp(
        -(np.abs(p[:, 0] / PchipInterpolator(y, half_width)(level)) ** 2.4)
    )
    wing = 9.0 * gauss(p, [13.5, -12], [3.6, 4.6])
    nostril = -3.5 * gauss(p, [6.5, -17.5], [3.0, 2.0])
    return ridge + wing + nostril


def eye_lids(x: ArrayLike) -> tuple[Floats, Floats]:
    """Heights y (mm) of the upper and the lower lid's margin at x of the mean face, equal outside the eye."""
    along = (np.abs(x) - EYE_X) / EYE_HALF_WIDTH
    opening = np.clip(1 - along**2, 0, None)
    axis = EYE_Y + 0.45 * along
    return axis + EYE_TOP * opening ** (0.8 - 0.1 * along), axis - EYE_BOTTOM * opening ** (0.85 + 0.1 * along)


def _eye_relief(p: Floats) -> Floats:
    upper, lower = eye_lids(p[:, 0])
    y = p[:, 1]
    near = smoothstep(15.5, 11, np.abs(p[:, 0] - EYE_X))
    ball = 3.4 * gauss(p, [EYE_X, EYE_Y], [7.5, 5.5])
    margin = 1.7 * np.exp(-(((y - upper - 1.6) / 1.5) ** 2)) + 1.0 * np.exp(-(((y - lower + 1.4) / 1.5) ** 2))
    crease = -1.6 * np.exp(-(((y - upper - 5.5) / 1.8) ** 2)) - 0.8 * np.exp(-(((y - lower + 5.5) / 2) ** 2))
    return ball + near * (margin + crease)


def lip_borders(x: ArrayLike) -> tuple[Floats, Floats]:
    """Heights y (mm) of the outer borders of the upper and the lower lip at x of the mean face."""
    across = np.clip(1 - (np.abs(x) / 26.5) ** 2, 0, None)
    bow = 1.3 * np.exp(-((np.asarray(x) / 2.6) ** 2))
    return MOUTH_CORNER_Y + 10.0 * across**0.85 - bow, MOUTH_CORNER_Y - 8.6 * across**0.75


def _lip_relief(p: Floats) -> Floats:
    x, y = p[:, 0], p[:, 1]
    top, bottom = lip_borders(x)
    across = np.clip(1 - (x / 28) ** 2, 0, 1) ** 0.8
    inner = np.where(is_lower(), MOUTH_Y - 1.6 * across, MOUTH_Y + 1.4 * across)
    up = np.clip((y - inner) / np.maximum(top - inner, 1), 0, 2.2)
    down = np.clip((inner - y) / np.maximum(inner - bottom, 1), 0, 2.2)
    roll = np.where(is_lower(), _bulge(down, 4.2), _bulge(up, 4.6))
    corner = -3.0 * gauss(p, [27, -41], [4, 4])
    return across * roll + corner + 3.0 * gauss(p, [0, -38], [20, 11])


def _bulge(t: Floats, height: float) -> Floats:
    """Profile of a lip from the mouth's hole (t = 0, rolled in) over its fullest place to the skin (t > 1)."""
    return height * np.exp(-(((t - 0.55) / 0.5) ** 2)) - 2.5 * np.exp(-((t / 0.22) ** 2))


def ear_radius(p: Floats) -> Floats:
    """Distance from the ear's middle in the head's side, (H,), 1 at its rim."""
    return np.hypot(*_ear_axes(p))


def _ear_axes(p: Floats) -> tuple[Floats, Floats]:
    across, up = (p[:, 2] + 5 + 0.2 * (p[:, 1] - 2)) / 17, (p[:, 1] - 3) / 31
    return across / (1 - 0.3 * smoothstep(0, -1, up)), up


def _ear(p: Floats) -> Floats:
    """Displacement (H, 3) of the ear: a tilted plate with a raised rim and a hollow, standing off the head."""
    across, up = _ear_axes(p)
    radius = np.hypot(across, up)
    plate = smoothstep(1.25, 0.6, radius)
    hollow = np.exp(-(((across - 0.15) / 0.45) ** 2) - ((up + 0.05) / 0.42) ** 2)
    groove = np.exp(-(((radius - 0.6) / 0.14) ** 2)) * smoothstep(-0.5, 0.1, up)
    lean = 0.35 + 0.65 * smoothstep(1.0, -0.9, across)
    side = smoothstep(45, 60, p[:, 0])
    out = side * plate * (17 * lean - 6 * hollow - 3 * groove)
    return np.stack([out, 0 * out, -0.45 * out], axis=1)
