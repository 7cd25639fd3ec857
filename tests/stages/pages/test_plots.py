"""What goes into the pictures of curves."""

import numpy as np
import pandas as pd
import pytest

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
