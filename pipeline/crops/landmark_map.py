"""The 68 landmarks of an annotation, learnt from the 468 points of Face Mesh by ridge regression.

A mesh is centred, levelled by the line between the outer corners of the eyes, and divided by the root of its width
times its height; from there on the landmarks follow linearly. Faces whose annotation or mesh is wrong would bend the
map: the larger its error, the less each counts. The less sure Face Mesh is that it sees a face, the more the
detector's keypoints count: they know profiles better.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.landmarks import LANDMARKS
from ..face.similarity import apply_similarity, make_similarity
from ..store.arrays import Array
from .blaze_face import line_roll
from .face_mesh import OUTER_CORNERS, POINTS
from .mesh_landmarks import read_landmarks

# Variance that a direction of the meshes must have to count, in levelled units. What follows was chosen in five folds
# of the photos of AFLW2000-3D that are not in its test list (1,188 found, mean of four looks, see `look_again`): median
# error 2.64 %, mean 4.01; of one look 2.77 and 4.29; with a ridge of 1e-6 2.64 and 4.02; without the detector's
# keypoints 2.64 and 4.42. Products of the meshes' first directions and random features took 1 to 2 % off either.
RIDGE = 1e-5
# A face counts by its error to this power; by 1 the errors are 2.67 and 4.03, by 2 they are 2.63 and 4.04.
POWER = -1.5
# Rounds of the weights, by when they stand still.
ROUNDS = 5
# Keypoints are at most so far from the middle of the mesh, in levelled units: beyond, they are of no face of this mesh.
FARTHEST = 2.0
# A mesh's x, y, z; the detector's keypoints and 1, both times the doubt; and 1.
KEYPOINTS = 6
INPUTS = 3 * POINTS + 2 * KEYPOINTS + 2
# Fewer faces than this cannot tell a map that beats the table.
ENOUGH = 200


def learn_map(meshes: NDArray, landmarks: NDArray, presences: NDArray, keypoints: NDArray) -> Array:
    """Learn how the landmarks of an annotation follow from the points of Face Mesh.

    Parameters
    ----------
    meshes : (N, 468, 3) float
        Pixels of each photo.
    landmarks : (N, 68, 3) float
        Pixels of the same photos; z up to an offset of each face.
    presences : (N,) float
        Face Mesh's scores.
    keypoints : (N, 6, 2) float
        The detector's, pixels of the photos.

    Returns
    -------
    (1418, 204) float64
        See `apply_map`. Of fewer than `ENOUGH` faces it is `table_map`.
    """
    if len(meshes) < ENOUGH:
        return table_map()
    frames = [mesh_frame(mesh) for mesh in meshes]
    rows = np.stack([_inputs(*face) for face in zip(meshes, frames, presences, keypoints, strict=True)])
    targets = np.stack([_level(points, frame) for points, frame in zip(landmarks, frames, strict=True)])
    targets[..., 2] -= targets[..., 2].mean(axis=1, keepdims=True)
    sizes = np.sqrt(np.ptp(targets[..., :2], axis=1).prod(axis=1))
    penalty = np.diag([*np.full(rows.shape[1] - 1, RIDGE * len(rows)), 0.0])
    weights = np.ones(len(rows))
    for _ in range(ROUNDS):
        weighted = rows.T * weights
        learnt = np.linalg.solve(weighted @ rows + penalty, weighted @ targets.reshape(len(rows), -1))
        misses = (rows @ learnt).reshape(targets.shape) - targets
        errors = np.linalg.norm(misses[..., :2], axis=2).mean(axis=1) / sizes
        weights = np.maximum(errors, np.median(errors)) ** POWER
        weights /= weights.mean()
    return np.asarray(learnt, np.float64)


def table_map() -> Array:
    """Make the map (1418, 204) that says what the table says, see `mesh_landmarks`."""
    table = read_landmarks(np.eye(POINTS)[:, :, None])[..., 0]
    return np.vstack([np.kron(table, np.eye(3)), np.zeros((INPUTS - 3 * POINTS, 3 * LANDMARKS))])


def apply_map(learnt: NDArray, mesh: NDArray, presence: float = 1.0, keypoints: NDArray | None = None) -> Array:
    """Find the 68 landmarks of a face by its mesh.

    Parameters
    ----------
    learnt : (1418, 204) float
        From the levelled mesh, the keypoints times the doubt, the doubt and 1, to x, y, z of each landmark.
    mesh : (468, 3) float
        Pixels of the photo.
    presence : float
        Face Mesh's score.
    keypoints : (6, 2) float, optional
        The detector's, pixels of the photo. Without them there is no doubt.

    Returns
    -------
    (68, 3) float64
        Pixels of the photo, z towards the viewer.
    """
    frame = mesh_frame(mesh)
    row = _inputs(mesh, frame, presence, keypoints)
    landmarks = apply_similarity(np.linalg.inv(frame[0]), (row @ learnt).reshape(LANDMARKS, 3))
    landmarks[:, 2] += frame[1]
    return np.asarray(landmarks, np.float64)


def mesh_frame(mesh: NDArray) -> tuple[Array, float]:
    """Similarity (3, 3) that levels a mesh (468, 3), and the z that is taken off before."""
    points = np.asarray(mesh, np.float64)
    turn = make_similarity(1.0, -line_roll(*points[list(OUTER_CORNERS), :2]), points[:, :2].mean(axis=0), (0, 0))
    size = np.sqrt(np.ptp(apply_similarity(turn, points[:, :2]), axis=0).prod())
    return np.asarray(np.diag([1 / size, 1 / size, 1]) @ turn, np.float64), float(points[:, 2].mean())


def _inputs(mesh: NDArray, frame: tuple[Array, float], presence: float, keypoints: NDArray | None) -> Array:
    """What the landmarks follow from: a row (1418,)."""
    doubt, levelled = 0.0, np.zeros((KEYPOINTS, 2))
    if keypoints is not None:
        doubt = 1 - float(presence)
        levelled = np.clip(apply_similarity(frame[0], np.asarray(keypoints, np.float64)), -FARTHEST, FARTHEST)
    return np.array([*_level(mesh, frame).ravel(), *(doubt * levelled.ravel()), doubt, 1.0])


def _level(points: NDArray, frame: tuple[Array, float]) -> Array:
    return apply_similarity(frame[0], np.asarray(points, np.float64) - [0, 0, frame[1]])


def save_map(path: Path, learnt: NDArray) -> None:
    """Save a map as HDF5."""
    from ..store.shards import write_shard  # HDF5 is not imported for photos

    write_shard(path, {"map": learnt}, {})


def load_map(path: Path) -> Array:
    """Load a map that `save_map` wrote.

    Raises
    ------
    ValueError
        If the file is damaged or another.
    """
    from ..store.shards import read_shard

    learnt = read_shard(path, ["map"])["map"]
    if learnt.shape != (INPUTS, 3 * LANDMARKS):
        raise ValueError(f"{path} has a map of shape {learnt.shape}; expected {(INPUTS, 3 * LANDMARKS)}.")
    return learnt
