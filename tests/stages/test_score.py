"""Score predictions of another method from its files, and compare with what is known of them by hand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.face.camera import project
from pipeline.uv.surface import load_surface, read_points
from stages import score
from stages.project.foreign import read_vertices_of, score_folder
from stages.project.predictions import Predictions
from stages.project.published import Benchmark, read_benchmark
from stages.project.samples import locate, read_truths
from tests.helpers.foreign_scores import (
    HEIGHT,
    NOTHING_PUBLISHED,
    POSES,
    box_size,
    save,
    vertices_of,
    write_annotation,
)
from tests.helpers.places import ROOT
from tests.helpers.small_project import (
    GRID,
    YAW_DEG,
    read_json,
    read_rows,
)


def test_landmarks_that_are_off_by_some_pixels_have_the_error_that_one_computes_by_hand(mesh, truths, tmp_path):
    for name in POSES:
        # 3 px to the right, 4 px down: 5 px. All 7 px nearer: no protocol counts where the face lies along z.
        save(tmp_path / "predicted", name, vertices_of(mesh, name)[mesh.model.landmarks] + np.array([3, 4, 7]))
    table, failed, _ = score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED)
    assert failed.empty
    assert table["sample_id"].tolist() == ["set/one", "set/three", "set/two"]
    assert table["truth"].tolist() == ["pt3d_68", "model", "pt3d_68"]
    assert table["yaw_deg"].tolist() == pytest.approx([0.0, np.rad2deg(7.0 - 2 * np.pi), np.rad2deg(-0.5)], abs=1e-3)
    for row in table.to_dict("records"):
        landmarks = vertices_of(mesh, row["sample_id"].removeprefix("set/"))[mesh.model.landmarks]
        assert row["nme68_2d"] == pytest.approx(500 / box_size(landmarks), abs=2e-3)
        assert row["nme68_3d"] == pytest.approx(500 / box_size(landmarks), abs=2e-3)
        assert row["thesis_68"] == pytest.approx(500 / np.linalg.norm(landmarks[36] - landmarks[45]), abs=2e-3)
    # What only a mesh has is not there, rather than 0.
    assert not {"dense_2d", "dense_3d", "reconstruction", "thesis_mesh", "smooth_prediction"} & set(table)


def test_a_mesh_has_every_protocol(mesh, truths, tmp_path):
    for name in POSES:
        save(tmp_path / "predicted", name, vertices_of(mesh, name) + np.array([0, 2, -30]))
    table, *_ = score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED)
    for row in table.to_dict("records"):
        vertices = vertices_of(mesh, row["sample_id"].removeprefix("set/"))
        landmarks = vertices[mesh.model.landmarks]
        eyes = np.linalg.norm(landmarks[36] - landmarks[45])
        assert row["nme68_2d"] == pytest.approx(200 / box_size(landmarks), abs=2e-3)
        assert row["dense_2d"] == row["dense_3d"] == pytest.approx(200 / box_size(vertices), abs=2e-3)
        assert row["thesis_68"] == row["thesis_mesh"] == pytest.approx(200 / eyes, abs=2e-3)
        assert row["reconstruction"] == pytest.approx(0, abs=1e-3)
        assert row["smooth_truth"] == row["smooth_prediction"]
        assert [row[name] for name in ("pose_mae", "pose_geodesic", "pose_floor", "eyes")] == pytest.approx([0] * 4)


def test_a_mesh_that_is_turned_has_the_error_of_its_pose(mesh, truths, tmp_path):
    for name, pose in POSES.items():
        turned = np.add(pose, [0.03, -0.05, 0, 0, 0, 0, 0])
        save(tmp_path / "predicted", name, project(mesh.model.mean, turned, HEIGHT))
    table, *_ = score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED)
    assert table["pose_pitch"].to_numpy() == pytest.approx(np.rad2deg(0.03), abs=1e-4)
    assert table["pose_yaw"].to_numpy() == pytest.approx(np.rad2deg(0.05), abs=1e-4)
    assert table["pose_roll"].to_numpy() == pytest.approx(0, abs=1e-4)


def test_a_rough_mesh_is_not_as_smooth_as_its_truth(mesh, truths, tmp_path):
    rough = vertices_of(mesh, "one") + np.random.default_rng(0).normal(0, 5, mesh.model.mean.shape)
    save(tmp_path / "predicted", "one", rough)
    table, *_ = score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED)
    assert table["smooth_truth"].iloc[0] > 90
    assert table["smooth_prediction"].iloc[0] < 30


def test_the_error_against_the_second_annotation_is_the_prediction_s(mesh, truths, tmp_path):
    landmarks = vertices_of(mesh, "one")[mesh.model.landmarks]
    save(tmp_path / "predicted", "one", landmarks + np.array([3, 4, 0]))
    second = landmarks[:, :2] * 2 + np.array([3, 0])
    benchmark = Benchmark({"one": second}, {})
    table, *_ = score_folder(tmp_path / "predicted", truths, mesh, benchmark)
    off = np.linalg.norm(landmarks[:, :2] + [3, 4] - second, axis=1).mean()
    assert table["nme68_2d_reannotated"].iloc[0] == pytest.approx(100 * off / box_size(second), abs=2e-3)
    assert table["nme68_2d"].iloc[0] == pytest.approx(500 / box_size(landmarks), abs=2e-3)


def test_what_cannot_be_scored_is_listed_with_its_reason(mesh, truths, tmp_path):
    predicted = tmp_path / "predicted"
    save(predicted, "one", vertices_of(mesh, "one"))
    save(predicted, "two", np.zeros((67, 3)))
    broken = vertices_of(mesh, "three")
    broken[5] = np.nan
    save(predicted, "three", broken)
    write_annotation(truths / "set/four.mat", POSES["one"])
    write_annotation(truths / "set/five.mat", (0, 0, 0, 1, 1, 1, -1.0))
    save(predicted, "five", vertices_of(mesh, "one"))
    write_annotation(truths / "set/six.mat", POSES["one"])
    save(predicted, "six", vertices_of(mesh, "one"))
    table, failed, _ = score_folder(predicted, truths, mesh, NOTHING_PUBLISHED)
    assert table["sample_id"].tolist() == ["set/one"]
    reasons = dict(zip(failed["sample"], failed["reason"], strict=True))
    assert sorted(reasons) == ["set/five", "set/four", "set/six", "set/three", "set/two"]
    assert (
        f"67 points; expected 68 landmarks or the {GRID**2} vertices of data/face_model/model.h5." in reasons["set/two"]
    )
    assert "not finite" in reasons["set/three"]
    assert "no prediction for set/four" in reasons["set/four"]
    assert "scale" in reasons["set/five"]
    assert "photo" in reasons["set/six"]


def test_landmarks_without_z_have_the_error_in_2d_alone(hints_of, mesh):
    _, table = hints_of(lambda p: p[mesh.model.landmarks, :2] + np.array([3, 4]))
    assert {"nme68_2d", "offset_x_px"} <= set(table)
    assert not {"nme68_3d", "thesis_68", "dense_2d"} & set(table)
    for row in table.to_dict("records"):
        landmarks = vertices_of(mesh, row["sample_id"].removeprefix("set/"))[mesh.model.landmarks]
        assert row["nme68_2d"] == pytest.approx(500 / box_size(landmarks), abs=2e-3)


def test_a_mesh_of_other_vertices_is_scored_by_the_list_that_relates_them(hints_of, mesh, tmp_path):
    """As PRNet's 43,867: some of ours in another order, and some that are none of ours."""
    order = np.random.default_rng(0).permutation(GRID**2)
    place = np.zeros(GRID**2, int)
    place[order] = np.arange(GRID**2) + 5
    (tmp_path / "list.txt").write_text("".join(f"{number}\n" for number in place))

    def theirs(vertices):
        return np.vstack([np.full((5, 3), 7.0), vertices[order] + np.array([0, 2, 0])])

    _, table = hints_of(theirs, vertices_of=read_vertices_of(tmp_path / "list.txt", mesh))
    for row in table.to_dict("records"):
        vertices = vertices_of(mesh, row["sample_id"].removeprefix("set/"))
        assert row["dense_2d"] == pytest.approx(200 / box_size(vertices), abs=2e-3)
        assert row["nme68_2d"] == pytest.approx(200 / box_size(vertices[mesh.model.landmarks]), abs=2e-3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1\n2\n", "has 2 numbers; expected one for each of"),
        ("a\n", "is no list of whole numbers, one a line"),
        ("-1\n" * GRID**2, "names no vertex for"),
        (f"{10**9}\n" * GRID**2, "points; the list asks for number 1000000000"),
        ("500\n" * GRID**2, "has 500 points; the list asks for number 500"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(mesh, truths, tmp_path, text, sentence):
    (tmp_path / "list.txt").write_text(text)
    save(tmp_path / "predicted", "one", np.zeros((500, 3)))

    def score():
        numbers = read_vertices_of(tmp_path / "list.txt", mesh)
        score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED, numbers)

    with pytest.raises(ValueError, match=sentence):
        score()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (os.mkfifo, "is missing or no file; expected a list of whole numbers, one a line"),
        (lambda path: path.symlink_to("/dev/zero"), "is missing or no file; expected a list"),
        (Path.mkdir, "is missing or no file; expected a list"),
        (lambda path: path.symlink_to("nowhere"), "is missing or no file; expected a list"),
        (Path.touch, "has 0 numbers; expected one for each of"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF"), "is no list of whole numbers, one a line"),
        (lambda path: path.write_text("A line of prose."), "is no list of whole numbers, one a line"),
        (lambda path: path.write_text("1.5\n"), "is no list of whole numbers, one a line"),
        (lambda path: path.write_text("1 2\n3 4\n"), "has 4 numbers; expected one for each of"),
    ],
)
def test_what_is_no_list_is_told_at_once(mesh, tmp_path, make, sentence):
    make(tmp_path / "list.txt")
    with pytest.raises(ValueError, match=f"list.txt {sentence}"):
        read_vertices_of(tmp_path / "list.txt", mesh)


