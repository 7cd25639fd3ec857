"""Faces with what no face model of few vectors has, wrinkles and bumps, under lights of one's own choice.

Their surface is the procedural face's, cut finer and moved along its normals, so what it faces is known at each pixel:
what shading tells of a face is judged by that. No stage makes such photos.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..face.camera import project
from ..face.rendering import diffuse, facing_viewer, interpolate, rasterize, vertex_normals
from ..face.subdivision import loop_operator
from ..store.arrays import Array, Floats
from .dataset import Person, deform, draw_person, draw_rotations, generator_of, place
from .face import MICROMETRES, ProceduralFace
from .paint import paint_face
from .photos import SUPERSAMPLING, Setting, expose, photograph, sky_seen
from .scene import Part, build_scene
from .surface import EYE_X, EYE_Y, gauss, smoothstep

# How often triangles are cut into four: their sides are then below a millimetre, a wrinkle is some wide.
FINER = 2
# Shortest and longest of the waves that bumps are made of, their number, and the steepness of each.
BUMPS_MM, WAVES, STEEPNESS = (9.0, 30.0), 16, 0.1
# Brightness of a lamp: no skin is cut off.
LAMP = 0.7
FLIPPED = np.array([1, -1, 1])  # from the model frame to that of pixels, and back


class ReliefFace(NamedTuple):
    """A person whose skin has a relief, before a camera.

    Attributes
    ----------
    person : Person
    pose : (7,) float
        As in ``Pose_Para``.
    parts, sky
        Of the scene, see `pipeline.demo.photos.photograph`; the first part is the face.
    """

    person: Person
    pose: Array
    parts: list[Part]
    sky: list[Floats]


def relief(places: Floats, generator: np.random.Generator) -> Floats:
    """Height (N,) in millimetres of a skin's relief at places (N, 3), in millimetres on the mean face.

    Bumps, lines across the forehead, folds beside the mouth and at the eyes' outer corners; nothing
    on eyes and lips, and nothing behind the cheeks.
    """
    phase, strengths = generator.uniform(0, 2 * np.pi), generator.uniform(0.5, 1.0, 3)
    x, y = np.abs(places[:, 0]), places[:, 1]
    folded = np.stack([x, y], axis=1)
    bumps = _bumps(places, generator)
    wave = 1.5 * np.sin(places[:, 0] / 9 + phase)
    lines = sum(np.exp(-(((y - height - wave) / 1.4) ** 2)) for height in (54, 61, 68))
    lines = 0.7 * strengths[0] * lines * smoothstep(44, 30, x)
    beside = np.exp(-(((x - 25 - 0.55 * (-20 - y)) / 1.8) ** 2)) * smoothstep(-10, -20, y) * smoothstep(-52, -40, y)
    corners = (
        sum(np.exp(-(((y - EYE_Y - slope * (x - 45)) / 1.1) ** 2)) for slope in (-0.55, -0.1, 0.35))
        * smoothstep(47, 51, x)
        * smoothstep(64, 57, x)
    )
    height = bumps - lines - 0.8 * strengths[1] * beside - 0.5 * strengths[2] * corners
    eyes, mouth = gauss(folded, [EYE_X, EYE_Y], [10, 5.5]), gauss(folded, [0, -40], [17, 7])
    smooth = np.clip(1 - 1.6 * np.maximum(eyes, mouth), 0, 1)
    return height * smooth * smoothstep(30, 55, places[:, 2]) * smoothstep(-92, -84, y)


def _bumps(places: Floats, generator: np.random.Generator) -> Floats:
    """Waves in random directions; the longer ones are the higher, so that all are as steep."""
    lengths = np.geomspace(*BUMPS_MM, WAVES)
    directions = generator.normal(size=(3, WAVES))
    directions /= np.linalg.norm(directions, axis=0) * lengths / (2 * np.pi)
    waves = np.sin(places @ directions + generator.uniform(0, 2 * np.pi, WAVES))
    return STEEPNESS * waves @ lengths / (2 * np.pi)


def draw_relief_face(face: ProceduralFace, name: str, seed: int, size: int, yaw_deg: tuple[float, float]) -> ReliefFace:
    """Make up a person with a relief, and how the head is turned; everything random is of the name and the seed.

    Parameters
    ----------
    face : ProceduralFace
    name : str
    seed : int
    size : int
        Side of the photo in px.
    yaw_deg : (float, float)
        Range of the yaw's absolute value.
    """
    person, generator = draw_person(face, name, seed, size), generator_of(f"relief of {name}", seed)
    angles, body_turn = draw_rotations(generator, yaw_deg, float(generator.choice([-1, 1])))
    plain = deform(face, person.shape, person.expression)
    pose = place(face, plain, angles, generator, size)
    parts = build_scene(face, plain, person.look, body_turn)
    sky = sky_seen(face, parts)
    finer, triangles = refine(face.triangles, len(plain))
    height = relief(finer @ parts[0].places, generator)
    moved = finer @ parts[0].vertices
    moved += height[:, None] * vertex_normals(moved * FLIPPED, triangles) * FLIPPED
    parts[0] = Part(parts[0].material, moved, finer @ parts[0].places, triangles.astype(np.int64))
    return ReliefFace(person, pose.astype(np.float64), parts, [finer @ sky[0], *sky[1:]])


def refine(triangles: NDArray[np.integer], count: int) -> tuple[scipy.sparse.csr_array, NDArray[np.integer]]:
    """Cut triangles of a mesh of `count` vertices `FINER` times, see `loop_operator`."""
    operator = scipy.sparse.eye_array(count, format="csr")
    for _ in range(FINER):
        once, triangles = loop_operator(triangles, operator.shape[0])
        operator = scipy.sparse.csr_array(once @ operator)
    return operator, triangles


def photograph_relief(face: ReliefFace, setting: Setting, grain: np.random.Generator) -> NDArray[np.uint8]:
    """Take a photo (S, S, 3) of a face with a relief, in the person's own setting or in another."""
    return photograph(face.parts, face.sky, face.pose, face.person.look, setting, grain)


