"""Smoothing of a face in a video by One-Euro filters: steady where it rests, and hardly behind where it moves.

References
----------
Casiez, Roussel, Vogel, 2012. 1 Euro filter: a simple speed-based low-pass filter for noisy input in interactive
systems. CHI 2012, 2527-2530.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from ..face.camera import camera_matrix, euler_angles, rotation_matrix
from ..face.fit import FaceFit
from ..store.arrays import Array
from .fitting import size_of

# Cutoffs in Hz: of a face at rest, and of the speed. What the cutoff grows by with the speed, in Hz for one face size a
# second: a steady movement is followed with a lag of 1 / (2 pi BETA) of the face's size at most, 0.8 %.
MIN_CUTOFF, D_CUTOFF, BETA = 0.5, 1.0, 20.0
# Places in what is filtered: a unit quaternion, the translation, the log of the scale.
QUATERNION, TRANSLATION, SCALE, POSE = slice(0, 4), slice(4, 7), 7, 8
# What moves the face's points by about its size: 1 in the quaternion (2 radians) and in the log of the scale, and so
# many sigmas of a coefficient.
SIGMAS = 30.0


class Smoothed(NamedTuple):
    """State of a One-Euro filter: filtered values and their filtered speed a second, both of one shape."""

    values: Array
    speed: Array


def smoothing_factor(cutoff: ArrayLike, seconds: float) -> Array:
    """Weight alpha of a new value in a low-pass filter: ``1 / (1 + tau / seconds)``, ``tau = 1 / (2 pi cutoff)``.

    Parameters
    ----------
    cutoff : array_like of float
        In Hz.
    seconds : float
        Since the value before.
    """
    return 1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff, np.float64) * seconds))


def one_euro(
    state: Smoothed | None,
    values: Array,
    seconds: float,
    beta: ArrayLike,
    min_cutoff: float = MIN_CUTOFF,
    d_cutoff: float = D_CUTOFF,
) -> Smoothed:
    """One step of a One-Euro filter for each value.

    With x the new value, y the filtered one before, and ``alpha(f) = 1 / (1 + 1 / (2 pi f seconds))``::

        speed  = alpha(d_cutoff) (x - y) / seconds + (1 - alpha(d_cutoff)) speed before
        cutoff = min_cutoff + beta |speed|
        y      = alpha(cutoff) x + (1 - alpha(cutoff)) y before

    Parameters
    ----------
    state : Smoothed or None
        Of the step before; None at the first, which leaves the values as they are.
    values : (...) float64
    seconds : float
        Since the step before, positive; of no account at the first.
    beta : float or (...) float
        In Hz for a speed of 1 a second.
    min_cutoff, d_cutoff : float
        In Hz.

    Returns
    -------
    Smoothed
    """
    if state is None:
        return Smoothed(values, np.zeros_like(values))
    weight = smoothing_factor(d_cutoff, seconds)
    speed = weight * (values - state.values) / seconds + (1 - weight) * state.speed
    weight = smoothing_factor(min_cutoff + np.asarray(beta, np.float64) * np.abs(speed), seconds)
    return Smoothed(weight * values + (1 - weight) * state.values, speed)


def smooth_face(
    state: Smoothed | None, fit: FaceFit, mesh: Array, sigma: Array, seconds: float, height: int
) -> tuple[Smoothed, FaceFit, Array]:
    """One step of a One-Euro filter of a face: of its turn as a quaternion, of its scale as a logarithm.

    Parameters
    ----------
    state : Smoothed or None
        Of the frame before; None at the first.
    fit : FaceFit
        Of the frame alone.
    mesh : (468, 3) float64
        Likewise, in pixels.
    sigma : (S + E,) float64
        Of the coefficients.
    seconds : float
        Since the frame before.
    height : int
        Of the frame in px.

    Returns
    -------
    state : Smoothed
    fit : FaceFit
        With smooth pose, camera and coefficients; the rest is of the frame alone.
    mesh : (468, 3) float64
        Smooth.
    """
    count = len(sigma)
    quaternion = Rotation.from_matrix(rotation_matrix(*fit.pose[:3])).as_quat()
    if state is not None and quaternion @ state.values[QUATERNION] < 0:
        quaternion = -quaternion
    values = np.concatenate([quaternion, fit.pose[3:6], np.log(fit.pose[6:]), fit.coefficients, mesh.ravel()])
    sizes = np.full(len(values), size_of(mesh))
    sizes[QUATERNION] = sizes[SCALE] = 1
    sizes[POSE : POSE + count] = SIGMAS * np.where(sigma > 0, sigma, 1)
    state = one_euro(state, values, seconds, BETA / sizes)
    turn = Rotation.from_quat(state.values[QUATERNION]).as_matrix()
    pose = np.array([*euler_angles(turn), *state.values[TRANSLATION], np.exp(state.values[SCALE])])
    coefficients, points = np.split(state.values[POSE:], [count])
    smooth = dataclasses.replace(fit, pose=pose, camera=camera_matrix(pose, height), coefficients=coefficients)
    return state, smooth, points.reshape(mesh.shape)
