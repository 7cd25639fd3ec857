"""Which unit makes a face of a scan."""

import numpy as np
import pytest

from stages.project.scan_units import landmark_extent, likely_unit


def test_the_extent_is_the_diagonal_of_the_box():
    assert landmark_extent(np.array([[0.0, 0, 0], [3, 1, 0], [1, 4, 12]])) == 13


@pytest.mark.parametrize("face_mm", [90, 120, 200, 260])
@pytest.mark.parametrize(("unit", "one_mm"), [("um", 1000), ("mm", 1), ("cm", 0.1), ("m", 0.001)])
def test_a_face_s_size_tells_its_unit(face_mm, unit, one_mm):
    assert likely_unit(face_mm * one_mm) == unit


@pytest.mark.parametrize("extent", [0.0, 1e-3, 1e7, np.nan, np.inf])
def test_what_is_no_face_in_any_unit_has_none(extent):
    assert likely_unit(extent) is None
