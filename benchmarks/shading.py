"""What shading tells of the demo's faces, whose normals are known (`make bench-shading`).

Faces with a relief of bumps, lines and folds, which the face model lacks (`pipeline.demo.relief`): the mean angle
between the normals that pixels see of the true surface and of the face model, of that with `--detail`, and of what
`photometric_stereo` makes of six photos. Prints a table, then one line of JSON.
"""

import dataclasses
import json
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.commands.bundles import embedded_bundle
from pipeline.demo.dataset import generator_of
from pipeline.demo.face import ProceduralFace, make_face
from pipeline.demo.paint import to_linear
from pipeline.demo.relief import (
    ReliefFace,
    draw_lamp,
    draw_relief_face,
    photograph_matte,
    photograph_relief,
    seen_normals,
    true_surface,
    under_lamp,
)
from pipeline.face.rendering import depth
from pipeline.photo.bundle import Bundle
from pipeline.photo.detail import add_detail, levels_for, refine
from pipeline.photo.labels import placed
from pipeline.photo.photometric_stereo import brightness_of, estimate_lights, integrate, solve_normals
from pipeline.store.arrays import Array, Image
from pipeline.store.progress import show_progress

SEED, SIZE, YAW_DEG = 7, 450, (0.0, 30.0)
# Of the lamp off the viewer, and how much light is from around, in one photo.
SLANT_DEG, AMBIENT = (25.0, 45.0), 0.3
# Of the lamp in each of several photos, their number, and the noise of a camera that stands still, in grey levels.
STEREO_SLANT_DEG, PHOTOS, NOISE = (20.0, 40.0), 6, 0.5
# Of the faces so many have several photos taken.
STEREO_FACES = 5
# The face is judged where it is seen from no further aside than this cosine.
LEAST_FACING = 0.3


class Case(NamedTuple):
    """A face, its vertices by the face model, normals that pixels see of the truth and of these, and who is judged."""

    face: ReliefFace
    vertices: Array
    truth: NDArray[np.float32]
    plain: NDArray[np.float32]
    judged: NDArray[np.bool_]


def draw_case(number: int, procedural: ProceduralFace, bundle: Bundle) -> Case:
    """Make up a face; the face model has the person's own coefficients, as the best fit would."""
    face = draw_relief_face(procedural, f"relief{number}", SEED, SIZE, YAW_DEG)
    coefficients = np.concatenate([face.person.shape, face.person.expression])
    vertices = bundle.spread @ placed(bundle.model, coefficients, face.pose, SIZE)
    truth, there = seen_normals(*true_surface(face), SIZE)
    plain, seen = seen_normals(vertices, bundle.surface.triangles, SIZE)
    return Case(face, vertices, truth, plain, there & seen & (plain[..., 2] > LEAST_FACING))


def error(normals: NDArray, case: Case, judged: NDArray[np.bool_]) -> float:
    """Mean angle in degrees between normals (S, S, 3) and the true ones."""
    cosine = (normals[judged] * case.truth[judged]).sum(axis=1)
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).mean())


def by_detail(photo: Image, case: Case, bundle: Bundle) -> tuple[float, float]:
    """Errors of the face model's normals, and of those with the photo's detail, where both are seen."""
    fine = refine(bundle.surface, levels_for(case.vertices, bundle.surface.triangles))
    found = add_detail(photo, case.vertices, bundle.surface, fine)
    normals, seen = seen_normals(found.vertices, fine.triangles, SIZE)
    return error(case.plain, case, case.judged & seen), error(normals, case, case.judged & seen)


def take_several(case: Case, number: int, kind: str) -> tuple[Array, list[Image]]:
    """Directions to lamps (K, 3), and a photo under each."""
    generator = generator_of(f"lamps {number}", SEED)
    setting = dataclasses.replace(case.face.person.setting, noise=NOISE)
    face = case.face._replace(person=dataclasses.replace(case.face.person, setting=setting))
    lights = [draw_lamp(generator, STEREO_SLANT_DEG) for _ in range(PHOTOS)]
    if kind == "soft and glossy":
        return np.array(lights), [
            photograph_relief(face, under_lamp(setting, light, 0.0), generator) for light in lights
        ]
    painted = kind == "painted"
    return np.array(lights), [photograph_matte(face, light, 0.0, generator, painted=painted) for light in lights]


def by_stereo(case: Case, number: int, kind: str) -> dict[str, float]:
    """Errors of the normals of several photos by known lights, by estimated ones, and of the depth, in px."""
    lights, photos = take_several(case, number, kind)
    brightness = brightness_of(np.stack([to_linear(photo[case.judged]) for photo in photos]))
    guessed = estimate_lights(brightness, case.plain[case.judged].astype(np.float64))
    errors = {"face model": error(case.plain, case, case.judged)}
    surface, triangles = true_surface(case.face)
    z = depth(surface, triangles, SIZE, SIZE)[case.judged]
    for name, by in (("known lights", lights), ("estimated lights", guessed)):
        normals = np.zeros_like(case.truth, np.float64)
        normals[case.judged] = solve_normals(brightness, by).normals
        errors[name] = error(normals, case, case.judged)
        apart = integrate(normals, case.judged)[case.judged] - z
        errors[f"depth, {name} (px)"] = float(np.abs(apart - np.median(apart)).mean())
    return errors


def measure(faces: int, bundle: Bundle) -> dict[str, list[float]]:
    """Errors of each face, by what they are of."""
    procedural, table = make_face(), dict[str, list[float]]()
    for number in show_progress(range(faces), "shading", "face"):
        case = draw_case(number, procedural, bundle)
        generator = generator_of(f"lamp {number}", SEED)
        light, setting = draw_lamp(generator, SLANT_DEG), case.face.person.setting
        photos = {
            "one tone": photograph_matte(case.face, light, AMBIENT, generator, painted=False),
            "painted": photograph_matte(case.face, light, AMBIENT, generator, painted=True),
            "the demo's own light": photograph_relief(case.face, setting, generator),
        }
        row = {}
        for name, photo in photos.items():
            row[f"detail, {name}: face model"], row[f"detail, {name}: with detail"] = by_detail(photo, case, bundle)
        for name in ("one tone", "painted", "soft and glossy") if number < STEREO_FACES else ():
            row |= {f"stereo, {name}: {part}": value for part, value in by_stereo(case, number, name).items()}
        for name, value in row.items():
            table.setdefault(name, []).append(value)
    return table


@click.command()
@click.option("--faces", type=click.IntRange(1), default=20, show_default=True)
def main(faces: int) -> None:
    """Measure normals (degrees) and depth (px) on procedural faces with a relief."""
    table = measure(faces, embedded_bundle())
    for name, values in table.items():
        before = table.get(name.replace("with detail", "face model"), values)
        ratios = np.divide(values, before)
        told = f"  {100 * (1 - np.mean(values) / np.mean(before)):.0f} % less" if before is not values else ""
        spread = f", {100 * (1 - ratios.max()):.0f} to {100 * (1 - ratios.min()):.0f}" if told else ""
        click.echo(f"{name:45} {np.mean(values):6.2f} (sd {np.std(values):.2f}){told}{spread}")
    click.echo(json.dumps({name: np.round(values, 3).tolist() for name, values in table.items()}))


if __name__ == "__main__":
    main()
