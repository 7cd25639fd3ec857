"""68 landmarks by an Active Shape Model, as the thesis names it (sections 2.3 and 3.3.2).

A face is brought into an upright frame by its five points. There each landmark looks along its normal for the place
whose grey-value gradients are most like those that it had in training, and all of them are then drawn to the nearest
shape that faces have; from a coarse picture to the fine one. Faces turned to either side are models of their own.

References
----------
Cootes, T., Taylor, C., Cooper, D. and Graham, J., 1995. Active shape models: their training and application.
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LANDMARKS, LEFT_EYE, LINES, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE
from ..face.similarity import apply_similarity, similarity_scale
from ..store.arrays import Array
from ..store.shards import read_shard, write_shard

# Side of the upright frame in px, and where in it the five points lie: right and left eye, nose, corners of the mouth.
FRAME = 192
FIVE_POINTS = np.array([[69, 78], [123, 78], [96, 109], [74, 137], [118, 137]], np.float64)
# Octaves: sizes of the frame, each half the one before; samples on each side of a landmark; steps looked at each way.
OCTAVES = 3
REACH = 5
STEPS = 3
ITERATIONS = 8
# Shapes keep within so many standard deviations along each component.
LIMIT = 2.5
# Places that profiles find are off by so many px along each component: the rarer a shape, the less is it believed.
NOISE = 5.0
# Views: how far the nose tip lies from the middle of the eyes and mouth, in their distance, to the subject's left.
TURNS = (-0.35, -0.12, 0.12, 0.35)
# A view of fewer training faces learns from all of them.
FEW = 40
# Share of the mean variance that is added to each profile's: with few faces a covariance has directions without any.
RIDGE = 0.5


@dataclasses.dataclass(frozen=True)
class ActiveShapeModel:
    """Models of faces by how far they are turned, W views in the order of `TURNS`.

    Attributes
    ----------
    mean : (W, 68, 2) float64
        Mean shape in the upright frame.
    basis : (W, 68, 2, K) float64
        Orthonormal components of the shapes about it.
    deviation : (W, K) float64
        Standard deviation along each, in px.
    profiles : (W, OCTAVES, 68, 2 * REACH + 1) float64
        Mean normalised gradients along each normal.
    precision : (W, OCTAVES, 68, 2 * REACH + 1, 2 * REACH + 1) float64
        Inverses of their covariances.
    """

    mean: Array
    basis: Array
    deviation: Array
    profiles: Array
    precision: Array


def five_points(landmarks: NDArray) -> Array:
    """The five points (5, 2) of 68 landmarks (68, >=2): the subject's right and left eye, nose tip, mouth corners."""
    points = np.asarray(landmarks, np.float64)[:, :2]
    eyes = [points[eye].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)]
    return np.stack([*eyes, points[NOSE_TIP], *points[list(MOUTH_CORNERS)]])


