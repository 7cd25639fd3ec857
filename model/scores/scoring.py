"""Score one predicted position map against the truth by every protocol."""

import numpy as np
from numpy.typing import NDArray

from model.scores import protocols as evaluation
from pipeline.face.nearest import align_surface
from pipeline.face.similarity import fit_similarity, move
from pipeline.uv.scaling import Scaling, to_network, to_pixels
from pipeline.uv.surface import Points

# Percentile of the depths at which a surface without correspondences is laid over the truth first.
NEAR = 95


def score(
    predicted: Points, truth: Points, true_landmarks: NDArray, triangles: NDArray[np.integer]
) -> dict[str, float]:
    """Error of one image by every protocol of `model.scores.protocols.PROTOCOLS`.

    Parameters
    ----------
    predicted, truth : Points
        Pixels of the raw photo.
    true_landmarks : (68, 3) float
        Pixels of the raw photo; for AFLW2000-3D they are ``pt3d_68``, not the model's own 68 vertices.
    triangles : (F, 3) int
        Of the points' vertices.

    Returns
    -------
    dict of str to float
        Percent; not `nme68_2d_reannotated`, whose truth is another.

    Raises
    ------
    ValueError
        If the true points have no extent.
    """
    fitted = move(fit_similarity(predicted.texels, truth.texels), predicted.vertices)
    errors = {
        "dense_2d": evaluation.error_prnet(predicted.texels, truth.texels, dimensions=2),
        "dense_3d": evaluation.error_prnet(predicted.texels, truth.texels, dimensions=3),
        "reconstruction": evaluation.error_reconstruction(predicted.texels, truth.texels, true_landmarks),
        "thesis_mesh": evaluation.error_thesis(predicted.vertices, truth.vertices, true_landmarks),
        "surface": evaluation.error_surface(fitted, triangles, truth.vertices, true_landmarks),
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


def score_some_landmarks(landmarks: NDArray, true_landmarks: NDArray) -> dict[str, float]:
    """Error of one image of a method that has not all of the 68 landmarks: `nme68_2d` of those that it has.

    Parameters
    ----------
    landmarks : (68, 2) or (68, 3) float
        Pixels of the raw photo; NaN where the method has none.
    true_landmarks : (68, 2) or (68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    dict of str to float
        Percent of the box of all true points, as `protocols.error_3ddfa` has it; nothing where there is no landmark.
    """
    known = np.isfinite(landmarks[:, :2]).all(axis=1)
    if not known.any():
        return {}
    # A point that is not known is the true one, which takes its share out of the mean.
    filled = np.where(known[:, None], landmarks[:, :2], true_landmarks[:, :2])
    return {"nme68_2d": float(evaluation.error_3ddfa(filled, true_landmarks)) * len(known) / int(known.sum())}


def score_surface(
    vertices: NDArray, triangles: NDArray[np.integer], truth: Points, true_landmarks: NDArray
) -> dict[str, float]:
    """Error of one image of a surface whose vertices are nobody's, laid over the truth by its form alone.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixels of the raw photo, with any offset of z.
    triangles : (F, 3) int
    truth : Points
    true_landmarks : (68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    dict of str to float
        Percent, `surface` alone.

    Raises
    ------
    ValueError
        If the true points have no extent, or the surface has no triangle.
    """
    placed = np.array(vertices, np.float64)
    # The parts of both that are nearest to the viewer begin at one depth.
    placed[:, 2] += np.percentile(truth.vertices[:, 2], NEAR) - np.percentile(placed[:, 2], NEAR)
    fit = align_surface(placed, triangles, evaluation.surface_points(truth.vertices))
    error = evaluation.error_surface(move(fit, placed), triangles, truth.vertices, true_landmarks)
    return {"surface": float(error)}


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
