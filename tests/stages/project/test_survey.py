"""Methods of the survey on a small project: what they see, how their results are scored, and what they cost."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.face.camera import transform_pose
from pipeline.face.face_model import load_model
from pipeline.face.meshes import read_vertices
from pipeline.face.similarity import apply_similarity
from pipeline.store.files import digest_file
from pipeline.store.shards import write_shard
from stages.pages.costs import measure_methods
from stages.project import survey_methods
from stages.project.paths import MODEL, PRIOR
from stages.project.survey import survey
from stages.project.survey_methods import FreeMesh, Kind
from stages.project.survey_params import ABSENT, KINDS, SurveyMethod, SurveyParams
from tests.helpers.small_project import (
    GRID,
    PARAMS,
    PHOTO,
    SHIFT,
    SIZE,
    YAW_DEG,
    face_map,
    grid_triangles,
    grid_uv,
    landmark_vertices,
    make_project,
    read_json,
    read_rows,
    similarity_of,
    true_points,
)

METHOD = SurveyMethod("fit", "annotated", "data/none")
NAMES = list(YAW_DEG)
# Of the annotated landmarks those of b lie apart from the mesh.
WITHOUT_B = [name for name in NAMES if name != "b"]


def write_meshes(root):
    """What the stage `meshes` makes of the test subset: the mean face in each photo, where the maps have it."""
    straight = np.array([0, 0, 0, 1, SIZE, 50, 1.0])
    poses = [transform_pose(straight, SIZE, np.linalg.inv(similarity_of(i)), PHOTO) for i in range(len(NAMES))]
    samples = {
        "sample_id": np.array([f"test/{name}" for name in NAMES], object),
        "photo": np.array([f"{name}.png" for name in NAMES], object),
        "photo_sha256": np.array([digest_file(root / f"raw/test/{name}.png") for name in NAMES], object),
        "height": np.full(len(NAMES), PHOTO),
        "pose": np.array(poses, np.float32),
        "coefficients": np.zeros((len(NAMES), 2), np.float32),
    }
    half = len(NAMES) // 2
    for number, rows in enumerate((slice(0, half), slice(half, None))):
        shard = root / f"data/meshes/test/test/{number:05d}.h5"
        write_shard(shard, {name: values[rows] for name, values in samples.items()}, {})


def true_mesh(sample_id):
    """The whole true mesh in the photo, computed apart from the code."""
    index = NAMES.index(sample_id.removeprefix("test/"))
    return apply_similarity(np.linalg.inv(similarity_of(index)), face_map(grid_uv(GRID).reshape(-1, 2), dz=50.0))


def shifted(face, _):
    """Every vertex so many px to the right."""
    return true_mesh(face.sample_id) + np.array([SHIFT[face.sample_id.removeprefix("test/")], 0, 9.0])


def annotated(_, landmarks):
    return landmarks


def nothing(*_):
    return None


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("survey")
    data = make_project(root)
    write_meshes(root)
    (root / "data/none").mkdir()
    return root, data


@pytest.fixture
def run(project, monkeypatch):
    """Run a function as a method, and read its tables."""
    root, data = project

    def run(function, find=annotated):
        monkeypatch.setitem(survey_methods.KINDS, "fit", Kind(function))
        metrics = survey(root, "made", METHOD, find, data, PARAMS)
        folder = root / "runs/survey/made/scores"
        assert read_json(folder / "metrics.json") == metrics
        return metrics, {row["sample_id"][-1]: row for row in read_rows(folder / "per_image.csv")}, folder

    return run


def test_the_meshes_of_the_test_lie_where_the_maps_have_the_face(project):
    root, _ = project
    model = load_model(root / MODEL)
    vertices = np.concatenate(
        [read_vertices(path, model) for path in sorted((root / "data/meshes/test/test").glob("*.h5"))]
    )
    for name, found in zip(NAMES, vertices, strict=True):
        assert found == pytest.approx(true_mesh(f"test/{name}"), abs=1e-3)


def test_a_mesh_is_scored_by_every_protocol(run):
    metrics, rows, folder = run(shifted)
    assert (metrics["images"], metrics["failed"]) == (7, 2)
    assert {row["sample"]: row["stage"] for row in read_rows(folder / "failed.csv")} == {
        "test/test1.jpg": "index",
        "test/noface": "unknown",
    }
    for name in WITHOUT_B:
        points = true_points(name)
        size = np.sqrt(np.prod(np.ptp(points[:, :2], axis=0)))
        eyes = np.linalg.norm(points[36] - points[45])
        row = {key: float(value) for key, value in rows[name].items() if value and key not in ("sample_id", "truth")}
        assert row["nme68_2d"] == pytest.approx(100 * SHIFT[name] / size, abs=1e-3)
        assert row["thesis_mesh"] == pytest.approx(100 * SHIFT[name] / eyes, abs=1e-2)
        assert row["reconstruction"] == pytest.approx(0, abs=1e-3)
        assert row["surface"] == pytest.approx(0, abs=1e-3)
        assert row["yaw_deg"] == {"b": 33.0, "c": 9.0}.get(name, YAW_DEG[name])
    assert {rows[name]["truth"] for name in NAMES[:-1]} == {"pt3d_68"}
    assert rows["g"]["truth"] == "model"
    described = {(row["error"], row["group"]): row for row in read_rows(folder / "protocols.csv")}
    assert float(described["surface", "all"]["mean"]) == pytest.approx(0, abs=1e-3)
    # A second annotation is 1.5 and 4 px to the right of the first.
    assert float(rows["d"]["nme68_2d_reannotated"]) == pytest.approx(
        float(rows["d"]["nme68_2d"]) * (4 - SHIFT["d"]) / SHIFT["d"], abs=1e-3
    )
    assert rows["c"]["nme68_2d_reannotated"] == ""


def test_a_method_sees_the_photo_and_the_landmarks_that_are_found_and_no_truth(run, project):
    seen = []

    def look(face, tools):
        seen.append(face)
        assert {name for name in vars(tools) if name not in ("model", "prior", "surface", "layout")} == {"needs"}
        return shifted(face, tools)

    run(look, lambda _, landmarks: landmarks + np.array([1000, 0, 0]))
    assert [face.sample_id for face in seen] == [f"test/{name}" for name in NAMES]
    assert {face.photo.shape for face in seen} == {(PHOTO, PHOTO, 3)}
    assert {face.landmarks.shape for face in seen} == {(68, 2)}
    for face in seen:
        if face.sample_id != "test/b":
            expected = true_points(face.sample_id[-1])[:, :2] + [1000, 0]
            assert face.landmarks == pytest.approx(expected, abs=1e-3)


def test_what_fails_is_counted_with_its_reason_and_the_others_are_scored(run):
    def fail(face, tools):
        if face.sample_id == "test/c":
            raise ValueError("Nothing was found.")
        return shifted(face, tools) * (np.nan if face.sample_id == "test/d" else 1)

    metrics, rows, folder = run(fail)
    assert (metrics["images"], metrics["failed"]) == (5, 4)
    failed = {row["sample"]: (row["stage"], row["reason"]) for row in read_rows(folder / "failed.csv")}
    assert failed["test/c"] == ("survey@made", "Nothing was found.")
    assert failed["test/d"] == ("survey@made", "The result is not finite.")
    assert set(rows) == set("abefg")


def test_a_face_that_is_not_found_has_failed(run):
    with pytest.raises(
        ValueError, match=r"survey made: nothing could be scored\. Last: No face was found where the annotation has one"
    ):
        run(shifted, nothing)


def test_landmarks_alone_have_no_dense_errors(run):
    metrics, rows, _ = run(lambda face, tools: shifted(face, tools)[landmark_vertices()])
    assert "nme68_3d" in metrics
    assert not {"dense_3d", "reconstruction", "surface"} & set(metrics)
    size = np.sqrt(np.prod(np.ptp(true_points("e")[:, :2], axis=0)))
    assert float(rows["e"]["nme68_2d"]) == pytest.approx(100 * SHIFT["e"] / size, abs=1e-3)


def test_a_surface_of_its_own_is_scored_by_surface_and_by_the_landmarks_that_it_has(run):
    def free(face, tools):
        mesh = shifted(face, tools)
        landmarks = mesh[landmark_vertices()]
        landmarks[40:] = np.nan
        order = np.random.default_rng(0).permutation(len(mesh))
        return FreeMesh(mesh[order] * [1, 1, 1] + [0, 0, 700], np.argsort(order)[grid_triangles()], landmarks)

    metrics, rows, _ = run(free)
    assert {"surface", "nme68_2d"} <= set(metrics)
    assert not {"nme68_3d", "dense_3d", "reconstruction", "smooth_15deg"} & set(metrics)
    size = np.sqrt(np.prod(np.ptp(true_points("e")[:, :2], axis=0)))
    assert float(rows["e"]["nme68_2d"]) == pytest.approx(100 * SHIFT["e"] / size, abs=1e-3)
    # Iterative closest points take most of the shift away.
    eyes = np.linalg.norm(true_points("e")[36] - true_points("e")[45])
    assert float(rows["e"]["surface"]) < 0.3 * 100 * SHIFT["e"] / eyes


def test_without_landmarks_there_is_no_headline_and_the_metrics_stand(run):
    metrics, _, _ = run(lambda face, tools: FreeMesh(shifted(face, tools), grid_triangles()))
    assert set(metrics) == {"images", "failed", "surface"}


def test_a_result_of_another_shape_is_said(run):
    with pytest.raises(ValueError, match=r"The result has shape \(5, 3\), which is neither mesh nor landmarks"):
        run(lambda *_: np.zeros((5, 3)))


def test_costs_are_the_time_of_the_method_and_the_files_that_it_reads(project, monkeypatch):
    root, data = project
    (root / "needed").mkdir(exist_ok=True)
    (root / "needed/a.bin").write_bytes(bytes(3_000_000))
    calls = []
    monkeypatch.setitem(survey_methods.KINDS, "fit", Kind(lambda face, _: calls.append(face.sample_id)))
    methods = {"first": METHOD, "second": SurveyMethod("fit", "facemesh", "needed")}
    opened = []

    def open_landmarks(source):
        opened.append(source)
        return annotated

    costs = measure_methods(root, methods, open_landmarks, data)
    files = sum((root / path).stat().st_size for path in (MODEL, PRIOR)) / 1e6
    assert [costs[name].megabytes for name in methods] == pytest.approx([files, files + 3])
    assert all(0 <= cost.milliseconds < 1000 for cost in costs.values())
    assert opened == ["annotated", "facemesh"]
    # Five faces, evenly spaced, the first of them once more to begin with.
    assert calls == 2 * [f"test/{name}" for name in "aacdeg"]


def test_a_method_that_can_do_no_face_has_no_cost(project, monkeypatch):
    root, data = project

    def refuse(*_):
        raise ValueError("No.")

    monkeypatch.setitem(survey_methods.KINDS, "fit", Kind(refuse))
    assert measure_methods(root, {"first": METHOD}, lambda _: annotated, data) == {}
    monkeypatch.undo()
    assert measure_methods(root, {"first": METHOD}, lambda _: nothing, data) == {}


def test_every_kind_has_a_method_and_a_name():
    assert set(survey_methods.KINDS) == set(KINDS)
    assert set(ABSENT) <= set(KINDS)


def test_what_is_absent_is_said_until_it_is_asked_for():
    asked = SurveyParams({"mine": SurveyMethod("candide", "annotated", "there.wfm")})
    assert KINDS["candide"] in SurveyParams({"fit": METHOD}).absent
    assert KINDS["candide"] not in asked.absent
    (problem,) = asked.problems()
    assert problem == "survey.methods.mine.needs is there.wfm, which is missing: name the file, or data/none for none."


def test_what_a_stage_makes_may_be_missing_yet():
    made = SurveyParams({"a": SurveyMethod("fit", "annotated", "runs/vrn/model.weights.h5"), "b": METHOD})
    assert list(made.problems()) == []


def test_shading_moves_the_face_alone_and_keeps_the_rest_of_the_mesh(monkeypatch):
    vertices = np.zeros((6, 3))
    tools = SimpleNamespace(surface=SimpleNamespace(vertices=np.array([1, 3, 4])))
    monkeypatch.setattr(survey_methods, "fit_contour", lambda *_: vertices.copy())
    monkeypatch.setattr(survey_methods, "refine", lambda *_: None)
    monkeypatch.setattr(survey_methods, "add_detail", lambda _, seen, *__: SimpleNamespace(vertices=seen + 2))
    moved = survey_methods.fit_shading(SimpleNamespace(photo=None), tools)
    assert np.array_equal(moved, np.array([0, 2, 0, 2, 2, 0])[:, None] * np.ones(3))
