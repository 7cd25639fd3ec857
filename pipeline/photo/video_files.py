"""Videos and webcams, read and written frame by frame by OpenCV."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..store.arrays import Image
from ..store.quiet import quiet_stderr

# Frames a second of a source that does not say.
USUAL_RATE = 30.0
# Endings and codecs that a video is written with, by preference; the last is in every OpenCV.
CODECS = ((".mp4", "mp4v"), (".avi", "MJPG"))
VIDEO_SUFFIXES = tuple(suffix for suffix, _ in CODECS)


class Video(NamedTuple):
    """A video that is open.

    Attributes
    ----------
    name : str
        The file's name without ending, or ``camera<number>``.
    rate : float
        Frames a second, as the source says.
    length : int
        Number of frames, as the file says; 0 if it is not known.
    frames : iterator of (time, frame)
        Seconds, which grow from the first frame on, and (H, W, 3) uint8, RGB, turned as the file says. Damage after the
        first frame ends it, see `describe_missing`; if there is no frame, it raises a ValueError.
    """

    name: str
    rate: float
    length: int
    frames: Iterator[tuple[float, Image]]


def open_video(source: str) -> Video:
    """Open a video.

    Parameters
    ----------
    source : str
        A video file, or the number of a webcam.

    Returns
    -------
    Video

    Raises
    ------
    FileNotFoundError
        If the source is no number, and no such file exists.
    ValueError
        If its name is no text.
    """
    _check_name(source)
    is_file = Path(source).is_file()
    if not (is_file or source.isdecimal()):
        raise FileNotFoundError(f"There is no video {source!r}; expected a file, or the number of a webcam such as 0.")
    with quiet_stderr():  # what FFmpeg says of a file that is no video is said in one sentence
        capture = cv2.VideoCapture(source if is_file else int(source))
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < np.inf else USUAL_RATE
    count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0) if is_file else 0
    name = Path(source).stem if is_file else f"camera{source}"
    return Video(name, rate, count, _read(capture, f"The {'video' if is_file else 'webcam'} {source}", is_file, rate))


def count_frames(source: str) -> int:
    """Count the frames that a video file has, by its packets and without decoding one; 0 for what is no such file.

    What a file announces, `Video.length`, may be wrong: it is cut, say. An hour's packets are counted in a second.
    """
    if not Path(source).is_file():
        return 0
    with quiet_stderr():
        # FFmpeg's packets as they are: one a frame.
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
        frames = 0
        while capture.grab():
            frames += 1
        capture.release()
    return frames


def describe_missing(video: Video, read: int) -> str:
    """Say that fewer frames of a video were read than its file announces; empty where none is missing, or not known."""
    if read >= video.length:
        return ""
    return (
        f"{video.name}: {read} of {video.length} frames were read: the video is cut or damaged, or its file announces "
        "more than it has."
    )


def _check_name(name: str) -> None:
    """Refuse a name that is no text in UTF-8, on which OpenCV crashes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"The name {name!r} is no text in UTF-8, as a video's must be: rename it.") from None


def _read(capture: Any, what: str, is_file: bool, rate: float) -> Iterator[tuple[float, Image]]:
    start, last = time.monotonic(), None
    try:
        while capture.isOpened():
            with quiet_stderr():
                whole, frame = capture.read()
            if not whole:
                break
            now = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if is_file else time.monotonic() - start
            # Some files have no times, and some have the same twice.
            last = max(now, 0.0) if last is None else now if now > last else last + 1 / rate
            yield last, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        capture.release()
    if last is None:
        raise ValueError(f"{what} gives no frame: it is missing or in use, damaged, or of a kind OpenCV cannot read.")


def open_writer(stem: Path, rate: float, height: int, width: int) -> tuple[Path, Any]:
    """Open a video to be written, with the first codec that OpenCV has here.

    Parameters
    ----------
    stem : Path
        Without ending.
    rate : float
        Frames a second.
    height, width : int

    Returns
    -------
    path : Path
        With ending.
    writer : cv2.VideoWriter
        Its frames are BGR; it has to be released.

    Raises
    ------
    OSError
        If none can be written.
    ValueError
        If its name is no text.
    """
    _check_name(str(stem))
    for suffix, codec in CODECS:
        path = stem.with_name(stem.name + suffix)
        with quiet_stderr():
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
        if writer.isOpened():
            return path, writer
        path.unlink(missing_ok=True)
    raise OSError(f"No video can be written in {stem.parent}: free the disk or the folder, or leave the overlay out.")
