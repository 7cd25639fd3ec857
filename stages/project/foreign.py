"""Scores of another method's predictions, which lie in files, against annotations in raw photos."""

import dataclasses
import warnings
from pathlib import Path

import click
import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from model.scores import smoothness
from model.scores.expression import score_openings
from model.scores.head_pose import score_pose
from model.scores.protocols import error_3ddfa
from model.scores.scoring import score, score_landmarks
from pipeline.face.camera import project, wrap_degrees
from pipeline.face.face_model import FaceModel, deform, load_model, select_coefficients
from pipeline.face.head_pose import estimate_pose
from pipeline.face.landmarks import LANDMARKS
from pipeline.photo.point_files import find_point_file, read_point_file
from pipeline.raw.agreement import find_disagreement
from pipeline.raw.annotations import Annotation, read_annotation
from pipeline.raw.pairs import describe_passed_over, list_annotations, photo_of
from pipeline.raw.photos import check_photo, read_content
from pipeline.store.checks import check
from pipeline.store.progress import show_progress
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import Surface, load_surface, mesh_points
from stages.project.frames import frame_hints, mean_offset
from stages.project.paths import LAYOUT, MODEL
from stages.project.published import Benchmark
from stages.project.results import FAILED_COLUMNS

# What all but landmarks is scored by, and what to do where it is missing.
FACE_MODEL = (
    f"the face model, {MODEL}, and its layout, {LAYOUT}: put its files where docs/data.md says, and run `dvc repro "
    "uv_embedding`"
)


@dataclasses.dataclass(frozen=True)
class Mesh:
    """What turns coefficients into true points, and a mesh into the points that are compared."""

    model: FaceModel
    surface: Surface
    operator: scipy.sparse.csr_array


