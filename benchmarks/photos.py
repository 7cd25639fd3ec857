"""What finding, levelling and reconstructing faces in photos comes to, on the test part with its annotations.

``python -m benchmarks.photos`` in a project on real faces prints tables: faces that the detector misses, the error of
the 68 landmarks by each backend, the roll that levelling leaves, the error of the pose, and where the time goes. Then
one line of JSON.
"""

import dataclasses
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.scores.protocols import error_3ddfa
from model.scores.statistics import YAW_BINS, bootstrap_interval, paired_interval, yaw_bin
from pipeline.commands.finding import Finder, open_finder, open_landmarker
from pipeline.commands.network import open_regressor
from pipeline.commands.options import ReconstructorOptions, reconstructor_options
from pipeline.crops.active_shape import fit, load_model, upright_frame, view_of
from pipeline.crops.alignment import face_roll, resample
from pipeline.crops.face_finding import Face, choose_annotated
from pipeline.crops.face_mesh import open_files
from pipeline.face.camera import transform_pose, wrap_angle
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.photo.bundle import load_bundle
from pipeline.photo.map_network import place_crop
from pipeline.photo.photo_files import open_photo
from pipeline.photo.reconstruction import Reconstruction, read_face
from pipeline.raw.photos import read_photo
from pipeline.store.checkout import BUNDLE, SHAPES
from pipeline.store.progress import show_progress
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import MAIN_RUN
from stages.project.samples import locate, read_accepted, read_part, read_truths, spread, subset_of

RESAMPLES, SEED = 1000, 1
# Photos whose steps are timed.
TIMED = 30
# Turns in degrees, clockwise, of so many photos.
TURNS, TURNED = (0, 45, 90, 135, 180), 60
# Bands of roll in degrees, by the annotated pose.
ROLLS = ((0, 30), (30, 45), (45, 90), (90, 181))
Backend = Callable[[NDArray[np.uint8], Face], NDArray[np.float64]]
# From a photo and landmarks in it to the face that a network draws there.
Draw = Callable[[NDArray[np.uint8], NDArray[np.float64]], Reconstruction]


@dataclasses.dataclass(frozen=True)
class Photo:
    """A test photo with what is annotated, and the face that was found where the annotation has one."""

    name: str
    path: Path
    pixels: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    pose: NDArray[np.float64]
    face: Face | None


def read_photos(root: Path, data: DataParams, find_faces: Finder) -> Iterator[Photo]:
    """Read the test part and find its faces, one at a time."""
    names = read_part(root, "test")
    rows = {row["sample_id"]: row for row in read_accepted(root, names)}
    places = locate(root, "on", names)
    for sample in show_progress(read_truths(root, places), "photos", "photo", len(places)):
        row = rows[sample.sample_id]
        path = root / data.folder(subset_of(sample.sample_id)) / row["photo"]
        pixels = read_photo(path)
        pose = np.array([float(row[key]) for key in ("pitch", "yaw", "roll", "tx", "ty", "tz", "scale")])
        yield Photo(
            sample.sample_id,
            path,
            pixels,
            sample.landmarks,
            pose,
            choose_annotated(find_faces(pixels), sample.landmarks),
        )