def photograph_matte(
    face: ReliefFace, light: Sequence[float], ambient: float, grain: np.random.Generator, *, painted: bool
) -> NDArray[np.uint8]:
    """Take a photo (S, S, 3) of the same face as Lambert has it, before black.

    Nothing shines, and there are no cast shadows: all comes from a lamp in the direction `light` and a share `ambient`
    of light from everywhere. Without `painted` the skin is of one tone, without brows, eyes and lips, and what is
    bright is so by the normals alone.
    """
    size, look = len(face.person.setting.background), face.person.look
    fine = round(size * SUPERSAMPLING)
    vertices, triangles = true_surface(face)
    vertices = (vertices + 0.5) * (fine / size) - 0.5
    shown = triangles[facing_viewer(vertices, triangles)]
    ids, weights = rasterize(vertices, shown, fine, fine)
    carried = np.column_stack([face.parts[0].places, vertex_normals(vertices, triangles)])
    seen = interpolate(carried, shown, ids, weights)[ids >= 0]
    colour = np.clip(paint_face(seen[:, :3], look)[0], 0, 1) if painted else look.skin
    scene = np.zeros((fine, fine, 3))
    scene[ids >= 0] = LAMP * diffuse(seen[:, 3:], light, ambient)[:, None] * colour
    return expose(np.asarray(cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA)), face.person.setting, grain)


def under_lamp(setting: Setting, light: Sequence[float], ambient: float) -> Setting:
    """The setting in a room that is dark but for a white lamp in a direction, and some light from around."""
    towards = np.asarray(light, np.float64)
    return dataclasses.replace(
        setting,
        light=towards / np.linalg.norm(towards),
        light_colour=np.full(3, LAMP),
        ambient_colour=np.full(3, ambient),
        background=np.zeros_like(setting.background),
    )


def draw_lamp(generator: np.random.Generator, slant_deg: tuple[float, float]) -> list[float]:
    """Make up a unit direction (3,) to a lamp that stands some degrees off the viewer, aside or above."""
    slant, around = np.deg2rad(generator.uniform(*slant_deg)), generator.uniform(-np.pi, 0)
    return [float(np.sin(slant) * np.cos(around)), float(np.sin(slant) * np.sin(around)), float(np.cos(slant))]


def true_surface(face: ReliefFace) -> tuple[Array, NDArray[np.int64]]:
    """The face with its relief as a mesh: vertices (W, 3) in px of the photo, and triangles."""
    size = len(face.person.setting.background)
    return project(face.parts[0].vertices * MICROMETRES, face.pose, size), face.parts[0].triangles


def seen_normals(
    vertices: Array, triangles: NDArray[np.integer], size: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Outward unit normals (S, S, 3) that the pixels of a photo see of a mesh, pixel frame, and where it is seen."""
    seen = triangles[facing_viewer(vertices, triangles)]
    ids, weights = rasterize(vertices, seen, size, size)
    normals = interpolate(vertex_normals(vertices, triangles), seen, ids, weights)
    return normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9), ids >= 0
