"""Drive the stage evaluate on a small made-up project, and read what it wrote."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from stages import evaluate
from stages.project.params import Subset
from stages.project.samples import mean_training_map
from tests.helpers.small_project import (
    ANNOTATED,
    FOUND_FACTOR,
    NO_FACE,
    NOT_FOUND,
    NOT_THERE,
    PARAMS,
    PITCH,
    REANNOTATED,
    SCALE,
    SETTINGS,
    SHIFT,
    SIZE,
    SUBSETS,
    YAW_DEG,
    Page,
    face_map,
    grid_uv,
    make_project,
    read_json,
    read_rows,
    true_points,
    write_run,
)

POSE_ERRORS = ("pitch", "yaw", "roll", "mae", "geodesic", "floor")


def columns(project, variant):
    """Columns of numbers of a variant's per_image.csv; NaN where a cell is empty."""
    rows = read_rows(project / f"runs/{variant}/scores/per_image.csv")
    names = [name for name in rows[0] if name not in ("sample_id", "truth")]
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


class TestEvaluate:
    def test_the_error_of_a_shift_is_the_shift_over_the_scale_over_the_size_of_the_face(self, project):
        for row in read_rows(project / "runs/main/scores/per_image.csv"):
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
        ours, other = (read_rows(project / f"runs/{variant}/scores/per_image.csv") for variant in ("main", "prn"))
        for name in ("dense_2d", "dense_3d", "thesis_mesh"):
            twice = [2 * float(row[name]) for row in ours]
            assert [float(row[name]) for row in other] == pytest.approx(twice, abs=0.08)
        assert [row["mean_map_68_2d"] for row in other] == [row["mean_map_68_2d"] for row in ours]

    def test_every_image_is_in_the_table_with_its_wrapped_yaw_and_the_kind_of_its_truth(self, project):
        rows = read_rows(project / "runs/main/scores/per_image.csv")
        assert [row["sample_id"] for row in rows] == [f"test/{name}" for name in YAW_DEG]
        assert [float(row["yaw_deg"]) for row in rows] == [0, 33, 9, 45, -60, 75, -88]
        assert [row["truth"] for row in rows] == ["pt3d_68"] * 6 + ["model"]

    def test_each_seed_has_its_errors_and_those_of_the_kept_one_are_the_run_s(self, project):
        for run, factors in (("main", (1.0, 1.25, 0.75)), ("prn", (2.0, 2.5, 1.5))):
            images = read_rows(project / f"runs/{run}/scores/per_image.csv")
            rows = read_rows(project / f"runs/{run}/scores/per_seed.csv")
            assert [(row["seed"], row["sample_id"]) for row in rows] == [
                (seed, f"test/{name}") for seed in "123" for name in YAW_DEG
            ]
            for image, row in zip(images, rows[:7], strict=True):
                assert row == {"seed": "1"} | {name: image[name] for name in row if name != "seed"}
            for row, factor in zip(rows, np.repeat(factors, 7), strict=True):
                points = true_points(row["sample_id"].removeprefix("test/"))
                pixels = factor * SHIFT[row["sample_id"].removeprefix("test/")] / SCALE
                eyes = np.linalg.norm(points[36] - points[45])
                assert float(row["thesis_mesh"]) == pytest.approx(100 * pixels / eyes, abs=0.05)

    def test_each_seed_has_its_errors_on_found_crops_too(self, project):
        rows = read_rows(project / "runs/prn/scores/facemesh/per_seed.csv")
        found = [f"test/{name}" for name in YAW_DEG if name != NOT_FOUND]
        assert [(row["seed"], row["sample_id"]) for row in rows] == [(seed, name) for seed in "123" for name in found]
        for row, factor in zip(rows, np.repeat((2.0, 2.5, 1.5), 6), strict=True):
            points = true_points(row["sample_id"].removeprefix("test/"))
            pixels = FOUND_FACTOR * factor * SHIFT[row["sample_id"].removeprefix("test/")] / SCALE
            eyes = np.linalg.norm(points[36] - points[45])
            assert float(row["thesis_mesh"]) == pytest.approx(100 * pixels / eyes, abs=0.1)

    def test_the_metrics_are_computed_from_the_table_to_the_last_digit(self, project):
        column, metrics = columns(project, "main"), read_json(project / "runs/main/scores/metrics.json")
        errors = column["nme68_2d"]
        bins = [errors[[0, 2]].mean(), errors[[1, 3, 4]].mean(), errors[5:].mean()]
        assert metrics["nme68_2d"] == round(errors.mean(), 3)
        assert metrics["nme68_2d_bins"] == round(np.mean(bins), 3)
        assert metrics["thesis_mesh"] == round(column["thesis_mesh"].mean(), 3)
        assert metrics["mean_map_ratio"] == round(errors.mean() / column["mean_map_68_2d"].mean(), 3)
        assert metrics["smooth_15deg"] == round(column["smooth_prediction"].mean(), 3)

    def test_the_table_of_protocols_describes_each_error_by_yaw(self, project):
        column, described = columns(project, "main"), read_rows(project / "runs/main/scores/protocols.csv")
        rows = {(row["error"], row["group"]): row for row in described}
        errors = column["thesis_mesh"]
        whole, middle = rows["thesis_mesh", "all"], rows["thesis_mesh", "yaw_30_60"]
        assert int(whole["images"]) == 7
        assert float(whole["median"]) == pytest.approx(np.median(errors), abs=1e-4)
        assert float(whole["p90"]) == pytest.approx(np.quantile(errors, 0.9), abs=1e-4)
        assert float(whole["share"]) == pytest.approx(100 * np.mean(errors <= 5.0), abs=1e-3)
        assert 0 < float(whole["share"]) < 100
        # The published yaw of b, 33 degrees, is used in place of the annotated 12.
        assert int(middle["images"]) == 3
        assert float(middle["mean"]) == pytest.approx(errors[[1, 3, 4]].mean(), abs=1e-4)
        bins = rows["thesis_mesh", "mean of the three bins"]
        assert float(bins["mean"]) == pytest.approx(
            np.mean([errors[[0, 2]].mean(), errors[[1, 3, 4]].mean(), errors[5:].mean()]), abs=1e-4
        )
        assert float(bins["low"]) < float(bins["mean"]) < float(bins["high"])

    def test_every_mean_has_an_interval_within_the_errors(self, project):
        column = columns(project, "main")
        for row in read_rows(project / "runs/main/scores/protocols.csv"):
            if row["group"] == "all" and row["error"] in (
                "nme68_2d",
                "nme68_3d",
                "dense_2d",
                "dense_3d",
                "thesis_mesh",
            ):
                errors = column[row["error"]]
                assert errors.min() < float(row["low"]) < float(row["mean"]) < float(row["high"]) < errors.max()

    def test_the_second_annotation_is_a_truth_of_its_own_for_the_samples_that_have_it(self, project):
        rows = {
            row["sample_id"].removeprefix("test/"): row for row in read_rows(project / "runs/main/scores/per_image.csv")
        }
        assert {name for name, row in rows.items() if row["nme68_2d_reannotated"]} == set(REANNOTATED)
        for name, shift in REANNOTATED.items():
            size = np.sqrt(np.prod(np.ptp(true_points(name)[:, :2], axis=0)))
            turn = 0.3 * list(YAW_DEG).index(name)
            # The prediction is SHIFT aligned px along the crop's x axis, which lies turned in the photo.
            off = np.hypot(SHIFT[name] / SCALE * np.cos(turn) - shift, SHIFT[name] / SCALE * np.sin(turn))
            assert float(rows[name]["nme68_2d_reannotated"]) == pytest.approx(100 * off / size, abs=0.05)
        described = {
            row["error"]: row for row in read_rows(project / "runs/main/scores/protocols.csv") if row["group"] == "all"
        }
        assert described["nme68_2d_reannotated"]["images"] == "2"

    def test_the_signed_bias_is_the_shift_of_each_axis(self, project):
        for variant, factor in (("main", 1.0), ("prn", 2.0)):
            for row in read_rows(project / f"runs/{variant}/scores/per_image.csv"):
                shift = factor * SHIFT[row["sample_id"].removeprefix("test/")]
                assert float(row["bias_x"]) == pytest.approx(100 * shift / SIZE, abs=0.02)
                assert float(row["bias_y"]) == pytest.approx(0, abs=0.02)
        # tanh has the face's mean z at 0: the bulge's mean is what the prediction of a, whose z is 0.5 - 20 off, lacks.
        mask = np.zeros((SIZE, SIZE), bool)
        mask[3:29, 3:29] = True
        mean = face_map(grid_uv(SIZE))[mask, 2].mean()
        first = read_rows(project / "runs/main/scores/per_image.csv")[0]
        assert float(first["bias_z"]) == pytest.approx(100 * (mean + 0.5 - 20) / SIZE, abs=0.02)

    def test_metrics_are_numbers_alone_in_under_two_dozen_rows_and_equal_keys_for_every_variant(self, project):
        main, other = (read_json(project / "runs" / run / "scores/metrics.json") for run in ("main", "prn"))
        assert all(type(number) in (int, float) and np.isfinite(number) for number in main.values())
        assert list(main) == list(other)
        assert len(main) <= 20

    def test_the_few_that_compare_experiments_are_the_same_numbers(self, project):
        every, few = (
            read_json(project / name) for name in ("runs/main/scores/metrics.json", "metrics/evaluation.json")
        )
        assert few.items() <= every.items()
        assert {"nme68_2d", "nme68_2d_low", "nme68_2d_high", "nme68_2d_bins", "dense_3d"} <= set(few)
        assert len(few) <= 10
        assert not (project / "metrics/ablation").exists()

    def test_the_fitted_maps_of_a_rigid_face_are_the_predicted_ones(self, project):
        """The predictions are the model's face, moved: a fit changes nothing but the last digit of the fixed point."""
        raw, fitted = (read_rows(project / f"runs/main/scores/{folder}per_image.csv") for folder in ("", "fitted/"))
        assert [row["sample_id"] for row in raw] == [row["sample_id"] for row in fitted]
        for error in ("nme68_2d", "nme68_3d", "dense_3d", "thesis_mesh"):
            assert [float(row[error]) for row in fitted] == pytest.approx([float(row[error]) for row in raw], abs=0.05)

    @pytest.mark.parametrize("folder", ["", "fitted/", "facemesh/"])
    def test_the_pose_is_that_of_the_raw_photo_whatever_the_crop_s_turn(self, project, folder):
        """No prediction is turned; d is annotated with another pitch, and g with a roll of 1.8 rad, 103 degrees."""
        rows = {row["sample_id"]: row for row in read_rows(project / f"runs/main/scores/{folder}per_image.csv")}
        for name in set(YAW_DEG) - {"g"}:
            off = np.rad2deg(PITCH.get(name, 0))
            row = {error: float(rows[f"test/{name}"][f"pose_{error}"]) for error in POSE_ERRORS}
            assert row == pytest.approx(
                {"pitch": off, "yaw": 0, "roll": 0, "mae": off / 3, "geodesic": off, "floor": off / 3}, abs=0.02
            )
        if folder != "facemesh/":  # which does not find it
            assert {rows["test/g"][f"pose_{error}"] for error in POSE_ERRORS} == {""}
        described = read_rows(project / f"runs/main/scores/{folder}protocols.csv")
        row = next(row for row in described if (row["error"], row["group"]) == ("pose_mae", "all"))
        assert (row["images"], row["share"]) == ("6", "")

    def test_the_expression_is_scored_by_lids_and_lips_and_its_coefficients_where_there_are_some(self, project):
        raw, fitted = (read_rows(project / f"runs/main/scores/{folder}per_image.csv") for folder in ("", "fitted/"))
        for row in (*raw, *fitted):
            # What is shifted is as wide open.
            for name in ("eyes", "mouth", "mouth_width"):
                assert float(row[name]) == pytest.approx(0, abs=0.05)
                assert abs(float(row[f"{name}_bias"])) == pytest.approx(float(row[name]))
        assert "expression" not in raw[0]
        assert [float(row["expression"]) for row in fitted] == [0] * 7
        metrics = read_json(project / "runs/main/scores/metrics.json")
        assert (metrics["eyes"], metrics["mouth"]) == pytest.approx((0, 0), abs=0.05)
        assert metrics["pose_mae"] == pytest.approx(np.rad2deg(PITCH["d"]) / 3 / 6, abs=0.01)

    def test_what_is_predicted_on_found_crops_is_scored_apart_and_in_no_other_mean(self, project):
        rows = read_rows(project / "runs/main/scores/facemesh/per_image.csv")
        assert [row["sample_id"] for row in rows] == [f"test/{name}" for name in YAW_DEG if name != NOT_FOUND]
        for row in rows:
            name = row["sample_id"].removeprefix("test/")
            size = np.sqrt(np.prod(np.ptp(true_points(name)[:, :2], axis=0)))
            # Its own crop is turned by 0.4 rad and 0.7 as large; back in the photo the shift is what it was made.
            off = abs(FOUND_FACTOR * SHIFT[name] - ANNOTATED.get(name, 0.0)) / SCALE
            assert float(row["nme68_2d"]) == pytest.approx(100 * off / size, abs=0.04)
        failed = [tuple(row.values()) for row in read_rows(project / "runs/main/scores/facemesh/failed.csv")]
        assert failed == [
            ("test/test1.jpg", "index", "Pose_Para is missing in test1.mat."),
            ("test/noface", "aligned", NO_FACE),
            (f"test/{NOT_FOUND}", "found@facemesh", NOT_THERE),
        ]
        metrics = read_json(project / "runs/main/scores/facemesh/metrics.json")
        assert (metrics["images"], metrics["failed"]) == (6, 3)

    def test_every_score_says_where_its_box_and_its_levelling_come_from(self, project):
        rows = read_rows(project / "runs/main/scores/sources.csv")
        assert [(row["map"], row["box"], row["levelling"], row["images"], row["failed"]) for row in rows] == [
            ("predicted", "annotation", "annotation", "7", "2"),
            ("fitted", "annotation", "annotation", "7", "2"),
            ("facemesh", "facemesh", "facemesh", "6", "3"),
        ]
        listed = read_json(project / "metrics/sources.json")
        for row, folder in zip(rows, ("", "fitted/", "facemesh/"), strict=True):
            metrics = read_json(project / f"runs/main/scores/{folder}metrics.json")
            for name in ("nme68_2d", "nme68_2d_low", "nme68_2d_high", "dense_3d", "smooth_15deg"):
                assert float(row[name]) == metrics[name] == listed[row["map"]][name]
        text = Page(project / "reports/main.html").text
        assert (text.count('<th scope="row">facemesh</th>'), text.count("<td>facemesh</td>")) == (1, 2)

    def test_crops_by_a_detector_and_unlevelled_ones_are_told_from_the_others(self, tmp_path):
        make_project(tmp_path)
        subsets = {**SUBSETS, "test": Subset("test", "test", "detected")}
        for folder in ("data/position_maps/test/test", "data/position_maps/learn/train", "data/found/facemesh"):
            (tmp_path / folder / "off").symlink_to(tmp_path / folder / "on")
        for folder in ("data/aligned/test/test",):
            (tmp_path / folder / "off").symlink_to(tmp_path / folder / "on")
        unlevelled = dataclasses.replace(SETTINGS.train, level="off")
        evaluate.evaluate(tmp_path, "main", unlevelled, PARAMS, subsets, ["facemesh"])
        rows = read_rows(tmp_path / "runs/main/scores/sources.csv")
        assert [(row["box"], row["levelling"]) for row in rows] == [("mtcnn", "none")] * 2 + [("facemesh", "none")]

    def test_each_test_set_has_a_group_of_its_own(self, project):
        rows = read_rows(project / "runs/main/scores/protocols.csv")
        groups = {row["group"]: row for row in rows if row["error"] == "nme68_2d"}
        whole, subset = (
            {name: row[name] for name in ("images", "mean", "low", "high")} for row in (groups["all"], groups["test"])
        )
        assert whole == subset
        assert groups["test, mean of the three bins"]["mean"] == groups["mean of the three bins"]["mean"]

    def test_test_samples_that_failed_are_counted_and_listed_with_their_reason(self, project):
        metrics = read_json(project / "runs/main/scores/metrics.json")
        assert (metrics["images"], metrics["failed"]) == (7, 2)
        assert [tuple(row.values()) for row in read_rows(project / "runs/main/scores/failed.csv")] == [
            ("test/test1.jpg", "index", "Pose_Para is missing in test1.mat."),
            ("test/noface", "aligned", NO_FACE),
        ]

    def test_the_mean_map_is_the_mean_of_the_training_maps_with_its_depth_centred(self, project):
        mask = np.zeros((SIZE, SIZE), bool)
        mask[3:29, 3:29] = True
        mean = mean_training_map(project, "on", mask)
        expected = face_map(grid_uv(SIZE), dx=-2.0)
        expected[..., 2] -= expected[mask, 2].mean()
        assert mean == pytest.approx(expected, abs=0.002)
        # It lies 2 px to the left of every test face.
        points = true_points("a")
        size = np.sqrt(np.prod(np.ptp(points[:, :2], axis=0)))
        row = read_rows(project / "runs/main/scores/per_image.csv")[0]
        assert float(row["mean_map_68_2d"]) == pytest.approx(100 * 2 / SCALE / size, abs=0.03)

    def test_a_shifted_face_is_as_smooth_as_the_true_one_and_the_curve_ends_at_all_pairs(self, project):
        column, metrics = columns(project, "main"), read_json(project / "runs/main/scores/metrics.json")
        true_share = column["smooth_truth"].mean()
        assert 50 < true_share <= 100
        assert metrics["smooth_15deg"] == pytest.approx(true_share, abs=3)
        curve = read_rows(project / "runs/main/scores/smoothness.csv")
        assert len(curve) == 181
        assert float(curve[0]["truth"]) == 0
        assert float(curve[180]["prediction"]) == 100
        assert float(curve[15]["truth"]) == pytest.approx(true_share, abs=0.05)

    def test_the_curve_counts_the_images_of_the_table(self, project):
        errors = np.array([float(row["thesis_mesh"]) for row in read_rows(project / "runs/main/scores/per_image.csv")])
        for row in read_rows(project / "runs/main/scores/ced.csv"):
            expected = 100 * np.mean(errors <= float(row["error"]) + 1e-9)
            assert float(row["thesis_mesh"]) == pytest.approx(expected, abs=0.01)

    def test_a_missing_prediction_stops_with_a_sentence_that_names_it(self, tmp_path):
        make_project(tmp_path)
        write_run(tmp_path, "main", 1.0, names=tuple(YAW_DEG)[1:])
        with pytest.raises(ValueError, match=r"no prediction for test/a"):
            evaluate.evaluate(tmp_path, "main", SETTINGS.train, PARAMS, SUBSETS, ["facemesh"])
        assert not (tmp_path / "metrics").exists()

    def test_a_missing_run_stops_with_a_sentence(self, tmp_path):
        make_project(tmp_path)
        with pytest.raises(FileNotFoundError, match=r"predictions.h5 is missing; run the stage that makes it"):
            evaluate.evaluate(tmp_path, "none", SETTINGS.train, PARAMS, SUBSETS, ["facemesh"])

    def test_no_stage_that_scores_or_reports_imports_tensorflow(self):
        code = (
            "import sys, stages.evaluate, stages.report, stages.thesis, stages.data_report; "
            "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
