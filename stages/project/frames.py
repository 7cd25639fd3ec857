"""Whether predictions of another method are in another frame than they are read in, told by how they would score."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.scores.protocols import box_size, error_3ddfa

# What is tried, each after recentring on the truth, and what it would mean; the first of equals is told.
FRAMES = {
    "recentred": "they have another origin",
    "y_flipped": "y grows upwards in them",
    "exchanged": "x and y are exchanged in them",
    "rescaled": "they are in pixels of another size, such as a crop's",
}
AS_IT_IS, DEPTH, DEPTH_FLIPPED = "frame_as_it_is", "frame_z", "frame_z_flipped"
# So many times better is no accident.
TIMES = 3.0
# Percent; a frame that differs from another by no more is as good.
EQUAL = 0.05
# Pixels; a mean offset that is known as well as this, and as near to whole pixels, is of how these are counted.
WHOLE = 0.1
OFFSETS = ("offset_x_px", "offset_y_px")


def frame_errors(predicted: NDArray, true: NDArray) -> dict[str, float]:
    """Measure how far predicted landmarks are off, and how well they would score in other frames.

    Parameters
    ----------
    predicted : (68, 3) or (68, 2) float
        Taken as pixels of the raw photo.
    true : (68, 3) float

    Returns
    -------
    dict of str to float
        The mean offset in x and y, px; and in percent the error of the 68 landmarks in 2D as they are and in each of
        `FRAMES`, and that of their depth as it is and with z negated, where there is a z.
    """
    flat, target = (points[:, :2].astype(np.float64) for points in (predicted, true))
    offset = (flat - target).mean(axis=0)
    spread = np.linalg.norm(flat - flat.mean(axis=0))
    scale = np.linalg.norm(target - target.mean(axis=0)) / spread if spread else 1.0
    tried = {"recentred": flat, "y_flipped": flat * [1, -1], "exchanged": flat[:, ::-1], "rescaled": flat * scale}
    errors = {
        name: error_3ddfa(points - points.mean(axis=0) + target.mean(axis=0), target) for name, points in tried.items()
    }
    found = dict(zip(OFFSETS, offset.tolist(), strict=True)) | {AS_IT_IS: float(error_3ddfa(flat, target))}
    found |= {f"frame_{name}": float(error) for name, error in errors.items()}
    if predicted.shape[1] == 3:
        depth, true_depth = (points[:, 2] - points[:, 2].mean() for points in (predicted, true))
        for name, sign in ((DEPTH, 1), (DEPTH_FLIPPED, -1)):
            found[name] = float(100 * np.abs(sign * depth - true_depth).mean() / box_size(target))
    return found


def frame_hints(table: pd.DataFrame) -> list[str]:
    """Say where predictions would score several times better in another frame.

    Parameters
    ----------
    table : DataFrame
        A row an image, of `frame_errors`.

    Returns
    -------
    list of str
        Sentences; none where all is well.
    """
    means = {name: float(table[name].mean()) for name in table if name in OFFSETS or str(name).startswith("frame_")}
    hints = []
    best = min(means[f"frame_{name}"] for name in FRAMES)
    if means[AS_IT_IS] > TIMES * best + EQUAL:
        name = next(name for name in FRAMES if means[f"frame_{name}"] <= 1.2 * best + EQUAL)
        x, y = (means[name] for name in OFFSETS)
        hints.append(
            f"{FRAMES[name].capitalize()}: the 68 landmarks in 2D would be {means[f'frame_{name}']:.2f} % off, "
            f"{name.replace('_', ' ')}{'' if name == 'recentred' else ' and recentred'}, instead of "
            f"{means[AS_IT_IS]:.2f} % (mean offset x {x:+.2f}, y {y:+.2f} px). Expected are pixels of the raw photo, "
            "0-based, x right, y down."
        )
    else:
        hints += _pixel_hint(table)
    if DEPTH in means and means[DEPTH] > TIMES * means[DEPTH_FLIPPED] + EQUAL:
        hints.append(
            f"Z grows away from the viewer in them: negated it would be {means[DEPTH_FLIPPED]:.2f} % off, instead of "
            f"{means[DEPTH]:.2f} %. Expected is z towards the viewer."
        )
    return hints


def _pixel_hint(table: pd.DataFrame) -> list[str]:
    """Say that all landmarks lie one pixel off, which makes too little of an error to be told by it."""
    offsets = table[[*OFFSETS]]
    mean, known = offsets.mean(), offsets.std() / len(offsets) ** 0.5
    whole = mean.round()
    if not (whole.abs().max() == 1 and ((mean - whole).abs() <= WHOLE + 2 * known).all() and known.max() <= WHOLE):
        return []
    x, y = (f"{value:+.2f}" for value in mean)
    return [
        f"They lie one pixel off (mean offset x {x}, y {y} px): expected are 0-based pixels, y down, so that the first "
        "pixel's middle is (0, 0); a method that counts from 1, or takes y as height - y - 1, is off by as much."
    ]
