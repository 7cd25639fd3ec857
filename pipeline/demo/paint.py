"""Colours of the procedural face: skin, eyes, brows, lips, beard, hairline, as functions of a place on the mean face.

Whoever draws a face carries the mean face's coordinates (in millimetres) to the pixels and asks for their colour here,
so features are as sharp as the photo, whatever the mesh's density. Colours are linear light in 0..1.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from ..store.arrays import Floats
from .surface import EYE_X, EYE_Y, ear_radius, eye_lids, gauss, lip_borders, smoothstep

# From pale to dark, sRGB; people lie between neighbours.
SKIN_TONES = np.array([[246, 214, 196], [232, 188, 160], [214, 162, 128], [184, 128, 94], [140, 92, 66], [92, 60, 45]])
HAIR_COLOURS = np.array(
    [[28, 22, 20], [50, 34, 25], [84, 55, 34], [128, 88, 48], [190, 152, 96], [150, 148, 146], [120, 54, 28]]
)
IRIS_COLOURS = np.array([[60, 36, 20], [86, 56, 30], [104, 86, 44], [78, 104, 78], [78, 112, 144], [112, 130, 142]])
NOISE_DIRECTIONS = np.array([[1, 0.3, 0.5], [-0.6, 1, 0.4], [0.4, -0.7, 1], [0.7, 0.9, -0.6]], np.float32).T
IRIS_RADIUS, PUPIL_RADIUS = 6.0, 2.4


@dataclasses.dataclass(frozen=True)
class Look:
    """How a person looks; colours are (3,) linear light in 0..1.

    Attributes
    ----------
    skin, lips, hair, brows, iris, clothes : (3,) float32
    beard : float
        0 none, 1 full.
    brow_width : float
        1 is usual.
    hairline : float
        Height of the hair's lower rim over the forehead in millimetres of the mean face.
    hair_length : float
        0 shaved, 1 short and over the ears' top, 2 to the shoulders.
    hair_volume : float
        Millimetres.
    freckles : float
        0 to 1.
    gaze : (2,) float64
        Where the irises look, in millimetres off the eye's middle, x as seen in the photo.
    phases : (12,) float64
        Of the noise in skin and hair.
    """

    skin: Floats
    lips: Floats
    hair: Floats
    brows: Floats
    iris: Floats
    clothes: Floats
    beard: float
    brow_width: float
    hairline: float
    hair_length: float
    hair_volume: float
    freckles: float
    gaze: Floats
    phases: Floats


def to_linear(rgb: ArrayLike) -> Floats:
    """Linear light in 0..1 of sRGB in 0..255 (a square stands for the exact curve)."""
    return np.square(np.asarray(rgb, np.float32) / 255)


def draw_look(generator: np.random.Generator) -> Look:
    """Make up how a person looks."""
    tone = generator.uniform(0, len(SKIN_TONES) - 1)
    skin = np.array([np.interp(tone, np.arange(len(SKIN_TONES)), channel) for channel in SKIN_TONES.T])
    skin = skin * (1 + generator.uniform(-0.025, 0.025, 3))
    dark = tone > 3
    hair = HAIR_COLOURS[generator.integers(0, 3 if dark else len(HAIR_COLOURS))] * generator.uniform(0.8, 1.15)
    iris = IRIS_COLOURS[generator.integers(0, 2 if dark else len(IRIS_COLOURS))] * generator.uniform(0.85, 1.15)
    red = generator.uniform(0, 1)
    lips = skin * (1 - np.array([0.08, 0.36, 0.30]) * (0.55 + 0.6 * red))
    beard = generator.choice([0.0, 0.35, 0.9], p=[0.6, 0.25, 0.15])
    length = generator.choice([0.0, 1.0, 2.0], p=[0.05, 0.53, 0.42] if beard == 0 else [0.2, 0.75, 0.05])
    return Look(
        skin=to_linear(np.clip(skin, 0, 250)),
        lips=to_linear(lips),
        hair=to_linear(hair),
        brows=to_linear(0.75 * hair + 0.05 * skin),
        iris=to_linear(iris),
        clothes=to_linear(generator.uniform(20, 230, 3)),
        beard=float(beard * generator.uniform(0.7, 1)),
        brow_width=generator.uniform(0.75, 1.35),
        hairline=generator.uniform(68, 82),
        hair_length=float(length),
        hair_volume=generator.uniform(5, 16),
        freckles=float(generator.choice([0.0, generator.uniform(0.2, 0.8)], p=[0.75, 0.25])),
        gaze=generator.uniform([-2.0, -0.8], [2.0, 0.8]),
        phases=generator.uniform(0, 2 * np.pi, 12),
    )


def noise(places: Floats, wavelength: float, phases: Floats) -> Floats:
    """Smooth random-looking values in about -1..1, (N,), from sines in many directions; `wavelength` in millimetres."""
    waves = np.asarray(places, np.float32) @ (NOISE_DIRECTIONS * np.float32(2 * np.pi / wavelength))
    waves = np.sin(waves + phases[:4].astype(np.float32))
    return waves[:, 0] * waves[:, 1] + waves[:, 2] * waves[:, 3]


def mix(below: Floats, above: Floats, share: Floats) -> Floats:
    """Lay a colour over colours (N, 3) with the given share (N,)."""
    return below + share[:, None] * (above - below)


def paint_face(places: Floats, look: Look) -> tuple[Floats, Floats]:
    """Colour places of the face.

    Parameters
    ----------
    places : (N, 3) float
        Millimetres on the mean face.
    look : Look

    Returns
    -------
    colour : (N, 3) float
        Linear light.
    gloss : (N,) float
        Strength of the highlight, 1 for skin.
    """
    colour = _skin(places, look)
    colour = mix(colour, look.brows, _brow_share(places, look))
    colour = mix(colour, 0.55 * look.hair + 0.1 * look.skin, look.beard * _beard_share(places))
    colour = _lips(places, look, colour)
    hair = _hair_share(places, look)
    colour = mix(colour, look.hair * (1 + 0.35 * noise(places * [3, 0.4, 3], 9, look.phases))[:, None], hair)
    gloss = np.ones(len(places))
    eyes = np.flatnonzero(
        (np.abs(np.abs(places[:, 0]) - EYE_X) < 18) & (np.abs(places[:, 1] - EYE_Y) < 12) & (places[:, 2] > 60)
    )
    colour[eyes], gloss[eyes] = _eyes(places[eyes], look, colour[eyes])
    return colour, gloss * (1 - 0.7 * hair)


def _folded(places: Floats) -> Floats:
    return np.abs(places * [1, 0, 0]) + places * [0, 1, 1]


def _skin(places: Floats, look: Look) -> Floats:
    half = _folded(places)
    x, z = half[:, 0], half[:, 2]
    front = smoothstep(40, 80, z)
    flush = (
        0.5 * gauss(half, [40, -8], [15, 12])
        + 0.5 * gauss(half, [0, -8], [12, 8])
        + 0.35 * gauss(half, [0, -72], [14, 9])
    )
    flush = flush * front + 0.4 * (z < 15) * (x > 78)
    mottle = 0.025 * noise(places, 45, look.phases)
    colour = look.skin * (1 + mottle)[:, None]
    colour = colour * (1 - flush[:, None] * np.array([-0.04, 0.22, 0.18]))
    spots = smoothstep(0.55, 0.8, noise(places, 5.5, look.phases[3:])) * gauss(half, [22, 0], [24, 18]) * front
    colour = colour * (1 - 0.35 * look.freckles * spots[:, None] * np.array([0.6, 0.9, 1.0]))
    shadow = 0.75 * gauss(half, [7.0, -17.3], [2.7, 1.7]) * (z > 95) + 0.25 * gauss(half, [0, -55], [13, 3]) * front
    shadow += front * (
        0.28 * gauss(half, [EYE_X - 2, EYE_Y + 8.5], [13, 3]) + 0.2 * gauss(half, [EYE_X - 6, EYE_Y - 8], [10, 3.5])
    )
    shadow += 0.3 * gauss(half, [17.5, -13], [1.8, 4.5]) * front + 0.4 * gauss(half[:, 1:], [3, -4], [13, 7]) * (
        x > 68
    ) * (x < 84)
    return colour * (1 - np.clip(shadow, 0, 0.9)[:, None] * np.array([0.85, 1.0, 1.0]))


def _brow_share(places: Floats, look: Look) -> Floats:
    x, y, z = np.abs(places[:, 0]), places[:, 1], places[:, 2]
    along = (x - 38) / np.where(x < 38, 22, 18)
    middle = 47.8 - 5.5 * along**2
    width = look.brow_width * np.interp(x, [13, 20, 40, 60], [2.5, 3.6, 3.0, 1.0])
    inside = (
        smoothstep(1.25, 0.55, np.abs(y - middle) / width) * smoothstep(12, 17, x) * smoothstep(61, 55, x) * (z > 50)
    )
    hairs = 0.8 + 0.2 * np.sin(2.6 * x - 1.3 * (y - middle) + look.phases[0])
    return 0.93 * inside * hairs


def _beard_share(places: Floats) -> Floats:
    x, y, z = np.abs(places[:, 0]), places[:, 1], places[:, 2]
    moustache = smoothstep(-20.5, -25, y) * smoothstep(38, 27, x) * smoothstep(-60, -48, y)
    rim = -31 + 0.02 * np.maximum(x - 30, 0) ** 2 - 12 * smoothstep(30, 16, x)
    chin = smoothstep(6, -7, y - np.minimum(rim, 12)) * smoothstep(-100, -84, y) * smoothstep(-4, 28, z)
    return np.maximum(moustache, chin)


def _lips(places: Floats, look: Look, colour: Floats) -> Floats:
    x, y = places[:, 0], places[:, 1]
    top, bottom = lip_borders(x)
    inside = smoothstep(-0.6, 0.8, top - y) * smoothstep(-0.6, 0.8, y - bottom) * (places[:, 2] > 70)
    inside = inside * smoothstep(27.5, 25.0, np.abs(x))
    across = np.clip(1 - (x / 25) ** 2, 0, 1)
    line = np.exp(-(((y + 39.8 + 1.2 * (1 - across)) / (1.2 + 1.8 * across)) ** 2))
    shade = (1 - 0.35 * line) * np.where(y > -39.5, 0.86, 1.0) * (1 + 0.06 * np.sin(2.2 * x))
    return mix(colour, look.lips, inside) * (1 - inside * (1 - shade))[:, None]


def hairline_height(x: Floats, look: Look) -> Floats:
    """Height (mm) over which the forehead is hair, at the distance |x| from the midline."""
    return look.hairline + 3.0 * np.cos(np.abs(x) / 9.0) - 0.011 * np.maximum(np.abs(x) - 36, 0) ** 2.2


def _hair_share(places: Floats, look: Look) -> Floats:
    if look.hair_length == 0:
        return np.zeros(len(places))
    x, y, z = np.abs(places[:, 0]), places[:, 1], places[:, 2]
    ragged = 2.5 * noise(places * [2.5, 0.5, 2.5], 12, look.phases[2:])
    forehead = smoothstep(-3, 4, y - hairline_height(x, look) + ragged)
    temple = smoothstep(4, -4, z - np.interp(y, [0, 25, 45, 70], [6, 17, 34, 60]) + ragged) * smoothstep(-6, 8, y)
    behind = smoothstep(-6, -14, z + 0.15 * (y - 10)) * smoothstep(-34, -20, y + ragged)
    unfolded = np.stack([x, y, z + 0.45 * np.clip(x - 76, 0, 16)], axis=1)
    ear = smoothstep(1.12, 0.95, ear_radius(unfolded)) * (look.hair_length < 2)
    return np.maximum(forehead, np.maximum(temple, behind) * (1 - ear))


def _eyes(places: Floats, look: Look, colour: Floats) -> tuple[Floats, Floats]:
    """Eyeballs between the lids, lashes along them."""
    x, y = np.abs(places[:, 0]), places[:, 1]
    side = np.sign(places[:, 0])
    upper, lower = eye_lids(x)
    open_here = np.abs(x - EYE_X) < 12.4
    inside = smoothstep(-0.3, 0.4, upper - y) * smoothstep(-0.3, 0.4, y - lower) * open_here
    from_iris = np.hypot(x - EYE_X - side * look.gaze[0], y - EYE_Y - 0.5 - look.gaze[1])
    white = np.array([0.78, 0.74, 0.70]) * (1 - 0.35 * smoothstep(5, 13, np.abs(x - EYE_X)))[:, None]
    ring = 1 - 0.65 * smoothstep(IRIS_RADIUS - 1.6, IRIS_RADIUS, from_iris)
    rays = 0.85 + 0.3 * smoothstep(PUPIL_RADIUS, IRIS_RADIUS, from_iris)
    ball = mix(white, look.iris * (ring * rays)[:, None], smoothstep(IRIS_RADIUS + 0.5, IRIS_RADIUS - 0.4, from_iris))
    ball = mix(ball, np.array([0.004, 0.004, 0.005]), smoothstep(PUPIL_RADIUS + 0.4, PUPIL_RADIUS - 0.4, from_iris))
    ball = ball * (1 - 0.45 * smoothstep(2.6, 0, upper - y))[:, None]
    spark = smoothstep(1.2, 0.6, np.hypot(x - EYE_X - side * (look.gaze[0] - 2), y - EYE_Y - 2.4 - look.gaze[1]))
    ball = mix(ball, np.array([0.95, 0.95, 0.95]), spark)
    lashes = 0.85 * np.exp(-(((y - upper - 0.3) / 0.85) ** 2)) * smoothstep(13.8, 11.8, np.abs(x - EYE_X))
    lashes = np.maximum(lashes, 0.4 * np.exp(-(((y - lower + 0.3) / 0.6) ** 2)) * smoothstep(13, 11, np.abs(x - EYE_X)))
    inner = smoothstep(2.2, 1.0, np.hypot(x - EYE_X + 11.6, (y - EYE_Y + 0.4) / 0.8)) * inside
    ball = mix(ball, 0.5 * (look.lips + look.skin), 0.7 * inner)
    result = mix(mix(colour, ball, inside), 0.12 * look.brows + 0.004, lashes)
    return result, 1 - 0.6 * inside