def test_hostile_predictions_are_failed_images_each_with_its_reason(mesh, truths, tmp_path):
    """What one may be like, tests of `point_files` try; here the others are scored beside it."""
    save(tmp_path / "predicted", "one", vertices_of(mesh, "one"))
    os.mkfifo(tmp_path / "predicted/set/two.npy")
    save(tmp_path / "predicted", "three", np.full((68, 3), 1e300))
    os.mkfifo(truths / "set/four.mat")
    table, failed, _ = score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED)
    assert table["sample_id"].tolist() == ["set/one"]
    reasons = dict(zip(failed["sample"], failed["reason"], strict=True))
    assert "two.npy is no file that can be read, but a folder, a pipe" in reasons["set/two"]
    assert "has a coordinate of 1e+300 px, which is in no photo" in reasons["set/three"]
    assert reasons.keys() - {"set/four"} == {"set/two", "set/three"}


def test_nothing_to_score_is_an_error(mesh, truths, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"Nothing in .*empty could be scored .* no prediction for set/one"):
        score_folder(tmp_path / "empty", truths, mesh, NOTHING_PUBLISHED)
    with pytest.raises(ValueError, match="holds no annotations"):
        score_folder(tmp_path / "empty", tmp_path / "empty", mesh, NOTHING_PUBLISHED)


