"""What `reconstruct` makes of real photos in which something covers a share of the face (`make bench-occlusion`).

Of the photos of AFLW2000-3D that nothing was chosen on, every fifth (60): a hand, a surgical mask or a rectangle is
drawn over 0 to 50 % of the pixels that show the annotated face (`pipeline.crops.occlusion`). Whole photos, no annotated
box: the face is found by BlazeFace and Face Mesh, and fitted by the embedded face model, as a user's photo is; no mask
is given. Prints a table, then one line of JSON.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.aflw2000 import TruePhoto, read_photos
from benchmarks.free_faces import RESAMPLES, SEED, choose
from model.scores.protocols import error_3ddfa, error_prnet
from model.scores.statistics import bootstrap_interval
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import Reconstructor, open_reconstructor
from pipeline.crops.augmentation import sample_rng
from pipeline.crops.occlusion import KINDS, cover, draw_occluder
from pipeline.face.camera import project
from pipeline.face.face_model import FaceModel, deform, select_coefficients
from pipeline.face.rendering import rasterize
from pipeline.raw.annotations import read_annotation
from pipeline.raw.bfm import load_bfm
from pipeline.store.arrays import Image
from pipeline.store.progress import show_progress
from pipeline.uv.embedding import embed
from pipeline.uv.masks import face_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import render_map
from pipeline.uv.surface import Surface, make_surface

EVERY, SHARES, SIZE = 5, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 256


class Row(NamedTuple):
    """One covered photo: errors of the 68 landmarks in percent (NaN: not found), and whether the face is doubted."""

    kind: str
    share: float
    flat: float
    solid: float
    doubt: bool


def read_surface(model: FaceModel) -> Surface:
    """The part of the face model that counts as the face, as the stage `uv_embedding` makes it."""
    embedding = embed(model.mean, model.triangles)
    uv = embedding.uv[: len(model.mean)]
    mean_map = render_map(make_operator(embedding, SIZE), model.mean[None])[0]
    return make_surface(uv, model.triangles, model.landmarks, face_mask(mean_map, uv[model.landmarks]))


def true_face(folder: Path, photo: TruePhoto, model: FaceModel, surface: Surface) -> NDArray[np.bool_]:
    """Pixels (H, W) of the photo that show the annotated mesh's face."""
    annotated = read_annotation(folder / f"{photo.name}.mat")
    coefficients = select_coefficients(model, annotated.shape[None], annotated.expression[None])
    height, width = photo.pixels.shape[:2]
    vertices = project(deform(model, coefficients)[0][surface.vertices], annotated.pose, height)
    return rasterize(vertices, surface.triangles, height, width)[0] >= 0


def covered_photos(photo: TruePhoto, face: NDArray[np.bool_]) -> Iterator[tuple[str, float, Image]]:
    """The photo, by kind and share of what covers its face."""
    for kind in KINDS:
        occluder = draw_occluder(
            kind, photo.pixels, face, photo.landmarks, sample_rng(f"{photo.name}\n{kind}", 0, SEED)
        )
        for share in SHARES:
            yield kind, share, cover(photo.pixels, face, occluder, share)[0]


def measure(reconstructor: Reconstructor, photo: TruePhoto, pixels: Image) -> tuple[float, float, bool]:
    """Errors in 2D and 3D of the face that is found, and whether it is told as likely wrong."""
    face = choose(reconstructor.find_faces(pixels), photo)
    if face is None:
        return np.nan, np.nan, False
    found = reconstructor.reconstruct(pixels, face)
    flat, solid = error_3ddfa(found.landmarks, photo.landmarks), error_prnet(found.landmarks, photo.landmarks, 3)
    return float(flat), float(solid), bool(found.doubt)


def summarise(rows: list[Row]) -> dict[str, float]:
    """Found faces, and of these the errors in 2D and 3D and how many are told as likely wrong, by kind and share.

    Means of one kind have their 95 % interval over photos; those of all kinds have each photo three times, and none.
    """
    told: dict[str, float] = {}
    for kind in (*KINDS, "all"):
        for share in SHARES:
            chosen = [row for row in rows if kind in (row.kind, "all") and row.share == share]
            flat, solid, doubt = (
                np.array(column, np.float64) for column in zip(*(row[2:] for row in chosen), strict=True)
            )
            found = np.isfinite(flat)
            interval = bootstrap_interval(flat[found], RESAMPLES, SEED)._asdict()
            numbers = {"found (%)": 100 * found.mean()}
            numbers |= {"mean": interval["mean"]} if kind == "all" else interval
            numbers |= {"median": np.median(flat[found]), "3D": solid[found].mean()}
            numbers |= {"doubted (% of found)": 100 * doubt[found].mean()}
            told |= {f"{kind}, {100 * share:g} %, {name}": round(float(value), 2) for name, value in numbers.items()}
    return told


@click.command()
def main() -> None:
    """Measure on 60 photos of FACE_DATA's AFLW2000."""
    data = Path(os.environ.get("FACE_DATA", "../shared/data"))
    model = load_bfm(data / "bfm")
    surface, reconstructor = read_surface(model), open_reconstructor(ReconstructorOptions(), 1)
    rows = []
    photos = read_photos(data / "AFLW2000", tested=True)
    for number, photo in enumerate(show_progress(photos, "occlusion", "photo", 300)):
        if number % EVERY == 0:
            face = true_face(data / "AFLW2000", photo, model, surface)
            for kind, share, pixels in covered_photos(photo, face):
                rows.append(Row(kind, share, *measure(reconstructor, photo, pixels)))
    told = summarise(rows)
    for name, value in told.items():
        click.echo(f"{name:36} {value}")
    click.echo(json.dumps(told))


if __name__ == "__main__":
    main()