def upright_frame(points: NDArray) -> Array:
    """Similarity (3, 3) that takes five points (5, 2) of a photo closest to `FIVE_POINTS`, by least squares.

    Raises
    ------
    ValueError
        If they all lie in one place.
    """
    points = np.asarray(points, np.float64)
    source, target = points - points.mean(axis=0), FIVE_POINTS - FIVE_POINTS.mean(axis=0)
    size = (source**2).sum()
    if not size > 0:
        raise ValueError("The five points of the face all lie in one place: no frame can be laid through them.")
    c = (source * target).sum() / size
    s = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / size
    linear = np.array([[c, -s], [s, c]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = FIVE_POINTS.mean(axis=0) - linear @ points.mean(axis=0)
    return matrix


def view_of(points: NDArray) -> int:
    """Tell the view of a face by its five points (5, 2): 0 if it is turned the farthest to the subject's right."""
    placed = apply_similarity(upright_frame(points), np.asarray(points, np.float64))
    eyes, mouth = placed[:2].mean(axis=0), placed[3:].mean(axis=0)
    offset = (placed[2, 0] - (eyes[0] + mouth[0]) / 2) / np.linalg.norm(mouth - eyes)
    return int(np.digitize(offset, TURNS))


def frame_of(photo: NDArray[np.uint8], similarity: NDArray) -> NDArray[np.uint8]:
    """Grey upright frame (FRAME, FRAME) of a photo (H, W, 3) by a similarity from `upright_frame`."""
    scale = float(similarity_scale(similarity))
    if scale < 0.5:
        # What is made smaller is blurred first, so that no single pixels are picked.
        photo = cv2.GaussianBlur(photo, (0, 0), 0.4 / scale).astype(np.uint8)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    return np.asarray(
        cv2.warpAffine(grey, similarity[:2], (FRAME, FRAME), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def train(frames: NDArray[np.uint8], shapes: NDArray, views: NDArray[np.integer], components: int) -> ActiveShapeModel:
    """Learn shapes and gradients.

    Parameters
    ----------
    frames : (N, FRAME, FRAME) uint8
        Upright frames, grey.
    shapes : (N, 68, 2) float
        Landmarks in them.
    views : (N,) int
        From `view_of`.
    components : int
        K: directions in which a shape may differ from its view's mean; a small view has fewer, and zeros for the rest.

    Returns
    -------
    ActiveShapeModel

    Raises
    ------
    ValueError
        If there are no more faces than components.
    """
    if len(shapes) <= max(components, 1) or components < 1:
        raise ValueError(
            f"{len(shapes)} training faces can't tell {components} components: lower asm.components, or add faces."
        )
    parts = []
    for view in range(len(TURNS) + 1):
        rows = np.flatnonzero(views == view)
        if len(rows) < FEW:
            rows = np.arange(len(shapes))
        mean = shapes[rows].mean(axis=0)
        _, singular, directions = np.linalg.svd((shapes[rows] - mean).reshape(len(rows), -1), full_matrices=False)
        basis, deviation = np.zeros((LANDMARKS, 2, components)), np.zeros(components)
        count = min(components, len(rows) - 1)
        # The sign of a component is arbitrary: its largest entry is positive, on every machine.
        signs = np.sign(directions[np.arange(count), np.abs(directions[:count]).argmax(axis=1)])
        basis[..., :count] = directions[:count].T.reshape(LANDMARKS, 2, count) * signs
        deviation[:count] = singular[:count] / np.sqrt(len(rows))
        gradients = [_octave_profiles(frames[row], shapes[row], REACH) for row in rows]
        stacked = np.stack(gradients, axis=2)
        profiles = stacked.mean(axis=2)
        offsets = stacked - profiles[:, :, None]
        covariance = np.einsum("lpni,lpnj->lpij", offsets, offsets) / len(rows)
        ridge = RIDGE * np.trace(covariance, axis1=2, axis2=3)[..., None, None] / covariance.shape[-1]
        precision = np.linalg.inv(covariance + (ridge + 1e-9) * np.eye(covariance.shape[-1]))
        parts.append((mean, basis, deviation, profiles, precision))
    return ActiveShapeModel(*(np.stack(part) for part in zip(*parts, strict=True)))


def fit(model: ActiveShapeModel, photo: NDArray[np.uint8], points: NDArray) -> Array:
    """Find the landmarks of a face.

    Parameters
    ----------
    model : ActiveShapeModel
    photo : (H, W, 3) uint8
        RGB.
    points : (5, 2) float
        The subject's right and left eye, nose tip, right and left corner of the mouth, in pixels of the photo; the face
        may be turned in the picture by any angle.

    Returns
    -------
    (68, 2) float64
        Pixels of the photo.
    """
    similarity, view = upright_frame(points), view_of(points)
    shape = fit_frame(model, frame_of(photo, similarity), view)
    return apply_similarity(np.linalg.inv(similarity), shape)


def fit_frame(model: ActiveShapeModel, frame: NDArray[np.uint8], view: int) -> Array:
    """Find the landmarks (68, 2) in an upright frame (FRAME, FRAME), from the view's mean shape on."""
    shape = model.mean[view]
    pyramid = _pyramid(frame)
    for octave in reversed(range(OCTAVES)):
        for _ in range(ITERATIONS):
            place = _to_octave(shape, octave)
            normals = line_normals(place)
            gradients = _profiles(pyramid[octave], place, normals, REACH + STEPS, normalised=False)
            windows = np.lib.stride_tricks.sliding_window_view(gradients, 2 * REACH + 1, axis=1)
            offsets = _normalised(windows) - model.profiles[view, octave][:, None]
            cost = np.einsum("pwi,pij,pwj->pw", offsets, model.precision[view, octave], offsets)
            moves = cost.argmin(axis=1) - STEPS
            wanted = _from_octave(place + moves[:, None] * normals, octave)
            shape = nearest_shape(model, wanted, view)
            if np.mean(np.abs(moves) <= 1) > 0.95:
                break
    return shape


def nearest_shape(model: ActiveShapeModel, points: NDArray, view: int) -> Array:
    """Most probable shape (68, 2) of a view behind places (68, 2) that are off by `NOISE`; no farther than `LIMIT`."""
    deviation = model.deviation[view]
    amounts = np.einsum("pck,pc->k", model.basis[view], points - model.mean[view])
    amounts *= deviation**2 / (deviation**2 + NOISE**2)
    return model.mean[view] + model.basis[view] @ np.clip(amounts, -LIMIT * deviation, LIMIT * deviation)


def line_normals(shape: NDArray) -> Array:
    """Unit normals (68, 2) of a shape (68, 2) along the lines of the face."""
    along = np.zeros((LANDMARKS, 2))
    for numbers, closed in LINES:
        points = shape[numbers]
        after, before = np.roll(points, -1, axis=0), np.roll(points, 1, axis=0)
        if not closed:
            after[-1], before[0] = points[-1], points[0]
        along[numbers] = after - before
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 0, along / np.where(length > 0, length, 1), [1.0, 0.0])
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def save_model(path: Path, model: ActiveShapeModel) -> None:
    """Save a model as HDF5."""
    write_shard(path, dataclasses.asdict(model), {})


def load_model(path: Path) -> ActiveShapeModel:
    """Load a model that `save_model` wrote."""
    return ActiveShapeModel(**read_shard(path))


def _pyramid(frame: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Frame and its halvings, as float32."""
    octaves = [cv2.GaussianBlur(frame, (0, 0), 0.8).astype(np.float32)]
    for _ in range(OCTAVES - 1):
        octaves.append(cv2.resize(octaves[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32))
    return octaves


def _to_octave(shape: NDArray, octave: int) -> Array:
    """Pixels of the frame to pixels of a halving; centres of pixels at integers."""
    return (np.asarray(shape, np.float64) + 0.5) / 2**octave - 0.5


def _from_octave(shape: NDArray, octave: int) -> Array:
    return (shape + 0.5) * 2**octave - 0.5


def _octave_profiles(frame: NDArray[np.uint8], shape: NDArray, reach: int) -> Array:
    """Normalised gradients (OCTAVES, 68, 2 * reach + 1) along the normals of a shape in each halving of a frame."""
    found = []
    for octave, picture in enumerate(_pyramid(frame)):
        place = _to_octave(shape, octave)
        found.append(_profiles(picture, place, line_normals(place), reach, normalised=True))
    return np.stack(found)


def _profiles(picture: NDArray[np.float32], place: Array, normals: Array, reach: int, normalised: bool) -> Array:
    """Gradients (68, 2 * reach + 1) of a picture along normals."""
    steps = np.arange(-reach - 0.5, reach + 1)
    along = (place[:, None] + steps[:, None] * normals[:, None]).astype(np.float32)
    grey = cv2.remap(picture, along[..., 0], along[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gradients = np.diff(grey.astype(np.float64), axis=1)
    return _normalised(gradients) if normalised else gradients


def _normalised(gradients: Array) -> Array:
    """Gradients over the sum of their sizes, so that light and contrast do not count."""
    return gradients / np.maximum(np.abs(gradients).sum(axis=-1, keepdims=True), 1e-3)
