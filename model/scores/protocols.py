"""Errors of a reconstruction by named protocols: percent of a size of the true face, in pixels of the raw photo.

Every function takes points of any number of images, (..., K, 3), and gives one error an image, (...). Its docstring
names the points, the dimensions, the normaliser d and the rule for z; `PROTOCOLS` has the same for the reports.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.face.landmarks import OUTER_EYE_CORNERS
from pipeline.face.nearest import nearest_points
from pipeline.face.similarity import fit_similarity
from pipeline.store.arrays import Array

# Error: what a reader of the number must know, as (protocol, points, dimensions, d, z rule).
PROTOCOLS = {
    "nme68_2d": ("3ddfa; prnet sparse 2D", "68 landmarks", "x, y", "sqrt(w h) of the 68 true points", "not used"),
    "nme68_2d_reannotated": (
        "3ddfa, against the re-annotated landmarks",
        "68 landmarks",
        "x, y",
        "sqrt(w h) of the 68 re-annotated points",
        "not used",
    ),
    "nme68_3d": ("prnet sparse 3D", "68 landmarks", "x, y, z", "sqrt(w h) of the 68 true points", "each mean removed"),
    "dense_2d": ("prnet dense 2D", "face texels", "x, y", "sqrt(w h) of the true face texels", "not used"),
    "dense_3d": ("prnet dense 3D", "face texels", "x, y, z", "sqrt(w h) of the true face texels", "each mean removed"),
    "reconstruction": (
        "reconstruction",
        "face texels",
        "x, y, z",
        "3D distance of the true outer eye corners",
        "after a similarity fit",
    ),
    "thesis_68": (
        "thesis",
        "68 landmarks",
        "x, y, z",
        "3D distance of the true outer eye corners",
        "each mean removed",
    ),
    "thesis_mesh": (
        "thesis",
        "mesh vertices within the face mask",
        "x, y, z",
        "3D distance of the true outer eye corners",
        "each mean removed",
    ),
    "surface": (
        "surface",
        "true mesh vertices within the face mask, 2,000 at most",
        "x, y, z",
        "3D distance of the true outer eye corners",
        "after a similarity fit",
    ),
}
# The most true vertices, evenly spaced in their order, whose distance from a surface is measured: of a mesh of 50,000
# they give the same mean to a hundredth of it.
SURFACE_POINTS = 2000
# Triangles of dense meshes that are tried for the nearest one.
TRIED = 8


def box_size(points: NDArray) -> Array:
    """Geometric mean of the sides of the points' box, ``sqrt(w h)``.

    Parameters
    ----------
    points : (..., K, 2) or (..., K, 3) float
        Pixels; z is not used.

    Returns
    -------
    (...) float64
        Pixels.
    """
    sides = np.ptp(np.asarray(points, np.float64)[..., :2], axis=-2)
    return np.sqrt(sides[..., 0] * sides[..., 1])


def eye_distance(landmarks: NDArray) -> Array:
    """3D distance of the outer eye corners, landmarks 36 and 45.

    The distance in x and y alone would be next to nothing in a profile, and the error next to infinite.

    Parameters
    ----------
    landmarks : (..., 68, 3) float
        Pixels.

    Returns
    -------
    (...) float64
        Pixels.
    """
    right, left = OUTER_EYE_CORNERS
    landmarks = np.asarray(landmarks, np.float64)
    return np.linalg.norm(landmarks[..., right, :] - landmarks[..., left, :], axis=-1)


def centre_depth(points: NDArray) -> Array:
    """Remove the mean z of each set of points: a photo does not tell how far away the face is."""
    centred = np.array(points, np.float64)
    centred[..., 2] -= centred[..., 2].mean(axis=-1, keepdims=True)
    return centred


def error_3ddfa(landmarks: NDArray, truth: NDArray) -> Array:
    """Error of 68 landmarks as 3DDFA and SynergyNet have it.

    Points: 68. Dimensions: x, y. d: ``sqrt(w h)`` of the 68 true points. z: not used. Over images: the mean of the
    three yaw bins' means, see `model.scores.statistics.mean_of_yaw_bins`.

    Parameters
    ----------
    landmarks, truth : (..., 68, 2) or (..., 68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    (...) float64
        Percent.

    Raises
    ------
    ValueError
        If the true points have no extent.
    """
    return error_prnet(landmarks, truth, dimensions=2)


def error_prnet(points: NDArray, truth: NDArray, dimensions: int) -> Array:
    """Error as PRNet and SADRNet have it.

    Points: 68 (sparse) or the face texels (dense). Dimensions: x, y or x, y, z. d: ``sqrt(w h)`` of the same true
    points. z: the mean of each is removed. Over images: plain mean.

    Parameters
    ----------
    points, truth : (..., K, 3) float
        Pixels of the raw photo; two columns do where `dimensions` is 2.
    dimensions : {2, 3}

    Returns
    -------
    (...) float64
        Percent.

    Raises
    ------
    ValueError
        If the true points have no extent.
    """
    if dimensions == 3:
        points, truth = centre_depth(points), centre_depth(truth)
    return _percent(points[..., :dimensions], truth[..., :dimensions], box_size(truth))


def error_reconstruction(points: NDArray, truth: NDArray, true_landmarks: NDArray) -> Array:
    """Error of the shape alone, after the prediction is fitted to the truth.

    Points: face texels. Dimensions: x, y, z. d: 3D distance of the true outer eye corners. z: after a similarity fit
    (`fit_similarity`), which takes away position, turn and scale. Over images: plain mean.

    Parameters
    ----------
    points, truth : (..., K, 3) float
        Pixels of the raw photo.
    true_landmarks : (..., 68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    (...) float64
        Percent.

    Raises
    ------
    ValueError
        If the true points have no extent, or the predicted ones all lie in one place.
    """
    fit = fit_similarity(points, truth)
    turned = np.asarray(points, np.float64) @ np.swapaxes(fit.rotation, -1, -2)
    fitted = fit.scale[..., None, None] * turned + fit.translation[..., None, :]
    return _percent(fitted, np.asarray(truth, np.float64), eye_distance(true_landmarks))


def error_thesis(points: NDArray, truth: NDArray, true_landmarks: NDArray) -> Array:
    """Error as the thesis has it (sections 4.3 to 4.9).

    Points: 68, or the mesh's vertices within the face mask. Dimensions: x, y, z. d: 3D distance of the true outer eye
    corners; the thesis says "the variance value of the two outer corner feature points" for the 68 and nothing for the
    mesh. z: the mean of each is removed, on which the thesis is silent. Over images: plain mean, and the curve.

    Parameters
    ----------
    points, truth : (..., K, 3) float
        Pixels of the raw photo.
    true_landmarks : (..., 68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    (...) float64
        Percent.

    Raises
    ------
    ValueError
        If the true points have no extent.
    """
    return _percent(centre_depth(points), centre_depth(truth), eye_distance(true_landmarks))


def error_surface(vertices: NDArray, triangles: NDArray[np.integer], truth: NDArray, true_landmarks: NDArray) -> Array:
    """Error of a surface, whatever its vertices are.

    Points: the mesh's true vertices within the face mask, at most `SURFACE_POINTS`, each with the nearest point of the
    predicted surface. Dimensions: x, y, z. d: 3D distance of the true outer eye corners. z: the surface has been laid
    over the truth by a similarity. Over images: plain mean.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixels of the raw photo.
    triangles : (F, 3) int
    truth : (K, 3) float
    true_landmarks : (68, 3) float

    Returns
    -------
    float64
        Percent.

    Raises
    ------
    ValueError
        If the true points have no extent, or the surface has no triangle.
    """
    chosen = surface_points(truth)
    return _percent(nearest_points(chosen, vertices, triangles, TRIED).points, chosen, eye_distance(true_landmarks))


def surface_points(truth: NDArray) -> Array:
    """Those of true points (K, 3) that `error_surface` measures."""
    return np.asarray(truth, np.float64)[:: -(-len(truth) // SURFACE_POINTS)]


def _percent(points: NDArray, truth: NDArray, size: Array) -> Array:
    if np.any(size <= 0):
        raise ValueError("The true points have no extent, so that no error can be given in percent of it.")
    return 100.0 * np.linalg.norm(points - truth, axis=-1).mean(axis=-1) / size
