"""How far the predictions of other runtimes are from Keras's."""

from collections.abc import Iterable, Mapping

import numpy as np

from model.export import Run
from model.scores.protocols import error_3ddfa
from model.scores.statistics import paired_interval
from pipeline.uv.scaling import to_photo
from pipeline.uv.surface import Surface, read_points
from stages.project.samples import Truth

# The same as of every other interval, see `evaluate` in params.yaml.
RESAMPLES, SEED = 1000, 1


def compare(
    truths: Iterable[Truth],
    keras: Run,
    others: Mapping[str, Run],
    surface: Surface,
) -> dict[str, dict[str, float]]:
    """Compare the predictions of other runtimes with Keras's.

    Parameters
    ----------
    truths : iterable of Truth
        One or more test samples.
    keras : callable
        From one photo (1, S, S, 3) to its position map (1, S, S, 3), px of the aligned image.
    others : dict of str to callable
        The same by other runtimes.
    surface : Surface

    Returns
    -------
    dict of str to dict
        For each of `others`: `max_px`, the largest distance of any texel's position from Keras's, and `nme68_2d`, the
        mean error of the 68 landmarks by 3DDFA's protocol less Keras's, in percent points, and `nme68_2d_low` and
        `nme68_2d_high`, between which it lies with 95 % confidence over the photos.
    """
    distance = dict.fromkeys(others, 0.0)
    errors: dict[str, list[float]] = {name: [] for name in ("keras", *others)}
    for sample in truths:
        photo = to_photo(sample.image[None])
        maps = {name: run(photo)[0] for name, run in {"keras": keras, **others}.items()}
        for name, position_map in maps.items():
            points = read_points(position_map, sample.similarity, surface)
            errors[name].append(float(error_3ddfa(points.landmarks, sample.landmarks)))
        for name in others:
            gap = np.linalg.norm(maps[name] - maps["keras"], axis=-1).max()
            distance[name] = max(distance[name], float(gap))
    rows = {}
    for name in others:
        change = paired_interval(errors[name], errors["keras"], RESAMPLES, SEED)
        numbers = {"nme68_2d": change.mean, "nme68_2d_low": change.low, "nme68_2d_high": change.high}
        rows[name] = {"max_px": round(distance[name], 3)} | {key: round(value, 3) for key, value in numbers.items()}
    return rows
