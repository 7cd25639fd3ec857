"""Fit of a multilinear face model to points: the fit of a face model, of the model made linear about each result."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..store.arrays import Array
from .fit import FaceFit, Prior, fit_face
from .multilinear import MultilinearModel, deform, linear_about

# Rounds at most, and the share of the cost by which one that is not the last lowers it.
ROUNDS, SMALL_GAIN = 10, 1e-4


def fit_multilinear(model: MultilinearModel, points: NDArray, sigma: ArrayLike, height: int) -> FaceFit:
    """Fit pose and weights to points in a photo: `fit.fit_face` of the model made linear, about each result anew.

    The weights are taken to be independent and N(0, 1), as those of the set are. No round makes the cost greater.

    Parameters
    ----------
    model : MultilinearModel
        At the K points, see `multilinear.at_vertices`.
    points : (K, 2) or (K, 3) float
        Pixels of the photo, y down, as `fit.fit_face` takes them.
    sigma : float, (K,), (K, 2) or (K, 3) float
        Standard deviation in px, likewise.
    height : int
        Of the photo in px.

    Returns
    -------
    FaceFit
        The coefficients are the I weights of identity, then the E of expression; see `place`.

    Raises
    ------
    ValueError
        As `fit.fit_face`.
    """
    count = model.core.shape[2] - 1
    weights = np.zeros(count + model.core.shape[3] - 1)
    prior = Prior(weights, np.ones(len(weights)))
    best, least = None, np.inf
    for _ in range(ROUNDS):
        linear = linear_about(model, weights[:count], weights[count:])
        fit = fit_face(linear, points, sigma, prior, height, best)
        cost = _cost(model, fit, points, sigma)
        if best is not None and not cost < least:
            break
        done = least - cost < SMALL_GAIN * cost
        best, least, weights = fit, cost, fit.coefficients
        if done:
            break
    assert best is not None
    return best


def _cost(model: MultilinearModel, fit: FaceFit, points: NDArray, sigma: ArrayLike) -> float:
    """What a fit minimises: squared misses in units of sigma, and squared weights."""
    spread = np.asarray(sigma, np.float64)
    misses = (place(model, fit)[:, : points.shape[1]] - points) / (spread[:, None] if spread.ndim == 1 else spread)
    return float(np.nansum(np.where(np.isfinite(misses), misses, 0) ** 2) + (fit.coefficients**2).sum())


def place(model: MultilinearModel, fit: FaceFit) -> Array:
    """Place the vertices by a fit that was made at other ones of the model, as `fit.place`: (V, 3), photo pixels."""
    count = model.core.shape[2] - 1
    vertices = deform(model, fit.coefficients[:count], fit.coefficients[count:])
    return vertices @ fit.camera[:, :3].T + fit.camera[:, 3]
