"""One photo and its annotation, as 300W-LP and AFLW2000-3D store them: read, check, name what is wrong."""

import dataclasses
import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.matlab import read_arrays

SHAPE_COEFFICIENTS, EXPRESSION_COEFFICIENTS, LANDMARKS = 199, 29, 68
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


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
    arrays = read_arrays(path, ("Shape_Para", "Exp_Para", "Pose_Para"), ("pt3d_68",))
    expected = {"Shape_Para": SHAPE_COEFFICIENTS, "Exp_Para": EXPRESSION_COEFFICIENTS, "Pose_Para": 7}
    for name, size in expected.items():
        if arrays[name].size != size:
            raise ValueError(f"{name} in {path} has shape {arrays[name].shape}; expected {size} values.")
    pose = arrays["Pose_Para"].astype(np.float64).ravel()
    if pose[6] <= 0:
        raise ValueError(f"The scale in Pose_Para of {path} is {pose[6]:g}; expected a positive number.")
    landmarks = np.full((LANDMARKS, 3), np.nan, np.float32)
    if "pt3d_68" in arrays:
        if arrays["pt3d_68"].shape != (3, LANDMARKS):
            raise ValueError(f"pt3d_68 in {path} has shape {arrays['pt3d_68'].shape}; expected (3, {LANDMARKS}).")
        landmarks = (arrays["pt3d_68"].T - np.array([1, 1, 0])).astype(np.float32)
    return Annotation(
        shape=arrays["Shape_Para"].astype(np.float64).ravel(),
        expression=arrays["Exp_Para"].astype(np.float64).ravel(),
        pose=pose,
        true_landmarks=landmarks,
    )


def decode_photo(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Decode a photo's bytes, as stored: the annotation belongs to these pixels, whatever EXIF says of turning them.

    Parameters
    ----------
    content : bytes
    path : Path
        Only named in errors.

    Returns
    -------
    (H, W, 3) uint8
        RGB.

    Raises
    ------
    ValueError
        If the bytes are no picture that OpenCV reads.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    photo = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if photo is None:
        raise ValueError(f"{path} is damaged or no picture.")
    return np.asarray(photo, np.uint8)


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo as (H, W, 3) uint8 RGB, see `decode_photo`."""
    return decode_photo(path.read_bytes(), path)


def hash_pair(photo: bytes, annotation: bytes) -> str:
    """SHA-256 over a pair's bytes, the photo's length first so that no other pair has the same stream."""
    digest = hashlib.sha256(len(photo).to_bytes(8, "big"))
    digest.update(photo)
    digest.update(annotation)
    return digest.hexdigest()


def list_pairs(folder: Path) -> tuple[list[tuple[Path, Path]], list[tuple[Path, str]]]:
    """Pair the photos of a folder with their annotations, in the order of their names.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    pairs : list of (photo, annotation)
    alone : list of (path, reason)
        Photos without annotation, and annotations without photo.

    Raises
    ------
    FileNotFoundError
        If the folder is missing or holds no photos.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"The folder of photos {folder} is missing; README.md, section 'Data', says where to get it, and "
            "data.root and data.subsets in params.yaml say where it is."
        )
    files = sorted(path for path in folder.iterdir() if path.is_file())
    photos = [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES]
    annotations = {path.stem: path for path in files if path.suffix.lower() == ".mat"}
    if not photos:
        raise FileNotFoundError(f"The folder {folder} holds no photos ({', '.join(PHOTO_SUFFIXES)}).")
    pairs, alone, seen = [], [], set()
    for photo in photos:
        if photo.stem in seen:
            alone.append((photo, "Another photo has the same name with another ending."))
        elif photo.stem in annotations:
            pairs.append((photo, annotations[photo.stem]))
        else:
            alone.append((photo, "The annotation (.mat) of this photo is missing."))
        seen.add(photo.stem)
    alone += [
        (path, "The photo of this annotation is missing.") for stem, path in annotations.items() if stem not in seen
    ]
    return pairs, alone


def identity(sample_id: str) -> str:
    """Name the photo that a sample was made from, so that its copies never fall on two sides of a split.

    Parameters
    ----------
    sample_id : str
        ``<subset>/<stem>``.

    Returns
    -------
    str
        For 300W-LP, whose stems read ``<set>_<photo>[_<face>]_<pose>``: without the subset's ``_Flip``, the number of
        the re-posed copy and the number of the face in the photo. For other stems, the sample's id itself.
    """
    subset, stem = sample_id.split("/", 1)
    match = re.fullmatch(r"((?:AFW|HELEN|IBUG|LFPW)_.*?\d{3,})(?:_\d{1,2})?_\d{1,2}", stem)
    return f"{subset.removesuffix('_Flip')}/{match[1] if match else stem}"
