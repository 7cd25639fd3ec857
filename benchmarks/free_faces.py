"""How well the photo commands do without any licensed file, on the real photos of AFLW2000-3D (`make bench-faces`).

Whole photos, no annotated box and no levelling: faces are found by BlazeFace and Face Mesh, and fitted by the embedded
face model; or, with a bundle that has one, drawn by a network of other photos. Prints a table, then one line of JSON.
"""

import json
import os
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.aflw2000 import TruePhoto, read_photos
from model.scores.protocols import error_3ddfa
from model.scores.smoothness import adjacent_cosines, smooth_share
from model.scores.statistics import YAW_BINS, bootstrap_interval, yaw_bin
from pipeline.commands.options import FILE, ReconstructorOptions
from pipeline.commands.reconstructor import Reconstructor, open_reconstructor
from pipeline.crops.detection import choose_by_union
from pipeline.crops.face_finding import Face
from pipeline.store.progress import show_progress

RESAMPLES, SEED = 1000, 1


def choose(faces: list[Face], photo: TruePhoto) -> Face | None:
    """The found face that is the annotated one, see `choose_by_union`."""
    best = choose_by_union(np.array([face.box for face in faces]).reshape(-1, 4), photo.landmarks)
    return None if best is None else faces[best]


def measure(reconstructor: Reconstructor, folder: Path) -> dict[str, float]:
    """Errors in percent (68-2D, over sqrt(w h) of the true points), the mesh's smoothness, and milliseconds."""
    rows: list[tuple[float, float, bool, float, float]] = []
    missed = 0
    surface = reconstructor.surface
    for photo in show_progress(read_photos(folder, tested=True), "free_faces", "photo", 300):
        start = time.perf_counter()
        face = choose(reconstructor.find_faces(photo.pixels), photo)
        if face is None:
            missed += 1
            continue
        found = reconstructor.reconstruct(photo.pixels, face)
        milliseconds = 1000 * (time.perf_counter() - start)
        error = float(error_3ddfa(found.landmarks, photo.landmarks))
        smooth = smooth_share(adjacent_cosines(found.vertices, surface.triangles, surface.pairs))
        rows.append((error, photo.yaw_deg, not found.doubt, smooth, milliseconds))
    errors, yaws, sure, smooth_shares, times = (np.array(column) for column in zip(*rows, strict=True))
    interval, bins = bootstrap_interval(errors, RESAMPLES, SEED), yaw_bin(yaws)
    row = {"found": len(errors), "missed": missed, "median": float(np.median(errors))}
    row |= {f"mean{'' if name == 'mean' else ' ' + name}": value for name, value in interval._asdict().items()}
    row |= {f"|yaw| {name}": float(errors[bins == i].mean()) for i, name in enumerate(YAW_BINS)}
    row |= {"marked as likely wrong": int((~sure).sum()), "mean of the others": float(errors[sure].mean())}
    for name, those in (("over 10 %", errors > 10), ("under 5 %", errors < 5)):
        row |= {f"error {name}": int(those.sum()), f"marked of those {name}": int((those & ~sure).sum())}
    row |= {"smooth (%)": float(smooth_shares.mean()), "ms a photo": float(np.median(times))}
    return {name: round(value, 2) for name, value in row.items()}


@click.command()
@click.option("--bundle", type=FILE, help="Another one, such as `stages.bundle --landmark-map` writes.")
@click.option("--method", type=click.Choice(["fit", "network"]), default="fit", help="The network is the bundle's.")
def main(bundle: Path | None, method: str) -> None:
    """Measure on the 300 photos of FACE_DATA's AFLW2000 that nothing was chosen on."""
    folder = Path(os.environ.get("FACE_DATA", "../shared/data")) / "AFLW2000"
    row = measure(open_reconstructor(ReconstructorOptions(bundle=bundle, method=method), 1), folder)
    for name, value in row.items():
        click.echo(f"{name:24} {value}")
    click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
