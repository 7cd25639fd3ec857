"""Whether predictions of another method are in another frame than they are read in, told by how they would score."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.scores.protocols import box_size
from pipeline.face.landmarks import MIRRORED
from pipeline.store.arrays import Array

OFFSETS = ("offset_x_px", "offset_y_px")
# So many times better is no accident.
TIMES = 3.0
# Percent; a frame that differs from another by no more is as good.
EQUAL = 0.05
# Pixels; a mean offset that is known as well as this, and as near to whole pixels, is of how these are counted.
WHOLE = 0.1

# From predicted points (N, 68, D) and true ones to what is tried, which is then recentred on the truth.
Trial = Callable[[Array, Array], Array]


def _spread(points: Array) -> Array:
    """How far the points of each image lie around their mean (N, 1, 1); px."""
    return np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=(1, 2), keepdims=True)


def _ratio(points: Array, truth: Array) -> Array:
    """What the points of each image are to be scaled by to spread as the true ones do; 1 where all are in one place."""
    spread = _spread(points)
    return np.divide(_spread(truth), spread, out=np.ones_like(spread), where=spread > 0)


# What is tried in x and y, and what it would mean; the first of equals is told.
PLANE: Mapping[str, tuple[Trial, str]] = {
    "recentred": (lambda p, _: p, "they have another origin"),
    "y flipped and recentred": (lambda p, _: p * [1, -1], "y grows upwards in them"),
    "x flipped and recentred": (lambda p, _: p * [-1, 1], "x grows to the left in them"),
    "exchanged and recentred": (lambda p, _: p[..., ::-1], "x and y are exchanged in them"),
    "rescaled and recentred": (
        lambda p, t: p * _ratio(p, t),
        "they are in pixels of another size, such as a crop's",
    ),
    "their order mirrored": (
        lambda p, _: p[:, MIRRORED],
        "right and left are exchanged in the order of their landmarks",
    ),
    "x flipped, their order mirrored": (lambda p, _: p[:, MIRRORED] * [-1, 1], "they are of the mirrored photo"),
    "each a place later": (lambda p, _: np.roll(p, 1, axis=1), "they begin with the second landmark"),
    "each a place earlier": (lambda p, _: np.roll(p, -1, axis=1), "they have a point before the first landmark"),
}
# The same of z alone.
DEPTH: Mapping[str, tuple[Trial, str]] = {
    "negated": (lambda z, _: -z, "z grows away from the viewer in them"),
    "scaled by one number for all images": (lambda z, t: z * np.median(_ratio(z, t)), "z is in another unit in them"),
    "negated and scaled by one number for all images": (
        lambda z, t: -z * np.median(_ratio(z, t)),
        "z grows away from the viewer in them, in another unit",
    ),
}


def mean_offset(predicted: NDArray, true: NDArray) -> dict[str, float]:
    """Measure how far predicted landmarks (68, 2 or more) lie to the right of the true ones, and how far below; px."""
    offset = (predicted[:, :2] - true[:, :2]).mean(axis=0)
    return dict(zip(OFFSETS, offset.tolist(), strict=True))


def frame_hints(predicted: Sequence[NDArray], true: Sequence[NDArray]) -> list[str]:
    """Say where predictions would score several times better in another frame, or in another order.

    Parameters
    ----------
    predicted : sequence of (68, 3) or (68, 2) float
        The landmarks of each image, taken as pixels of the raw photo.
    true : sequence of (68, 3) float

    Returns
    -------
    list of str
        Sentences; none where all is well.
    """
    flat, target = (np.array([points[:, :2] for points in each], np.float64) for each in (predicted, true))
    offsets = (flat - target).mean(axis=1)
    x, y = offsets.mean(axis=0)
    told = (
        f"the 68 landmarks in 2D would be {{:.2f}} % off, {{}}, instead of {{:.2f}} % (mean offset x {x:+.2f}, y "
        f"{y:+.2f} px). Expected are pixels of the raw photo, 0-based, x right, y down, in iBUG's order of 68 points."
    )
    hints = _hints(PLANE, flat, target, box_size(target), flat, told) or _pixel_hints(offsets)
    deep = [index for index, points in enumerate(predicted) if points.shape[1] == 3]
    if not deep:
        return hints
    depth, true_depth = (np.array([each[index][:, 2:] for index in deep], np.float64) for each in (predicted, true))
    told = (
        "z would be {:.2f} % off, {}, instead of {:.2f} % (it spreads "
        f"{1 / np.median(_ratio(depth, true_depth)):.3g} times as far as the true one). Expected are pixels of the raw "
        "photo, towards the viewer, from anywhere."
    )
    return hints + _hints(DEPTH, depth, true_depth, box_size(target[deep]), _recentred(depth, true_depth), told)


def _hints(
    frames: Mapping[str, tuple[Trial, str]], points: Array, truth: Array, sizes: Array, as_it_is: Array, told: str
) -> list[str]:
    """Say which of some frames would score several times better; `told` has places for its error, name and ours."""
    errors = {
        name: _error(_recentred(trial(points, truth), truth), truth, sizes) for name, (trial, _) in frames.items()
    }
    error, best = _error(as_it_is, truth, sizes), min(errors.values())
    if error <= TIMES * best + EQUAL:
        return []
    name = next(name for name in frames if errors[name] <= 1.2 * best + EQUAL)
    return [f"{frames[name][1].capitalize()}: {told.format(errors[name], name, error)}"]


def _recentred(points: Array, truth: Array) -> Array:
    # By the median: where the order is shifted, one point lies far off.
    return points - np.median(points - truth, axis=1, keepdims=True)


def _error(points: Array, truth: Array, sizes: Array) -> float:
    """Percent of the sizes of the true faces."""
    return float((100 * np.linalg.norm(points - truth, axis=-1).mean(axis=-1) / sizes).mean())


def _pixel_hints(offsets: Array) -> list[str]:
    """Say that all landmarks lie one pixel off, which makes too little of an error to be told by it."""
    mean, known = offsets.mean(axis=0), pd.DataFrame(offsets).sem().to_numpy()
    whole = mean.round()
    if not (np.abs(whole).max() == 1 and (np.abs(mean - whole) <= WHOLE + 2 * known).all() and known.max() <= WHOLE):
        return []
    x, y = mean
    return [
        f"They lie one pixel off (mean offset x {x:+.2f}, y {y:+.2f} px): expected are 0-based pixels, y down, so that "
        "the first pixel's middle is (0, 0); a method that counts from 1, or takes y as height - y - 1, is off as much."
    ]
