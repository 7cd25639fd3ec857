"""Faces and measurements of the benchmarks NoW, REALY and M3DFB, in the layouts that their files have."""

import functools
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.scores.scans import m3dfb, now, realy
from pipeline.face.similarity import is_mirrored
from pipeline.photo.point_files import read_point_file
from pipeline.photo.surface_files import LANDMARKS, SURFACES, find_file, read_landmarks, read_surface
from pipeline.store.arrays import Array
from pipeline.store.checks import check
from stages.project.scan_units import LEAST_MM, MOST_MM, landmark_extent, likely_unit

NOW_LISTS = ("imagepathsvalidation.txt", "imagepathstest.txt")
NOW_SCANS, NOW_LANDMARKS = "scans", "scans_lmks_onlypp"
REALY_REGIONS, REALY_KEYPOINTS, REALY_SCALE = "REALY_scan_region", "REALY_HIFI3D_keypoints", "metrical_scale.txt"
POINT_FILES = (".txt", ".npy", ".obj")
DISTANCE = "distance"
# Any unit does for predictions, but squares of their numbers are to be finite.
LARGEST = 1e12


class Face(NamedTuple):
    """A prediction to be scored: its name, and the files of the scan that it belongs to."""

    sample_id: str
    scan: Path
    landmarks: Path


class Benchmark(NamedTuple):
    """How a benchmark is read and measured.

    Attributes
    ----------
    list_faces : callable
        From the folders of scans and of predictions to the faces.
    measure : callable
        From a face, the folder of predictions, the template and the scans' unit in mm to errors (N,) in mm by name.
    read_template : callable
    pooled : bool
        Whether its statistics are of all points of all faces, or of the means of the faces.
    """

    list_faces: Callable[[Path, Path], list[Face]]
    measure: Callable[[Face, Path, Any, float], dict[str, Array]]
    read_template: Callable[[Path], Any]
    pooled: bool


def _list_now(scans: Path, _predictions: Path) -> list[Face]:
    """NoW's images by its list; or, in a folder without one, each scan with landmarks beside it."""
    lists = [scans / name for name in NOW_LISTS if (scans / name).is_file()]
    if not lists:
        stems = sorted({path.with_suffix("") for path in scans.rglob("*") if path.suffix in SURFACES})
        return [Face(stem.relative_to(scans).as_posix(), stem, stem) for stem in stems]
    faces = []
    for line in lists[0].read_text(encoding="utf-8").splitlines():
        parts = Path(line.strip()).with_suffix("").parts[-3:] if line.strip() else ()
        named = len(parts) == 3 and ".." not in parts
        check(named or not parts, f"{lists[0]} names {line!r}; expected SUBJECT/CHALLENGE/IMAGE.jpg.")
        if named:
            faces.append(Face("/".join(parts), scans / NOW_SCANS / parts[0], scans / NOW_LANDMARKS / parts[0]))
    return faces


def _measure_now(face: Face, predictions: Path, vertices_of: NDArray | None, unit: float) -> dict[str, Array]:
    """Distances of a scan's points to one prediction."""
    stem = predictions / face.sample_id
    vertices, triangles = read_surface(find_file(stem, SURFACES, "predicted mesh"))
    if vertices_of is None:
        marks = find_file(stem, (".npy", ".txt"), "landmarks of the prediction")
        landmarks = read_landmarks(marks, len(now.LANDMARKS))
    else:
        last = vertices_of.max()
        check(last < len(vertices), f"{stem} has {len(vertices)} vertices; --template asks for number {last}.")
        landmarks = vertices[vertices_of]
    scan, scan_landmarks = _read_scan(face.scan, face.landmarks)
    _check_unit(face, scan_landmarks, unit)
    _check_sides(face, landmarks, scan_landmarks)
    errors = now.errors(vertices, triangles, landmarks, unit * scan, unit * scan_landmarks)
    return {DISTANCE: errors.astype(np.float32)}