def score_folder(
    predictions: Path,
    truths: Path,
    mesh: Mesh | None,
    benchmark: Benchmark,
    vertices_of: NDArray[np.int64] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Score every annotation of a folder that has a prediction.

    Parameters
    ----------
    predictions : Path
        With ``<sample>.npy``, ``.mat``, ``.obj`` or ``_kpt.txt`` for an annotation ``<sample>.mat`` below `truths`: 68
        landmarks (68, 3), (68, 2) without z, or all vertices of the face model (V, 3), in pixels of the raw photo:
        0-based, x right, y down, z towards the viewer.
    truths : Path
        Annotations as 300W-LP and AFLW2000-3D have them, each beside its photo.
    mesh : Mesh or None
        Without it only landmarks can be scored, against ``pt3d_68``.
    benchmark : Benchmark
    vertices_of : (V,) int64, optional
        For each vertex of the face model, which of the predicted ones it is; -1 for none.

    Returns
    -------
    scores : DataFrame
        As per_image.csv of a run, with the errors that the predictions allow, and their mean offset.
    failed : DataFrame
        Annotations that could not be used or have no usable prediction, with the reason.
    hints : list of str
        Sentences on what the predictions seem to be meant as, from `frames.frame_hints`.

    Raises
    ------
    ValueError
        If there are no annotations, or nothing could be scored.
    """
    annotations, passed_over = list_annotations(truths)
    if passed_over:
        click.echo(f"score: passed over in {truths}: {describe_passed_over(passed_over)}")
    check(bool(annotations), f"{truths} holds no annotations (.mat).")
    scored, failed = [], []
    for path in show_progress(annotations, "score", "photo"):
        sample_id = path.relative_to(truths).with_suffix("").as_posix()
        try:
            predicted = find_point_file(predictions, sample_id)
            scored.append(score_sample(sample_id, path, predicted, mesh, benchmark, vertices_of))
        except (ValueError, OSError) as error:
            failed.append((sample_id, "score", str(error)))
    first = f" First: {failed[0][2]}" if failed else ""
    check(bool(scored), f"Nothing in {predictions} could be scored against {truths}.{first}")
    rows, predicted_landmarks, true = zip(*scored, strict=True)
    hints = frame_hints(predicted_landmarks, true)
    return pd.DataFrame(rows).round(4), pd.DataFrame(failed, columns=FAILED_COLUMNS), hints


def score_sample(
    sample_id: str,
    annotation_path: Path,
    prediction_path: Path,
    mesh: Mesh | None,
    benchmark: Benchmark,
    vertices_of: NDArray[np.int64] | None = None,
) -> tuple[dict, NDArray[np.float64], NDArray[np.float64]]:
    """Score one prediction: a row of per_image.csv, and the predicted landmarks, (68, 3) or (68, 2), and the true.

    Raises
    ------
    ValueError
        If the prediction has points of neither kind, or nothing true to compare them with.
    """
    check(annotation_path.is_file(), f"{annotation_path} is no file that can be read.")
    annotation = read_annotation(annotation_path)
    predicted = read_point_file(prediction_path)
    if vertices_of is not None and len(predicted) != LANDMARKS:
        last = vertices_of.max()
        check(last < len(predicted), f"{prediction_path} has {len(predicted)} points; the list asks for number {last}.")
        # What has no predicted vertex is outside the face, where nothing is compared.
        predicted = predicted[vertices_of]
    landmarks = true_landmarks(annotation, annotation_path, mesh)
    yaw = benchmark.replace_yaw([sample_id], np.rad2deg(annotation.pose[1:2]).round(4))[0]
    row = {
        "sample_id": sample_id,
        "yaw_deg": float(wrap_degrees(yaw)),
        "truth": "pt3d_68" if np.isfinite(annotation.true_landmarks).all() else "model",
    }
    if predicted.shape == (LANDMARKS, 2):
        row |= {"nme68_2d": float(error_3ddfa(predicted, landmarks))}
    elif predicted.shape == (LANDMARKS, 3):
        row |= score_landmarks(predicted, landmarks)
        row |= score_openings(predicted, landmarks)
    elif mesh is not None and predicted.shape == (len(mesh.model.mean), 3):
        true = true_vertices(annotation, annotation_path, mesh)
        row |= score_mesh(predicted, true, landmarks, mesh)
        row |= score_mesh_pose(predicted, true, annotation.pose, mesh)
        predicted = predicted[mesh.model.landmarks]
        row |= score_openings(predicted, landmarks)
    else:
        vertices = (
            f" or the {len(mesh.model.mean)} vertices of {MODEL}" if mesh else f". Other points need {FACE_MODEL}"
        )
        points = f"{len(predicted)} points{'' if predicted.shape[1] == 3 else ' without z'}"
        raise ValueError(f"{prediction_path} has {points}; expected {LANDMARKS} landmarks{vertices}.")
    numbers = [value for value in row.values() if isinstance(value, float)]
    check(bool(np.isfinite(numbers).all()), f"{prediction_path} has points that no error can be measured of.")
    row |= mean_offset(predicted, landmarks)
    second = benchmark.landmarks_of(sample_id)
    if second is not None:
        row["nme68_2d_reannotated"] = float(error_3ddfa(predicted, second))
    return row, predicted, landmarks


def score_mesh(predicted: NDArray, true: NDArray, landmarks: NDArray, mesh: Mesh) -> dict[str, float]:
    """Score all vertices by every protocol, and how smooth both meshes are."""
    prediction, truth = (mesh_points(vertices, mesh.surface, mesh.operator) for vertices in (predicted, true))
    scores = dict(score(prediction, truth, landmarks, mesh.surface.triangles))
    for name, points in (("truth", truth), ("prediction", prediction)):
        cosines = smoothness.adjacent_cosines(points.vertices, mesh.surface.triangles, mesh.surface.pairs)
        scores[f"smooth_{name}"] = smoothness.smooth_share(cosines)
    return scores


def score_mesh_pose(predicted: NDArray, true: NDArray, pose: NDArray, mesh: Mesh) -> dict[str, float | None]:
    """Score the pose of a mesh as that of the face model's mean face that is laid over it."""
    kept = mesh.surface.vertices
    # No angle depends on how high the photo is.
    found, own = (
        score_pose(estimate_pose(vertices[kept], mesh.model.mean[kept], 0)[:3], pose[:3])
        for vertices in (predicted, true)
    )
    return found | {"pose_floor": own["pose_mae"]}


def true_landmarks(annotation: Annotation, path: Path, mesh: Mesh | None) -> NDArray[np.float64]:
    """Annotated landmarks (68, 3) in pixels of the raw photo; of the annotated mesh where ``pt3d_68`` is missing.

    Raises
    ------
    ValueError
        If there are none and no mesh.
    """
    if np.isfinite(annotation.true_landmarks).all():
        return annotation.true_landmarks.astype(np.float64)
    if mesh is None:
        raise ValueError(f"{path} has no pt3d_68; any other truth needs {FACE_MODEL}.")
    return true_vertices(annotation, path, mesh)[mesh.model.landmarks]


def true_vertices(annotation: Annotation, path: Path, mesh: Mesh) -> NDArray[np.float64]:
    """Annotated mesh (V, 3) in pixels of the raw photo, whose height is read from the photo beside the annotation.

    Raises
    ------
    ValueError
        If the photo is missing, or the mesh contradicts landmarks in the annotation.
    """
    photo = photo_of(path)
    if photo is None:
        raise ValueError(f"The photo of {path} is missing beside it: its height places the annotated mesh.")
    height, _ = check_photo(read_content(photo), photo)
    coefficients = select_coefficients(mesh.model, annotation.shape[None], annotation.expression[None])
    vertices = project(deform(mesh.model, coefficients)[0].astype(np.float64), annotation.pose, height)
    marks = annotation.true_landmarks, annotation.marked_landmarks
    fault = find_disagreement(path.stem, vertices[mesh.model.landmarks], *marks)
    check(not fault, f"{path}: {fault}")
    return vertices


def read_vertices_of(path: Path, mesh: Mesh) -> NDArray[np.int64]:
    """Read the list that says which vertices of another method the face model's are, a number a line.

    Raises
    ------
    ValueError
        If it has another length than the face model has vertices, or lacks one of the face.
    """
    check(path.is_file(), f"{path} is missing or no file; expected a list of whole numbers, one a line.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, whose number of numbers is told
            numbers = np.loadtxt(path, dtype=np.int64, ndmin=1)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path} is no list of whole numbers, one a line: {error}.") from error
    count = len(mesh.model.mean)
    check(numbers.shape == (count,), f"{path} has {numbers.size} numbers; expected one for each of {count} vertices.")
    texels = mesh.operator[mesh.surface.face_mask.ravel()].indices
    needed = np.unique(np.concatenate([mesh.surface.vertices, mesh.model.landmarks, texels]))
    absent = int((numbers[needed] < 0).sum())
    check(absent == 0, f"{path} names no vertex for {absent} of the face's {len(needed)} vertices.")
    return numbers


def read_mesh() -> Mesh | None:
    """Read the project's face model and UV layout; None where the project has not made them yet."""
    if not (MODEL.is_file() and LAYOUT.is_file()):
        return None
    return Mesh(load_model(MODEL), load_surface(MODEL, LAYOUT), load_uv(LAYOUT).operator)
