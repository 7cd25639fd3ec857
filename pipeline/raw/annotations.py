"""One annotation as 300W-LP and AFLW2000-3D store it: read, check, name what is wrong."""

import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LANDMARKS
from .matlab import read_arrays
from .pairs import NO_PHOTO, PHOTO_SUFFIXES, Listing, Pair, describe_passed_over, list_folder

SHAPE_COEFFICIENTS, EXPRESSION_COEFFICIENTS = 199, 29
# An annotation has a few kB; compressed data may unfold to a thousand times their size.
MAX_ANNOTATION_BYTES = 2**18
MAX_ANNOTATION_VALUES = 1000
MAX_TURNS = 10
MAX_MARK_PX = 1e6


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What a ``.mat`` of 300W-LP or AFLW2000-3D says of a face.

    Attributes
    ----------
    shape : (199,) float64
        Identity coefficients, raw.
    expression : (29,) float64
        Expression coefficients, raw. Where an annotation keeps fewer, it has fewer of both.
    pose : (7,) float64
        Pitch, yaw, roll in radians, not wrapped; translation x, y, z in px, 1-based with y up; scale.
    true_landmarks : (68, 3) float32
        ``pt3d_68`` in 0-based pixels of the photo, y down; NaN where the annotation has none, as in 300W-LP.
    marked_landmarks : (68, 2) float32
        ``pt2d`` in such pixels; NaN where there are none, or other points, as in AFLW2000-3D. No truth to score by: in
        re-posed copies it is stale, in flipped ones left and right are not swapped. See `agreement`.
    region : (4,) float64
        ``roi``: left, top, right and bottom of what was cut out of a larger photo; NaN where there is none.
    """

    shape: NDArray[np.float64]
    expression: NDArray[np.float64]
    pose: NDArray[np.float64]
    true_landmarks: NDArray[np.float32]
    marked_landmarks: NDArray[np.float32]
    region: NDArray[np.float64]


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
    required, further = ("Shape_Para", "Exp_Para", "Pose_Para"), ("pt2d", "roi")
    arrays = read_arrays(path, required, ("pt3d_68",), MAX_ANNOTATION_VALUES, tolerated=further)
    expected = {"Shape_Para": SHAPE_COEFFICIENTS, "Exp_Para": EXPRESSION_COEFFICIENTS, "Pose_Para": 7}
    if all(0 < arrays[name].size < expected[name] for name in ("Shape_Para", "Exp_Para")):
        # Fewer of both, as the first 40 and 10 that others keep: labels for a face model of as many vectors.
        expected |= {name: arrays[name].size for name in ("Shape_Para", "Exp_Para")}
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
        marked_landmarks=(_as_marked(arrays.get("pt2d"), (2, LANDMARKS)).T - 1).astype(np.float32),
        region=_as_marked(arrays.get("roi"), (1, 4)).ravel(),
    )


def _as_marked(array: NDArray | None, shape: tuple[int, int]) -> NDArray[np.float64]:
    """An array that others may leave out or use for something else: NaN where it is not as 300W-LP has it."""
    if array is None or array.shape != shape or np.abs(array.astype(np.float64)).max() > MAX_MARK_PX:
        return np.full(shape, np.nan)
    return array.astype(np.float64)


def hash_pair(photo: bytes, annotation: bytes) -> str:
    """SHA-256 over a pair's bytes, the photo's length first so that no other pair has the same stream."""
    digest = hashlib.sha256(len(photo).to_bytes(8, "big"))
    digest.update(photo)
    digest.update(annotation)
    return digest.hexdigest()


def list_pairs(folder: Path) -> Listing:
    """Pair the photos of a folder with their annotations as `list_folder` does, and leave out second copies of a pair.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Listing

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
    listing = list_folder(folder)
    if not listing.pairs and all(reason.startswith(NO_PHOTO) for _, reason in listing.rejected):
        seen = f" It holds {describe_passed_over(listing.passed_over)}." if listing.passed_over else ""
        raise FileNotFoundError(f"The folder {folder} holds no photos ({', '.join(PHOTO_SUFFIXES)}).{seen}")
    copies = _second_copies(folder, listing.pairs)
    kept = [pair for pair in listing.pairs if pair.photo not in copies]
    return listing._replace(pairs=kept, rejected=listing.rejected + list(copies.items()))


def _second_copies(folder: Path, pairs: Iterable[Pair]) -> dict[str, str]:
    """Photos whose pair has the bytes of an earlier one, and why.

    Annotations are read only where pairs have the same sizes, photos only where annotations agree.
    """
    sizes: dict[Pair, tuple[int, int]] = {}
    for pair in pairs:
        with contextlib.suppress(OSError):  # said by whoever reads it next
            sizes[pair] = (folder / pair.annotation).stat().st_size, (folder / pair.photo).stat().st_size
    often = Counter(sizes.values())
    alike: dict[tuple[bytes, int], list[str]] = {}
    for (photo, annotation), size in sizes.items():
        if often[size] > 1 and 0 < size[0] <= MAX_ANNOTATION_BYTES:
            with contextlib.suppress(OSError):
                alike.setdefault((_digest(folder / annotation), size[1]), []).append(photo)
    copies = {}
    for photos in alike.values():
        first: dict[bytes, str] = {}
        for photo in photos if len(photos) > 1 else ():
            with contextlib.suppress(OSError):
                earlier = first.setdefault(_digest(folder / photo), photo)
                if earlier != photo:
                    copies[photo] = f"The pair is a copy of {earlier} and its annotation."
    return copies


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
