"""Score one predicted position map against the truth by every protocol."""

import numpy as np
from numpy.typing import NDArray

from model.scaling import Scaling, to_network, to_pixels
from model.scores import protocols as evaluation
from pipeline.uv.surface import Points


def score(predicted: Points, truth: Points, true_landmarks: NDArray) -> dict[str, float]:
    """Error of one image by every protocol of `model.scores.protocols.PROTOCOLS`.

    Parameters
    ----------
    predicted, truth : Points
        Pixels of the raw photo.
    true_landmarks : (68, 3) float
        Pixels of the raw photo; for AFLW2000-3D they are ``pt3d_68``, not the model's own 68 vertices.

    Returns
    -------
    dict of str to float
        Percent; not `nme68_2d_reannotated`, whose truth is another.

    Raises
    ------
    ValueError
        If the true points have no extent.
    """
    errors = {
        "dense_2d": evaluation.error_prnet(predicted.texels, truth.texels, dimensions=2),
        "dense_3d": evaluation.error_prnet(predicted.texels, truth.texels, dimensions=3),
        "reconstruction": evaluation.error_reconstruction(predicted.texels, truth.texels, true_landmarks),
        "thesis_mesh": evaluation.error_thesis(predicted.vertices, truth.vertices, true_landmarks),
    }
    found = score_landmarks(predicted.landmarks, true_landmarks) | {k: float(error) for k, error in errors.items()}
    return {name: found[name] for name in evaluation.PROTOCOLS if name in found}


def score_landmarks(landmarks: NDArray, true_landmarks: NDArray) -> dict[str, float]:
    """Error of one image by the protocols that need no more than the 68 landmarks.

    Parameters
    ----------
    landmarks, true_landmarks : (68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    dict of str to float
        Percent.

    Raises
    ------
    ValueError
        If the true points have no extent.
    """
    errors = {
        "nme68_2d": evaluation.error_3ddfa(landmarks, true_landmarks),
        "nme68_3d": evaluation.error_prnet(landmarks, true_landmarks, dimensions=3),
        "thesis_68": evaluation.error_thesis(landmarks, true_landmarks, true_landmarks),
    }
    return {name: float(error) for name, error in errors.items()}


def signed_bias(
    prediction: NDArray, truth: NDArray, scaling: Scaling, face_mask: NDArray[np.bool_]
) -> dict[str, float]:
    """Mean signed difference of two position maps along each axis: what section 4.4 calls errors in one direction.

    Parameters
    ----------
    prediction, truth : (size, size, 3) float
        Pixels of the same aligned image.
    scaling : Scaling
        Of the network that predicts. Its labels, and so its output, have no other offset of z than its own.
    face_mask : (size, size) bool

    Returns
    -------
    dict of str to float
        `bias_x` (to the right), `bias_y` (downwards) and `bias_z` (towards the viewer), in percent of the map's side.
    """
    label = to_pixels(to_network(truth, scaling, face_mask), scaling)
    bias = 100 * (np.asarray(prediction, np.float64) - label)[face_mask].mean(axis=0) / len(face_mask)
    return {f"bias_{axis}": float(value) for axis, value in zip("xyz", bias, strict=True)}
