"""Head pose and expression that `reconstruct` finds in real photos, against AFLW2000-3D's (`make bench-pose`).

The 300 photos of AFLW2000-3D that nothing was chosen on, whole, without an annotated box: faces are found by BlazeFace
and Face Mesh, and fitted by the embedded face model. The annotation's angles are of another face model, BFM: the pose
is read from the 68 landmarks of the mesh, by BFM's mean face laid over them, and by BFM fitted to them with the spread
of the other photos' coefficients. Prints a table, then one line of JSON.
"""

import json
import os
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.aflw2000 import TruePhoto, read_photos
from benchmarks.free_faces import RESAMPLES, SEED, choose
from model.scores.expression import score_openings
from model.scores.head_pose import score_pose
from model.scores.statistics import bootstrap_interval
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_reconstructor
from pipeline.face.face_model import FaceModel, at_landmarks, select_coefficients
from pipeline.face.fit import Prior, fit_face, prior_of
from pipeline.face.head_pose import estimate_pose
from pipeline.raw.annotations import read_annotation
from pipeline.raw.bfm import load_bfm
from pipeline.store.arrays import Array
from pipeline.store.progress import show_progress

# Standard deviation of a found landmark, in parts of the landmarks' box.
SIGMA = 0.035


def read_prior(folder: Path, model: FaceModel) -> Prior:
    """Mean and spread of the coefficients of the photos that are not tested."""
    annotated = [read_annotation(folder / f"{photo.name}.mat") for photo in read_photos(folder, tested=False)]
    shapes, expressions = (np.array([getattr(each, name) for each in annotated]) for name in ("shape", "expression"))
    return prior_of(select_coefficients(model, shapes, expressions))


def read_poses(landmarks: Array, model: FaceModel, prior: Prior, height: int) -> dict[str, Array]:
    """Pitch, yaw and roll (rad) of 68 landmarks (68, 3) in a photo, read in both ways."""
    sigma = SIGMA * float(np.sqrt(np.ptp(landmarks[:, :2], axis=0).prod()))
    return {
        "laid over": estimate_pose(landmarks, model.mean, height)[:3],
        "fitted": fit_face(model, landmarks, sigma, prior, height).pose[:3],
    }


def measure(photo: TruePhoto, found: Array, pose: Array, model: FaceModel, prior: Prior) -> dict[str, float | None]:
    """Score the landmarks (68, 3) that were found in a photo, and how far off the annotated ones are, read likewise."""
    row: dict[str, float | None] = {}
    height = len(photo.pixels)
    for said, landmarks in (("", found), (" of the annotated landmarks", photo.landmarks)):
        for way, angles in read_poses(landmarks, model, prior, height).items():
            row |= {f"{name}, {way}{said}": value for name, value in score_pose(angles, pose[:3]).items()}
    return row | score_openings(found, photo.landmarks)


@click.command()
def main() -> None:
    """Measure on 300 photos of FACE_DATA's AFLW2000."""
    data = Path(os.environ.get("FACE_DATA", "../shared/data"))
    folder, model = data / "AFLW2000", at_landmarks(load_bfm(data / "bfm"))
    prior, reconstructor = read_prior(folder, model), open_reconstructor(ReconstructorOptions(), 1)
    rows = []
    for photo in show_progress(read_photos(folder, tested=True), "head_pose", "photo", 300):
        face = choose(reconstructor.find_faces(photo.pixels), photo)
        if face is not None:
            found = reconstructor.reconstruct(photo.pixels, face)
            pose = read_annotation(folder / f"{photo.name}.mat").pose
            rows.append(measure(photo, found.landmarks, pose, model, prior) | {"doubted": float(bool(found.doubt))})
    told: dict[str, float] = {"found": len(rows)}
    for name, values in pd.DataFrame(rows, dtype=float).items():
        known = values.dropna()
        mean, low, high = bootstrap_interval(known, RESAMPLES, SEED)
        numbers = {"photos": len(known), "mean": mean, "low": low, "high": high, "median": known.median()}
        told |= {f"{name}, {part}": round(float(value), 2) for part, value in numbers.items()}
        click.echo(f"{name:52} {mean:7.2f} ({low:.2f} to {high:.2f}), median {known.median():.2f}, {len(known)} photos")
    click.echo(json.dumps(told))


if __name__ == "__main__":
    main()