@pytest.mark.parametrize("count", [53215, 53490, 43867, 35709, 67])
def test_without_a_face_model_a_mesh_is_told_what_it_needs_and_where_that_is_put(mesh, truths, tmp_path, count):
    save(tmp_path / "predicted", "one", vertices_of(mesh, "one")[mesh.model.landmarks])
    save(tmp_path / "predicted", "two", np.zeros((count, 3)))
    _, failed, _ = score_folder(tmp_path / "predicted", truths, None, NOTHING_PUBLISHED)
    reasons = dict(zip(failed["sample"], failed["reason"], strict=True))
    needed = (
        "the face model, data/face_model/model.h5, and its layout, data/uv_embedding/uv.h5: put its files where "
        "docs/data.md says, and run `dvc repro uv_embedding`."
    )
    assert reasons["set/two"].endswith(f"two.npy has {count} points; expected 68 landmarks. Other points need {needed}")
    assert reasons["set/three"].endswith("has no prediction for set/three (.npy, .mat, .obj, _kpt.txt).")
    save(tmp_path / "predicted", "three", np.zeros((68, 3)))
    _, failed, _ = score_folder(tmp_path / "predicted", truths, None, NOTHING_PUBLISHED)
    assert failed["reason"].iloc[0].endswith(f"three.mat has no pt3d_68; any other truth needs {needed}")


def test_without_a_face_model_landmarks_can_still_be_scored(mesh, truths, tmp_path):
    for name in POSES:
        save(tmp_path / "predicted", name, vertices_of(mesh, name)[mesh.model.landmarks])
    table, failed, _ = score_folder(tmp_path / "predicted", truths, None, NOTHING_PUBLISHED)
    assert table["nme68_2d"].max() < 1e-3
    assert failed["sample"].tolist() == ["set/three"]
    assert "no pt3d_68" in failed["reason"].iloc[0]


