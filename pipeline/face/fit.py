"""Fit of a face model to points: pose and coefficients at once, the most probable ones given noise and prior.

The camera is scaled orthographic, ``q = f R v + t`` (docs/conventions.md). What is minimised over R, f, t and c is::

    sum |p - q(c)|^2 / sigma^2  +  sum ((c - mean) / prior sigma)^2

by Levenberg and Marquardt's method from two starts. Points in a plane, seen from far away, look the same under two
rotations, which are mirror images of each other in depth, and a face is not far from a plane: both are tried.

Inside, points are (D, K) in the annotation's frame (y up), D being 2 or 3, and coefficients are in units of the prior's
sigma from its mean, so that one which never varies has no influence and stays where it is.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..store.arrays import Array
from .camera import camera_matrix, euler_angles, rotation_matrix
from .face_model import FaceModel, deform

# Rounds after which it is plain which of the two starts is the better one, by some hundred of the points, and most
# rounds for that one: a face takes about four, what is none may take all.
TRIAL_ROUNDS, TRIAL_POINTS, ROUNDS = 2, 100, 20
# What moves the estimate by less than a thousandth of its own standard deviation changes the cost by less than this.
SMALL_GAIN = 1e-6
# Three points have a pose for any coefficients, and no say in them.
LEAST_POINTS = 4
# Share of the longest extent below which the second one is rounding.
LINE = 1e-6
# Share of the greatest curvature below which one is rounding.
SINGULAR = 1e-12
# Levenberg and Marquardt's, of parameters scaled to a curvature of 1.
FIRST_DAMPING, DAMPING_STEP = 1e-3, 10.0
# In radians, and in the log of the scale: what is linear about a rotation says nothing of one further away.
LONGEST_TURN = 1.0
# Rotation (3), log of the scale, translation x, y, z.
POSE = 7
# The cross product: (a x b)_d = sum of LEVI_CIVITA[d, j, e] a_j b_e.
LEVI_CIVITA = np.cross(np.eye(3)[:, None], np.eye(3)).transpose(2, 0, 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Prior:
    """What is known of a face's coefficients before it is seen: they are independent and Gaussian.

    Attributes
    ----------
    mean, sigma : (S + E,) float64
        Identity, then expression; finite. A coefficient with a sigma of 0 stays at its mean.
    """

    mean: Array
    sigma: Array


@dataclasses.dataclass(frozen=True, eq=False)
class FaceFit:
    """Pose and coefficients of a face in a photo.

    Attributes
    ----------
    pose : (7,) float64
        Pitch, yaw, roll in radians, tx, ty, tz, scale, as in ``Pose_Para``; tz is 0 if no z was given.
    camera : (3, 4) float64
        Model frame to photo pixels: ``camera_matrix(pose, height)``.
    coefficients : (S + E,) float64
        Identity, then expression, raw as annotated.
    make_covariance : callable
        Makes the covariance, which few ask for.
    residual_px : float
        Root mean square distance in x and y of the seen points from the fit's, weighted by ``1 / sigma^2``.
    """

    pose: Array
    camera: Array
    coefficients: Array
    make_covariance: Callable[[], Array]
    residual_px: float

    @functools.cached_property
    def covariance(self) -> Array:
        """Covariance (S + E, S + E) of the coefficients' posterior.

        The pose is unknown too, as far as the camera is linear about the fit. With L the inverse of the prior's
        covariance, a face whose coefficients are c is estimated with the bias ``-covariance L (c - mean)`` and the
        spread ``covariance - covariance L covariance``.
        """
        return self.make_covariance()


class _Problem(NamedTuple):
    """Mean (3, K) and basis (P, 3, K) of the prior's face; points and roots of their weights, (D, K)."""

    mean: Array
    basis: Array
    points: Array
    roots: Array


class _State(NamedTuple):
    """Rotation (3, 3), scale, translation (3,), coefficients (P,) in units of the prior."""

    rotation: Array
    scale: float
    translation: Array
    coefficients: Array


def prior_of(coefficients: NDArray) -> Prior:
    """Mean and standard deviation of the coefficients (N, S + E) of a training set."""
    coefficients = np.asarray(coefficients, np.float64)
    return Prior(coefficients.mean(axis=0), coefficients.std(axis=0))


