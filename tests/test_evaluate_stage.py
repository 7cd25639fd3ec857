"""Drive the stage evaluate on a small made-up project, and read what it wrote."""

import subprocess
import sys

import numpy as np
import pytest

from stages import evaluate, truth
from tests.small_project import (
    ANNOTATED,
    PARAMS,
    SCALE,
    SHIFT,
    SIZE,
    YAW_DEG,
    face_map,
    grid_uv,
    make_project,
    numbers_of,
    read_json,
    read_rows,
    true_points,
    write_run,
)


class TestEvaluate:
    def test_the_error_of_a_shift_is_the_shift_over_the_scale_over_the_size_of_the_face(self, project):
        for row in read_rows(project / "runs/main/per_image.csv"):
            name = row["sample_id"].removeprefix("test/")
            points = true_points(name)
            width, height = np.ptp(points[:, :2], axis=0)
            eyes = np.linalg.norm(points[36] - points[45])
            pixels = SHIFT[name] / SCALE
            from_annotation = (SHIFT[name] - ANNOTATED.get(name, 0.0)) / SCALE
            # A step of the fixed point is 1/512 px at 32 px: the third digit of the percentage is not sure.
            assert float(row["nme68_2d"]) == pytest.approx(100 * from_annotation / np.sqrt(width * height), abs=0.03)
            assert float(row["nme68_3d"]) == pytest.approx(float(row["nme68_2d"]), abs=0.03)
            assert float(row["thesis_68"]) == pytest.approx(100 * from_annotation / eyes, abs=0.05)
            assert float(row["thesis_mesh"]) == pytest.approx(100 * pixels / eyes, abs=0.05)
            assert float(row["reconstruction"]) == pytest.approx(0, abs=0.03)

    def test_a_prediction_returns_to_the_photo_by_its_own_crop(self, project):
        ours, other = (read_rows(project / f"runs/{variant}/per_image.csv") for variant in ("main", "prn"))
        for name in ("dense_2d", "dense_3d", "thesis_mesh"):
            twice = [2 * float(row[name]) for row in ours]
            assert [float(row[name]) for row in other] == pytest.approx(twice, abs=0.08)
        assert [row["mean_map_68_2d"] for row in other] == [row["mean_map_68_2d"] for row in ours]

    def test_every_image_is_in_the_table_with_its_wrapped_yaw_and_the_kind_of_its_truth(self, project):
        rows = read_rows(project / "runs/main/per_image.csv")
        assert [row["sample_id"] for row in rows] == [f"test/{name}" for name in YAW_DEG]
        assert [float(row["yaw_deg"]) for row in rows] == [0, 12, 9, 45, -60, 75, -88]
        assert [row["truth"] for row in rows] == ["pt3d_68"] * 6 + ["model"]

    def test_the_metrics_are_computed_from_the_table_to_the_last_digit(self, project):
        rows, metrics = read_rows(project / "runs/main/per_image.csv"), read_json(project / "metrics/evaluation.json")
        column = {
            name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name not in ("sample_id", "truth")
        }
        errors = column["nme68_2d"]
        assert metrics["nme68_2d"]["mean"] == round(errors.mean(), 3)
        bins = [errors[:3].mean(), errors[3:5].mean(), errors[5:].mean()]
        assert [metrics["nme68_2d"][f"yaw_{name}"] for name in ("00_30", "30_60", "60_90")] == [
            round(b, 3) for b in bins
        ]
        assert metrics["nme68_2d"]["bins"] == round(np.mean(bins), 3)
        assert metrics["thesis_mesh"]["mean"] == round(column["thesis_mesh"].mean(), 3)
        assert metrics["mean_map"]["ratio"] == round(errors.mean() / column["mean_map_68_2d"].mean(), 3)
        assert metrics["smooth_15deg"]["truth"] == round(column["smooth_truth"].mean(), 3)

    def test_the_interval_holds_the_mean_and_lies_within_the_errors(self, project):
        errors = [float(row["thesis_mesh"]) for row in read_rows(project / "runs/main/per_image.csv")]
        metrics = read_json(project / "metrics/evaluation.json")["thesis_mesh"]
        assert min(errors) < metrics["low"] < metrics["mean"] < metrics["high"] < max(errors)

    def test_metrics_are_numbers_alone_in_few_rows_and_equal_keys_for_every_variant(self, project):
        main, other = (read_json(project / "metrics" / name) for name in ("evaluation.json", "ablation/prn.json"))
        assert all(type(number) in (int, float) and np.isfinite(number) for number in numbers_of(main))
        assert {name: set(value) if isinstance(value, dict) else 0 for name, value in main.items()} == {
            name: set(value) if isinstance(value, dict) else 0 for name, value in other.items()
        }
        assert sum(len(value) if isinstance(value, dict) else 1 for value in main.values()) <= 25

    def test_a_test_sample_without_a_crop_is_counted(self, project):
        metrics = read_json(project / "metrics/evaluation.json")
        assert (metrics["images"], metrics["failed"]) == (7, 1)

    def test_the_mean_map_is_the_mean_of_the_training_maps_with_its_depth_centred(self, project):
        mask = np.zeros((SIZE, SIZE), bool)
        mask[3:29, 3:29] = True
        mean = truth.mean_training_map(project, "on", mask)
        expected = face_map(grid_uv(SIZE), dx=-2.0)
        expected[..., 2] -= expected[mask, 2].mean()
        assert mean == pytest.approx(expected, abs=0.002)
        # It lies 2 px to the left of every test face.
        points = true_points("a")
        size = np.sqrt(np.prod(np.ptp(points[:, :2], axis=0)))
        row = read_rows(project / "runs/main/per_image.csv")[0]
        assert float(row["mean_map_68_2d"]) == pytest.approx(100 * 2 / SCALE / size, abs=0.03)

    def test_a_shifted_face_is_as_smooth_as_the_true_one_and_the_curve_ends_at_all_pairs(self, project):
        metrics = read_json(project / "metrics/evaluation.json")["smooth_15deg"]
        assert 50 < metrics["truth"] <= 100
        assert metrics["prediction"] == pytest.approx(metrics["truth"], abs=3)
        curve = read_rows(project / "runs/main/smoothness.csv")
        assert len(curve) == 181
        assert float(curve[0]["truth"]) == 0
        assert float(curve[180]["prediction"]) == 100
        assert float(curve[15]["truth"]) == pytest.approx(metrics["truth"], abs=0.05)

    def test_the_curve_counts_the_images_of_the_table(self, project):
        errors = np.array([float(row["thesis_mesh"]) for row in read_rows(project / "runs/main/per_image.csv")])
        for row in read_rows(project / "runs/main/ced.csv"):
            expected = 100 * np.mean(errors <= float(row["error"]) + 1e-9)
            assert float(row["thesis_mesh"]) == pytest.approx(expected, abs=0.01)

    def test_a_missing_prediction_stops_with_a_sentence_that_names_it(self, tmp_path):
        make_project(tmp_path)
        write_run(tmp_path, "main", 1.0, names=tuple(YAW_DEG)[1:])
        with pytest.raises(ValueError, match=r"no prediction for test/a"):
            evaluate.evaluate(tmp_path, "main", "on", tmp_path / "metrics/evaluation.json", PARAMS)
        assert not (tmp_path / "metrics").exists()

    def test_a_missing_run_stops_with_a_sentence(self, tmp_path):
        make_project(tmp_path)
        with pytest.raises(FileNotFoundError, match=r"predictions.h5 is missing; run the stage that makes it"):
            evaluate.evaluate(tmp_path, "none", "on", tmp_path / "metrics/evaluation.json", PARAMS)

    def test_no_stage_that_scores_or_reports_imports_tensorflow(self):
        code = (
            "import sys, stages.evaluate, stages.report, stages.thesis, stages.data_report; "
            "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
