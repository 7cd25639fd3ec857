"""Photos of procedural faces: a scene under a light, before a background, through a camera."""

import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face import rendering
from ..face.camera import project
from ..store.arrays import Floats
from .face import MICROMETRES, ProceduralFace
from .paint import Look, noise, paint_face, to_linear
from .scene import CLOTHES, FACE, HAIR, MOUTH, SKIN, TEETH, Part, build_scene
from .surface import smoothstep

SUPERSAMPLING = 1.25
DIRECTIONS = 24  # from which light falls on a vertex


@dataclasses.dataclass(frozen=True)
class Setting:
    """Light, background and camera of a photo; all copies of a photo share it.

    Attributes
    ----------
    light : (3,) float64
        Direction towards the light, pixel frame.
    light_colour, ambient_colour : (3,) float64
        Linear light.
    background : (S, S, 3) float64
        Linear light.
    blur : float
        Standard deviation in pixels.
    noise : float
        Standard deviation in grey levels.
    gain : float
    grey : bool
        A black-and-white photo.
    quality : int
        Of the JPEG.
    """

    light: Floats
    light_colour: Floats
    ambient_colour: Floats
    background: Floats
    blur: float
    noise: float
    gain: float
    grey: bool
    quality: int


def draw_setting(generator: np.random.Generator, size: int) -> Setting:
    """Make up light, background and camera for photos of `size` pixels."""
    azimuth, height = generator.uniform(-1.2, 1.2), generator.uniform(-0.15, 0.9)
    light = np.array([np.sin(azimuth), -np.tan(height) * 0.8, np.cos(azimuth) * 1.1])
    warmth = generator.uniform(-1, 1)
    tint = np.array([1 + 0.16 * warmth, 1.0, 1 - 0.2 * warmth])
    balance = generator.uniform(0.3, 0.62)
    ambient = balance * (1 + np.array([0.1, 0, -0.12]) * generator.uniform(-1, 1))
    return Setting(
        light=light / np.linalg.norm(light),
        light_colour=1.25 * (1 - balance) * tint * generator.uniform(0.9, 1.25),
        ambient_colour=ambient,
        background=draw_background(generator, size),
        blur=generator.uniform(0.25, 0.8),
        noise=generator.uniform(0.5, 4.5),
        gain=generator.uniform(0.8, 1.2),
        grey=bool(generator.random() < 0.04),
        quality=int(generator.integers(80, 96)),
    )


def _background_colours(generator: np.random.Generator, vividness: float, count: int) -> Floats:
    grey = generator.uniform(15, 235, (count, 1))
    return np.clip(grey + vividness * generator.uniform(-120, 120, (count, 3)), 0, 255)


def draw_background(generator: np.random.Generator, size: int) -> Floats:
    """Make up a cluttered background, (size, size, 3) in linear light: a gradient, shapes, texture, out of focus."""
    vividness = generator.uniform(0.1, 0.6)
    corners = _background_colours(generator, vividness, 4).reshape(2, 2, 3)
    picture = cv2.resize(corners.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    for _ in range(generator.integers(4, 16)):
        colour = _background_colours(generator, vividness, 1)[0].tolist()
        x, y = (int(value) for value in generator.uniform(-0.1, 1.1, 2) * size)
        w, h = (int(value) for value in generator.uniform(0.03, 0.3, 2) * size)
        shape = generator.integers(0, 4)
        if shape == 0:
            cv2.ellipse(picture, (x, y), (w, h), generator.uniform(0, 180), 0, 360, colour, -1)
        elif shape == 1:
            cv2.rectangle(picture, (x - w, y - 2 * h), (x + w, y + 2 * h), colour, -1)
        elif shape == 2:
            ends = generator.uniform(-0.2, 1.2, (2, 2)) * size
            cv2.line(picture, ends[0].astype(int).tolist(), ends[1].astype(int).tolist(), colour, max(w // 4, 2))
        else:
            triangle = np.array([x, y]) + generator.uniform(-0.3, 0.3, (3, 2)) * size
            cv2.fillConvexPoly(picture, triangle.astype(np.int32), colour)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.4, 0.03 * size)))
    for cells, strength in ((8, 22), (30, 14), (100, 9)):
        grain = generator.normal(0, strength * generator.uniform(0.2, 1), (cells, cells, 1)).astype(np.float32)
        picture = picture + np.asarray(cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC))[..., None]
    return to_linear(np.clip(picture, 0, 255))


