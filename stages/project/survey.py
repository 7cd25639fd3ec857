"""The systems that the thesis surveys, run on the test part and scored by the protocols that ours are scored by."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model.scores.protocols import error_3ddfa
from model.scores.scoring import score_landmarks, score_some_landmarks, score_surface
from model.scores.summary import Metrics, describe, summarise
from pipeline.face.face_model import load_model
from pipeline.face.fit import load_prior
from pipeline.face.landmarks import LANDMARKS
from pipeline.face.meshes import read_vertices
from pipeline.raw.photos import read_photo
from pipeline.store.arrays import Array, Image
from pipeline.store.checks import check
from pipeline.store.progress import show_progress
from pipeline.store.samples import Sample, locate
from pipeline.store.shards import list_shards, read_shard
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import load_surface, mesh_points
from stages.project import samples
from stages.project.foreign import Mesh, score_mesh
from stages.project.params import DataParams
from stages.project.paths import LAYOUT, MODEL, PRIOR, survey_scores_of
from stages.project.published import Benchmark, read_benchmark
from stages.project.result_params import EvaluateParams
from stages.project.results import FAILED_COLUMNS, write_scores
from stages.project.survey_methods import KINDS, FreeMesh, Result, SurveyFace, Tools
from stages.project.survey_params import SurveyMethod

# From a photo and the annotated landmarks to those (68, >=2) that a method sees, or None.
Finder = Callable[[Image, Array], Array | None]
NO_FACE = "No face was found where the annotation has one."


@dataclasses.dataclass(frozen=True, eq=False)
class SurveyTruth:
    """What is annotated of a test photo, which no method sees.

    Attributes
    ----------
    landmarks : (68, 3) float64
        Pixels of the photo: ``pt3d_68`` where it is annotated, else the mesh's.
    annotated : bool
        Whether they are ``pt3d_68``.
    vertices : (V, 3) float64
        Of the face model, in pixels of the photo.
    """

    landmarks: Array
    annotated: bool
    vertices: Array


def survey(
    root: Path, name: str, method: SurveyMethod, find: Finder, data: DataParams, params: EvaluateParams
) -> Metrics:
    """Run a method on the test part of the project at `root`, and write its scores to ``runs/survey/<name>/scores``.

    Parameters
    ----------
    root : Path
    name : str
        Of the method's row.
    method : SurveyMethod
    find : callable
        Finds the landmarks that the method sees.
    data : DataParams
    params : EvaluateParams

    Returns
    -------
    Metrics
        In percent. A photo that the method fails on is in failed.csv with the reason.

    Raises
    ------
    ValueError
        If nothing could be scored.
    """
    tools, mesh = open_tools(root, method), read_mesh(root)
    benchmark = read_benchmark(root / params.benchmark)
    test_ids = samples.read_part(root, "test")
    places = locate_meshes(root, test_ids)
    failed = [tuple(row) for row in samples.list_failures(root, None, test_ids, places)]
    rows = []
    for place in show_progress(places, f"survey@{name}", "photo"):
        truth = read_truth(root, place, mesh)
        try:
            face = read_face(root, place, data, find, truth)
            result = KINDS[method.kind].method(face, tools)
            rows.append(score_result(place.sample_id, result, truth, mesh, benchmark))
        except (ValueError, OSError) as error:
            failed.append((place.sample_id, f"survey@{name}", str(error)))
    check(bool(rows), f"survey {name}: nothing could be scored. Last: {failed[-1][2] if failed else 'no test photo.'}")
    table = pd.DataFrame(rows).sort_values("sample_id", ignore_index=True)
    yaw = benchmark.replace_yaw(table["sample_id"], samples.annotated_yaw(root, table["sample_id"]))
    table.insert(1, "yaw_deg", yaw)
    table = table.round(4)
    described = describe(table, params.share_under, params.bootstrap, params.seed)
    metrics = summarise(table, described, len(failed))
    tables = {"per_image": table, "protocols": described, "failed": pd.DataFrame(failed, columns=FAILED_COLUMNS)}
    write_scores(root / survey_scores_of(name), metrics, tables)
    return metrics


def open_tools(root: Path, method: SurveyMethod) -> Tools:
    """Read what a method may use, of the project at `root`."""
    return Tools(
        load_model(root / MODEL),
        load_prior(root / PRIOR),
        load_surface(root / MODEL, root / LAYOUT),
        load_uv(root / LAYOUT),
        root / method.needs,
    )


def read_mesh(root: Path) -> Mesh:
    """Read what turns meshes of the face model into the points that are compared."""
    return Mesh(load_model(root / MODEL), load_surface(root / MODEL, root / LAYOUT), load_uv(root / LAYOUT).operator)


def locate_meshes(root: Path, sample_ids: Sequence[str]) -> list[Sample]:
    """Find samples in ``data/meshes``; those that are not there are left out."""
    subsets = sorted(set(map(samples.subset_of, sample_ids)))
    shards = [path for subset in subsets for path in list_shards(samples.shards_of(root, "meshes", subset))]
    return locate(shards, sample_ids)


def read_truth(root: Path, place: Sample, mesh: Mesh) -> SurveyTruth:
    """Read what is annotated of a sample of ``data/meshes``."""
    index = read_shard(
        samples.shards_of(root, "index", samples.subset_of(place.sample_id)) / place.shard.name,
        ["sample_id", "true_landmarks"],
    )
    landmarks = index["true_landmarks"][list(index["sample_id"]).index(place.sample_id)].astype(np.float64)
    vertices = read_vertices(place.shard, mesh.model, slice(place.row, place.row + 1))[0].astype(np.float64)
    known = bool(np.isfinite(landmarks).all())
    return SurveyTruth(landmarks if known else vertices[mesh.model.landmarks], known, vertices)


def read_face(root: Path, place: Sample, data: DataParams, find: Finder, truth: SurveyTruth) -> SurveyFace:
    """Read what a method sees of a sample of ``data/meshes``.

    Raises
    ------
    ValueError
        If the photo is not the one any more that the index read, or no face is found where the annotation has one.
    """
    photo = read_place_photo(root, place, data)
    landmarks = find(photo, truth.landmarks)
    if landmarks is None:
        raise ValueError(NO_FACE)
    return SurveyFace(place.sample_id, photo, np.asarray(landmarks, np.float64)[:, :2])


def read_place_photo(root: Path, place: Sample, data: DataParams) -> Image:
    """Read the photo of a sample of ``data/meshes``."""
    row = slice(place.row, place.row + 1)
    shard = read_shard(place.shard, ["photo", "photo_sha256"], row)
    folder = root / data.folder(samples.subset_of(place.sample_id))
    return read_photo(folder / shard["photo"][0], shard["photo_sha256"][0])


def score_result(
    sample_id: str, result: Result, truth: SurveyTruth, mesh: Mesh, benchmark: Benchmark
) -> dict[str, str | float]:
    """Score what a method made of a face: a row of per_image.csv, without its yaw.

    Raises
    ------
    ValueError
        If the result is of no kind that can be scored, or is not finite.
    """
    points = result.vertices if isinstance(result, FreeMesh) else result
    check(bool(np.isfinite(points).all()), "The result is not finite.")
    errors, landmarks = _score(result, truth, mesh)
    second = benchmark.landmarks_of(sample_id)
    if second is not None and landmarks is not None:
        errors["nme68_2d_reannotated"] = float(error_3ddfa(landmarks, second))
    return {"sample_id": sample_id, "truth": "pt3d_68" if truth.annotated else "model", **errors}


def _score(result: Result, truth: SurveyTruth, mesh: Mesh) -> tuple[dict[str, float], Array | None]:
    """Errors of a result, and its landmarks (68, 3) where it has all of them."""
    if isinstance(result, FreeMesh):
        true = mesh_points(truth.vertices, mesh.surface, mesh.operator)
        errors = score_surface(result.vertices, result.triangles, true, truth.landmarks)
        if result.landmarks is not None:
            errors = score_some_landmarks(result.landmarks, truth.landmarks) | errors
        return errors, None
    if result.shape == truth.vertices.shape:
        return score_mesh(result, truth.vertices, truth.landmarks, mesh), result[mesh.model.landmarks]
    check(result.shape == (LANDMARKS, 3), f"The result has shape {result.shape}, which is neither mesh nor landmarks.")
    return score_landmarks(result, truth.landmarks), result


def sample_faces(root: Path, find: Finder, data: DataParams, count: int) -> Iterator[SurveyFace]:
    """Read some test faces, evenly spaced, as a method sees them; those without landmarks are left out."""
    mesh = read_mesh(root)
    for place in samples.spread(locate_meshes(root, samples.read_part(root, "test")), count):
        try:
            yield read_face(root, place, data, find, read_truth(root, place, mesh))
        except (ValueError, OSError):
            continue
