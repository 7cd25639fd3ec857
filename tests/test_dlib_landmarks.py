"""Landmarks by dlib, an optional extra: its way through our crops, with a stand-in where dlib is not installed."""

import sys
import types

import numpy as np
import pytest

from pipeline import dlib_landmarks
from pipeline.camera import apply_similarity, make_similarity


@pytest.fixture
def dlib(monkeypatch):
    """As much of dlib as is used: a predictor that puts its points along the diagonal of the box that it is given."""

    class Rectangle(tuple):
        __slots__ = ()

        def __new__(cls, *sides):
            return super().__new__(cls, sides)

    class Found:
        def __init__(self, places):
            self.places, self.num_parts = places, len(places)

        def parts(self):
            return [types.SimpleNamespace(x=x, y=y) for x, y in self.places]

    def shape_predictor(path):
        if "broken" in path:
            raise RuntimeError("Unexpected version found")
        count = 5 if "five" in path else 68

        def predict(image, box):
            assert image.shape == (dlib_landmarks.SIZE, dlib_landmarks.SIZE, 3)
            left, top, right, bottom = box
            share = np.linspace(0, 1, count)
            return Found(np.column_stack([left + share * (right - left), top + share * (bottom - top)]))

        return predict

    module = types.ModuleType("dlib")
    module.rectangle, module.shape_predictor = Rectangle, shape_predictor
    monkeypatch.setitem(sys.modules, "dlib", module)
    return module


@pytest.mark.usefixtures("dlib")
def test_the_points_come_back_to_the_photo_from_a_box_in_the_middle_of_the_levelled_crop(tmp_path):
    path = tmp_path / "model.dat"
    path.touch()
    crop = make_similarity(2.0, np.deg2rad(90), (100, 80), (191.5, 191.5))
    photo = np.zeros((200, 300, 3), np.uint8)
    found = dlib_landmarks.find_landmarks(dlib_landmarks.open_predictor(path), photo, crop)
    assert found.shape == (68, 2)
    # The box has two thirds of the crop's side: 256 of 384 px, which are 128 px of the photo.
    placed = apply_similarity(crop, found)
    assert placed[[0, -1]] == pytest.approx(np.array([[64, 64], [320, 320]]), abs=1e-6)
    assert np.ptp(found, axis=0) == pytest.approx([128, 128], abs=1e-6)
    assert found.mean(axis=0) == pytest.approx([100, 80], abs=0.3)


@pytest.mark.usefixtures("dlib")
def test_what_is_no_predictor_of_68_points_is_refused(tmp_path):
    for name in ("broken.dat", "five.dat"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"missing\.dat, dlib's shape predictor, is missing"):
        dlib_landmarks.open_predictor(tmp_path / "missing.dat")
    with pytest.raises(ValueError, match=r"broken\.dat is no shape predictor of dlib: Unexpected version"):
        dlib_landmarks.open_predictor(tmp_path / "broken.dat")
    five = dlib_landmarks.open_predictor(tmp_path / "five.dat")
    with pytest.raises(ValueError, match="has 5 points; expected one of 68"):
        dlib_landmarks.find_landmarks(five, np.zeros((10, 10, 3), np.uint8), np.eye(3))


def test_without_dlib_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ValueError, match="dlib is not installed: `pip install dlib`"):
        dlib_landmarks.open_predictor(tmp_path / "model.dat")