@functools.lru_cache(maxsize=1)
def _openness(face_bytes: bytes, triangle_bytes: bytes) -> Floats:
    """Share of the sky that each vertex of the mean face sees, (V,), from `DIRECTIONS` directions."""
    vertices = np.frombuffer(face_bytes, np.float32).reshape(-1, 3) / np.float64(MICROMETRES) * [1, -1, 1]
    triangles = np.frombuffer(triangle_bytes, np.int32).reshape(-1, 3)
    normals = rendering.vertex_normals(vertices, triangles)
    seen, possible = np.zeros(len(vertices)), np.full(len(vertices), 1e-9)
    golden = np.pi * (3 - np.sqrt(5))
    for k in range(DIRECTIONS):
        z = 1 - 1.5 * (k + 0.5) / DIRECTIONS
        direction = np.array([np.sqrt(1 - z * z) * np.cos(golden * k), np.sqrt(1 - z * z) * np.sin(golden * k), z])
        cosine = np.clip(normals @ direction, 0, None)
        possible += cosine
        seen += cosine * lit(vertices, triangles, direction)
    return seen / possible


def lit(vertices: Floats, triangles: NDArray[np.integer], light: Sequence[float] | Floats, size: int = 96) -> Floats:
    """How much of a distant light reaches each vertex, (V,), by a depth picture seen from the light."""
    towards = np.asarray(light, np.float64) / np.linalg.norm(light)
    aside = np.cross([0.0, 1.0, 0.0] if abs(towards[1]) < 0.9 else [1.0, 0.0, 0.0], towards)
    aside /= np.linalg.norm(aside)
    seen = vertices @ np.stack([aside, np.cross(towards, aside), towards], axis=1)
    low = seen.min(0)
    scale = (size - 1) / np.ptp(seen[:, :2], axis=0).max()
    seen = (seen - low) * scale
    picture = rendering.depth(seen, triangles, size, size)
    column, row = np.rint(seen[:, :2]).astype(np.int64).T
    taps = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    limit = size - 1
    nearer = [picture[np.clip(row + r, 0, limit), np.clip(column + c, 0, limit)] > seen[:, 2] + 3.0 for r, c in taps]
    return 1 - np.mean(nearer, axis=0)


def draw_photo(
    face: ProceduralFace,
    vertices: Floats,
    pose: Floats,
    look: Look,
    setting: Setting,
    body_turn: Floats,
    grain: np.random.Generator,
) -> NDArray[np.uint8]:
    """Take a photo.

    Parameters
    ----------
    face : ProceduralFace
    vertices : (V, 3) float
        The person's face, model frame, micrometres.
    pose : (7,) float
        As in ``Pose_Para``, for a photo of the setting's size.
    look : Look
    setting : Setting
    body_turn : (3, 3) float64
        Rotation of the shoulders relative to the head, model frame.
    grain : Generator
        For the camera's noise.

    Returns
    -------
    (S, S, 3) uint8
        RGB.
    """
    parts = build_scene(face, vertices, look, body_turn)
    return photograph(parts, sky_seen(face, parts), pose, look, setting, grain)


def sky_seen(face: ProceduralFace, parts: Sequence[Part]) -> list[Floats]:
    """Share of the sky that each vertex of each part of a scene sees, the face first, on a mean head."""
    openness = _openness(face.mean.tobytes(), face.triangles.tobytes())
    ends = [openness[face.bottom].mean(), openness[face.top].mean()]
    return [openness, *(np.interp(part.places[:, 1], [-100, 80], ends) for part in parts[1:])]


