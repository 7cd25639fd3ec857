"""Faces by BlazeFace, Google's detector for phones, in a turned square of a photo.

References
----------
Bazarevsky et al., 2019. BlazeFace: sub-millisecond neural face detection on mobile GPUs. arXiv:1907.05047.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.similarity import apply_similarity, make_similarity, similarity_scale
from ..store.arrays import Array, Image
from ..store.quiet import quiet_stderr
from .alignment import crop_similarity, resample

# A detector's cells, as px of what it sees for each cell, and boxes a cell.
CELLS = {"near": ((8, 2), (16, 6)), "far": ((4, 1),)}
# Score of what may be a face.
MIN_SCORE = 0.5
# Boxes that share more than this of their union are of one face.
SAME_FACE = 0.3
# Side in px of the last halving of a photo: no network sees less.
SMALLEST_LEVEL = 256

# From an array (1, S, S, 3) float32 to a network's outputs.
Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


class Network(NamedTuple):
    """A LiteRT network, and the side in px of what it sees."""

    run: Run
    size: int


class Detection(NamedTuple):
    """What BlazeFace says of a face, in px: its box's centre (2,) and side, its keypoints (6, 2), and its score.

    The keypoints are right and left eye, nose tip, middle of the mouth, right and left ear.
    """

    centre: Array
    side: float
    keypoints: Array
    score: float


class Region(NamedTuple):
    """A turned square of a photo: centre (2,) and side in px; roll in radians, clockwise on the screen."""

    centre: Array
    side: float
    roll: float


def open_network(content: bytes, threads: int) -> Network:
    """Open a LiteRT network of one photo by the bytes of its file."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_stderr():  # it tells what it runs on
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    photo = interpreter.get_input_details()[0]
    outputs = [output["index"] for output in interpreter.get_output_details()]

    def run(values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        interpreter.set_tensor(photo["index"], values)
        interpreter.invoke()
        return [interpreter.get_tensor(output) for output in outputs]

    return Network(run, int(photo["shape"][1]))


def halvings(photo: Image) -> list[Image]:
    """Halve a photo (H, W, 3) again and again; each pixel is the mean of four, and a last odd one is left out."""
    levels = [photo]
    while max(levels[-1].shape[:2]) > SMALLEST_LEVEL and min(levels[-1].shape[:2]) > 1:
        height, width = (length // 2 for length in levels[-1].shape[:2])
        even = levels[-1][: 2 * height, : 2 * width]
        levels.append(np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8))
    return levels


def see(levels: list[Image], region: Region, size: int) -> tuple[Image, Array]:
    """Resample a region of a photo, which `halvings` made, to a square of `size` px; and the similarity of that."""
    similarity = crop_similarity(region.centre, region.side, region.roll, size)
    level = min(int(max(np.log2(region.side / size), 0)), len(levels) - 1)
    factor = 2.0**level
    to_photo = make_similarity(factor, 0.0, (0, 0), ((factor - 1) / 2, (factor - 1) / 2))
    return resample(levels[level], similarity @ to_photo, size), similarity


def detect(levels: list[Image], region: Region, kind: str, networks: dict[str, Network]) -> list[Detection]:
    """Detect the faces in a region of a photo.

    Parameters
    ----------
    levels : list of (H, W, 3) uint8
        As `halvings` makes them.
    region : Region
    kind : {'near', 'far'}
        The detector: of faces that fill the region or a third of it, or of smaller ones too.
    networks : dict of str to Network

    Returns
    -------
    list of Detection
        Pixels of the photo; the most certain first, each face once.
    """
    network = networks[kind]
    seen, similarity = see(levels, region, network.size)
    boxes, scores = sorted(network.run(seen[None].astype(np.float32) / 127.5 - 1), key=lambda out: -out.shape[2])
    return decode(boxes[0], scores[0, :, 0], _anchors(kind, network.size), similarity)


@functools.cache
def _anchors(kind: str, size: int) -> Array:
    """Middles (A, 2) of a detector's cells, in px of what it sees, in the order of its outputs."""
    grids = []
    for stride, boxes in CELLS[kind]:
        middles = (np.arange(size // stride) + 0.5) * stride
        row, column = np.meshgrid(middles, middles, indexing="ij")
        grids.append(np.repeat(np.stack([column.ravel(), row.ravel()], axis=1), boxes, axis=0))
    return np.concatenate(grids)


def decode(boxes: NDArray, scores: NDArray, anchors: Array, similarity: Array) -> list[Detection]:
    """Read a detector's outputs: the boxes over `MIN_SCORE`, those of one face as their mean weighted by the score.

    Parameters
    ----------
    boxes : (A, 16) float
        For each anchor the box's centre and size, and six points, seen from the anchor, in px of the square.
    scores : (A,) float
        Logits.
    anchors : (A, 2) float64
        In px of the square.
    similarity : (3, 3) float64
        Photo pixels to those of the square, whose pixel centres are at integers.

    Returns
    -------
    list of Detection
        Pixels of the photo, the most certain first.
    """
    score = 1 / (1 + np.exp(-np.clip(scores.astype(np.float64), -80, 80)))
    good = np.flatnonzero(score >= MIN_SCORE)
    good = good[np.argsort(-score[good], kind="stable")]
    rows = boxes[good].astype(np.float64).reshape(len(good), boxes.shape[1] // 2, 2)
    points = rows[:, [0, *range(2, 8)]] + anchors[good, None] - 0.5
    sides, left = rows[:, 1].max(axis=1), np.ones(len(good), bool)
    inverse = np.linalg.inv(similarity).astype(np.float64)
    found = []
    for first in range(len(good)):
        if left[first]:
            same = left & (share_of_union(points[:, 0], sides, points[first, 0], sides[first]) > SAME_FACE)
            left &= ~same
            weight = score[good][same]
            centre, *keypoints = apply_similarity(inverse, np.average(points[same], axis=0, weights=weight))
            side = float(np.average(sides[same], weights=weight) * similarity_scale(inverse))
            found.append(Detection(centre, side, np.array(keypoints), float(score[good[first]])))
    return found


def share_of_union(centres: Array, sides: Array, centre: Array, side: float) -> Array:
    """Share of the union (N,) that squares and one square have in common."""
    reach = (sides[:, None] + side) / 2 - np.abs(centres - centre)
    common = np.clip(np.minimum(reach, np.minimum(sides, side)[:, None]), 0, None).prod(axis=1)
    return common / np.maximum(sides**2 + side**2 - common, 1e-9)


def line_roll(right: Array, left: Array) -> float:
    """Roll in radians of the line from a point (2,) on the subject's right to one on the left."""
    return float(np.arctan2(left[1] - right[1], left[0] - right[0]))