def _check_unit(face: Face, landmarks: Array, unit: float) -> None:
    """Refuse a scan that is no face's size in mm, and say in which unit it were one's."""
    extent = landmark_extent(landmarks)
    fitting = likely_unit(extent)
    hint = f"--unit {fitting} makes a face of them" if fitting else "no unit of --unit makes a face of them"
    check(
        LEAST_MM < unit * extent < MOST_MM,
        f"{face.landmarks} has landmarks over {unit * extent:,.4g} mm, and a face's are over some 100: {hint}.",
    )


def _check_sides(face: Face, predicted: Array, scan: Array) -> None:
    """Refuse a prediction whose left and right are exchanged."""
    check(
        float(np.abs(predicted).max()) < LARGEST,
        f"{face.sample_id} has landmarks as far out as {np.abs(predicted).max():.3g}: no unit makes a face of them.",
    )
    check(
        not is_mirrored(predicted, scan),
        f"{face.sample_id} is mirrored: its landmarks fit the scan's much better with left and right exchanged. Negate "
        "x and turn its triangles round.",
    )


@functools.lru_cache(maxsize=2)  # NoW has several images of a scan, one after the other
def _read_scan(scan: Path, landmarks: Path) -> tuple[Array, Array]:
    if scan.is_dir():
        scan, landmarks = _only(scan, ".obj"), _only(landmarks, ".pp")
    else:
        scan, landmarks = find_file(scan, SURFACES, "scan"), find_file(landmarks, LANDMARKS, "landmarks of the scan")
    return read_surface(scan)[0], read_landmarks(landmarks, len(now.LANDMARKS))


def _only(folder: Path, suffix: str) -> Path:
    found = sorted(folder.glob(f"*{suffix}"))
    check(len(found) == 1, f"{folder} has {len(found)} files *{suffix}; expected one.")
    return found[0]


def _list_m3dfb(scans: Path, _predictions: Path) -> list[Face]:
    """M3DFB's ground truth: points of a face, and its 51 landmarks beside them."""
    return [Face(path.stem, path, path.with_suffix(".lmks")) for path in sorted(scans.glob("*.txt"))]


def _measure_m3dfb(face: Face, predictions: Path, template: m3dfb.Template, unit: float) -> dict[str, Array]:
    """Errors of one prediction's vertices by each of M3DFB's estimators."""
    predicted = read_point_file(find_file(predictions / face.sample_id, POINT_FILES, "prediction"), np.inf)
    expected = np.shape(template.mean)
    check(predicted.shape == expected, f"{face.sample_id} has points of shape {predicted.shape}; expected {expected}.")
    check(face.landmarks.is_file(), f"{face.landmarks} is missing: the 51 landmarks of the scan.")
    scan = read_point_file(face.scan, np.inf)
    check(scan.shape[1] == 3, f"{face.scan} has points without z.")
    landmarks = read_landmarks(face.landmarks, m3dfb.LANDMARKS)
    _check_unit(face, landmarks, unit)
    _check_sides(face, predicted[template.landmarks], landmarks)
    return m3dfb.errors(predicted, unit * scan, unit * landmarks, template)


def _list_realy(scans: Path, predictions: Path) -> list[Face]:
    """REALY's scans, each with the predictions that are called by its number: ``1.obj``, ``1_0.obj``."""
    faces = []
    folders = (path for path in (scans / REALY_REGIONS).glob("*") if path.name.isdigit())
    for folder in sorted(folders, key=lambda path: int(path.name)):
        name = re.compile(rf"{folder.name}(_.*)?\.obj")
        found = sorted(path.stem for path in predictions.glob("*.obj") if name.fullmatch(path.name))
        keypoints = scans / REALY_KEYPOINTS / f"{folder.name}.obj"
        faces += [Face(stem, folder, keypoints) for stem in found or [folder.name]]
    return faces


class _RealyTemplate(NamedTuple):
    """The mesh that predictions share: corners (85, 3) int and weights (85, 3) float of its keypoints; its size."""

    corners: NDArray[np.integer]
    weights: Array
    vertex_count: int