def photograph(
    parts: Sequence[Part],
    sky: Sequence[Floats],
    pose: Floats,
    look: Look,
    setting: Setting,
    grain: np.random.Generator,
) -> NDArray[np.uint8]:
    """Take a photo of a scene.

    Parameters
    ----------
    parts : sequence of Part
        Of `build_scene`: the face first, and the shoulders last.
    sky : sequence of (V,) float
        What `sky_seen` says of them.
    pose : (7,) float
        As in ``Pose_Para``, for a photo of the setting's size.
    look : Look
    setting : Setting
    grain : Generator
        For the camera's noise.

    Returns
    -------
    (S, S, 3) uint8
        RGB.
    """
    size = len(setting.background)
    fine = round(size * SUPERSAMPLING)
    first = np.cumsum([0] + [len(part.vertices) for part in parts])
    triangles = np.concatenate([part.triangles + start for part, start in zip(parts, first[:-1], strict=True)])
    material = np.repeat([part.material for part in parts], [len(part.triangles) for part in parts])
    model = np.concatenate([part.vertices for part in parts]) * MICROMETRES
    places = np.concatenate([part.places for part in parts])
    pixels = (project(model, pose, size) + 0.5) * (fine / size) - 0.5
    normals = rendering.vertex_normals(pixels, triangles)
    shadow = np.ones(len(pixels))
    head = first[-2]  # the shoulders come last; they neither cast nor catch shadows
    shadow[:head] = lit(pixels[:head], triangles[: len(triangles) - len(parts[-1].triangles)], setting.light, 144)
    facing = rendering.facing_viewer(pixels, triangles) | (material == HAIR)  # long hair shows its inside
    triangles, material = triangles[facing], material[facing]
    ids, weights = rendering.rasterize(pixels, triangles, fine, fine)
    attributes = np.column_stack([places, normals, np.concatenate(sky), shadow])
    seen = ids >= 0
    carried = rendering.interpolate(attributes.astype(np.float32), triangles, ids, weights)[seen]
    colour, gloss = paint(carried[:, :3], material[ids[seen]], look)
    scene = cv2.resize(setting.background, (fine, fine), interpolation=cv2.INTER_LINEAR)
    scene[seen] = light_surface(colour, gloss, carried[:, 3:6], carried[:, 6], carried[:, 7], setting)
    return expose(np.asarray(cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA)), setting, grain)


def paint(places: Floats, material: NDArray[np.int64], look: Look) -> tuple[Floats, Floats]:
    """Colour (N, 3) and gloss (N,) of places on any part of the scene."""
    colour, gloss = np.zeros_like(places), np.ones(len(places))
    face = material == FACE
    colour[face], gloss[face] = paint_face(places[face], look)
    skin = material == SKIN
    colour[skin] = look.skin
    if look.hair_length > 0:
        nape = smoothstep(-62, -50, places[skin, 1] + 4 * noise(places[skin], 12, look.phases))
        colour[skin] += nape[:, None] * (look.hair - look.skin)
    hair = material == HAIR
    waves = noise(places[hair], 60, look.phases)
    azimuth = np.arctan2(places[hair, 0], places[hair, 2])
    strands = np.sin(55 * azimuth + 5 * waves + look.phases[0]) + np.sin(91 * azimuth - 4 * waves)
    colour[hair] = look.hair * (1 + 0.13 * strands + 0.13 * waves)[:, None]
    gloss[hair] = 0.8
    cloth = material == CLOTHES
    colour[cloth] = look.clothes * (1 + 0.1 * noise(places[cloth], 70, look.phases))[:, None]
    colour[material == MOUTH], colour[material == TEETH] = [0.045, 0.010, 0.010], [0.55, 0.50, 0.40]
    gloss[np.isin(material, (CLOTHES, MOUTH))] = 0
    return np.clip(colour, 0, 1), gloss


def light_surface(
    colour: Floats, gloss: Floats, normals: Floats, openness: Floats, shadow: Floats, setting: Setting
) -> Floats:
    """Linear light (N, 3) that surfaces send to the viewer: ambient, matte and glossy parts."""
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    matte = np.clip((normals @ setting.light + 0.12) / 1.12, 0, 1) * (0.25 + 0.75 * shadow)
    halfway = setting.light + np.array([0, 0, 1])
    shine = 0.10 * gloss * np.clip(normals @ (halfway / np.linalg.norm(halfway)), 0, 1) ** 18 * shadow
    sky = openness * (0.8 - 0.2 * normals[:, 1])
    return (
        colour * (sky[:, None] * setting.ambient_colour + matte[:, None] * setting.light_colour)
        + shine[:, None] * setting.light_colour
    )


def expose(scene: Floats, setting: Setting, grain: np.random.Generator) -> NDArray[np.uint8]:
    """Turn linear light into what a camera stores: gain, blur, noise, 8 bits."""
    picture = np.asarray(cv2.GaussianBlur(scene * setting.gain, (0, 0), setting.blur))
    picture = 255 * np.sqrt(np.clip(picture, 0, 1))
    if setting.grey:
        picture = np.repeat(picture @ [[0.3], [0.59], [0.11]], 3, axis=2)
    picture = picture + grain.normal(0, setting.noise, (*picture.shape[:2], 1))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
