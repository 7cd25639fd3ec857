"""What labels cost that `python -m stages.annotate` makes, on the real photos of AFLW2000-3D with their annotations.

``python -m benchmarks.annotate --bundle FILE``, a bundle of BFM, labels the 300 photos that nothing was chosen on, and
compares the pairs that were written with the annotated ones: the 68 landmarks in x and y over sqrt(w h) of the true
points, and the texels of the face in x, y and z over that of the true texels, z up to its mean, in percent. Prints a
table of all faces and of those that are not likely wrong, then one line of JSON.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from benchmarks.aflw2000 import TruePhoto, read_photos
from model.scores.protocols import error_3ddfa, error_prnet
from model.scores.statistics import YAW_BINS, bootstrap_interval, yaw_bin
from pipeline.commands.options import FILE, ReconstructorOptions
from pipeline.crops.detection import choose_by_union
from pipeline.face.face_model import FaceModel, at_vertices, select_coefficients
from pipeline.photo.bundling import make_layout
from pipeline.photo.labels import placed
from pipeline.raw.annotations import Annotation, read_annotation
from pipeline.raw.bfm import load_bfm
from pipeline.store.arrays import Array
from stages.annotate import annotate
from stages.photo.annotating import FACES

RESAMPLES, SEED = 1000, 1
# Side of the layout whose texels are compared.
SIZE = 64


def at_texels(model: FaceModel) -> FaceModel:
    """A face model at the texels of its face."""
    layout = make_layout(model, SIZE)
    rows = layout.operator[np.flatnonzero(layout.face_mask)]
    return at_vertices(model, lambda values: (rows @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:]))


def mesh_of(texels: FaceModel, annotation: Annotation, height: int) -> Array:
    """The texels (K, 3) in px of the photo that an annotation says."""
    coefficients = select_coefficients(texels, annotation.shape[None], annotation.expression[None])[0]
    return placed(texels, coefficients, annotation.pose, height)


def choose(labels: list[tuple[Annotation, bool]], photo: TruePhoto) -> tuple[Annotation, bool] | None:
    """The label of the annotated face, see `choose_by_union`."""
    corners = [(a.true_landmarks[:, :2].min(axis=0), a.true_landmarks[:, :2].max(axis=0)) for a, _ in labels]
    best = choose_by_union(np.array([[*low, *(high - low)] for low, high in corners]).reshape(-1, 4), photo.landmarks)
    return None if best is None else labels[best]


def measure(folder: Path, bundle: Path, mesh: Callable[[Annotation, int], Array], out: Path) -> dict[str, Array]:
    """Yaw in degrees, the two errors in percent and whether the label is sure, of each face that has a label."""
    photos = list(read_photos(folder, tested=True))
    options = ReconstructorOptions(bundle=bundle, method="fit")
    records = annotate([folder / f"{photo.name}.jpg" for photo in photos], options, out)
    rows = []
    for photo, record in zip(photos, records, strict=True):
        faces = [(read_annotation(out / FACES / f"{f['name']}.mat"), not f["doubt"]) for f in record["faces"]]
        chosen = choose(faces, photo)
        if chosen is not None:
            label, sure = chosen
            height = len(photo.pixels)
            truth = read_annotation(folder / f"{photo.name}.mat")
            sparse = error_3ddfa(label.true_landmarks, photo.landmarks)
            dense = error_prnet(mesh(label, height), mesh(truth, height), dimensions=3)
            rows.append((photo.yaw_deg, float(sparse), float(dense), sure))
    return dict(zip(("yaw", "68-2D", "dense-3D", "sure"), map(np.array, zip(*rows, strict=True)), strict=True))


def describe(errors: Array, yaw: Array) -> dict[str, float]:
    """Median, mean with its 95 % interval, and the mean of each yaw bin."""
    interval, bins = bootstrap_interval(errors, RESAMPLES, SEED), yaw_bin(yaw)
    row = {"faces": len(errors), "median": float(np.median(errors)), **interval._asdict()}
    row |= {f"|yaw| {name}": float(errors[bins == i].mean()) for i, name in enumerate(YAW_BINS)}
    return {name: round(value, 2) for name, value in row.items()}


@click.command()
@click.option("--bundle", type=FILE, required=True, help="Of BFM, see `python -m stages.bundle --bfm`.")
def main(bundle: Path) -> None:
    """Measure on FACE_DATA's AFLW2000, with FACE_DATA's bfm."""
    data = Path(os.environ.get("FACE_DATA", "../shared/data"))
    texels = at_texels(load_bfm(data / "bfm"))
    with tempfile.TemporaryDirectory() as out:
        found = measure(data / "AFLW2000", bundle, lambda label, height: mesh_of(texels, label, height), Path(out))
    rows = {}
    for who, those in (("all", np.ones(len(found["yaw"]), bool)), ("not likely wrong", found["sure"].astype(bool))):
        for name in ("68-2D", "dense-3D"):
            rows[f"{name}, {who}"] = describe(found[name][those], found["yaw"][those])
    for what, row in rows.items():
        click.echo(f"{what}: " + ", ".join(f"{name} {value}" for name, value in row.items()))
    click.echo(json.dumps(rows))


if __name__ == "__main__":
    main()