def mean_shape(path: Path) -> Backend:
    """The shape that the Active Shape Model starts from, which says what its search brings."""
    shapes = load_model(path)

    def place(_: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        return apply_similarity(np.linalg.inv(upright_frame(face.points)), shapes.mean[view_of(face.points)])

    return place


def then_mesh(find: Backend, draw: Draw) -> Backend:
    """The landmarks of the mesh that is reconstructed from the crop that a backend's landmarks place."""
    return lambda pixels, face: draw(pixels, find(pixels, face)).landmarks


def landmark_rows(photos: list[Photo], backends: dict[str, Backend]) -> list[dict]:
    """Error (xy, over sqrt(w h) of the true points, percent) of each backend by yaw, and its milliseconds a face."""
    found = [photo for photo in photos if photo.face is not None]
    faces = [photo.face for photo in photos if photo.face is not None]
    bins = yaw_bin(np.rad2deg([photo.pose[1] for photo in found]))
    rows = []
    for name, backend in backends.items():
        seconds, predicted = [], []
        for photo, face in zip(found, faces, strict=True):
            start = time.perf_counter()
            predicted.append(np.asarray(backend(photo.pixels, face))[:, :2])
            seconds.append(time.perf_counter() - start)
        errors = np.array([error_3ddfa(p, photo.landmarks) for p, photo in zip(predicted, found, strict=True)])
        interval = bootstrap_interval(errors, RESAMPLES, SEED)
        by_bin = {key: round(float(errors[bins == i].mean()), 2) for i, key in enumerate(YAW_BINS) if (bins == i).any()}
        row = {"backend": name, "photos": len(found), "ms": round(1000 * statistics.median(seconds), 1)}
        rows.append(row | {k: round(v, 2) for k, v in interval._asdict().items()} | by_bin)
    return rows


def true_roll_rows(root: Path, data: DataParams) -> list[dict]:
    """Annotated roll that levelling by the true landmarks leaves: degrees, median and 90th percentile, by band of roll.

    Over all annotated photos: nothing is learnt here. Of faces that are turned by at most 60 degrees, since near a
    profile the annotated roll is not the roll that one sees. `as written` takes the line's slope, the other its
    direction.
    """
    left: dict[tuple, list[float]] = {}
    for subset in data.subsets:
        for path in list_shards(root / "data/index" / subset):
            for pose, landmarks, height in zip(
                *read_shard(path, ["pose", "true_landmarks", "height"]).values(), strict=True
            ):
                yaw, roll = np.abs(np.rad2deg(wrap_angle(pose[1:3])))
                if np.isfinite(landmarks).all() and yaw <= 60:
                    line = face_roll(landmarks)
                    for way, angle in (("full circle", line), ("as written", float(np.arctan(np.tan(line))))):
                        left.setdefault((_band(roll), way), []).append(_roll_left(pose, int(height), angle))
    return [
        {"roll": band, "photos": len(left[band, "full circle"])}
        | {way: _spread(left[band, way]) for way in ("as written", "full circle")}
        for band in dict.fromkeys(_band(low) for low, _ in ROLLS)
        if (band, "full circle") in left
    ]


def _band(roll_deg: float) -> str:
    low, high = next(limits for limits in ROLLS if limits[0] <= roll_deg < limits[1])
    return f"{low} to {min(high, 180)}"


def _roll_left(pose: NDArray, height: int, roll: float) -> float:
    """Annotated roll in degrees, either way, after the photo is turned by a measured roll."""
    turn = make_similarity(1.0, -roll, (0, 0), (0, 0))
    return float(abs(np.rad2deg(wrap_angle(transform_pose(pose, height, turn, height)[2]))))


def _spread(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in np.percentile(values, [50, 90]))


def turned_rows(photos: list[Photo], backends: dict[str, Backend], find_faces: Finder) -> list[dict]:
    """Roll that is left (degrees, median and 90th percentile) after photos are turned and their faces found anew.

    Against the line of the true landmarks; `found` counts faces, and over 45 degrees a face lies on its side or head.
    """
    rows = []
    for degrees in TURNS:
        left: dict[str, list[float]] = {name: [] for name in backends}
        sample = spread(photos, TURNED)
        for photo in sample:
            middle = (np.array(photo.pixels.shape[1::-1]) - 1) / 2
            side = int(np.ceil(np.hypot(*photo.pixels.shape[:2])))
            turn = make_similarity(1.0, np.deg2rad(degrees), middle, ((side - 1) / 2, (side - 1) / 2))
            pixels = np.asarray(cv2.warpAffine(photo.pixels, turn[:2], (side, side)), np.uint8)
            landmarks = apply_similarity(turn, photo.landmarks)
            face = choose_annotated(find_faces(pixels), landmarks)
            if face is not None:
                for name, backend in backends.items():
                    off = face_roll(backend(pixels, face)) - face_roll(landmarks)
                    left[name].append(float(abs(np.rad2deg(wrap_angle(off)))))
        found = {name: f"{_spread(rolls)} ({sum(np.array(rolls) > 45)} over 45)" for name, rolls in left.items()}
        rows.append({"turned by": degrees, "photos": len(sample), "found": len(next(iter(left.values())))} | found)
    return rows


def pose_row(photos: list[Photo], landmarks: Backend, draw: Draw) -> dict:
    """Mean absolute error of the pose in degrees, wrapped; of faces that are turned by at most 99 degrees."""
    errors = []
    for photo in photos:
        if photo.face is not None and abs(np.rad2deg(wrap_angle(photo.pose[:3]))).max() <= 99:
            pose = draw(photo.pixels, landmarks(photo.pixels, photo.face)).pose
            errors.append(np.abs(np.rad2deg(wrap_angle(pose[:3] - photo.pose[:3]))))
    pitch, yaw, roll = np.mean(errors, axis=0)
    row = {"photos": len(errors), "yaw": yaw, "pitch": pitch, "roll": roll, "mean": (pitch + yaw + roll) / 3}
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}


