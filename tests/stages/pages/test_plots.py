"""What goes into the pictures of curves."""

import numpy as np
import pandas as pd
import pytest

from model.scores.curve_gap import CurveGap
from stages.pages import plots


def test_smoothness_is_drawn_from_30_degrees_to_flat_with_a_mark_at_15(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "curves_figure", lambda *arguments, **marks: drawn.append((*arguments, marks)) or b"")
    cosines = pd.Series([0.0, 0.86, 0.8661, 0.95, 1.0])  # that of 30 degrees is 0.8660
    plots.smoothness_figure({"truth": pd.Series([100.0, 60, 50, 20, 0])}, cosines)
    ((curves, x_label, y_label, marks),) = drawn
    assert [values.tolist() for values in curves["truth"]] == [[0.8661, 0.95, 1.0], [50, 20, 0]]
    assert x_label.startswith("cosine")
    assert y_label.endswith("(%)")
    assert marks == {"marks": {"15 degrees": pytest.approx(np.cos(np.pi / 12))}}


@pytest.fixture
def figures(monkeypatch):
    """Figures in the order in which they are encoded."""
    figures = []
    monkeypatch.setattr(plots, "encode_figure", lambda figure: figures.append(figure) or b"")
    return figures


def test_cumulative_errors_are_drawn_step_by_step_to_the_largest_error_of_all(figures):
    # 95 % of the way from 10 to 40 is 38.5; the median of that and 5 is 21.75.
    plots.error_figure({"a": pd.Series([40.0, 10.0]), "b": [5.0]})
    most, rest = figures[0].axes
    for axes in (most, rest):
        assert {line.get_label(): line.get_xydata().T.tolist() for line in axes.lines} == {
            "a": [[0, 10, 10, 40, 40, 40], [0, 0, 50, 50, 100, 100]],
            "b": [[0, 5, 5, 40], [0, 0, 100, 100]],
        }
    assert most.get_xlim() == (0, 22)
    assert rest.get_xlim()[0] == 22
    assert 40 < rest.get_xlim()[1] < 41
    assert (most.get_xlabel(), most.get_ylabel()) == ("NME (%)", "test images with at most this NME (%)")


def test_few_large_errors_squeeze_neither_the_others_nor_each_other(figures):
    # Of a hundred errors of a method two are far off; 95 % are up to 19.4. The worst method sets no limit.
    errors = np.concatenate([np.linspace(1, 20, 98), [150, 200]])
    plots.error_figure({"a": errors, "b": errors / 2, "c": [20, 20, 20, 80]})
    most, rest = figures[0].axes
    assert most.get_xlim() == (0, 20)
    assert most.get_ylim()[0] < 0 < 100 < most.get_ylim()[1]
    # 98 % of a's and b's are within the wide part, 75 % of c's: the shares above have all the height of the other.
    assert 74 < rest.get_ylim()[0] < 75
    assert rest.get_xlim()[1] > 200
    assert most.get_position().width > 2 * rest.get_position().width


def test_errors_without_a_tail_are_drawn_in_one_part(figures):
    plots.error_figure({"a": [3.0, 5.0, 5.0], "b": [5.0]})
    (axes,) = figures[0].axes
    assert axes.lines[0].get_xydata()[-1].tolist() == [5, 100]


def test_a_gap_is_drawn_with_its_band_and_a_dot_at_the_largest(figures):
    gap = CurveGap(np.array([1.0, 2.25, 3.0]), np.array([20.0, 40.0, 0.0]), 12.5)
    plots.gap_figure({"mesh": gap})
    (axes,) = figures[0].axes
    curve, dot = axes.lines[:2]
    assert curve.get_xydata().tolist() == [[1, 20], [2.25, 40], [3, 0]]
    assert dot.get_xydata().tolist() == [[2.25, 40]]
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (-12.5, 52.5)


def test_errors_stand_over_the_logarithm_of_their_costs_and_the_best_of_equal_ones_is_named(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "encode_figure", lambda figure: figures.append(figure) or b"")
    plots.cost_figure(
        [{"a": (1.0, 5.0), "b": (1.0, 3.0), "c": (20.0, 2.0), "d": (9.0, 3.5)}, {"fit": (7.0, 4.0)}, {}],
        "ms",
        "error (%)",
    )
    (axes,) = figures[0].axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [points.get_offsets().tolist() for points in axes.collections] == [
        [[1, 5], [1, 3], [20, 2], [9, 3.5]],
        [[7, 4]],
    ]
    assert {text.get_text(): text.xy for text in axes.texts} == {"b": (1, 3), "c": (20, 2), "fit": (7, 4)}
