"""The files of the faces of a video: a table, a GLB for each face, and the video with the meshes over it."""

import json
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..face.camera import rotation_matrix
from ..face.landmarks import LANDMARKS
from ..photo.animation import animated_glb
from ..photo.bundle import Bundle
from ..photo.fitting import correct, read_mesh
from ..photo.tracking import ALL_SEEN, TrackedFace
from ..photo.video_files import VIDEO_SUFFIXES, Video, open_video, open_writer
from ..store.arrays import Array, Image
from ..store.checks import check
from ..store.files import beside, write_bytes
from ..store.quiet import quiet_stderr
from ..store.tables import write_table
from .pictures import draw_fast

POSE = ("yaw", "pitch", "roll", "tx", "ty", "scale")


class Seen(NamedTuple):
    """What is kept of a face in a frame: a kilobyte."""

    frame: int
    time: float
    number: int
    presence: float
    pose: Array
    coefficients: Array
    landmarks: NDArray[np.float32]


class Portrait(NamedTuple):
    """The frame of a face that shows it best."""

    photo: Image
    face: TrackedFace


def write_record(out: Path, video: Video, source: str, frames: int) -> None:
    """Write which video the results of its name are of, how many frames of it were read, and how many it announces."""
    record = {"video": _place(source), "frames": frames, "frames_announced": video.length}
    write_bytes(_record_path(out, video.name), (json.dumps(record, indent=1) + "\n").encode())


def check_record(out: Path, video: Video, source: str) -> None:
    """Refuse to write over the results of another video.

    Raises
    ------
    ValueError
        If the folder holds results of a video that has the same name, and is another file.
    """
    path = _record_path(out, video.name)
    if not path.exists():
        return
    try:
        known = json.loads(path.read_bytes())["video"]
    except (OSError, ValueError, KeyError, TypeError):
        known = "something else"
    check(
        known == _place(source),
        f"{out} has results of another video of that name, {known} ({path.name} says so): choose another folder by "
        "--out, or delete them.",
    )


def _record_path(out: Path, name: str) -> Path:
    return out / f"{name}_track.json"


def _place(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).is_file() else f"camera{source}"


def remove_earlier(out: Path, name: str) -> None:
    """Remove what an earlier run wrote of a video of that name, which may have had more faces, or an overlay."""
    video = "|".join(map(re.escape, VIDEO_SUFFIXES))
    whole = rf"{re.escape(name)}(\.csv|_face\d+\.glb|_overlay({video}))"
    # What a killed run left unfinished, see `beside`.
    part = rf"\.{re.escape(name)}(\.csv|_face\d+\.glb|_track\.json|_overlay)\..+\.part({video})?"
    own = re.compile(f"{whole}|{part}")
    for path in out.iterdir():
        if own.fullmatch(path.name):
            path.unlink()


def keep(frame: int, time: float, face: TrackedFace, bundle: Bundle) -> Seen:
    """Keep what the table and the GLB need of a face in a frame."""
    landmarks = read_mesh(bundle, face.mesh)[:, :2].astype(np.float32)
    return Seen(frame, time, face.number, face.presence, face.fit.pose, face.fit.coefficients, landmarks)


def best_portrait(known: Portrait | None, photo: Image, face: TrackedFace) -> Portrait:
    """Of the best frame up to now and a new one, that in which the face is turned away less."""
    if known is not None and _frontal(face) <= _frontal(known.face):
        return known
    return Portrait(photo, face)


def _frontal(face: TrackedFace) -> float:
    return float(rotation_matrix(*face.fit.pose[:3])[2, 2])


def table_header(names: tuple[str, ...], identities: int) -> tuple[str, ...]:
    """Columns of the table, for the expressions' names and a number of identity coefficients."""
    points = (f"{axis}{number}" for number in range(LANDMARKS) for axis in "xy")
    identity = (f"identity{number}" for number in range(1, identities + 1))
    return ("frame", "time_s", "face", "presence", *POSE, *identity, *names, *points)


def write_faces_table(path: Path, header: tuple[str, ...], seen: Iterable[Seen]) -> None:
    """Write a row for each face of each frame: angles in degrees, places in px of the frame, y down."""
    write_table(path, header, (_row(each) for each in seen))


def _row(seen: Seen) -> tuple:
    pitch, yaw, roll = np.rad2deg(seen.pose[:3])
    places = (f"{value:.2f}" for value in (yaw, pitch, roll, *seen.pose[3:5]))
    coefficients = (f"{value:.6g}" for value in (seen.pose[6], *seen.coefficients))
    points = (f"{value:.2f}" for value in seen.landmarks.ravel())
    return (seen.frame, f"{seen.time:.4f}", seen.number, f"{seen.presence:.3f}", *places, *coefficients, *points)


def write_glb(path: Path, bundle: Bundle, portrait: Portrait, seen: list[Seen]) -> None:
    """Write the GLB of one face."""
    shape = bundle.model.shape_basis.shape[2]
    poses, weights = np.array([each.pose for each in seen]), np.array([each.coefficients[shape:] for each in seen])
    times = [each.time for each in seen]
    write_bytes(path, animated_glb(bundle, portrait.photo, portrait.face, times, poses, weights))


def write_overlay(
    frames: Iterable[tuple[float, Image, list[TrackedFace]]], bundle: Bundle, stem: Path, rate: float
) -> Generator[tuple[float, Image, list[TrackedFace]]]:
    """Write each frame with its faces drawn over it, and pass it on.

    A video file has a constant rate: a frame is written as often as it was to be seen, so that the time stays true. It
    gets its name when it is whole: at the end, or where it is closed before.

    Parameters
    ----------
    frames : iterable of (time, frame, faces)
        See `pipeline.photo.tracking.track_faces`.
    bundle : Bundle
    stem : Path
        Of the video, without ending.
    rate : float
        Frames a second.

    Raises
    ------
    OSError
        If no video can be written, or it is not whole at the end. Nothing is left of it then.
    """
    writer: Any = None
    written, part = 0, beside(stem)
    try:
        for time, frame, faces in frames:
            if writer is None:
                part, writer = open_writer(part, rate, *frame.shape[:2])
            drawn = frame
            for face in faces:
                vertices, _ = correct(face.fit, face.mesh, ALL_SEEN, bundle)
                drawn = draw_fast(drawn, vertices, bundle.model.triangles, read_mesh(bundle, face.mesh))
            while written <= round(time * rate):
                with quiet_stderr():  # a full disk would be told a frame
                    writer.write(drawn[..., ::-1])
                written += 1
            yield time, frame, faces
    finally:
        if writer is not None:
            writer.release()
            _finish(part, stem.with_name(stem.name + part.suffix), written)


def _finish(part: Path, path: Path, frames: int) -> None:
    """Give a written video its name, if all frames are in it: OpenCV does not tell of a full disk."""
    try:
        if open_video(str(part)).length != frames:
            raise OSError(f"{path} could not be written whole: free the disk or the folder, or leave the overlay out.")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