def time_rows(photos: list[Photo], find_faces: Finder, find_landmarks: Backend, draw: Draw) -> list[dict]:
    """Median milliseconds of each step from a photo's file to its mesh."""
    steps: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = work(*arguments)
        steps.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result

    for photo in [photo for photo in photos if photo.face is not None][:TIMED]:
        pixels, _ = timed("decode", open_photo, photo.path)
        timed("detect", find_faces, pixels)
        landmarks = timed("landmarks", find_landmarks, pixels, photo.face)
        timed("landmarks to mesh", draw, pixels, landmarks)
    return [{"step": name, "ms": round(statistics.median(values), 1)} for name, values in steps.items()]


def levelling_rows(root: Path) -> list[dict]:
    """Error of the 68 landmarks of the main run and of `final_unlevelled`, by band of roll."""
    paths = [root / f"runs/{run}/per_image.csv" for run in (MAIN_RUN, "final_unlevelled")]
    if not all(path.is_file() for path in paths):
        return []
    tables = [pd.read_csv(path).set_index("sample_id")["nme68_2d"] for path in paths]
    accepted = read_accepted(root, tables[0].index)
    roll = np.abs(np.rad2deg(wrap_angle(np.array([float(row["roll"]) for row in accepted]))))
    rows = []
    for low, high in ROLLS:
        band = (roll >= low) & (roll < high)
        row: dict[str, Any] = {"roll": f"{low} to {min(high, 180)}", "photos": int(band.sum())}
        if band.any():
            levelled, plain = (table[tables[0].index].to_numpy()[band] for table in tables)
            difference = paired_interval(levelled, plain, RESAMPLES, SEED)
            row |= {"levelled": round(levelled.mean(), 2), "not levelled": round(plain.mean(), 2)}
            row |= {"difference": f"{difference.mean:.2f} ({difference.low:.2f} to {difference.high:.2f})"}
        rows.append(row)
    return rows


def print_table(title: str, rows: list[dict]) -> None:
    """Print rows of equal keys as a table in Markdown."""
    click.echo(f"\n{title}\n")
    names = list(dict.fromkeys(name for row in rows for name in row))
    click.echo("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")
    for row in rows:
        click.echo("| " + " | ".join(str(row.get(name, "")) for name in names) + " |")


@click.command()
@reconstructor_options
def main(options: ReconstructorOptions) -> None:
    """Measure on the test part of the project in this folder; it is held in memory, half a MB a photo."""
    with sentences():
        bundle, threads = load_bundle(options.bundle or BUNDLE), os.cpu_count() or 1
        network, networks = bundle.network, open_files(bundle.files, threads)
        if network is None:
            raise ValueError("The bundle has no network of position maps.")
        predict = open_regressor(network, threads)
        find_faces = open_finder(options, networks)
        landmarks = open_landmarker(options, bundle, network, predict, networks)

        def draw(pixels: NDArray[np.uint8], points: NDArray[np.float64]) -> Reconstruction:
            similarity = place_crop(points, 0, network.facts)
            position_map = predict(resample(pixels, similarity, network.facts.size))
            return read_face(position_map, similarity, network.surface, network.mean, len(pixels))

        data = read("data", DataParams)
        photos = list(read_photos(Path(), data, find_faces))
        backends: dict[str, Backend] = {options.landmarks: landmarks}
        if SHAPES.is_file():
            shapes = load_model(SHAPES)
            backends |= {"mean shape": mean_shape(SHAPES), "asm": lambda pixels, face: fit(shapes, pixels, face.points)}
        meshes = {f"mesh, cropped by {name}": then_mesh(find, draw) for name, find in backends.items()}
        tables = {
            "Faces that the detector misses": [
                {"photos": len(photos), "without their face": sum(photo.face is None for photo in photos)}
            ],
            "68 landmarks, xy, over sqrt(w h) of the true points (%), plain mean": landmark_rows(
                photos, backends | meshes
            ),
            "Roll that true landmarks leave": true_roll_rows(Path(), data),
            "Roll that found landmarks leave": turned_rows(photos, backends, find_faces),
            "Pose, mean absolute error in degrees": [pose_row(photos, landmarks, draw)],
            "Milliseconds, median": time_rows(photos, find_faces, landmarks, draw),
            "Error of the 68 landmarks of runs/main by roll (%)": levelling_rows(Path()),
        }
    for title, rows in tables.items():
        if rows:
            print_table(title, rows)
    click.echo(json.dumps(tables))


if __name__ == "__main__":
    main()
