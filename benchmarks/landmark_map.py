"""How well the map of the stage `landmark_map` does on photos of AFLW2000-3D (`python -m benchmarks.landmark_map`).

First in five folds of the photos that anything may be chosen on, then, learnt from all of these, on the 300 others.
Error of the 68 landmarks, xy, over sqrt(w h) of the true points, in percent. Prints a line for each.
"""

import os
from pathlib import Path

import click
import numpy as np

from benchmarks.aflw2000 import read_photos
from model.scores.protocols import error_3ddfa
from model.scores.statistics import YAW_BINS, yaw_bin
from pipeline.crops.landmark_map import apply_map, learn_map
from pipeline.store.arrays import Array
from pipeline.store.progress import show_progress
from stages.project.annotated_face import annotated_face

FOLDS = 5
Faces = dict[str, Array]


def find(folder: Path, tested: bool) -> tuple[Faces, Array, int]:
    """Found faces, by what `learn_map` calls them, the yaw of each in degrees, and the number of photos."""
    found, yaws, count = [], [], 0
    for photo in show_progress(read_photos(folder, tested), "landmark_map", "photo"):
        count += 1
        face = annotated_face(photo.pixels, photo.landmarks)
        if face is not None:
            found.append((face.mesh, photo.landmarks, face.confidence, face.keypoints))
            yaws.append(photo.yaw_deg)
    columns = map(np.array, zip(*found, strict=True))
    faces = dict(zip(("meshes", "landmarks", "presences", "keypoints"), columns, strict=True))
    return faces, np.array(yaws), count


def take(faces: Faces, rows: Array) -> Faces:
    """Some of the faces."""
    return {name: values[rows] for name, values in faces.items()}


def measure(learnt: Array, faces: Faces) -> Array:
    """Error of each face in percent by a map."""
    columns = (faces[name] for name in ("meshes", "presences", "keypoints"))
    return error_3ddfa(np.stack([apply_map(learnt, *face) for face in zip(*columns, strict=True)]), faces["landmarks"])


def tell(what: str, errors: Array, yaws: Array, count: int) -> None:
    """Print what was found, and how well."""
    bins = yaw_bin(yaws)
    by_yaw = ", ".join(f"{name} {errors[bins == number].mean():.2f}" for number, name in enumerate(YAW_BINS))
    median, mean = np.median(errors), errors.mean()
    click.echo(f"{what}: found {len(errors)} of {count}, median {median:.2f}, mean {mean:.2f}; |yaw| {by_yaw}")


@click.command()
def main() -> None:
    """Measure on FACE_DATA's AFLW2000."""
    folder = Path(os.environ.get("FACE_DATA", "../shared/data")) / "AFLW2000"
    faces, yaws, count = find(folder, tested=False)
    fold, errors = np.arange(len(yaws)) % FOLDS, np.zeros(len(yaws))
    for number in range(FOLDS):
        learnt = learn_map(**take(faces, fold != number))
        errors[fold == number] = measure(learnt, take(faces, fold == number))
    tell(f"{FOLDS} folds", errors, yaws, count)
    tested, tested_yaws, tested_count = find(folder, tested=True)
    tell("Tested", measure(learn_map(**faces), tested), tested_yaws, tested_count)


if __name__ == "__main__":
    main()
