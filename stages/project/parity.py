"""How far the predictions of other runtimes are from Keras's."""

from collections.abc import Iterable, Mapping

import numpy as np

from model.export import Run
from model.scores.protocols import error_3ddfa
from pipeline.uv.scaling import to_photo
from pipeline.uv.surface import Surface, read_points
from stages.project.samples import Truth


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
        mean error of the 68 landmarks by 3DDFA's protocol less Keras's, in percent points.
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
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    return {
        name: {"max_px": round(distance[name], 3), "nme68_2d": round(means[name] - means["keras"], 3)}
        for name in others
    }
