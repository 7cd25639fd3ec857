"""Errors of the head's pose, in degrees, as the field has them on AFLW2000-3D."""

import numpy as np
from numpy.typing import ArrayLike

from pipeline.face.camera import rotation_matrix, wrap_degrees

# Images with an angle beyond this are left out by all who publish: 31 of AFLW2000-3D's 2,000.
LIMIT_DEG = 99.0
# Error: what a reader of the number must know. All are in degrees.
POSE = {
    "pose_pitch": "absolute error of the pitch",
    "pose_yaw": "absolute error of the yaw",
    "pose_roll": "absolute error of the roll",
    "pose_mae": "mean of the three, the MAE that peers publish",
    "pose_geodesic": "angle of the turn that takes the one pose to the other",
    "pose_floor": "what pose_mae is of the annotated mesh itself, read in the same way",
}


def score_pose(pose: ArrayLike, truth: ArrayLike) -> dict[str, float | None]:
    """Error of the pose of one head.

    The angles are those of 3DDFA's annotations (`pipeline.face.camera.rotation_matrix`). Two triples of them are one
    rotation: the other one has a yaw beyond 90 degrees, and the one that lies nearer to the truth counts. Near a yaw of
    90 degrees pitch and roll turn about nearly the same axis, so that their errors are large where the pose is hardly
    wrong; the geodesic error has no such place.

    Parameters
    ----------
    pose, truth : (3,) float
        Pitch, yaw and roll in radians, in the frame of the raw photo; they need not be wrapped.

    Returns
    -------
    dict of str to float or None
        Degrees, those of `POSE` but the floor; None where an angle of the truth, wrapped, is beyond `LIMIT_DEG`.

    References
    ----------
    Ruiz, N., Chong, E. and Rehg, J. M., 2018. Fine-grained head pose estimation without keypoints. CVPR workshops: the
    cut at 99 degrees, which all since have kept.
    """
    pose, truth = np.asarray(pose, np.float64), np.asarray(truth, np.float64)
    names = ("pose_pitch", "pose_yaw", "pose_roll", "pose_mae", "pose_geodesic")
    if np.any(np.abs(wrap_degrees(np.rad2deg(truth))) > LIMIT_DEG):
        return dict.fromkeys(names)
    same = np.array([pose, [pose[0] + np.pi, np.pi - pose[1], pose[2] + np.pi]])
    errors = np.abs(wrap_degrees(np.rad2deg(same - truth)))
    nearer = errors[errors.sum(axis=1).argmin()]
    between = rotation_matrix(*pose) @ rotation_matrix(*truth).T
    # By sine and cosine: the arc cosine alone has no digits near 0.
    turn = np.array([between[2, 1] - between[1, 2], between[0, 2] - between[2, 0], between[1, 0] - between[0, 1]])
    geodesic = np.rad2deg(np.arctan2(np.linalg.norm(turn), np.trace(between) - 1))
    return dict(zip(names, map(float, (*nearer, nearer.mean(), geodesic)), strict=True))