def save_prior(path: Path, prior: Prior) -> None:
    """Save a prior as HDF5."""
    from ..store.shards import write_shard  # HDF5 is not imported for photos

    write_shard(path, dataclasses.asdict(prior), {})


def load_prior(path: Path) -> Prior:
    """Load a prior that `save_prior` wrote.

    Raises
    ------
    ValueError
        If the file is damaged or another.
    """
    from ..store.shards import read_shard

    return Prior(**read_shard(path, ["mean", "sigma"]))


def fit_face(
    model: FaceModel, points: NDArray, sigma: ArrayLike, prior: Prior, height: int, start: FaceFit | None = None
) -> FaceFit:
    """Fit pose and coefficients to points in a photo.

    The time grows with the number of points. Of a predicted position map take every eighth row and column or so: the
    errors of neighbours are alike, so that more of them say no more, which `sigma` has to allow for too.

    Parameters
    ----------
    model : FaceModel
        At the K points: see `at_landmarks`, `at_vertices`.
    points : (K, 2) or (K, 3) float
        Pixels of the photo, y down. z is towards the viewer and known up to an offset. A coordinate that is not finite
        is not seen.
    sigma : float, (K,), (K, 2) or (K, 3) float
        Standard deviation in px of each point, or of each of its coordinates. Infinity and NaN mean not seen.
    prior : Prior
        Of the model's coefficients.
    height : int
        Of the photo in px.
    start : FaceFit, optional
        A fit of the same model to nearly the same points, from which this one is found sooner.

    Returns
    -------
    FaceFit

    Raises
    ------
    ValueError
        If points, sigma or prior do not belong to the model, fewer than four points are seen in x and y, or these lie
        in one place or, on the model, on one line.
    """
    target, roots = _in_annotation_frame(model, points, sigma, height)
    seen = np.count_nonzero(roots[:2].all(axis=0))
    if seen < LEAST_POINTS:
        raise ValueError(
            f"A face cannot be fitted to {seen} seen points of {len(points)}: at least {LEAST_POINTS} are needed."
        )
    mean, basis = prior_face(model, prior)
    centre = np.average(mean, axis=1, weights=roots[:2].min(axis=0) ** 2)
    shift = np.average(target, axis=1, weights=roots**2)
    problem = _Problem(mean - centre[:, None], basis, target - shift[:, None], roots)
    _, state = _minimise(problem, _best_start(problem) if start is None else _state_of(start, prior), ROUNDS)

    translation = state.translation - state.scale * state.rotation @ centre
    translation[: len(shift)] += shift
    translation[len(shift) :] = 0
    pose = np.array([*euler_angles(state.rotation), *translation, state.scale])
    misses = _residuals(problem, state, _turned(problem, state))[:2] ** 2
    return FaceFit(
        pose=pose,
        camera=camera_matrix(pose, height),
        coefficients=prior.mean + prior.sigma * state.coefficients,
        make_covariance=functools.partial(_covariance, problem, state, prior.sigma),
        residual_px=float(np.sqrt(2 * misses.sum() / (roots[:2] ** 2).sum())),
    )


def place(model: FaceModel, fit: FaceFit) -> Array:
    """Place the vertices of a model by a fit that was made at other vertices of it: (V, 3) float64, photo pixels.

    z is towards the viewer, up to an offset.
    """
    return deform(model, fit.coefficients[None])[0] @ fit.camera[:, :3].T + fit.camera[:, 3]


