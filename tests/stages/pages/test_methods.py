"""Methods that others scored, beside ours."""

import json
import re

import pandas as pd
import pytest

from model.scores.statistics import Interval
from stages.pages.costs import Cost
from stages.pages.methods import describe_survey, method_header, method_row, read_foreign, read_survey
from stages.project.survey_params import SurveyMethod, SurveyParams

SCORES = {"images": 5, "failed": 2, "nme68_2d": 3.987, "nme68_2d_low": 3.8, "nme68_2d_high": 4}


def test_a_method_s_row_fits_its_head_and_leaves_empty_what_it_lacks():
    row = dict(zip(method_header(), method_row("theirs", SCORES | {"dense_3d": 2.5}), strict=True))
    assert (row["method"], row["seeds"]) == ("theirs", "")
    assert dict(zip(method_header(), method_row("ours", SCORES, 3), strict=True))["seeds"] == 3
    assert row["95 % interval"] == "3.800\u00a0to\u00a04.000"
    assert (row["nme68 2d, mean over seeds"], row["nme68 2d, kept network"]) == (3.987, "")
    assert (row["dense 3d"], row["dense 2d"], row["mean of bins"]) == (2.5, "", "")


def test_the_mean_over_seeds_comes_before_the_kept_network_of_ours():
    row = method_row("ours", SCORES | {"nme68_2d_bins": 4.5}, 3, Interval(4.125, 3.0, 5.25))
    told = dict(zip(method_header(), row, strict=True))
    assert (told["nme68 2d, mean over seeds"], told["95 % interval"]) == (4.125, "3.000\u00a0to\u00a05.250")
    assert (told["nme68 2d, kept network"], told["mean of bins"]) == (3.987, 4.5)


def test_a_row_has_its_cost_and_may_lack_the_landmarks():
    row = dict(zip(method_header(), method_row("free", {"images": 5, "failed": 1, "surface": 2.5}), strict=True))
    assert (row["surface"], row["nme68 2d, mean over seeds"], row["95 % interval"]) == (2.5, "", "")
    assert (row["ms a face"], row["MB"]) == ("", "")
    known = {"images": 5, "failed": 1, "surface": 2.5, "surface_low": 2.25, "surface_high": 3}
    row = dict(zip(method_header(), method_row("free", known), strict=True))
    assert row["surface"] == "2.500\u00a0(2.250\u00a0to\u00a03.000)"
    row = dict(zip(method_header(), method_row("ours", SCORES, 3, cost=Cost(12.5, 0.25)), strict=True))
    assert (row["ms a face"], row["MB"]) == (12.5, 0.25)


def test_the_survey_s_methods_are_read_and_what_is_not_there_is_said(tmp_path):
    made = {name: SurveyMethod("fit", "facemesh", "data/none") for name in ("first", "second", "third")}
    for name, metrics in (("first", {"images": 5, "failed": 0, "surface": 2.5}), ("second", {"images": 5})):
        (tmp_path / f"runs/survey/{name}/scores").mkdir(parents=True)
        (tmp_path / f"runs/survey/{name}/scores/metrics.json").write_text(json.dumps(metrics))
    protocols = "error,group,low,high\nsurface,yaw_00_30,1,2\nsurface,all,2.25,3\n"
    (tmp_path / "runs/survey/first/scores/protocols.csv").write_text(protocols)
    methods, left_out = read_survey(tmp_path, SurveyParams(made))
    assert methods == {"first": {"images": 5, "failed": 0, "surface": 2.5, "surface_low": 2.25, "surface_high": 3.0}}
    assert next(reason for reason in left_out if "second" in reason).endswith(
        "lacks failed: run `python -m stages.survey second`."
    )
    assert "third was not run: `dvc repro ablation/dvc.yaml:survey@third` does." in left_out
    assert len(left_out) == 2
    texts = describe_survey(SurveyParams(made))
    assert texts["first"] == "3DMM fitted to the landmarks, each a vertex; by landmarks of facemesh"


def test_an_error_of_fewer_landmarks_stands_in_no_column_of_68(tmp_path):
    folder = tmp_path / "runs/survey/wire/scores"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(SCORES | {"surface": 2.5}))
    candide = SurveyMethod("candide", "annotated", "candide3.wfm")
    methods, _ = read_survey(tmp_path, SurveyParams({"wire": candide}))
    assert methods["wire"]["surface"] == 2.5
    assert "nme68_2d" not in methods["wire"]
    assert "bound" in describe_survey(SurveyParams({"wire": candide}))["wire"]


