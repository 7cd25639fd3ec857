"""Many photos, or frames of a video, reconstructed one after the other or in several processes."""

import contextlib
import hashlib
import operator
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from ..photo.masks import cover_faces, open_mask, paint_over
from ..photo.photo_files import PHOTO_SUFFIXES, open_photo
from ..photo.video_files import Video, count_frames, describe_missing, open_video
from ..store.arrays import Image
from ..store.checks import check
from ..store.files import digest_file, digest_modules, while_unchanged
from ..store.progress import tell_beside
from ..store.sentences import counted
from .bundles import PACKAGE, choose_bundle
from .files import WriteOptions, write_faces
from .folders import PAGE, clear, utf8_name
from .options import ReconstructorOptions
from .processes import KILLED, in_processes, prepare_processes, share_cores, tell_failure
from .reconstructor import Reconstructor, open_reconstructor
from .results import FACES_FILE

# Why a photo that could be read has no face.
NO_FACE = "No face was found in it."
ALL_COVERED = "Its mask covers the face wholly."
FACELESS = (NO_FACE, ALL_COVERED)


class Opened(NamedTuple):
    """A photo (H, W, 3) uint8, how many px of it a pixel stands for along each side, and what a mask says of it.

    `covered` (H, W) is None without a mask; otherwise the photo is painted over where it is true.
    """

    photo: Image
    reduced: int
    covered: NDArray[np.bool_] | None = None


Decode = Callable[[], Opened]


class Photo(NamedTuple):
    """A photo or a frame: the name of its folder, what decodes it, and which files it is made from, if any."""

    name: str
    decode: Decode
    files: tuple[Path, ...] = ()


class Batch(NamedTuple):
    """How photos are reconstructed, what is written of them and where to; `maker` is `digest_maker` of the former."""

    options: ReconstructorOptions
    write: WriteOptions
    out: Path
    maker: str


def name_photos(paths: Iterable[Path], mask: Path | None = None) -> list[Photo]:
    """Name each photo's folder by its stem, or by its whole name where two photos share a stem.

    No name leads out of the folder that they lie in, is hidden there, or is that of the table of results: such a one
    gets ``_`` before it. A byte of a name that is no UTF-8, which no JSON may hold, becomes ``%`` and its number.

    Parameters
    ----------
    paths : iterable of Path
    mask : Path, optional
        Of what covers the face: see `find_masks`.

    Returns
    -------
    list of Photo

    Raises
    ------
    ValueError
        If two photos have the same name, or the mask is of none of them.
    """
    paths = list(paths)
    stems = [_safe(path.stem) for path in paths]
    # The whole name of one may be the stem of another, and so on.
    whole: set[int] = set()
    while True:
        names = [_safe(path.name) if number in whole else stems[number] for number, path in enumerate(paths)]
        times = Counter(map(_same_file, names))
        shared = {number for number, name in enumerate(names) if times[_same_file(name)] > 1}
        if shared <= whole:
            break
        whole |= shared
    twice = sorted({names[number] for number in shared})
    check(
        not twice,
        f"Two of the photos have the same name, {', '.join(twice)}: reconstruct them into folders of their own.",
    )
    masks = find_masks(paths, mask) if mask else [None] * len(paths)
    return [
        Photo(name, partial(_open, path, own), (path, own) if own else (path,))
        for name, path, own in zip(names, paths, masks, strict=True)
    ]


def _safe(name: str) -> str:
    name = utf8_name(name)
    return f"_{name}" if name.startswith(".") or _same_file(name) == FACES_FILE else name


def _same_file(name: str) -> str:
    """What is the same for names that some file systems take for the same, as macOS and Windows do."""
    return unicodedata.normalize("NFC", name).casefold()


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
    others = len(set(masks) - set(found))
    if others:
        click.echo(f"reconstruct: passed over in {mask}: {counted(others, 'mask')} without a photo of that name")
    return found


def _open(path: Path, mask: Path | None) -> Opened:
    photo, reduced = open_photo(path)
    if mask is None:
        return Opened(photo, reduced)
    covered = open_mask(mask, photo)
    return Opened(paint_over(photo, covered), reduced, covered)


def name_frames(video: str, every: int) -> Iterator[Photo]:
    """Each so many-th frame of a video, or the first of a webcam, as `name_photos` gives photos.

    Their names are the video's and their number from 0. If the video has fewer frames than it announces, that is told.

    Raises
    ------
    FileNotFoundError, ValueError
        See `open_video`.
    """
    opened = open_video(video)
    return _name_frames(opened, every, Path(video) if Path(video).is_file() else None)


