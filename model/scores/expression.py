"""Errors of the expression: of its coefficients, and of how far eyes and mouth are open."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.scores.protocols import eye_distance
from pipeline.face.fit import Prior
from pipeline.face.landmarks import MOUTH_CORNERS
from pipeline.store.arrays import Array

# Pairs of landmarks, the mean of whose 3D distances is measured: both eyes' lids, the inner lips, the mouth's corners.
PAIRS: dict[str, Sequence[tuple[int, int]]] = {
    "eyes": ((37, 41), (38, 40), (43, 47), (44, 46)),
    "mouth": ((61, 67), (62, 66), (63, 65)),
    "mouth_width": (MOUTH_CORNERS,),
}
# Below which opening eyes, and a mouth, are closed, in percent of the distance of the outer eye corners. The landmarks
# of AFLW2000-3D are a face model's, whose lids never meet: its 1 % most closed eyes are at 2.8 to 4.9 %, and in their
# photos lids are down. 19 % of its mouths are below 4 %, and show lips that touch.
CLOSED_BELOW = {"eyes": 5.0, "mouth": 4.0}
# Error: what a reader of the number must know.
EXPRESSION = {
    "expression": "root mean square error of the expression's coefficients, in units of the prior's sigma: who always "
    "says the training part's mean has about 1",
    "eyes": "error of the lids' distance, the mean of both eyes",
    "eyes_bias": "the same, signed: positive where the eyes are too far open",
    "eyes_closed": "share of the closed eyes that are predicted closed",
    "mouth": "error of the inner lips' distance",
    "mouth_bias": "the same, signed: positive where the mouth is too far open",
    "mouth_closed": "share of the closed mouths that are predicted closed",
    "mouth_width": "error of the distance of the mouth's corners",
    "mouth_width_bias": "the same, signed",
}


def measure_openings(landmarks: NDArray) -> dict[str, Array]:
    """3D distances of `PAIRS` in a face or more, in px.

    Parameters
    ----------
    landmarks : (..., 68, 3) float
        Pixels.

    Returns
    -------
    dict of str to (...) float64
    """
    landmarks = np.asarray(landmarks, np.float64)
    ends = {name: np.array(pairs).T for name, pairs in PAIRS.items()}
    return {
        name: np.linalg.norm(landmarks[..., first, :] - landmarks[..., second, :], axis=-1).mean(axis=-1)
        for name, (first, second) in ends.items()
    }


def score_openings(landmarks: NDArray, true_landmarks: NDArray) -> dict[str, float | None]:
    """Error of how far eyes and mouth of one face are open.

    Parameters
    ----------
    landmarks, true_landmarks : (68, 3) float
        Pixels of the raw photo.

    Returns
    -------
    dict of str to float or None
        Percent of the 3D distance of the true outer eye corners, those of `EXPRESSION` but the coefficients'. The
        shares are 100 where the truth and the prediction are below `CLOSED_BELOW`, 0 where the truth alone is, and
        None where the truth is not.

    Raises
    ------
    ValueError
        If the true outer eye corners lie in one place.
    """
    size = float(eye_distance(true_landmarks))
    if not size > 0:
        raise ValueError("The true outer eye corners lie in one place, so that no distance can be given in percent.")
    found, true = (measure_openings(points) for points in (landmarks, true_landmarks))
    row: dict[str, float | None] = {}
    for name in PAIRS:
        ours, its = 100 * float(found[name]) / size, 100 * float(true[name]) / size
        row |= {name: abs(ours - its), f"{name}_bias": ours - its}
        if (limit := CLOSED_BELOW.get(name)) is not None:
            row[f"{name}_closed"] = 100.0 * (ours < limit) if its < limit else None
    return row


def coefficient_error(coefficients: NDArray, truth: NDArray, prior: Prior, identities: int) -> float:
    """Root mean square error of the expression's coefficients.

    Parameters
    ----------
    coefficients, truth : (S + E,) float
        Identity, then expression, raw as annotated.
    prior : Prior
        Of the training part. What never varies there is left out.
    identities : int
        S.

    Returns
    -------
    float
        In units of the prior's sigma; 0 where no coefficient of the expression varies.
    """
    sigma = prior.sigma[identities:]
    off = np.asarray(coefficients, np.float64)[identities:] - np.asarray(truth, np.float64)[identities:]
    units = off[sigma > 0] / sigma[sigma > 0]
    return float(np.sqrt((units**2).mean())) if units.size else 0.0