def _in_annotation_frame(model: FaceModel, points: NDArray, sigma: ArrayLike, height: int) -> tuple[Array, Array]:
    """Points and roots of their weights, (D, K); both are 0 where a point is not seen; no z if none is seen."""
    points = np.asarray(points, np.float64)
    count = len(model.mean)
    if points.ndim != 2 or len(points) != count or points.shape[1] not in (2, 3):
        raise ValueError(f"The points have shape {points.shape}; expected ({count}, 2 or 3), as the face model has.")
    sigma = np.asarray(sigma, np.float64)
    if sigma.shape not in ((), (count,), points.shape):
        raise ValueError(f"sigma has shape {sigma.shape}; expected one number, {(count,)} or {points.shape}.")
    if np.any(sigma <= 0):
        raise ValueError("A sigma of the points is not positive; a point that is not seen has infinity.")
    sigma = np.broadcast_to(sigma[:, None] if sigma.ndim == 1 else sigma, points.shape)
    known = np.isfinite(points) & np.isfinite(sigma)
    target = points * [1, -1, 1][: points.shape[1]] + [1, height, 0][: points.shape[1]]
    roots = np.divide(1, sigma, where=known, out=np.zeros(points.shape))
    axes = 3 if known[:, 2:].any() else 2
    return np.where(known, target, 0).T[:axes], roots.T[:axes]


@functools.lru_cache(maxsize=2)
def prior_face(model: FaceModel, prior: Prior) -> tuple[Array, Array]:
    """Mean (3, K) and basis (P, 3, K) of the model, for coefficients in units of the prior's sigma from its mean.

    The last results are kept: of all faces of a project they are the same.

    Raises
    ------
    ValueError
        If the prior is of another model.
    """
    basis = np.concatenate([model.shape_basis, model.expression_basis], axis=2).transpose(2, 1, 0)
    expected = (len(basis),)
    if prior.mean.shape != expected or prior.sigma.shape != expected:
        raise ValueError(
            f"The prior has {prior.mean.size} means and {prior.sigma.size} sigmas, the face model {expected[0]} "
            "vectors; they belong to different models."
        )
    basis = np.ascontiguousarray(basis, np.float64)
    return model.mean.T.astype(np.float64) + np.tensordot(prior.mean, basis, 1), basis * prior.sigma[:, None, None]


def _state_of(fit: FaceFit, prior: Prior) -> _State:
    """State of a fit, but for its translation, which the first round finds."""
    units = np.divide(fit.coefficients - prior.mean, prior.sigma, where=prior.sigma > 0, out=np.zeros(len(prior.mean)))
    return _State(rotation_matrix(*fit.pose[:3]), fit.pose[6], np.zeros(3), units)


def _best_start(problem: _Problem) -> _State:
    """Where a few rounds on some of the points lead from the better one of the two cameras."""
    some = _some_points(problem)
    tried = [_minimise(some, start, TRIAL_ROUNDS) for start in _starts(problem)]
    return min(tried, key=operator.itemgetter(0))[1]


