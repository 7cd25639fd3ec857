"""What 3DDFA regresses: a camera and the face model's coefficients, to and from the samples' labels.

Parameters are rows of 12 + S + E numbers: the camera of the aligned image, (3, 4) row by row, from the face model's
frame to 0-based pixels with y down, then identity and expression coefficients as annotated. The z translation is 0: a
photo does not tell how far away the face is, and every consumer of z centres it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.face.camera import camera_matrix
from pipeline.face.face_model import FaceModel, deform
from pipeline.store.arrays import Array

CAMERA = 12
Z_TRANSLATION = 11
# A parameter that varies by less than this share of its mean is constant: float32 annotations round by a tenth of it.
CONSTANT = 1e-6


class Whitening(NamedTuple):
    """Mean and standard deviation of each parameter, (P,) float64; the deviation of a constant one is 0."""

    mean: Array
    deviation: Array


def to_parameters(pose: NDArray, coefficients: NDArray, size: int) -> Array:
    """Join the labels of samples to parameters.

    Parameters
    ----------
    pose : (N, 7) float
        Pitch, yaw, roll in radians, translation and scale, of the aligned image.
    coefficients : (N, S + E) float
    size : int
        Side of the aligned image in px.

    Returns
    -------
    (N, 12 + S + E) float64
    """
    cameras = np.stack([camera_matrix(row, size) for row in pose]).reshape(-1, CAMERA)
    cameras[:, Z_TRANSLATION] = 0
    return np.concatenate([cameras, coefficients], axis=1)


def to_maps(parameters: NDArray, texels: FaceModel) -> NDArray[np.float32]:
    """Place the face that parameters describe, as position maps.

    Parameters
    ----------
    parameters : (N, 12 + S + E) float
    texels : FaceModel
        The face model at the texels of the map, see `position_map.texel_model`.

    Returns
    -------
    (N, S, S, 3) float32
        Pixels of the aligned image; z up to a constant.
    """
    size = round(len(texels.mean) ** 0.5)
    cameras = np.asarray(parameters[:, :CAMERA], np.float32).reshape(-1, 3, 4)
    placed = deform(texels, parameters[:, CAMERA:]) @ cameras[:, :, :3].transpose(0, 2, 1) + cameras[:, None, :, 3]
    return placed.reshape(-1, size, size, 3)


def measure_whitening(batches: Iterable[Array]) -> Whitening:
    """Measure mean and standard deviation of parameters that come in batches (n, P), holding one at a time.

    Raises
    ------
    ValueError
        If there is no batch.
    """
    count, mean, spread = 0, np.zeros(1), np.zeros(1)
    for batch in batches:
        # Chan, Golub and LeVeque, 1979: sums of squares are joined without the cancellation of sum(x^2) - n mean^2.
        share = len(batch) / (count + len(batch))
        shift = batch.mean(axis=0) - mean
        spread = spread + ((batch - batch.mean(axis=0)) ** 2).sum(axis=0) + shift**2 * count * share
        mean, count = mean + shift * share, count + len(batch)
    if not count:
        raise ValueError("There are no samples to measure the parameters of: the training part is empty.")
    deviation = np.sqrt(spread / count)
    return Whitening(mean, np.where(deviation > CONSTANT * np.abs(mean), deviation, 0.0))
