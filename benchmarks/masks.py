"""What a mask of the covered part brings, on real photos with something drawn before the face (`make bench-masks`).

Of the 300 photos of AFLW2000-3D that nothing was chosen on, every fifteenth: dark glasses, a hand or a bar is drawn
before the face (`benchmarks.occluders`). The error of the 68 landmarks is measured of the photo as it is, of the
covered one, and of the covered one with its mask. Prints a table, then one line of JSON.
"""

import json
import os
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.aflw2000 import TruePhoto, read_photos
from benchmarks.free_faces import RESAMPLES, SEED, choose
from benchmarks.occluders import cover_face
from model.scores.protocols import error_3ddfa
from model.scores.statistics import paired_interval
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import Reconstructor, open_reconstructor
from pipeline.photo.masks import cover_faces, paint_over
from pipeline.store.progress import show_progress

EVERY = 15
CASES = ("as it is", "covered", "with its mask")


def errors_of(reconstructor: Reconstructor, photo: TruePhoto, number: int) -> list[tuple[float, bool]]:
    """Error in percent, NaN where the face is not found, and whether it is told as likely wrong, in each of `CASES`."""
    hidden, covered = cover_face(photo.pixels, photo.landmarks, number)
    errors = []
    for pixels, mask in ((photo.pixels, None), (hidden, None), (paint_over(hidden, covered), covered)):
        faces = reconstructor.find_faces(pixels)
        face = choose(faces if mask is None else cover_faces(faces, mask), photo)
        if face is None:
            errors.append((np.nan, False))
        else:
            found = reconstructor.reconstruct(pixels, face)
            errors.append((float(error_3ddfa(found.landmarks, photo.landmarks)), bool(found.doubt)))
    return errors


def summarise(errors: NDArray, doubts: NDArray[np.bool_]) -> dict[str, float]:
    """Numbers of the errors (N, 3) and doubts (N, 3) of all photos: means of those that are found in every case."""
    row: dict[str, float] = {"photos": len(errors)}
    everywhere = np.isfinite(errors).all(axis=1)
    row |= {f"found {case}": int(np.isfinite(errors[:, i]).sum()) for i, case in enumerate(CASES)}
    row |= {"found in every case": int(everywhere.sum())}
    row |= {f"mean {case}": float(errors[everywhere, i].mean()) for i, case in enumerate(CASES)}
    difference = paired_interval(errors[everywhere, 2], errors[everywhere, 1], RESAMPLES, SEED)
    row |= {f"mask less none, {name}": value for name, value in difference._asdict().items()}
    for i, case in enumerate(CASES):
        for name, those in (("over 10 %", errors[:, i] > 10), ("under 5 %", errors[:, i] < 5)):
            row |= {f"{case}, {name}": int(those.sum()), f"{case}, {name}, marked": int((those & doubts[:, i]).sum())}
    return {name: round(value, 2) for name, value in row.items()}


@click.command()
def main() -> None:
    """Measure on 20 photos of FACE_DATA's AFLW2000."""
    folder = Path(os.environ.get("FACE_DATA", "../shared/data")) / "AFLW2000"
    reconstructor = open_reconstructor(ReconstructorOptions(), 1)
    rows = []
    for number, photo in enumerate(show_progress(read_photos(folder, tested=True), "masks", "photo", 300)):
        if number % EVERY == 0:
            rows.append(errors_of(reconstructor, photo, number // EVERY))
    errors, doubts = np.moveaxis(np.array(rows), -1, 0)
    row = summarise(errors, doubts > 0)
    for name, value in row.items():
        click.echo(f"{name:32} {value}")
    click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
