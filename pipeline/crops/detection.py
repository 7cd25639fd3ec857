"""MTCNN, opened once, and which of the faces that a detector found is the annotated one."""

import functools
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A box round a face's points is another face's where it has less of the union with the true points' box in common.
SHARED = 0.3


@functools.cache
def open_mtcnn() -> Any:
    """Open MTCNN, once in a process; it takes 16 s to import and build."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # TensorFlow talks of it on every start otherwise
    os.environ["KERAS_BACKEND"] = "tensorflow"  # MTCNN knows no other
    from mtcnn import MTCNN  # TensorFlow takes 10 s to import: only where boxes are asked for

    return MTCNN(device="CPU:0")


def choose_face(boxes: NDArray, landmarks: NDArray) -> int | None:
    """Choose the detected face that is the annotated one.

    Parameters
    ----------
    boxes : (K, >=4) float
        x, y, width and height in px.
    landmarks : (68, >=2) float
        Pixel frame of the photo.

    Returns
    -------
    int or None
        Row of the box that holds the most landmarks; None where none holds half of them.
    """
    if not len(boxes):
        return None
    points = landmarks[:, :2]
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:4]
    held = ((points >= low) & (points <= high)).all(axis=2).mean(axis=1)
    best = int(held.argmax())
    return best if held[best] >= 0.5 else None


def choose_by_union(boxes: NDArray, landmarks: NDArray) -> int | None:
    """Choose the annotated face among boxes that are drawn round landmarks, as those of Face Mesh are.

    The points of a profile may lie beside it, so that its box holds less than half of the true ones.

    Parameters
    ----------
    boxes : (K, >=4) float
        x, y, width and height in px.
    landmarks : (68, >=2) float
        Pixel frame of the photo.

    Returns
    -------
    int or None
        Row of the box that has most of the union with the landmarks' own in common; None where that is less than
        `SHARED`.
    """
    if not len(boxes):
        return None
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    ends = boxes[:, :2] + boxes[:, 2:4]
    common = np.clip(np.minimum(ends, high) - np.maximum(boxes[:, :2], low), 0, None).prod(axis=1)
    shared = common / (boxes[:, 2:4].prod(axis=1) + (high - low).prod() - common)
    best = int(shared.argmax())
    return best if shared[best] >= SHARED else None