def _some_points(problem: _Problem) -> _Problem:
    """Keep about `TRIAL_POINTS` of the seen points, which are spread over the others as these are numbered."""
    seen = np.flatnonzero(problem.roots[:2].all(axis=0))
    kept = seen[:: max(1, len(seen) // TRIAL_POINTS)]
    return _Problem(*(np.ascontiguousarray(values[..., kept]) for values in problem))


def _starts(problem: _Problem) -> list[_State]:
    """Make the two cameras that lay the principal plane of the prior's mean face over the points.

    Least squares give the plane's image, a 2 x 2 matrix: its greater singular value is the scale, and the lesser one
    says how far the plane is tilted, but not to which side.
    """
    root = problem.roots[:2].min(axis=0)
    axes, extents, along = np.linalg.svd(problem.mean * root, full_matrices=False)
    if extents[1] <= LINE * extents[0]:
        raise ValueError("The seen points of the face model lie in one place or on one line: they have no pose.")
    left, stretch, right = np.linalg.svd((problem.points[:2] * root) @ along[:2].T / extents[:2])
    scale = stretch[0]
    if not scale > 0:
        raise ValueError("A face cannot be fitted to points that all lie in one place: check the landmarks.")
    cosine = stretch[1] / scale
    sine = np.sqrt(1 - cosine**2)
    states = []
    for side in (sine, -sine):
        first, second = left @ [[*right[0], 0], [*(cosine * right[1]), side]] @ axes.T
        rotation = np.stack([first, second, np.cross(first, second)])
        states.append(_State(rotation, scale, np.zeros(3), np.zeros(len(problem.basis))))
    return states


def _minimise(problem: _Problem, state: _State, rounds: int) -> tuple[float, _State]:
    """Levenberg and Marquardt's method: the least cost, and where it is; no round makes it greater."""
    turned, damping = _turned(problem, state), FIRST_DAMPING
    residuals = _residuals(problem, state, turned)
    cost = _cost(residuals, state)
    for _ in range(rounds):
        jacobian = _jacobian(problem, state, turned)
        gradient = jacobian @ residuals.ravel()
        gradient[POSE:] -= state.coefficients
        # Half the second derivatives of the misfit, to first order (Gauss and Newton's).
        curvature = jacobian @ jacobian.T
        diagonal = curvature.reshape(-1)[:: len(curvature) + 1]
        diagonal[POSE:] += 1
        units = np.where(diagonal > 0, np.sqrt(diagonal), 1)
        curvature /= units * units[:, None]
        diagonal += damping
        step = np.linalg.solve(curvature, gradient / units) / units
        step /= max(1, np.abs(step[:4]).max() / LONGEST_TURN)
        trial = _moved(state, step)
        trial_turned = _turned(problem, trial)
        trial_residuals = _residuals(problem, trial, trial_turned)
        trial_cost = _cost(trial_residuals, trial)
        if trial_cost < cost:
            state, turned, residuals, cost = trial, trial_turned, trial_residuals, trial_cost
            damping /= DAMPING_STEP
        else:
            damping *= DAMPING_STEP
        if gradient @ step < SMALL_GAIN:
            break
    return cost, state


def _turned(problem: _Problem, state: _State) -> Array:
    """The model's points, turned and scaled: (3, K)."""
    face = problem.mean + (state.coefficients @ problem.basis.reshape(len(problem.basis), -1)).reshape(3, -1)
    return state.scale * state.rotation @ face


def _residuals(problem: _Problem, state: _State, turned: Array) -> Array:
    """Points less the model's, each divided by its sigma: (D, K)."""
    axes = len(problem.points)
    return problem.roots * (problem.points - (turned[:axes] + state.translation[:axes, None]))


def _cost(residuals: Array, state: _State) -> float:
    return float((residuals**2).sum() + (state.coefficients**2).sum())


def _jacobian(problem: _Problem, state: _State, turned: Array) -> Array:
    """Derivatives (POSE + P, D * K) of the placed points, divided by sigma, by the steps of `_moved`."""
    axes, count = problem.points.shape
    jacobian = np.zeros((POSE + len(state.coefficients), axes, count))
    jacobian[:3] = LEVI_CIVITA[:axes].transpose(1, 0, 2) @ turned
    jacobian[3] = turned[:axes]
    jacobian[range(4, 4 + axes), range(axes)] = 1
    np.matmul(state.scale * state.rotation[:axes], problem.basis, out=jacobian[POSE:])
    jacobian *= problem.roots
    return jacobian.reshape(len(jacobian), -1)


def _moved(state: _State, step: Array) -> _State:
    """Turn by the vector step[:3] after the rotation, scale by exp(step[3]), and add the others."""
    return _State(
        _turn(step[:3]) @ state.rotation,
        state.scale * np.exp(step[3]),
        state.translation + step[4:POSE],
        state.coefficients + step[POSE:],
    )


def _turn(vector: Array) -> Array:
    """Rotation about a vector, by its length in radians if that is small (Cayley's map)."""
    half = vector / 2
    cross = LEVI_CIVITA.transpose(0, 2, 1) @ half
    return np.eye(3) + 2 / (1 + half @ half) * (cross + cross @ cross)


def _covariance(problem: _Problem, state: _State, sigma: Array) -> Array:
    """Covariance (P, P) of the coefficients, whose prior has the deviations sigma: the block of the inverse curvature.

    It goes by the Schur complement, since points in a plane seen from the front do not tell the pose to first order.
    """
    jacobian = _jacobian(problem, state, _turned(problem, state))
    curvature = jacobian @ jacobian.T
    pose, mixed, shape = curvature[:POSE, :POSE], curvature[:POSE, POSE:], curvature[POSE:, POSE:]
    known = shape - mixed.T @ np.linalg.pinv(pose, rcond=SINGULAR, hermitian=True) @ mixed
    return np.linalg.inv(np.eye(len(known)) + known).astype(np.float64) * np.outer(sigma, sigma)
