"""The scene around a procedural face: hair, the back of the head, the mouth's inside, neck and shoulders.

The face itself is the model's mesh. Everything else is scenery that no annotation mentions: it hangs on the face's rims
and follows them. Geometry is in millimetres of the model frame, wound counter-clockwise seen from outside.
"""

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from ..store.arrays import Floats
from .face import MICROMETRES, ProceduralFace
from .paint import Look, noise
from .surface import smoothstep

FACE, SKIN, HAIR, CLOTHES, MOUTH, TEETH = range(6)

SKULL_CENTRE, SKULL_RADII = np.array([0, 38, 5.0]), np.array([78, 92, 100.0])
NECK_PIVOT = np.array([0, -125, -10.0])


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of the scene, in millimetres of the model frame; `places` says where it is on the mean head."""

    material: int
    vertices: Floats
    places: Floats
    triangles: NDArray[np.int64]


def _grid_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    """Triangles of a grid whose rows go down and whose columns go to the right, seen from outside."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    return np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])


def _cap(thickness: Floats, rim: Floats, flare: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Shell around the skull, from its top down to the height `rim` (n,) at n azimuths from the nape round the front.

    Down to the skull's middle it is an ellipsoid; below it hangs, drawn in or out by the share `flare` (n,).
    `thickness` (m,) is its distance from the skull along the way down.
    """
    azimuth = np.linspace(-np.pi, np.pi, len(rim))
    way = np.linspace(0, 1, len(thickness))[:, None]
    above = np.clip((rim - SKULL_CENTRE[1]) / SKULL_RADII[1], 0, 0.999)
    length = np.where(
        rim > SKULL_CENTRE[1], np.arccos(above) * SKULL_RADII[1], np.pi / 2 * SKULL_RADII[1] + SKULL_CENTRE[1] - rim
    )
    arc = way * length
    polar = np.minimum(arc / SKULL_RADII[1], np.pi / 2)
    hang = np.maximum(arc - np.pi / 2 * SKULL_RADII[1], 0)
    draw = 1 + flare * smoothstep(0, 95, hang)
    radii = SKULL_RADII + thickness[:, None, None]
    x = radii[..., 0] * np.sin(polar) * draw * np.sin(azimuth)
    y = radii[..., 1] * np.cos(polar) - hang
    z = radii[..., 2] * np.sin(polar) * draw * np.cos(azimuth)
    vertices = np.stack([x, y, z], axis=-1) + SKULL_CENTRE
    return vertices.reshape(-1, 3), _grid_triangles(len(thickness), len(rim))


def _hair(look: Look) -> tuple[Floats, NDArray[np.int64]]:
    azimuth = np.abs(np.linspace(-np.pi, np.pi, 61))
    h = look.hairline
    if look.hair_length < 2:
        rim = np.interp(
            azimuth, [0, 0.5, 0.85, 1.1, 1.35, 1.5, 1.95, 2.3, np.pi], [h + 4, h + 3, h - 7, 50, 34, 40, 34, -30, -52]
        )
        flare = np.full_like(azimuth, -0.36)
    else:
        rim = np.interp(
            azimuth, [0, 0.5, 0.85, 1.1, 1.3, 1.5, 1.7, np.pi], [h + 4, h + 3, h - 6, 48, 20, -70, -130, -150]
        )
        flare = np.interp(azimuth, [1.2, 1.6, 2.2, np.pi], [0.0, 0.12, 0.1, -0.12])
    way = np.linspace(0, 1, 26)
    thickness = look.hair_volume * smoothstep(1.0, 0.72, way) - 2.5 * smoothstep(0.93, 1, way)
    vertices, triangles = _cap(thickness, rim, flare)
    tousle = 1.6 * noise(vertices, 34, look.phases) + 1.0 * noise(vertices * [1, 0.3, 1], 12, look.phases[4:])
    outward = (vertices - SKULL_CENTRE) / np.linalg.norm(vertices - SKULL_CENTRE, axis=1, keepdims=True)
    fade = np.repeat(smoothstep(1.0, 0.8, way), 61)
    return vertices + outward * (tousle * fade)[:, None], triangles


def _crown(loop: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The top of the skull: a dome on the loop (n, 3) of the face's upper rim and the back of the head."""
    height = np.sin(np.linspace(np.pi / 2, 0, 9))[:, None, None]
    foot = loop.mean(0)
    radius = np.sqrt(1 - height) * (1 + 0.1 * height)  # leaves the forehead at its slope
    dome = foot + (loop - foot) * radius + [0, 42, 0] * height
    return dome.reshape(-1, 3), _grid_triangles(9, len(loop))


def _loop_behind(rim: Floats, depth: Floats) -> Floats:
    """Close each row of the head behind the ears: (R, 17, 3) from the left rim (R, 3), mirrored, to the right one."""
    angle = np.linspace(0, np.pi, 17)
    x = rim[:, :1] * np.cos(angle)
    z = rim[:, 2:] - depth[:, None] * np.sin(angle) ** 0.9
    return np.stack([x, np.repeat(rim[:, 1:2], 17, axis=1), z], axis=-1)


def _head_back(left: Floats, right: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The back of head and neck, joined to the face's left and right rims (R, 3)."""
    depth = np.interp(left[:, 1], [-124, -95, -50, -20, 20, 60, 84], [22, 24, 38, 55, 66, 62, 48])
    share = np.linspace(0, 1, 17)[None, :, None]
    mean_rim = (left + right * [-1, 1, 1]) / 2
    loop = _loop_behind(mean_rim, depth)
    loop += (1 - share) * (left - mean_rim)[:, None] + share * (right - mean_rim * [-1, 1, 1])[:, None]
    return loop.reshape(-1, 3), _grid_triangles(len(left), 17)


def _neck(loop: Floats, body_turn: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The neck below the face mesh: its lowest loop (n, 3) carried down, turning with the shoulders."""
    way = np.linspace(0, 1, 8)[:, None, None]
    middle = loop.mean(0)
    tube = middle + (loop - middle) * (1 + 0.35 * way**3) + [0, -80, -8] * way
    turned = _turn(tube.reshape(-1, 3), body_turn).reshape(tube.shape)
    tube += smoothstep(0, 0.7, way) * (turned - tube)
    return tube.reshape(-1, 3), _grid_triangles(8, len(loop))


def _torso() -> tuple[Floats, NDArray[np.int64]]:
    azimuth = np.linspace(-np.pi, np.pi, 41)
    way = np.linspace(0.02, 1, 16)[:, None]
    polar = way * np.pi / 2
    x = 205 * np.sin(polar) ** 0.9 * np.sin(azimuth)
    z = -30 + 88 * np.sin(polar) ** 0.8 * np.cos(azimuth)
    y = -330 + 185 * np.cos(polar) ** 0.75
    x, y, z = (np.concatenate([part + 0 * x, (part + 0 * x)[-1:]]) for part in (x, y, z))
    y[-1] = -700
    return np.stack([x, y, z], axis=-1).reshape(-1, 3), _grid_triangles(17, 41)


def _moved(points: Floats, up: ArrayLike, front: ArrayLike) -> Floats:
    return points + np.stack(np.broadcast_arrays(0.0, up, front), axis=-1)


def _mouth(upper: Floats, lower: Floats) -> list[Part]:
    """The mouth's inside and the upper teeth, hung on the lips' rims (2 k + 1, 3), subject's right to left."""
    across = np.linspace(-1, 1, len(upper))[:, None]
    hollow = np.sqrt(np.clip(1 - across**2, 0, 1))
    deep = np.array([0, 0, -22]) * hollow
    rings = [
        _moved(upper, 2, -3),
        _moved(upper, 4, -12) + deep,
        _moved((upper + lower) / 2, 0, -12) + 1.5 * deep,
        _moved(lower, -4, -12) + deep,
        _moved(lower, -2, -3),
    ]
    bag = np.concatenate([upper, *rings, lower])
    curve = -6.0 - 10.0 * across[2:-2] ** 2
    top = _moved(upper[2:-2], 3, curve[:, 0])
    teeth = np.concatenate([top, _moved(top, -9, 0.5)])
    return [
        Part(MOUTH, bag, bag, _grid_triangles(7, len(upper))),
        Part(TEETH, teeth, teeth, _grid_triangles(2, len(upper) - 4)),
    ]


@functools.lru_cache(maxsize=1)
def _rim_tree(face_bytes: bytes) -> tuple[cKDTree, NDArray[np.int64]]:
    mean = np.frombuffer(face_bytes, np.float32).reshape(-1, 3) / MICROMETRES
    rim = np.flatnonzero((mean[:, 1] > 66) | ((mean[:, 2] < -25) & (mean[:, 1] > -40)))
    return cKDTree(mean[rim]), rim


def _follow(face: ProceduralFace, moved: Floats, vertices: Floats) -> Floats:
    """Move scenery with the rim of the face that it adjoins."""
    tree, rim = _rim_tree(face.mean.tobytes())
    distance, nearest = tree.query(vertices, k=12)
    weight = 1 / (np.asarray(distance) + 4.0) ** 2
    shift = moved[rim] - face.mean[rim] / MICROMETRES
    return vertices + np.einsum("nk,nkc->nc", weight, shift[nearest]) / weight.sum(1)[:, None]


def build_scene(face: ProceduralFace, vertices: Floats, look: Look, body_turn: Floats) -> list[Part]:
    """Put everything that a photo shows into the model frame.

    Parameters
    ----------
    face : ProceduralFace
    vertices : (V, 3) float
        The person's face, model frame, micrometres.
    look : Look
    body_turn : (3, 3) float64
        Rotation of the shoulders relative to the head, model frame.

    Returns
    -------
    list of Part
        The face first.
    """
    moved = np.asarray(vertices, np.float64) / MICROMETRES
    mean = face.mean / np.float64(MICROMETRES)
    parts = [Part(FACE, moved, mean, face.triangles.astype(np.int64))]
    parts += _mouth(moved[face.mouth_upper], moved[face.mouth_lower])
    if look.hair_length > 0:
        hair, triangles = _hair(look)
        parts.append(Part(HAIR, _follow(face, moved, hair), hair, triangles))
    left, right = face.rim, face.mirror[face.rim]
    back, triangles = _head_back(moved[left], moved[right])
    parts.append(Part(SKIN, back, _head_back(mean[left], mean[right])[0], triangles))
    columns = len(back) // len(left)
    crown, triangles = _crown(_close(moved[face.top], back[:columns]))
    parts.append(Part(SKIN, crown, crown, triangles))
    neck, triangles = _neck(_close(moved[face.bottom], back[-columns:]), body_turn)
    parts.append(Part(SKIN, neck, neck, triangles))
    torso, triangles = _torso()
    parts.append(Part(CLOTHES, _turn(torso, body_turn), torso, triangles))
    return parts


def _close(front: Floats, back: Floats) -> Floats:
    """Join a row of the face, right to left, and the row behind it, left to right, to one closed loop."""
    return np.concatenate([front, back[1:]])


def _turn(points: Floats, rotation: Floats) -> Floats:
    return (points - NECK_PIVOT) @ rotation.T + NECK_PIVOT
