"""Labels of faces that were fitted in photos, in the layout of 300W-LP: the stage `index` reads them as annotations."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.camera import project
from ..face.face_model import FaceModel, deform
from ..raw.pair_files import EXPRESSION_COEFFICIENTS, SHAPE_COEFFICIENTS, matlab_bytes, padded
from ..store.arrays import Array, Image
from .photo_files import encode_image, is_plain_jpeg

WHAT = "face fitted to a photo, not annotated by hand"


def check_coefficients(model: FaceModel) -> None:
    """Refuse a face model that has more vectors than an annotation has coefficients.

    Raises
    ------
    ValueError
        If it has more than 199 of identity or 29 of expression, as that of ICT-FaceKit has.
    """
    identities, expressions = model.shape_basis.shape[2], model.expression_basis.shape[2]
    if identities > SHAPE_COEFFICIENTS or expressions > EXPRESSION_COEFFICIENTS:
        raise ValueError(
            f"The face model has {identities} vectors of identity and {expressions} of expression, annotations like "
            f"300W-LP's have up to {SHAPE_COEFFICIENTS} and {EXPRESSION_COEFFICIENTS}: take a bundle of BFM, or the "
            "embedded face model."
        )


def placed(model: FaceModel, coefficients: NDArray, pose: NDArray, height: int) -> Array:
    """Vertices (V, 3) in px of a photo `height` px high of the face that coefficients (S + E,) and a pose (7,) make."""
    return project(deform(model, coefficients[None])[0], pose, height)


def label_arrays(
    landmarks: FaceModel, coefficients: NDArray, pose: NDArray, seen: NDArray, size: tuple[int, int]
) -> dict[str, NDArray]:
    """Arrays of a face's ``.mat``.

    Parameters
    ----------
    landmarks : FaceModel
        At its 68 landmarks, with S identity and E expression vectors; see `check_coefficients`.
    coefficients : (S + E,) float
    pose : (7,) float
        As in ``Pose_Para``.
    seen : (68, >=2) float
        Landmarks as they were read off the photo, in its px.
    size : (int, int)
        Height and width of the photo in px.

    Returns
    -------
    dict of str to array
        ``Shape_Para``, ``Exp_Para`` and ``Pose_Para``; ``pt2d``, which is `seen`; ``pt3d_68``, the 68 vertices of the
        fitted face, and no annotation of a person's: both 1-based, y down; ``roi``, the whole photo.
    """
    height, width = size
    identities = landmarks.shape_basis.shape[2]
    points = placed(landmarks, coefficients, pose, height)
    return {
        "Shape_Para": padded(np.asarray(coefficients[:identities], np.float64), SHAPE_COEFFICIENTS),
        "Exp_Para": padded(np.asarray(coefficients[identities:], np.float64), EXPRESSION_COEFFICIENTS),
        "Pose_Para": np.asarray(pose, np.float64)[None],
        "pt2d": seen[:, :2].T + 1.0,
        "pt3d_68": (points + np.array([1, 1, 0])).T,
        "roi": np.array([[1, 1, width, height]], np.int32),
    }


def label_bytes(arrays: dict[str, NDArray]) -> bytes:
    """Encode the arrays of a face as a Matlab file."""
    return matlab_bytes(arrays, WHAT)


def photo_bytes(path: Path, photo: Image) -> bytes:
    """JPEG with the pixels that a label belongs to, as the stages decode it, heedless of EXIF.

    Parameters
    ----------
    path : Path
    photo : (H, W, 3) uint8
        As `open_photo` opened it.

    Returns
    -------
    bytes
        The file's own if it is a JPEG of just these pixels; else, where it is of another kind, turned by EXIF or larger
        than photos are opened, those of `photo`, encoded.
    """
    return path.read_bytes() if is_plain_jpeg(path, photo.shape[:2]) else encode_image(photo, ".jpg")
