"""The face model behind a position map: a map that a network predicted becomes one that some face of the model has."""

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel, at_vertices
from ..face.fit import FaceFit, Prior, fit_face, place

# Texels a row and column that are fitted to. The errors of neighbours are alike, so that more of them say no more.
ROWS = 32
# Standard deviation of a predicted texel in px of a map of 256 px; it stands for the errors that neighbours share, too.
SIGMA_PX = 6.0


def fit_map(
    position_map: NDArray, texels: FaceModel, face_mask: NDArray[np.bool_], prior: Prior
) -> tuple[NDArray[np.float32], FaceFit]:
    """Fit the face model to a position map.

    Parameters
    ----------
    position_map : (S, S, 3) float
        Aligned px.
    texels : FaceModel
        At all texels, as `texel_model` makes it.
    face_mask : (S, S) bool
        Texels that a network has learnt: no other is looked at.
    prior : Prior

    Returns
    -------
    fitted : (S, S, 3) float32
        The fitted face's, in aligned px.
    fit : FaceFit
        In aligned px.
    """
    chosen = choose_texels(face_mask)
    fit = fit_texels(position_map, at_vertices(texels, lambda array: array[chosen]), chosen, prior)
    return place(texels, fit).reshape(position_map.shape).astype(np.float32), fit


def choose_texels(face_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Choose the texels of the face that are fitted to, on a grid: (K,) int64, row-major."""
    step = max(len(face_mask) // ROWS, 1)
    grid = np.zeros_like(face_mask)
    grid[step // 2 :: step, step // 2 :: step] = True
    return np.flatnonzero(grid & face_mask)


def fit_texels(position_map: NDArray, points: FaceModel, chosen: NDArray[np.int64], prior: Prior) -> FaceFit:
    """Fit pose and coefficients to the chosen texels of a position map.

    Parameters
    ----------
    position_map : (S, S, 3) float
        Aligned px.
    points : FaceModel
        At the chosen texels.
    chosen : (K,) int64
        As `choose_texels` gives them.
    prior : Prior

    Returns
    -------
    FaceFit
        In aligned px.
    """
    size = len(position_map)
    return fit_face(points, position_map.reshape(-1, 3)[chosen], SIGMA_PX * size / 256, prior, size)
