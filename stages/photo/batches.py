"""Many photos, or frames of a video, reconstructed one after the other or in several processes."""

import operator
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.photo.masks import cover_faces, open_mask, paint_over
from pipeline.photo.photo_files import PHOTO_SUFFIXES, open_photo, read_frames
from pipeline.store.arrays import Image
from stages.photo.files import WriteOptions, write_faces
from stages.photo.options import ReconstructorOptions
from stages.photo.reconstructor import Reconstructor, open_reconstructor
from stages.project.strict import check


class Opened(NamedTuple):
    """A photo (H, W, 3) uint8, how many px of it a pixel stands for along each side, and what a mask says of it.

    `covered` (H, W) is None without a mask; otherwise the photo is painted over where it is true.
    """

    photo: Image
    reduced: int
    covered: NDArray[np.bool_] | None = None


Decode = Callable[[], Opened]
# With fewer photos a process, its start takes longer than it saves: TensorFlow's takes five seconds.
PHOTOS_A_PROCESS = 12


def name_photos(paths: Iterable[Path], mask: Path | None = None) -> list[tuple[str, Decode]]:
    """Name each photo's folder by its stem, or by its whole name where two photos share a stem.

    Parameters
    ----------
    paths : iterable of Path
    mask : Path, optional
        Of what covers the face: see `find_masks`.

    Returns
    -------
    list of (name, what decodes the photo)

    Raises
    ------
    ValueError
        If two photos have the same name, or the mask is of none of them.
    """
    paths = list(paths)
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else path.name for path in paths]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    check(
        not twice,
        f"Two of the photos have the same name, {', '.join(twice)}: reconstruct them into folders of their own.",
    )
    masks = find_masks(paths, mask) if mask else [None] * len(paths)
    return [(name, partial(_open, path, own)) for name, path, own in zip(names, paths, masks, strict=True)]


def find_masks(photos: list[Path], mask: Path) -> list[Path | None]:
    """Find the mask of each photo.

    Parameters
    ----------
    photos : list of Path
    mask : Path
        A file, for one photo; or a folder, whose files have the names of the photos, or their stems.

    Returns
    -------
    list of Path or None
        None for a photo that has none in the folder.

    Raises
    ------
    ValueError
        If there is no such file or folder, it is one file for several photos, or no mask of the folder is of a photo.
    """
    check(mask.exists(), f"There is no mask, and no folder of masks, {str(mask)!r}; check the name.")
    if not mask.is_dir():
        check(len(photos) == 1, f"--mask is one file, and there are {len(photos)} photos: name a folder of masks.")
        return [mask]
    masks = sorted(path for path in mask.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    by_name = {path.stem: path for path in masks} | {path.name: path for path in masks}
    found = [by_name.get(photo.name, by_name.get(photo.stem)) for photo in photos]
    check(any(found), f"No mask in {mask} has the name of a photo: that of a.jpg is named a.jpg, or a.png.")
    return found


def _open(path: Path, mask: Path | None) -> Opened:
    photo, reduced = open_photo(path)
    if mask is None:
        return Opened(photo, reduced)
    covered = open_mask(mask, photo)
    return Opened(paint_over(photo, covered), reduced, covered)


def name_frames(video: str, every: int) -> Iterator[tuple[str, Decode]]:
    """Each so many-th frame of a video, or the first of a webcam, as `name_photos` gives photos."""
    frames = islice(read_frames(video), 1) if video.isdecimal() else islice(read_frames(video), 0, None, every)
    return ((name, partial(_whole, frame)) for name, frame in frames)


def _whole(frame: Image) -> Opened:
    return Opened(frame, 1)


def reconstruct_photos(
    photos: Iterable[tuple[str, Decode]], options: ReconstructorOptions, out: Path, write: WriteOptions
) -> Iterator[dict]:
    """Reconstruct every face of every photo and write its files; many photos are shared among processes.

    Parameters
    ----------
    photos : iterable of (name, decode)
        A list may be shared among processes; what is read as one goes is not.
    options : ReconstructorOptions
    out : Path
        Folder of all results.
    write : WriteOptions

    Yields
    ------
    dict
        See `reconstruct_photo`; in the order of the photos.

    Raises
    ------
    ValueError
        If the reconstructor or what it needs cannot be opened, which is told before any photo is read.
    """
    workers, threads = share_cores(operator.length_hint(photos))
    if workers > 1:
        open_once(options, threads)
        tasks = ((name, decode, options, threads, out, write) for name, decode in photos)
        yield from in_processes(reconstruct_photo, tasks, workers)
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = _decode_ahead(photos, pool)
        first = list(islice(ahead, 1))
        open_once(options, threads)
        for name, decode in chain(first, ahead):
            yield reconstruct_photo(name, decode, options, threads, out, write)


def share_cores(photos: int) -> tuple[int, int]:
    """How many processes share so many photos, and how many threads each has."""
    cores = os.cpu_count() or 1
    workers = max(1, min(cores, photos // PHOTOS_A_PROCESS))
    return workers, cores // workers


def _decode_ahead(photos: Iterable[tuple[str, Decode]], pool: ThreadPoolExecutor) -> Iterator[tuple[str, Decode]]:
    """Decode each photo while the one before it is reconstructed, and the first while the reconstructor is opened."""
    waiting: deque[tuple[str, Decode]] = deque()
    for name, decode in photos:
        waiting.append((name, pool.submit(decode).result))
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def in_processes(work: Callable[..., dict], tasks: Iterable[tuple], workers: int) -> Iterator[dict]:
    """Do the work on photos in some processes, in the order of the tasks; a few ahead, so that memory is bounded."""
    import multiprocessing  # a single photo needs no processes
    from concurrent.futures import ProcessPoolExecutor

    # Forked, a process would share TensorFlow's locks with this one.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[dict]] = deque()
        for task in tasks:
            waiting.append(pool.submit(work, *task))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def reconstruct_photo(
    name: str,
    decode: Decode,
    options: ReconstructorOptions,
    threads: int,
    out: Path,
    write: WriteOptions,
) -> dict:
    """Reconstruct every face of a photo and write its files; what fails is told in the result.

    Parameters
    ----------
    name : str
        Of the photo's folder in `out`.
    decode : callable
    options : ReconstructorOptions
    threads : int
        That it may use; it is opened once a process.
    out : Path
    write : WriteOptions

    Returns
    -------
    dict
        `photo`, `faces` (the numbers of each, the largest first), `error`, which is empty where there are faces, and
        `reduced`: in how many px of the photo a pixel of all these numbers is.
    """
    result = {"photo": name, "reduced": 1, "error": "", "faces": []}
    try:
        reconstructor = open_once(options, threads)
        photo, result["reduced"], covered = decode()
        faces = reconstructor.find_faces(photo)
        check(bool(faces), "No face was found in it.")
        if covered is not None:
            faces = cover_faces(faces, covered)
            check(bool(faces), "Its mask covers the face wholly.")
        return result | {"faces": write_faces(out / name, photo, faces, reconstructor, write, covered)}
    except (ValueError, OSError) as error:
        return result | {"error": str(error)}


@cache
def open_once(options: ReconstructorOptions, threads: int) -> Reconstructor:
    """What `open_reconstructor` opens, once a process."""
    return open_reconstructor(options, threads)
