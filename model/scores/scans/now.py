"""Distances from a scan to a predicted mesh as the NoW benchmark has them, without its metrical variant.

References
----------
Sanyal, S. et al., 2019. Learning to Regress 3D Face Shape and Expression from an Image without 3D Supervision. CVPR.
The cut of the face is that of Feng, Z.-H. et al., 2018. Evaluation of Dense 3D Reconstruction from 2D Face Images in
the Wild. FG, with a radius of 1.4 instead of 1.2.
"""

import numpy as np
import scipy.spatial.transform
from numpy.typing import NDArray

from pipeline.face.similarity import SimilarityFit, fit_similarity, move, move_back
from pipeline.face.surface_search import SurfaceSearch, nearest_on_surface, prepare_search
from pipeline.store.arrays import Array

# The seven landmarks, in their order: corners of the eyes from the subject's right to the left, the nose's bottom,
# corners of the mouth. iBUG's numbers of them.
LANDMARKS = (36, 39, 42, 45, 33, 48, 54)
RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER, NOSE = range(5)
# Where between the nose's bottom and the eyes the face is centred, and its radius in means of two of its lengths.
UPWARDS, RADIUS = 0.3, 1.4
# Fitted to each so many-th point first, and to all from there.
SPARSE = 16
# The alignment ends when a step makes the sum of squares less by less than this share, or after so many.
LEAST_GAIN, STEPS = 1e-5, 60
DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e-6, 1e3
TINY = 1e-12


def errors(
    vertices: NDArray, triangles: NDArray[np.integer], landmarks: NDArray, scan: NDArray, scan_landmarks: NDArray
) -> Array:
    """Distance of each scan point of the face to the predicted surface, after the fit of a similarity.

    Parameters
    ----------
    vertices : (V, 3) float
        Predicted, in any unit and turn, right-handed as the scan.
    triangles : (F, 3) int
    landmarks : (7, 3) float
        Of the prediction, see `LANDMARKS`.
    scan : (W, 3) float
        Millimetres.
    scan_landmarks : (7, 3) float

    Returns
    -------
    (N,) float64
        Millimetres, of the points in the cut in the scan's order.

    Raises
    ------
    ValueError
        If no scan point lies in the cut, the landmarks all lie in one place, or the mesh has no triangles.
    """
    points = np.asarray(scan, np.float64)[in_face(scan, scan_landmarks)]
    if not len(points):
        raise ValueError("The scan has no point of the face: its landmarks are not in its unit, or of another scan.")
    search = prepare_search(vertices, triangles)
    fit = fit_similarity(landmarks, scan_landmarks)
    for every in (SPARSE, 1):
        fit = align_by_surface(points[::every], search, fit)
    return distances(points, search, fit)


def in_face(scan: NDArray, landmarks: NDArray) -> NDArray[np.bool_]:
    """Which points (W, 3) of a scan are of the face: those in a ball about a point above the nose's bottom."""
    landmarks = np.asarray(landmarks, np.float64)
    between = (landmarks[RIGHT_INNER] + landmarks[LEFT_INNER]) / 2
    nose = between - landmarks[NOSE]
    radius = RADIUS * (np.linalg.norm(landmarks[LEFT_OUTER] - landmarks[RIGHT_OUTER]) + np.linalg.norm(nose)) / 2
    centre = landmarks[NOSE] + UPWARDS * nose
    return np.linalg.norm(np.asarray(scan, np.float64) - centre, axis=1) <= radius


def distances(points: Array, search: SurfaceSearch, fit: SimilarityFit) -> Array:
    """Distances (N,) of points to a surface that is moved by a similarity."""
    return fit.scale * nearest_on_surface(search, move_back(fit, points)).distances


def align_by_surface(points: Array, search: SurfaceSearch, start: SimilarityFit) -> SimilarityFit:
    """Fit scale, turn and place of a surface so that the squared distances of points to it have the least sum.

    By damped Gauss-Newton (Levenberg): as the nearest point slides on the surface, a distance changes by what the
    motion has along the line between the two, and by nothing else. NoW's own code minimises the same sum by Powell's
    dog leg.

    Parameters
    ----------
    points : (N, 3) float64
    search : SurfaceSearch
        In the unit and frame of the mesh.
    start : SimilarityFit
        From the mesh to the points, near the solution.

    Returns
    -------
    SimilarityFit
    """
    fit, damping = start, DAMPING
    middle = points.mean(axis=0)
    reach = np.linalg.norm(points - middle, axis=1).mean()
    apart, slopes = _linearise(points, search, fit, middle, reach)
    for _ in range(STEPS):
        # Damping keeps what no point tells, such as the size of a plane, as it was.
        normal = slopes.T @ slopes + damping * len(points) * np.eye(7)
        tried = _step(fit, np.linalg.solve(normal, -slopes.T @ apart), middle, reach)
        new = _linearise(points, search, tried, middle, reach)
        before, after = float(apart @ apart), float(new[0] @ new[0])
        if after < before:
            fit, (apart, slopes) = tried, new
            damping = max(damping / 10, LEAST_DAMPING)
        else:
            damping *= 10
        if 0 <= before - after <= LEAST_GAIN * before or damping > MOST_DAMPING:
            break
    return fit


def _linearise(
    points: Array, search: SurfaceSearch, fit: SimilarityFit, middle: Array, reach: float
) -> tuple[Array, Array]:
    """Distances (N,), and how they change (N, 7) with a step of `_step`."""
    found = nearest_on_surface(search, move_back(fit, points))
    on_surface = move(fit, found.points)
    offsets = points - on_surface
    apart = np.linalg.norm(offsets, axis=1)
    # Of a point on the surface the line is the surface's normal.
    normals = search.normals[found.triangles] @ fit.rotation.T
    lines = np.where(apart[:, None] > TINY, offsets / np.maximum(apart, TINY)[:, None], normals)
    arms = (on_surface - middle) / reach
    return apart, -np.column_stack([np.cross(arms, lines), lines, (arms * lines).sum(axis=1)])


def _step(fit: SimilarityFit, step: NDArray, middle: Array, reach: float) -> SimilarityFit:
    """Turn, shift and let grow by a step (7,) in mm, at the distance `reach` from a point, after a similarity."""
    turn = scipy.spatial.transform.Rotation.from_rotvec(step[:3] / reach).as_matrix()
    growth = np.exp(step[6] / reach)
    moved = growth * turn @ (fit.translation - middle) + middle + step[3:6]
    return SimilarityFit(growth * fit.scale, turn @ fit.rotation, moved)
