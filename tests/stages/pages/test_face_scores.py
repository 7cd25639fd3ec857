"""Rows of pose and expression, from tables by hand."""

import pandas as pd

from stages.pages.face_scores import expression_rows, face_rows, pose_floors, pose_rows
from stages.project.results import Results

NONE = pd.DataFrame()


def table(means):
    columns = ["error", "group", "images", "mean", "low", "high", "median"]
    rows = [(name, "all", images, mean, mean - 1, mean + 1, mean) for name, (mean, images) in means.items()]
    return pd.DataFrame(rows, columns=columns)


def make(protocols, fitted):
    nothing = [NONE] * 8
    return Results("best", {}, table(protocols), *nothing, fitted=table(fitted))


POSE = {f"pose_{name}": (value, 58) for name, value in (("pitch", 6.0), ("yaw", 3.0), ("roll", 3.0), ("mae", 4.0))}
POSE |= {"pose_geodesic": (5.0, 58), "pose_floor": (0.8, 58)}
OPENINGS = {"eyes": (2.0, 60), "eyes_bias": (-1.0, 60), "mouth": (3.0, 60), "mouth_bias": (1.0, 60)}
OPENINGS |= {"mouth_closed": (25.0, 8), "mouth_width": (4.0, 60), "mouth_width_bias": (0.5, 60)}
RESULT = make(POSE | OPENINGS, {"pose_mae": (3.5, 58), "pose_geodesic": (4.5, 58), "expression": (0.9, 60)})


def test_the_pose_of_ours_stands_before_others_scored_from_files_and_published_ones():
    foreign = {"theirs": {"images": 7, "pose_mae": 3.3, "pose_geodesic": 3.6}, "landmarks alone": {"images": 7}}
    first, second, *published = pose_rows({"best": RESULT}, foreign)
    assert first == ("best", 58, 6.0, 3.0, 3.0, 4.0, "3.000\u00a0to\u00a05.000", 5.0, 3.5, 4.5)
    assert second == ("theirs", 7, "", "", "", 3.3, "", 3.6, "", "")
    assert [(row[0], row[1], row[5]) for row in published] == [
        ("6DRepNet, published", 1969, 3.97),
        ("SynergyNet, published", 1969, 3.31),
        ("opal23, published", 1969, 3.26),
        ("DSFNet-f, published", 1969, 3.25),
    ]
    assert {len(row) for row in (first, second, *published)} == {10}
    # The mean of the three angles.
    assert round(sum(published[0][2:5]) / 3, 2) == 3.97


def test_floors_are_of_the_mesh_and_of_the_fit():
    fitted = make({"pose_floor": (0.8, 5)}, {"pose_floor": (0.2, 5)})
    assert pose_floors({"best": fitted}) == (0.8, 0.2)


def test_expression_has_coefficients_of_the_fit_and_how_many_are_closed():
    assert expression_rows({"best": RESULT}) == [
        ("best", 0.9, 2.0, -1.0, "none are closed", 3.0, 1.0, "2 of 8", 4.0, 0.5)
    ]


def test_the_report_has_a_row_for_each_score_that_there_is_with_its_meaning():
    rows = {row[:2]: row[2:] for row in face_rows(RESULT)}
    assert rows["pose_mae", "predicted"][:4] == (58, 4.0, "3.000\u00a0to\u00a05.000", 4.0)
    assert rows["expression", "fitted"][0] == 60
    assert len(rows) == len(POSE) + len(OPENINGS) + 3


def test_a_run_whose_tables_are_of_before_has_no_rows():
    old = make({"nme68_2d": (3.0, 60)}, {"nme68_2d": (3.0, 60)})
    assert expression_rows({"best": old}) == face_rows(old) == []
    assert pose_rows({"best": old}, {})[0][0] == "6DRepNet, published"
