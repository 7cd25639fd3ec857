"""Many photos, or frames of a video, reconstructed one after the other or in several processes."""

import operator
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path

from pipeline.photo.photo_files import open_photo, read_frames
from pipeline.store.arrays import Image
from stages.photo.files import WriteOptions, write_faces
from stages.photo.options import ReconstructorOptions
from stages.photo.reconstructor import Reconstructor, open_reconstructor
from stages.project.strict import check

# Gives a photo (H, W, 3) uint8, and how many px of it a pixel stands for along each side.
Decode = Callable[[], tuple[Image, int]]
# With fewer photos a process, its start takes longer than it saves: TensorFlow's takes five seconds.
PHOTOS_A_PROCESS = 12


def name_photos(paths: Iterable[Path]) -> list[tuple[str, Decode]]:
    """Name each photo's folder by its stem, or by its whole name where two photos share a stem.

    Returns
    -------
    list of (name, what decodes the photo)

    Raises
    ------
    ValueError
        If two photos have the same name.
    """
    paths = list(paths)
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else path.name for path in paths]
    check(len(set(names)) == len(names), "Two of the photos have the same name: reconstruct them into two folders.")
    return [(name, partial(open_photo, path)) for name, path in zip(names, paths, strict=True)]


def name_frames(video: str, every: int) -> Iterator[tuple[str, Decode]]:
    """Each so many-th frame of a video, or the first of a webcam, as `name_photos` gives photos."""
    frames = islice(read_frames(video), 1) if video.isdecimal() else islice(read_frames(video), 0, None, every)
    return ((name, partial(_whole, frame)) for name, frame in frames)


def _whole(frame: Image) -> tuple[Image, int]:
    return frame, 1


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
    cores = os.cpu_count() or 1
    workers = max(1, min(cores, operator.length_hint(photos) // PHOTOS_A_PROCESS))
    threads = cores // workers
    if workers > 1:
        _open_once(options, threads)
        yield from in_processes(((name, decode, options, threads, out, write) for name, decode in photos), workers)
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = _decode_ahead(photos, pool)
        first = list(islice(ahead, 1))
        _open_once(options, threads)
        for name, decode in chain(first, ahead):
            yield reconstruct_photo(name, decode, options, threads, out, write)


def _decode_ahead(photos: Iterable[tuple[str, Decode]], pool: ThreadPoolExecutor) -> Iterator[tuple[str, Decode]]:
    """Decode each photo while the one before it is reconstructed, and the first while the reconstructor is opened."""
    waiting: deque[tuple[str, Decode]] = deque()
    for name, decode in photos:
        waiting.append((name, pool.submit(decode).result))
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def in_processes(tasks: Iterable[tuple], workers: int) -> Iterator[dict]:
    """Reconstruct photos in some processes, in the order of the tasks; a few ahead, so that memory is bounded."""
    import multiprocessing  # a single photo needs no processes
    from concurrent.futures import ProcessPoolExecutor

    # Forked, a process would share TensorFlow's locks with this one.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[dict]] = deque()
        for task in tasks:
            waiting.append(pool.submit(reconstruct_photo, *task))
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
        reconstructor = _open_once(options, threads)
        photo, result["reduced"] = decode()
        faces = reconstructor.find_faces(photo)
        check(bool(faces), "No face was found in it.")
        return result | {"faces": write_faces(out / name, photo, faces, reconstructor, write)}
    except (ValueError, OSError) as error:
        return result | {"error": str(error)}


@cache
def _open_once(options: ReconstructorOptions, threads: int) -> Reconstructor:
    return open_reconstructor(options, threads)