@pytest.fixture(scope="module")
def project_folder(project, tmp_path_factory):
    root = shutil.copytree(project, tmp_path_factory.mktemp("score"), symlinks=True, dirs_exist_ok=True)
    (root / "params.yaml").write_text(
        "evaluate:\n  bootstrap: 200\n  seed: 4\n  share_under: 5.0\n  benchmark: benchmark\n"
    )
    return root


def test_our_own_predictions_as_files_have_the_scores_of_our_own_evaluation(project_folder):
    """The command, run as a user runs it, on what the main run predicted: landmarks in pixels of the raw photo."""
    root = project_folder
    surface = load_surface(root / "data/face_model/model.h5", root / "data/uv_embedding/uv.h5")
    annotated = [name for name in YAW_DEG if name != "g"]
    with Predictions(root / "runs/main/predictions.h5") as predictions:
        for name in annotated:
            landmarks = read_points(*predictions.read(f"test/{name}"), surface).landmarks
            (root / "theirs").mkdir(exist_ok=True)
            np.save(root / f"theirs/{name}.npy", landmarks)
            samples = locate(root, "on", [f"test/{name}"])
            known = next(read_truths(root, samples)).landmarks
            write_annotation(root / f"annotations/{name}.mat", (0, np.deg2rad(YAW_DEG[name]), 0, 1, 1, 1, 1), known)
    command = [sys.executable, "-m", "stages.score", "--predictions", "theirs", "--truth", "annotations"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--out", "metrics/foreign/theirs.json"], cwd=root, env=environment, check=True)
    ours = {row["sample_id"]: row for row in read_rows(root / "runs/main/scores/per_image.csv")}
    theirs = read_rows(root / "metrics/foreign/theirs_per_image.csv")
    assert [row["sample_id"] for row in theirs] == sorted(annotated)
    for row in theirs:
        own = ours[f"test/{row['sample_id']}"]
        for name in ("yaw_deg", "nme68_2d", "nme68_3d", "thesis_68", "nme68_2d_reannotated", "eyes", "mouth_bias"):
            assert float(row[name] or "nan") == pytest.approx(float(own[name] or "nan"), abs=2e-4, nan_ok=True)
    metrics = read_json(root / "metrics/foreign/theirs.json")
    for axis in "xy":
        mean = np.mean([float(row[f"offset_{axis}_px"]) for row in theirs])
        assert metrics[f"offset_{axis}_px"] == pytest.approx(mean, abs=1e-3)
    assert not [name for row in theirs for name in row if name.startswith("frame")]
    assert metrics["nme68_2d"] == pytest.approx(np.mean([float(row["nme68_2d"]) for row in theirs]), abs=1e-3)
    assert (metrics["images"], metrics["failed"]) == (6, 0)


def test_a_run_that_fails_leaves_no_result_of_an_earlier_one(project_folder, monkeypatch):
    monkeypatch.chdir(project_folder)
    Path("nothing").mkdir()
    Path("truth").mkdir()
    write_annotation(Path("truth/a.mat"), (0, 0, 0, 1, 1, 1, 1), np.ones((68, 3)))
    names = ["old.json", "old_failed.csv", "old_per_image.csv", "old_protocols.csv"]
    for name in [*names, "old_notes.csv"]:
        Path(name).write_text("{}")
    arguments = ["--predictions", "nothing", "--truth", "truth", "--out", "old.json"]
    result = CliRunner().invoke(score.main, arguments)
    assert result.exit_code == 1
    assert "could be scored" in result.output
    assert [name for name in names if Path(name).exists()] == []
    assert Path("old_notes.csv").exists()


def test_the_re_annotated_landmarks_of_aflw2000_are_3_percent_from_the_original_ones(face_data_or_none, tmp_path):
    """A flip or a wrong row would be tens of percent."""
    if face_data_or_none is None or not (face_data_or_none / "benchmark").is_dir():
        pytest.skip("the re-annotated landmarks are not in FACE_DATA/benchmark")
    face_data = face_data_or_none
    benchmark = read_benchmark(face_data / "benchmark")
    samples = sorted(path.stem for path in (face_data / "AFLW2000").glob("*.mat"))[:300]
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    for name in samples:
        (annotations / f"{name}.mat").symlink_to(face_data / f"AFLW2000/{name}.mat")
        second = benchmark.landmarks_of(name)
        if second is not None:
            np.save(tmp_path / f"{name}.npy", np.column_stack([second, np.zeros(68)]))
    table, failed, _ = score_folder(tmp_path, annotations, None, benchmark)
    assert len(failed) <= 2
    assert 2.5 < table["nme68_2d"].mean() < 3.5
    assert table["nme68_2d_reannotated"].max() == 0
