"""Photos to 3D faces: meshes, poses, depth, textures and pages to look at. A command, not a stage.

``python -m stages.reconstruct PHOTO... --out DIR`` finds every face of every photo and writes a folder for each photo,
and all numbers to DIR/faces.json.
"""

import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache, partial
from itertools import islice
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.photo.photo_files import list_photos, open_photo, read_frames
from stages.photo.files import DEFAULT_KINDS, KINDS, write_faces
from stages.photo.reconstructor import FacePipeline, network_options, open_pipeline
from stages.project.params import sentences
from stages.project.strict import check

# Gives a photo (H, W, 3) uint8, and how many px of it a pixel stands for along each side.
Decode = Callable[[], tuple[NDArray[np.uint8], int]]
# The arguments of `open_pipeline`.
Options = tuple[Path | None, Path | None, str, str, Path | None, int]
# With fewer photos a process, its start takes longer than it saves: TensorFlow's takes five seconds.
PHOTOS_A_PROCESS = 12


def reconstruct_photo(
    name: str, decode: Decode, options: Options, out: Path, kinds: tuple[str, ...], fill: bool
) -> dict:
    """Reconstruct every face of a photo and write its files; what fails is told in the result.

    Parameters
    ----------
    name : str
        Of the photo's folder in `out`.
    decode : callable
    options : tuple
        The arguments of `open_pipeline`, which is opened once a process.
    out : Path
    kinds : tuple of str
        Some of `stages.photo.files.KINDS`.
    fill : bool
        Whether hidden parts of a texture are filled by symmetry.

    Returns
    -------
    dict
        `photo`, `faces` (the numbers of each, the largest first), `error`, which is empty where there are faces, and
        `reduced`: in how many px of the photo a pixel of all these numbers is.
    """
    result = {"photo": name, "reduced": 1, "error": "", "faces": []}
    try:
        pipeline = _opened(options)
        photo, result["reduced"] = decode()
        faces = pipeline.find_faces(photo)
        check(bool(faces), "No face was found in it.")
        return result | {"faces": write_faces(out / name, photo, faces, pipeline, kinds, fill)}
    except (ValueError, OSError) as error:
        return result | {"error": str(error)}


@cache
def _opened(options: Options) -> FacePipeline:
    return open_pipeline(*options)


def in_processes(tasks: list[tuple], workers: int) -> Iterator[dict]:
    """Reconstruct photos in some processes, in the order of the tasks; a few ahead, so that memory is bounded."""
    # Forked, a process would share TensorFlow's locks with this one.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[dict]] = deque()
        for task in tasks:
            waiting.append(pool.submit(reconstruct_photo, *task))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def name_photos(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Name each photo's folder by its stem, or by its whole name where two photos share a stem."""
    paths = list(paths)
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else path.name for path in paths]
    check(len(set(names)) == len(names), "Two of the photos have the same name: reconstruct them into two folders.")
    return list(zip(names, paths, strict=True))


def _photos(arguments: Iterable[str]) -> list[tuple[str, Decode]]:
    return [(name, partial(open_photo, path)) for name, path in name_photos(list_photos(arguments))]


def _frames(video: str, every: int) -> Iterator[tuple[str, Decode]]:
    """Frames of a video, or one of a webcam."""
    frames = islice(read_frames(video), 1) if video.isdecimal() else islice(read_frames(video), 0, None, every)
    return ((name, partial(_whole, frame)) for name, frame in frames)


def _whole(frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    return frame, 1


@click.command()
@click.argument("photos", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the results.")
@click.option("--video", help="A video file, or the number of a webcam, instead of photos.")
@click.option("--every", default=25, show_default=True, help="Take each so many-th frame of a video; of a webcam one.")
@network_options
@click.option("--write", "kinds", type=click.Choice(KINDS), multiple=True, default=DEFAULT_KINDS, show_default=True)
@click.option("--fill", is_flag=True, help="Fill hidden parts of textures by the face's symmetry.")
@click.option("--allow-missing", is_flag=True, help="Succeed even if a photo gave no face.")
def main(
    photos: tuple[str, ...],
    out: Path,
    video: str | None,
    every: int,
    model: Path | None,
    weights: Path | None,
    landmarks: str,
    detector: str,
    dlib_model: Path | None,
    kinds: tuple[str, ...],
    fill: bool,
    allow_missing: bool,
) -> None:
    """Reconstruct every face of PHOTOS: files, folders or patterns."""
    with sentences():
        check(bool(photos) != bool(video), "Name photos, or a video by --video.")
        named = [] if video else _photos(photos)
        cores = os.cpu_count() or 1
        workers = max(1, min(cores, len(named) // PHOTOS_A_PROCESS))
        options = (model, weights, landmarks, detector, dlib_model, cores // workers)
        # What is wrong with these is told before any photo is read.
        _opened(options)
        tasks = (
            (name, decode, options, out, kinds, fill) for name, decode in (_frames(video, every) if video else named)
        )
        done = in_processes(list(tasks), workers) if workers > 1 else (reconstruct_photo(*task) for task in tasks)
        results = []
        for result in tqdm(done, total=len(named) or None, unit="photo", disable=None):
            results.append(result)
            if result["error"]:
                click.echo(f"{result['photo']}: {result['error']}", err=True)
        out.mkdir(parents=True, exist_ok=True)
        (out / "faces.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    missing = sum(bool(result["error"]) for result in results)
    click.echo(
        f"reconstruct: {len(results)} photos, {sum(len(result['faces']) for result in results)} faces, "
        f"{missing} photos without; {out / 'faces.json'}"
    )
    if missing and not allow_missing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