def test_foreign_metrics_are_read_by_name_in_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(SCORES))
        theirs_of(tmp_path / f"{name}_per_image.csv")
    (tmp_path / "b_protocols.csv").write_text("error,group,low,high\nsurface,all,1,2\n")
    ends = {"a": {}, "b": {"surface_low": 1.0, "surface_high": 2.0}}
    named = [(f"{name} (scored from its files)", SCORES | ends[name]) for name in ("a", "b")]
    methods, left_out = read_foreign(tmp_path, OURS)
    assert (list(methods.items()), left_out) == (named, [])
    assert read_foreign(tmp_path / "none", OURS) == ({}, [])


OURS = pd.DataFrame(
    {"sample_id": ["AFLW2000/a", "AFLW2000/b"], "truth": ["pt3d_68", "model"], "yaw_deg": [1.5, -80.0], "nme68_2d": 3.0}
)


def theirs_of(path, **columns):
    """per_image.csv of a method that was scored on the same photos and truths, but for some columns."""
    OURS.assign(sample_id=["a", "b"]).assign(**columns).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        ({}, ""),
        ({"sample_id": ["AFLW2000/a", "AFLW2000/b"]}, ""),
        ({"truth": "pt3d_68"}, "; not comparable: 1 of its 2 photos are among our 2 with the same truth"),
        ({"yaw_deg": [1.5, 80.0]}, "; not comparable: 1 of its 2 photos are among our 2 with the same truth"),
        ({"yaw_deg": [1.52, -80.0]}, "; not comparable: 1 of its 2 photos are among our 2 with the same truth"),
        ({"yaw_deg": [1.5, -79.9951]}, ""),  # written with fewer digits
        ({"sample_id": ["c", "d"]}, "; not comparable: 0 of its 2 photos are among our 2 with the same truth"),
        ({"sample_id": ["a", "a"]}, "; not comparable: 1 of its 2 photos are among our 2 with the same truth"),
    ],
)
def test_a_method_on_other_photos_or_truths_says_so_beside_ours(tmp_path, columns, note):
    (tmp_path / "x.json").write_text(json.dumps(SCORES))
    theirs_of(tmp_path / "x_per_image.csv", **columns)
    assert list(read_foreign(tmp_path, OURS)[0]) == [f"x (scored from its files{note})"]


def test_a_method_with_fewer_photos_or_unknown_ones_says_so(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(SCORES))
    assert list(read_foreign(tmp_path, OURS)[0]) == ["x (scored from its files; on which photos is not known)"]
    OURS[:1].to_csv(tmp_path / "x_per_image.csv", index=False)
    (name,) = read_foreign(tmp_path, OURS)[0]
    assert name.endswith("; not comparable: 1 of its 1 photos are among our 2 with the same truth)")
    (tmp_path / "x_per_image.csv").write_text("a,b\n1,2\n")
    methods, (reason,) = read_foreign(tmp_path, OURS)
    assert methods == {}
    assert "x_per_image.csv is no table of `python -m stages.score`" in reason


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", r"theirs.json is no JSON .*: write it with `python -m stages.score`\.$"),
        ("[1]", r"theirs.json holds no metrics: write it with"),
        (json.dumps(SCORES | {"nme68_2d": float("inf")}), r"theirs.json has no finite number as nme68_2d: write it"),
        (json.dumps(SCORES | {"dense_3d": "2"}), r"theirs.json has no finite number as dense_3d: write it"),
        (json.dumps(SCORES | {"images": True}), r"theirs.json has no finite number as images: write it"),
        ("[" * 100000, r"theirs.json is no JSON"),
        ('{"images": 5, "failed": 2}', r"theirs.json lacks nme68_2d, nme68_2d_low, nme68_2d_high: write it with"),
    ],
)
def test_a_foreign_file_that_cannot_be_shown_is_named_and_the_others_are_shown(tmp_path, content, sentence):
    for name in ("other", "theirs"):
        (tmp_path / f"{name}.json").write_text(json.dumps(SCORES))
        theirs_of(tmp_path / f"{name}_per_image.csv")
    (tmp_path / "theirs.json").write_text(content)
    (tmp_path / "folder.json").mkdir()
    methods, left_out = read_foreign(tmp_path, OURS)
    assert list(methods) == ["other (scored from its files)"]
    assert len(left_out) == 2
    assert "folder.json is no file that can be read" in left_out[0]
    assert re.search(sentence, left_out[1])
