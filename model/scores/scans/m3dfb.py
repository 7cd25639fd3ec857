"""Errors of a mesh against a scan as M3DFB's estimators have them: True, E1 and E12.

All of them measure from each vertex of the prediction to one point of the scan: the same vertex (True), which synthetic
faces alone have, or the nearest one (E1, E12). No triangles are needed.

References
----------
Sariyanidi, E. et al., 2025. 3D Face Reconstruction Error Decomposed: A Modular Benchmark for Fair and Fast Method
Evaluation. arXiv 2505.18025. Where the paper leaves a number open, it is that of the demo of sariyanidi/M3DFB.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.spatial
from numpy.typing import NDArray

from pipeline.face.similarity import fit_similarity, move
from pipeline.store.arrays import Array

LANDMARKS = 51
# Of the 51 (iBUG's 68 without the jaw): tip of the nose, outer eye corners, corners of the mouth. M3DFB's page calls
# the last two inner eye corners; its numbers are these.
RIGID = [13, 19, 28, 31, 37]
RIGHT_EYE, LEFT_EYE = 19, 28
# Of the 51 those whose mean distance the weights of E12 are made from.
WEIGHING = [
    *(0, 2, 4, 5, 7, 9, 20, 21, 23, 24, 26, 27, 29, 30, 19, 22, 25, 28, 13),
    *(14, 18, 31, 33, 34, 35, 37, 44, 45, 46, 39, 40, 41, 49, 48, 50),
]
# In distances of the outer eye corners: none counts as nearer to a landmark; the mean distance that weighs most.
NEAREST, MIDDLE = 0.01, 0.48
# ICP ends after so many steps, or when the root mean square distance changes by less.
STEPS, LEAST_CHANGE_MM = 30, 1e-3
# The vertices whose displacement the elastic alignment bounds: each tenth.
BOUNDED = 10


class Template(NamedTuple):
    """The mesh that predictions share: the vertices (51,) int of its landmarks, and its mean shape (V, 3) float."""

    landmarks: NDArray[np.integer]
    mean: NDArray


def errors(predicted: NDArray, scan: NDArray, scan_landmarks: NDArray, template: Template) -> dict[str, Array]:
    """Error of each predicted vertex by each estimator.

    Parameters
    ----------
    predicted : (V, 3) float
        Any unit and turn: scale, turn and place are fitted to the scan.
    scan : (W, 3) float
        Millimetres.
    scan_landmarks : (51, 3) float
        Millimetres.
    template : Template

    Returns
    -------
    dict of str to (V,) float64
        ``true`` where the scan has the prediction's vertices, ``e1`` and ``e12``, millimetres.

    Raises
    ------
    ValueError
        If the predicted landmarks all lie in one place, or lie so that no elastic alignment follows from them.
    """
    scan, scan_landmarks = np.asarray(scan, np.float64), np.asarray(scan_landmarks, np.float64)
    source = np.asarray(predicted, np.float64)[template.landmarks]
    aligned = move(fit_similarity(source[RIGID], scan_landmarks[RIGID]), predicted)
    tree = scipy.spatial.cKDTree(scan)
    found = {}
    if len(scan) == len(aligned):
        found["true"] = np.linalg.norm(aligned - scan, axis=1)
    found["e1"] = tree.query(align_by_points(aligned, scan, tree))[0]
    warped = align_elastically(aligned, scan_landmarks, template.landmarks)
    nearest = tree.query(warped)[1]
    corrected = np.array(scan)
    # A point of the scan that is nearest to several vertices is where the last of them puts it.
    corrected[nearest] = scan[nearest] + topology_correction(warped, scan[nearest], vertex_weights(template))
    found["e12"] = np.linalg.norm(aligned - corrected[nearest], axis=1)
    return found


def align_by_points(points: Array, scan: Array, tree: scipy.spatial.cKDTree) -> Array:
    """Move points rigidly onto a scan's points by ICP, each to its nearest (Besl and McKay, 1992).

    Parameters
    ----------
    points : (V, 3) float64
        Millimetres, near the scan.
    scan : (W, 3) float64
    tree : cKDTree
        Of the scan's points.

    Returns
    -------
    (V, 3) float64
        After `STEPS` steps, or when the root mean square distance has settled: M3DFB's numbers are of ICP that ends
        so. Up to 0.007 mm of the mean error are still to be won then.
    """
    distances, nearest = tree.query(points)
    before = np.sqrt(np.mean(np.square(distances)))
    for _ in range(STEPS):
        points = move(fit_similarity(points, scan[nearest], scaled=False), points)
        distances, nearest = tree.query(points)
        now = np.sqrt(np.mean(np.square(distances)))
        if abs(before - now) < LEAST_CHANGE_MM:
            break
        before = now
    return points


def align_elastically(vertices: Array, landmarks: Array, numbers: NDArray[np.integer]) -> Array:
    """Warp a mesh so that its landmarks come to where they are on the scan, and nothing moves further than they do.

    A vertex is displaced by a sum over the landmarks of ``1 - d / max d``, d being its distance to each. The factors
    bring the landmarks as near to their places as can be while no vertex moves along an axis by more than the landmark
    that has furthest to go.

    Parameters
    ----------
    vertices : (V, 3) float64
        Aligned with the scan.
    landmarks : (K, 3) float64
        Of the scan.
    numbers : (K,) int
        The vertices that they belong to.

    Returns
    -------
    (V, 3) float64

    Raises
    ------
    ValueError
        If landmarks of the prediction lie in one place.
    """
    reach = scipy.spatial.distance.cdist(vertices, vertices[numbers])
    farthest = reach.max(axis=0)
    if not farthest.all():
        raise ValueError("The predicted vertices all lie in one place: check the prediction.")
    reach = 1 - reach / farthest
    try:
        # Factors as a linear function of where the landmarks go; displacements of the bounded vertices likewise.
        inverse = np.linalg.inv(reach[numbers])
    except np.linalg.LinAlgError as error:
        raise ValueError("Landmarks of the prediction lie in one place: no elastic alignment follows.") from error
    bounded = reach[::BOUNDED] @ inverse
    wanted = landmarks - vertices[numbers]
    reached = np.column_stack([_nearest_within(bounded, axis) for axis in wanted.T])
    return vertices + reach @ (inverse @ reached)


def _nearest_within(matrix: Array, wanted: Array) -> Array:
    """The point x nearest to `wanted` (K,) for which no entry of matrix @ x is larger than the largest of `wanted`.

    Least distance programming (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23): of all z with
    G z >= h the shortest follows from the residual of a least squares problem without negative unknowns.
    """
    most = np.abs(wanted).max()
    if most == 0 or np.abs(matrix @ wanted).max() <= most:
        return wanted
    unit = wanted / most
    moved = matrix @ unit
    sides = np.vstack([-matrix, matrix])
    bounds = np.concatenate([moved - 1, -moved - 1])
    system = np.vstack([sides.T, bounds])
    target = np.zeros(len(system))
    target[-1] = 1
    factors, _ = scipy.optimize.nnls(system, target)
    residual = system @ factors - target
    return most * (unit - residual[:-1] / residual[-1])


def topology_correction(vertices: Array, nearest: Array, weights: Array) -> Array:
    """Where the points that are nearest to a mesh's vertices have to go so that they are in the order of these.

    Along each axis for itself: vertices that follow each other along it are neighbours. Let e be what separates a
    vertex from its point along the axis, L the Laplacian of that chain and W the weights; the correction is
    ``(L / 2 + W)^-1 L e``. Where neighbours have leapt to distant points, e is rough, and the correction large.

    Parameters
    ----------
    vertices : (V, 3) float64
    nearest : (V, 3) float64
        The point of the scan that is nearest to each.
    weights : (V,) float64
        How firmly a point stays where it is, see `vertex_weights`.

    Returns
    -------
    (V, 3) float64
    """
    correction = np.zeros_like(vertices)
    for axis in range(3):
        order = np.argsort(vertices[:, axis])
        apart = (nearest - vertices)[order, axis]
        steps = np.diff(apart)
        rough = np.concatenate([[0], steps]) - np.concatenate([steps, [0]])
        # Half of L, whose ends have 2 on the diagonal as the others do, plus W, as bands.
        bands = np.vstack([np.full(len(apart), -0.5), 1 + weights[order]])
        correction[order, axis] = scipy.linalg.solveh_banded(bands, rough)
    return correction


def vertex_weights(template: Template) -> Array:
    """Weights (V,) of vertices: large near landmarks, and where the mean distance to the face's features is middling.

    All are at least 1. M3DFB's tables leave vertices out whose weight is below 0.001: none is.
    """
    mean = np.asarray(template.mean, np.float64)
    right, left = mean[template.landmarks[[RIGHT_EYE, LEFT_EYE]]]
    distances = scipy.spatial.distance.cdist(mean, mean[template.landmarks]) / np.linalg.norm(left - right)
    near = 1 / np.maximum(distances, NEAREST).min(axis=1)
    middle = 1 / np.maximum(np.abs(distances[:, WEIGHING].mean(axis=1) - MIDDLE), np.finfo(float).tiny)
    return np.sqrt(np.maximum((near + middle) / 2, 1))
