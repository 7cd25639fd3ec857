"""Camera of the 3DDFA annotations.

Frames (docs/conventions.md has all of them):

* model: the face model's own units, x to the subject's left, y up, z towards the viewer;
* annotation: 1-based pixels of the photo with y **up**, ``q = f R v + t``;
* pixel: 0-based pixels with y **down**, pixel centres at integers, ``(q_x - 1, height - q_y, q_z)``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..store.arrays import Array
from .similarity import apply_similarity, similarity_angle, similarity_scale

# What is added to x and to height - y.
PIXEL_ORIGINS = {"annotation": (-1, 0), "face3d": (0, -1)}


def rotation_matrix(pitch: float, yaw: float, roll: float) -> Array:
    """Rotate from the model frame to the annotation frame, with 3DDFA's signs.

    Parameters
    ----------
    pitch, yaw, roll : float
        Angles in radians; they need not be wrapped.

    Returns
    -------
    (3, 3) float64
        ``R = Rx(pitch) Ry(yaw) Rz(roll)``, each axis turned clockwise, as in the code published with 300W-LP.
    """
    cx, sx = np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    cz, sz = np.cos(roll), np.sin(roll)
    rx = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    ry = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    rz = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return rx @ ry @ rz


def euler_angles(rotation: Array) -> Array:
    """Invert `rotation_matrix`.

    Parameters
    ----------
    rotation : (3, 3) float64
        A rotation with determinant 1.

    Returns
    -------
    (3,) float64
        Pitch, yaw and roll in radians, yaw in [-pi/2, pi/2]. At a yaw of exactly +-90 degrees roll is set to 0.
    """
    yaw = -np.arcsin(np.clip(rotation[0, 2], -1.0, 1.0))
    if abs(rotation[0, 2]) > 1 - 1e-12:
        return np.array([np.arctan2(-rotation[2, 1], rotation[1, 1]), yaw, 0.0])
    pitch = np.arctan2(rotation[1, 2], rotation[2, 2])
    roll = np.arctan2(rotation[0, 1], rotation[0, 0])
    return np.array([pitch, yaw, roll])


def wrap_angle(angle: ArrayLike) -> Array:
    """Wrap angles in radians into [-pi, pi)."""
    return (np.asarray(angle, np.float64) + np.pi) % (2 * np.pi) - np.pi


def wrap_degrees(angle: ArrayLike) -> Array:
    """Wrap angles in degrees into [-180, 180)."""
    return (np.asarray(angle, np.float64) + 180.0) % 360.0 - 180.0


def camera_matrix(pose: NDArray, height: int, convention: str = "annotation") -> Array:
    """Camera that places model vertices in a photo.

    Parameters
    ----------
    pose : (7,) float
        Pitch, yaw, roll in radians, translation x, y, z and scale, as in ``Pose_Para``.
    height : int
        Height of the photo in pixels.
    convention : {'annotation', 'face3d'}
        How the annotation's y-up pixels become 0-based y-down ones. `annotation` is ``(x - 1, height - y)``, which
        agrees with ``pt3d_68``; `face3d` is ``(x, height - y - 1)``, as the scripts of face3d and PRNet have it, kept
        for comparison with them only.

    Returns
    -------
    (3, 4) float64
        ``pixels = matrix @ [x, y, z, 1]``, z in pixels towards the viewer.

    Raises
    ------
    ValueError
        If there is no such convention.
    """
    if convention not in PIXEL_ORIGINS:
        raise ValueError(f"Unknown pixel convention {convention!r}: expected one of {tuple(PIXEL_ORIGINS)}.")
    pose = np.asarray(pose, np.float64)
    matrix = np.column_stack([pose[6] * rotation_matrix(*pose[:3]), pose[3:6]])
    matrix[1] *= -1
    left, top = PIXEL_ORIGINS[convention]
    matrix[:2, 3] += [left, height + top]
    return matrix


def project(vertices: NDArray, pose: NDArray, height: int, convention: str = "annotation") -> Array:
    """Place model vertices (..., 3) in a photo by `camera_matrix`: (..., 3) float64 in its pixel frame.

    Raises
    ------
    ValueError
        If there is no such convention.
    """
    matrix = camera_matrix(pose, height, convention)
    return np.asarray(vertices, np.float64) @ matrix[:, :3].T + matrix[:, 3]


def transform_pose(pose: NDArray, height: int, similarity: Array, new_height: int) -> Array:
    """Express an annotated pose in the image that a similarity makes.

    Parameters
    ----------
    pose : (7,) float
        As in `project`.
    height, new_height : int
        Heights in pixels of the photo and of the image that the similarity makes of it.
    similarity : (3, 3) float64
        Photo pixels to new pixels.

    Returns
    -------
    (7,) float64
        With it, ``project(v, result, new_height)`` equals ``apply_similarity(similarity, project(v, pose, height))``.
        Turning the pixels by t (y down) turns the rotation by ``R' = Rz(t) R``.
    """
    pose = np.asarray(pose, np.float64)
    scale, angle = similarity_scale(similarity), similarity_angle(similarity)
    angles = euler_angles(rotation_matrix(0.0, 0.0, float(angle)) @ rotation_matrix(*pose[:3]))
    origin = apply_similarity(similarity, np.array([pose[3] - 1, height - pose[4], pose[5]]))
    return np.array([*angles, origin[0] + 1, new_height - origin[1], origin[2], scale * pose[6]])