def count_taken(video: str, every: int) -> int:
    """Count the frames that `name_frames` takes of a video file; 0 where that is not known."""
    return -(-count_frames(video) // every)


def _name_frames(video: Video, every: int, file: Path | None) -> Iterator[Photo]:
    number = -1
    for number, (_, frame) in enumerate(video.frames):
        if number % every == 0:
            name = _safe(f"{video.name}_{number:06d}")
            yield Photo(name, partial(_whole, frame), () if file is None else (file,))
        if file is None:
            return
    if missing := describe_missing(video, number + 1):
        tell_beside(missing)


def _whole(frame: Image) -> Opened:
    return Opened(frame, 1)


def digest_maker(options: ReconstructorOptions, write: WriteOptions) -> str:
    """Digest all that results depend on but the photos: options, bundle and code.

    Raises
    ------
    ValueError, OSError
        See `choose_bundle`.
    """
    files = [path for path in (choose_bundle(options)[0], options.dlib_model) if path is not None]
    parts = [
        digest_modules(PACKAGE.parent, (PACKAGE.name,)),
        *(digest_file(path) for path in files if path.is_file()),
        repr((options, write)),
    ]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]


def reconstruct_photos(photos: Iterable[Photo], batch: Batch, known: Mapping[str, dict]) -> Iterator[dict]:
    """Reconstruct every face of every photo and write its files; many photos are shared among processes.

    Parameters
    ----------
    photos : iterable of Photo
        A list may be shared among processes; what is read as one goes is not.
    batch : Batch
    known : mapping of str to dict
        Results of earlier runs, by the photo's name: those that would be made again are given as they are.

    Yields
    ------
    dict
        See `reconstruct_photo`; in the order of the photos.

    Raises
    ------
    ValueError
        If the reconstructor or what it needs cannot be opened, which is told before any photo is read.
    """
    processes, threads = share_cores(operator.length_hint(photos))
    if processes:
        prepare_processes(reconstruct_photo)
        open_once(batch.options, threads)
        tasks = ((photo, known.get(photo.name), batch, threads) for photo in photos)
        yield from in_processes(reconstruct_photo, tasks, processes, tell_killed)
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = _decode_ahead(photos, pool)
        first = list(islice(ahead, 1))
        open_once(batch.options, threads)
        for photo in chain(first, ahead):
            yield reconstruct_photo(photo, known.get(photo.name), batch, threads)


def _decode_ahead(photos: Iterable[Photo], pool: ThreadPoolExecutor) -> Iterator[Photo]:
    """Decode each photo while the one before it is reconstructed, and the first while the reconstructor is opened."""
    waiting: deque[Photo] = deque()
    for photo in photos:
        waiting.append(photo._replace(decode=pool.submit(photo.decode).result))
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def reconstruct_photo(photo: Photo, known: dict | None, batch: Batch, threads: int) -> dict:
    """Reconstruct every face of a photo and write its files; what fails is told in the result.

    Parameters
    ----------
    photo : Photo
    known : dict or None
        Its result in an earlier run, which is given again if nothing that it was made from has changed.
    batch : Batch
    threads : int
        That it may use; the reconstructor is opened once a process.

    Returns
    -------
    dict
        `photo`, `faces` (the numbers of each, the largest first), `error`, which is empty where there are faces,
        `reduced`: in how many px of the photo a pixel of all these numbers is, and `made_from`, which tells whether it
        would be the same again; empty where it may be another.

    Raises
    ------
    OSError
        If what is left of a face that failed can't be deleted.
    """
    folder, made_from = batch.out / photo.name, _digest(photo, batch)
    if known and made_from and known["made_from"] == made_from and _is_whole(folder, known, batch.write):
        return known
    result = {"photo": photo.name, "reduced": 1, "error": "", "made_from": made_from, "faces": []}
    try:
        reconstructor = open_once(batch.options, threads)
        picture, result["reduced"], covered = photo.decode()
        faces = reconstructor.find_faces(picture)
        check(bool(faces), NO_FACE)
        if covered is not None:
            faces = cover_faces(faces, covered)
            check(bool(faces), ALL_COVERED)
        written = write_faces(folder, picture, faces, reconstructor, batch.write, covered, threads)
        return result | {"faces": written}
    except Exception as error:
        # What is wrong with the photo stays so; what is wrong with the machine may not.
        result |= {
            "error": utf8_name(tell_failure(error)),
            "made_from": made_from if isinstance(error, ValueError) else "",
        }
    clear(folder)
    return result


def tell_killed(photo: Photo, _known: dict | None, batch: Batch, _threads: int) -> dict:
    """Give the result of a photo that `reconstruct_photo` did not live to give."""
    clear(batch.out / photo.name)
    return {"photo": photo.name, "reduced": 1, "error": KILLED, "made_from": "", "faces": []}


def _digest(photo: Photo, batch: Batch) -> str:
    """What a result is made from; empty where files are none or can't be read, which is told when they are opened."""
    if photo.files:
        with contextlib.suppress(OSError):
            parts = [photo.name, *map(_digest_once, photo.files)]
            digest = hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
            return f"{batch.maker}-{digest[:16]}"
    return ""


# Of a video there are many frames.
_digest_once = while_unchanged(digest_file)


def _is_whole(folder: Path, result: dict, write: WriteOptions) -> bool:
    """Whether the files of an earlier result are there."""
    page = [PAGE] if result["faces"] and "page" in write.kinds else []
    return all(
        (folder / name).is_file() for name in (*page, *(file for face in result["faces"] for file in face["files"]))
    )


@cache
def open_once(options: ReconstructorOptions, threads: int) -> Reconstructor:
    """What `open_reconstructor` opens, once a process."""
    return open_reconstructor(options, threads)