def _measure_realy(face: Face, predictions: Path, template: _RealyTemplate, _unit: float) -> dict[str, Array]:
    """Error of one prediction in each of REALY's regions."""
    vertices, triangles = read_surface(find_file(predictions / face.sample_id, (".obj",), "predicted mesh"))
    check(len(vertices) == template.vertex_count, f"{face.sample_id} has other vertices than --template has.")
    keypoints = np.einsum("kcd,kc->kd", vertices[template.corners], template.weights)
    regions = {name: realy.Region(*read_surface(face.scan / f"{name}.obj")) for name in realy.REGIONS}
    scale = np.loadtxt(face.scan.parents[1] / REALY_SCALE, ndmin=1)
    number = int(face.scan.name)
    check(1 <= number <= len(scale), f"{REALY_SCALE} has no line {number}, the scale of {face.scan}.")
    scan_keypoints = read_landmarks(face.landmarks, realy.KEYPOINTS)
    _check_sides(face, keypoints, scan_keypoints)
    found = realy.errors(vertices, triangles, keypoints, regions, scan_keypoints)
    return {name: np.array([scale[number - 1] * error]) for name, error in found.items()}


def _read_now_template(path: Path) -> NDArray[np.int64]:
    """Numbers, from 0, of the seven vertices that are NoW's landmarks, one a line."""
    check(path.is_file(), f"{path} is missing or no file; expected a list of whole numbers, one a line.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, whose number of numbers is told
            numbers = np.loadtxt(path, np.int64, ndmin=1)
    except (ValueError, OSError, OverflowError) as error:
        raise ValueError(f"{path} is no list of whole numbers, one a line: {error}.") from error
    fits = numbers.shape == (len(now.LANDMARKS),) and numbers.min() >= 0
    check(bool(fits), f"{path} has {numbers.size} numbers; expected {len(now.LANDMARKS)} of vertices, from 0.")
    return numbers


def _read_m3dfb_template(path: Path) -> m3dfb.Template:
    """M3DFB's file about a mesh, such as ``BFM-p23470.json``."""
    values = _read_json(path)
    try:
        landmarks, mean = np.array(values["lmk_indices"]), np.array(values["mean_face_shape"], np.float64)
        fits = landmarks.shape == (m3dfb.LANDMARKS,) and landmarks.dtype.kind == "i" and mean.shape[1:] == (3,)
        fits = fits and landmarks.min() >= 0 and landmarks.max() < len(mean) and bool(np.isfinite(mean).all())
    except (KeyError, TypeError, ValueError):
        fits = False
    check(fits, f"{path} is no file about a mesh as M3DFB has it: lmk_indices (51) and mean_face_shape (V, 3).")
    return m3dfb.Template(landmarks, mean)


def _read_realy_template(path: Path) -> _RealyTemplate:
    """REALY's keypoints of a mesh, such as ``HIFI3D.txt``, beside the mesh of the same name."""
    values = _read_json(path)
    vertices, triangles = read_surface(path.with_suffix(".obj"))
    try:
        rows = np.array(values, np.float64)
        fits = rows.shape == (realy.KEYPOINTS, 3) and bool(np.isfinite(rows).all())
        numbers = rows[:, 0].astype(int) if fits else rows
        fits = fits and bool((numbers == rows[:, 0]).all()) and numbers.min() >= 0 and numbers.max() < len(triangles)
    except (TypeError, ValueError):
        fits = False
    check(fits, f"{path} has no list of 85 keypoints: a triangle's number and two weights each.")
    weights = np.column_stack([rows[:, 1:], 1 - rows[:, 1:].sum(axis=1)])
    return _RealyTemplate(triangles[numbers], weights, len(vertices))


def _read_json(path: Path) -> Any:
    check(path.is_file(), f"{path} is missing or no file; expected what --template is for.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON that can be read: {error}.") from error


BENCHMARKS = {
    "now": Benchmark(_list_now, _measure_now, _read_now_template, pooled=True),
    "realy": Benchmark(_list_realy, _measure_realy, _read_realy_template, pooled=False),
    "m3dfb": Benchmark(_list_m3dfb, _measure_m3dfb, _read_m3dfb_template, pooled=False),
}
