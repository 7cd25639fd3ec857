"""One photo and its annotation, as 300W-LP and AFLW2000-3D store them: read, check, name what is wrong."""

import contextlib
import dataclasses
import filecmp
import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LANDMARKS
from .matlab import read_arrays

SHAPE_COEFFICIENTS, EXPRESSION_COEFFICIENTS = 199, 29
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
# An annotation has a few kB; compressed data may unfold to a thousand times their size.
MAX_ANNOTATION_BYTES = 2**18
MAX_ANNOTATION_VALUES = 1000
MAX_TURNS = 10


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What a ``.mat`` of 300W-LP or AFLW2000-3D says of a face.

    Attributes
    ----------
    shape : (199,) float64
        Identity coefficients, raw.
    expression : (29,) float64
        Expression coefficients, raw.
    pose : (7,) float64
        Pitch, yaw, roll in radians, not wrapped; translation x, y, z in px, 1-based with y up; scale.
    true_landmarks : (68, 3) float32
        ``pt3d_68`` in 0-based pixels of the photo, y down; NaN where the annotation has none, as in 300W-LP.
        (``pt2d`` is of no use: in re-posed copies it is stale, in flipped ones left and right are not swapped.)
    """

    shape: NDArray[np.float64]
    expression: NDArray[np.float64]
    pose: NDArray[np.float64]
    true_landmarks: NDArray[np.float32]


def read_annotation(path: Path) -> Annotation:
    """Read and check one annotation.

    Parameters
    ----------
    path : Path
        A ``.mat`` with ``Shape_Para``, ``Exp_Para``, ``Pose_Para`` and, in AFLW2000-3D, ``pt3d_68``.

    Returns
    -------
    Annotation

    Raises
    ------
    ValueError
        With the reason, if the file is damaged, or an array is missing, of the wrong shape or not usable.
    """
    size = path.stat().st_size
    if size > MAX_ANNOTATION_BYTES:
        raise ValueError(f"{path} has {size:,} bytes; an annotation has a few thousand.")
    arrays = read_arrays(path, ("Shape_Para", "Exp_Para", "Pose_Para"), ("pt3d_68",), MAX_ANNOTATION_VALUES)
    expected = {"Shape_Para": SHAPE_COEFFICIENTS, "Exp_Para": EXPRESSION_COEFFICIENTS, "Pose_Para": 7}
    for name, size in expected.items():
        if arrays[name].size != size:
            raise ValueError(f"{name} in {path} has shape {arrays[name].shape}; expected {size} values.")
    pose = arrays["Pose_Para"].astype(np.float64).ravel()
    if pose[6] <= 0:
        raise ValueError(f"The scale in Pose_Para of {path} is {pose[6]:g}; expected a positive number.")
    if np.abs(pose[:3]).max() > MAX_TURNS * 2 * np.pi:
        raise ValueError(
            f"The angles in Pose_Para of {path} reach {np.abs(pose[:3]).max():g} rad, more than {MAX_TURNS} turns."
        )
    landmarks = np.full((LANDMARKS, 3), np.nan, np.float32)
    if "pt3d_68" in arrays:
        if arrays["pt3d_68"].shape != (3, LANDMARKS):
            raise ValueError(f"pt3d_68 in {path} has shape {arrays['pt3d_68'].shape}; expected (3, {LANDMARKS}).")
        largest = np.abs(arrays["pt3d_68"].astype(np.float64)).max()
        if largest > np.finfo(np.float32).max:
            raise ValueError(f"pt3d_68 in {path} reaches {largest:g} px; expected pixels of the photo.")
        landmarks = (arrays["pt3d_68"].T - np.array([1, 1, 0])).astype(np.float32)
    return Annotation(
        shape=arrays["Shape_Para"].astype(np.float64).ravel(),
        expression=arrays["Exp_Para"].astype(np.float64).ravel(),
        pose=pose,
        true_landmarks=landmarks,
    )


def hash_pair(photo: bytes, annotation: bytes) -> str:
    """SHA-256 over a pair's bytes, the photo's length first so that no other pair has the same stream."""
    digest = hashlib.sha256(len(photo).to_bytes(8, "big"))
    digest.update(photo)
    digest.update(annotation)
    return digest.hexdigest()


def list_pairs(folder: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pair the photos of a folder with their annotations, in the order of their names.

    Parameters
    ----------
    folder : Path
        Links in it are followed: data sets are often put together from them.

    Returns
    -------
    pairs : list of (photo's name, annotation's name)
    rejected : list of (name, reason)
        Photos without annotation, annotations without photo, second copies of a pair, and what is no file.

    Raises
    ------
    FileNotFoundError
        If the folder is missing or holds no photos.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"The folder of photos {folder} is missing; docs/data.md says where to get it, and "
            "data.root and data.subsets in params.yaml say where it is."
        )
    with os.scandir(folder) as entries:
        files = {entry.name: entry.is_file() for entry in entries if _suffix(entry.name) in (".mat", *PHOTO_SUFFIXES)}
    photos = [name for name in sorted(files) if _suffix(name) in PHOTO_SUFFIXES]
    if not photos:
        raise FileNotFoundError(f"The folder {folder} holds no photos ({', '.join(PHOTO_SUFFIXES)}).")
    annotations = {Path(name).stem: name for name in sorted(files) if _suffix(name) == ".mat"}
    pairs: list[tuple[str, str]] = []
    rejected, seen = [], set()
    for photo in photos:
        stem = Path(photo).stem
        if stem in seen:
            rejected.append((_as_text(photo), "Another photo has the same name with another ending."))
        elif not _is_text(photo):
            rejected.append((_as_text(photo), "The name is no valid UTF-8; rename the photo and its annotation."))
        elif stem not in annotations:
            rejected.append((photo, "The annotation (.mat) of this photo is missing."))
        elif not (files[photo] and files[annotations[stem]]):
            rejected.append((photo, "The photo or its annotation is a folder, or a link to nothing."))
        else:
            pairs.append((photo, annotations[stem]))
        seen.add(stem)
    for name in sorted(files):
        if _suffix(name) == ".mat" and Path(name).stem not in seen:
            rejected.append((_as_text(name), "The photo of this annotation is missing."))
        elif _suffix(name) == ".mat" and annotations[Path(name).stem] != name:
            rejected.append((_as_text(name), "Another annotation has the same name with another ending."))
    copies = _second_copies(folder, pairs)
    return [pair for pair in pairs if pair[0] not in copies], rejected + list(copies.items())


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _as_text(name: str) -> str:
    """A file's name as tables can hold it: bytes that are no UTF-8 as backslash and code."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _is_text(name: str) -> bool:
    return _as_text(name) == name


def _second_copies(folder: Path, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Photos whose pair has the bytes of an earlier one, and why; photos are read only where annotations agree."""
    first: dict[bytes, list[tuple[str, str]]] = {}
    copies = {}
    for photo, annotation in pairs:
        with contextlib.suppress(OSError):  # said by whoever reads it next
            if not 0 < (folder / annotation).stat().st_size <= MAX_ANNOTATION_BYTES:
                continue
            content = (folder / annotation).read_bytes()
            same = first.setdefault(hashlib.blake2b(content, digest_size=16).digest(), [])
            for earlier, _ in same:
                if filecmp.cmp(folder / earlier, folder / photo, shallow=False):
                    copies[photo] = f"The pair is a copy of {earlier} and its annotation."
                    break
            same.append((photo, annotation))
    return copies
