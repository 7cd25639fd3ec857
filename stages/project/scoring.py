"""The scores of a run's predictions, one test sample after the other, by every protocol."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from model.scaling import Scaling
from model.scores import smoothness
from model.scores.protocols import error_3ddfa
from model.scores.scoring import score, signed_bias
from pipeline.face.similarity import apply_similarity
from pipeline.uv.surface import Surface, read_points
from stages.project.published import Benchmark
from stages.project.samples import Truth
from stages.project.strict import check

# From a sample's id to its map (S, S, 3) in aligned px, and the similarity (3, 3) from raw px to these.
Prediction = Callable[[str], tuple[NDArray[np.float32], NDArray[np.float64]]]


@dataclasses.dataclass(frozen=True)
class Judge:
    """What every prediction of a variant is scored by.

    Attributes
    ----------
    surface : Surface
    scaling : Scaling
        Of the variant's output.
    mean_map : (S, S, 3) float64
        The baseline's prediction, in aligned pixels.
    benchmark : Benchmark
    """

    surface: Surface
    scaling: Scaling
    mean_map: NDArray[np.float64]
    benchmark: Benchmark


def score_samples(
    truths: Iterable[Truth], predict: Prediction, judge: Judge, histograms: NDArray[np.int64]
) -> Iterator[dict]:
    """Score one sample after the other; adds the angles of true and predicted meshes to `histograms` (2, 180).

    Raises
    ------
    ValueError
        If a prediction is missing or not finite.
    """
    surface, benchmark = judge.surface, judge.benchmark
    for sample in truths:
        position_map, similarity = predict(sample.sample_id)
        predicted = read_points(position_map, similarity, surface)
        true = read_points(sample.position_map, sample.similarity, surface)
        guess = read_points(judge.mean_map, sample.similarity, surface)
        row: dict = {"sample_id": sample.sample_id, "truth": "pt3d_68" if sample.annotated else "model"}
        row |= score(predicted, true, sample.landmarks, surface.triangles)
        if benchmark.landmarks:
            second = benchmark.landmarks_of(sample.sample_id)
            row["nme68_2d_reannotated"] = None if second is None else float(error_3ddfa(predicted.landmarks, second))
        row["mean_map_68_2d"] = float(error_3ddfa(guess.landmarks, sample.landmarks))
        for index, (name, points) in enumerate((("truth", true), ("prediction", predicted))):
            cosines = smoothness.adjacent_cosines(points.vertices, surface.triangles, surface.pairs)
            row[f"smooth_{name}"] = smoothness.smooth_share(cosines)
            histograms[index] += smoothness.angle_histogram(cosines)
        aligned = apply_similarity(sample.similarity @ np.linalg.inv(similarity), position_map.astype(np.float64))
        row |= signed_bias(aligned, sample.position_map, judge.scaling, surface.face_mask)
        numbers = [value for value in row.values() if isinstance(value, float)]
        check(bool(np.isfinite(numbers).all()), f"The prediction for {sample.sample_id} is not finite: train again.")
        yield row
