"""Measure the tracking of faces in a video (`python -m benchmarks.video`): jitter, lag, and frames a second.

The video is made of the astronaut of scikit-image (public domain) at 640 x 480, 30 frames a second, with Gaussian noise
of its own in each frame. Prints sentences, then one line of JSON.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import skimage.data
from threadpoolctl import threadpool_limits

from pipeline.commands.bundles import embedded_bundle
from pipeline.commands.video import write_overlay
from pipeline.crops.blaze_face import Network, open_network
from pipeline.crops.face_mesh import FILES, find_faces
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.photo.bundle import Bundle, load_bundle
from pipeline.photo.tracking import track_faces
from pipeline.photo.video_files import open_video, open_writer
from pipeline.store.arrays import Array, Image

WIDTH, HEIGHT, RATE, FRAMES, NOISE = 640, 480, 30, 90, 6.0
# Of the runs that are timed, and of the sine by which the face moves: px and Hz.
RUNS, AMPLITUDE, FREQUENCY = 5, 40.0, 0.5


def make_frames(shifts: Array, noise: float = NOISE) -> Iterator[tuple[float, Image]]:
    """Frames of a face that is shifted to the right by some px, with their times."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(skimage.data.astronaut(), (WIDTH, WIDTH), interpolation=cv2.INTER_AREA)[:HEIGHT]
    for number, shift in enumerate(shifts):
        moved = cv2.warpAffine(picture, np.array([[1, 0, shift], [0, 1, 0.0]]), (WIDTH, HEIGHT), borderMode=1)
        noisy = moved + rng.normal(0, noise, moved.shape)
        yield number / RATE, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def track_landmarks(frames: Iterator[tuple[float, Image]], bundle: Bundle, networks: dict[str, Network]) -> Array:
    """Landmarks (T, 68, 2) of the one face of a video."""
    return np.array(
        [read_landmarks(face.mesh)[:, :2] for _, _, faces in track_faces(frames, bundle, networks) for face in faces]
    )


def jitter(landmarks: Array) -> float:
    """Root mean square distance in px of landmarks (T, 68, 2) from their mean over time, the first second left out."""
    settled = landmarks[RATE:]
    return float(np.sqrt(((settled - settled.mean(axis=0)) ** 2).sum(axis=2).mean()))


def lag(landmarks: Array) -> tuple[float, float]:
    """Frames by which landmarks (T, 68, 2) follow the sine behind, and the greatest distance in px from where it is."""
    times, turn = np.arange(FRAMES) / RATE, 2 * np.pi * FREQUENCY
    waves = np.column_stack([np.sin(turn * times), np.cos(turn * times), np.ones(FRAMES)])[RATE:]
    sine, cosine, _ = np.linalg.lstsq(waves, landmarks[RATE:, :, 0].mean(axis=1))[0]
    behind = -float(np.arctan2(cosine, sine)) / turn * RATE
    return behind, AMPLITUDE * turn * behind / RATE


def time_frames(source: Path, overlay: Path | None, bundle: Bundle, networks: dict[str, Network]) -> list[float]:
    """Wall and processor milliseconds a frame, from the file to the smoothed faces or to the overlay video."""
    start, used = time.perf_counter(), time.process_time()
    tracked = track_faces(open_video(str(source)).frames, bundle, networks)
    with threadpool_limits(1):  # as the command has it
        count = sum(1 for _ in (write_overlay(tracked, bundle, overlay, RATE) if overlay else tracked))
    return [1e3 * (time.perf_counter() - start) / count, 1e3 * (time.process_time() - used) / count]


@click.command()
@click.option("--bundle", "bundle_file", type=click.Path(path_type=Path, dir_okay=False), help="Another face model.")
def main(bundle_file: Path | None) -> None:
    """Measure jitter, lag and speed."""
    bundle = load_bundle(bundle_file) if bundle_file else embedded_bundle()
    networks = {name: open_network(bundle.files[file], os.cpu_count() or 1) for name, file in FILES.items()}
    still, moving = np.zeros(FRAMES), AMPLITUDE * np.sin(2 * np.pi * FREQUENCY * np.arange(FRAMES) / RATE)
    alone = np.array(
        [read_landmarks(find_faces(frame, networks)[0].mesh)[:, :2] for _, frame in make_frames(still)], np.float64
    )
    before, after = jitter(alone), jitter(track_landmarks(make_frames(still), bundle, networks))
    behind, distance = lag(track_landmarks(make_frames(moving), bundle, networks))
    with tempfile.TemporaryDirectory() as name:
        source, writer = open_writer(Path(name) / "source", RATE, HEIGHT, WIDTH)
        for _, frame in make_frames(moving):
            writer.write(frame[..., ::-1])
        writer.release()
        # In turn, so that both have the same neighbours on the machine.
        runs = [
            [time_frames(source, overlay, bundle, networks) for overlay in (None, Path(name) / "overlay")]
            for _ in range(RUNS)
        ]
    plain, drawn = np.median(np.array(runs), axis=0)
    speed = AMPLITUDE * 2 * np.pi * FREQUENCY
    click.echo(f"A still face jitters by {before:.3f} px, tracked by {after:.3f}: {before / after:.1f} times less.")
    click.echo(f"At up to {speed:.0f} px/s it is followed {behind:.2f} frames behind, {distance:.2f} px at most.")
    for what, (wall, used) in (("Without", plain), ("With", drawn)):
        click.echo(f"{what} the overlay: {1e3 / wall:.1f} frames/s; {wall:.1f} ms a frame, {used:.1f} ms of a core.")
    load = os.getloadavg()[0]
    click.echo(f"Load of the machine: {load:.1f} on {os.cpu_count()} cores.")
    numbers = {"jitter_px": [before, after], "lag_frames": behind, "lag_px": distance, "load": load}
    click.echo(json.dumps(numbers | {"ms": plain.tolist(), "ms_overlay": drawn.tolist()}))


if __name__ == "__main__":
    main()
