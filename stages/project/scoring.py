"""The scores of a run's predictions, one test sample after the other, by every protocol."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from model.scores import smoothness
from model.scores.expression import coefficient_error, score_openings
from model.scores.head_pose import score_pose
from model.scores.protocols import error_3ddfa
from model.scores.scoring import score, score_surface, signed_bias
from pipeline.face.camera import transform_pose
from pipeline.face.fit import FaceFit, Prior
from pipeline.face.head_pose import estimate_pose
from pipeline.face.similarity import apply_similarity
from pipeline.store.arrays import Array
from pipeline.store.checks import check
from pipeline.uv.scaling import Scaling
from pipeline.uv.surface import Points, Surface, read_points
from pipeline.uv.volume import isosurface
from stages.project.published import Benchmark
from stages.project.samples import Truth

# From a sample's id to its map (S, S, 3) in aligned px, or its volume, and the similarity (3, 3) from raw px to these.
Prediction = Callable[[str], tuple[NDArray, NDArray[np.float64]]]


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
    reference : (V, 3) float
        The surface's vertices of the face model's mean face, model frame.
    fit : callable
        Fits the face model to a map: the fitted map, and the fit, in aligned px.
    prior : Prior
        Of the training part's coefficients.
    identities : int
        How many of the coefficients are the identity's.
    """

    surface: Surface
    scaling: Scaling
    mean_map: NDArray[np.float64]
    benchmark: Benchmark
    reference: NDArray
    fit: Callable[[NDArray], tuple[NDArray[np.float32], FaceFit]]
    prior: Prior
    identities: int


def score_samples(
    truths: Iterable[Truth], predict: Prediction, judge: Judge, histograms: NDArray[np.int64], fitted: bool = False
) -> Iterator[dict]:
    """Score one sample after the other; adds the angles of true and predicted meshes to `histograms` (2, 180).

    Where `fitted`, what is scored is the face model's face that is fitted to a predicted map, pose and coefficients
    included; else the map itself, whose pose is that of the mean face laid over its mesh.

    Raises
    ------
    ValueError
        If a prediction is missing or not finite.
    """
    surface, benchmark = judge.surface, judge.benchmark
    for sample in truths:
        position_map, similarity = predict(sample.sample_id)
        face = None
        if fitted:
            position_map, face = judge.fit(position_map)
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
        row |= score_openings(predicted.landmarks, sample.landmarks)
        own = judge.fit(sample.position_map)[1] if fitted else None
        row |= score_pose(_angles(predicted, face, similarity, judge), sample.pose[:3])
        row["pose_floor"] = score_pose(_angles(true, own, sample.similarity, judge), sample.pose[:3])["pose_mae"]
        if face is not None:
            row["expression"] = coefficient_error(face.coefficients, sample.coefficients, judge.prior, judge.identities)
        numbers = [value for value in row.values() if isinstance(value, float)]
        check(bool(np.isfinite(numbers).all()), f"The prediction for {sample.sample_id} is not finite: train again.")
        yield row


def score_volumes(
    truths: Iterable[Truth], predict: Prediction, surface: Surface, failures: list[tuple[str, ...]]
) -> Iterator[dict]:
    """Score the surfaces of volumes, one sample after the other; adds those without one to `failures`.

    No point of such a surface is known to be a certain point of the face: the protocol `surface` alone is left.
    """
    for sample in truths:
        volume, similarity = predict(sample.sample_id)
        true = read_points(sample.position_map, sample.similarity, surface)
        try:
            vertices, triangles = isosurface(volume, len(surface.face_mask))
        except ValueError as error:
            failures.append((sample.sample_id, "evaluate", str(error)))
            continue
        placed = apply_similarity(np.linalg.inv(similarity), vertices)
        row: dict = {"sample_id": sample.sample_id, "truth": "pt3d_68" if sample.annotated else "model"}
        yield row | score_surface(placed, triangles, true, sample.landmarks)


def _angles(points: Points, face: FaceFit | None, similarity: NDArray, judge: Judge) -> Array:
    """Pitch, yaw and roll (rad) in the raw photo: of a fit to the aligned one, or of the mean face over a mesh."""
    # No angle depends on how high the photo is.
    if face is None:
        return estimate_pose(points.vertices, judge.reference, 0)[:3]
    return transform_pose(face.pose, 0, np.linalg.inv(similarity), 0)[:3]
