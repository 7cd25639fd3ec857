"""Landmarks by dlib, an optional extra: its way through our crops, with a stand-in where dlib is not installed."""

import sys
import types

import numpy as np
import pytest

from pipeline.crops import dlib_faces
from pipeline.face.similarity import apply_similarity, make_similarity


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
            assert image.shape == (dlib_faces.SIZE, dlib_faces.SIZE, 3)
            left, top, right, bottom = box
            share = np.linspace(0, 1, count)
            return Found(np.column_stack([left + share * (right - left), top + share * (bottom - top)]))

        return predict

    class Box(Rectangle):
        """A rectangle as the detector gives it."""

        __slots__ = ()
        left, top = (lambda self: self[0]), (lambda self: self[1])
        width, height = (lambda self: self[2] - self[0] + 1), (lambda self: self[3] - self[1] + 1)

    def detector():
        return types.SimpleNamespace(run=lambda *_: ([Box(10, 20, 29, 39), Box(50, 40, 99, 89)], [1.2, 0.4], [0, 0]))

    module = types.ModuleType("dlib")
    module.get_frontal_face_detector = detector
    module.rectangle, module.shape_predictor = Rectangle, shape_predictor
    monkeypatch.setitem(sys.modules, "dlib", module)
    return module


@pytest.mark.usefixtures("dlib")
def test_the_points_come_back_to_the_photo_from_a_box_in_the_middle_of_the_levelled_crop(tmp_path):
    path = tmp_path / "model.dat"
    path.touch()
    crop = make_similarity(2.0, np.deg2rad(90), (100, 80), (191.5, 191.5))
    photo = np.zeros((200, 300, 3), np.uint8)
    found = dlib_faces.find_landmarks(dlib_faces.open_predictor(path), photo, crop)
    assert found.shape == (68, 2)
    # The box has two thirds of the crop's side: 256 of 384 px, which are 128 px of the photo.
    placed = apply_similarity(crop, found)
    assert placed[[0, -1]] == pytest.approx(np.array([[64, 64], [320, 320]]), abs=1e-6)
    assert np.ptp(found, axis=0) == pytest.approx([128, 128], abs=1e-6)
    assert found.mean(axis=0) == pytest.approx([100, 80], abs=0.3)


@pytest.mark.usefixtures("dlib")
def test_faces_have_dlib_s_boxes_and_the_five_points_of_its_landmarks(tmp_path):
    path = tmp_path / "model.dat"
    path.touch()
    photo = np.zeros((dlib_faces.SIZE, dlib_faces.SIZE, 3), np.uint8)
    faces = dlib_faces.find_faces(dlib_faces.open_predictor(path), photo)
    assert [(face.box.tolist(), face.confidence) for face in faces] == [
        ([50, 40, 50, 50], 0.4),
        ([10, 20, 20, 20], 1.2),
    ]
    # Point n lies n / 67 along the diagonal: the eyes are the means of 36 to 41 and of 42 to 47.
    shares = np.array([38.5, 44.5, 30, 48, 54]) / 67
    assert faces[0].points[:, 0] == pytest.approx(50 + 49 * shares)


@pytest.mark.usefixtures("dlib")
def test_what_is_no_predictor_of_68_points_is_refused(tmp_path):
    for name in ("broken.dat", "five.dat"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"missing\.dat, dlib's shape predictor, is missing"):
        dlib_faces.open_predictor(tmp_path / "missing.dat")
    with pytest.raises(ValueError, match=r"broken\.dat is no shape predictor of dlib: Unexpected version"):
        dlib_faces.open_predictor(tmp_path / "broken.dat")
    five = dlib_faces.open_predictor(tmp_path / "five.dat")
    with pytest.raises(ValueError, match="has 5 points; expected one of 68"):
        dlib_faces.find_landmarks(five, np.zeros((10, 10, 3), np.uint8), np.eye(3))


def test_without_dlib_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ValueError, match="dlib is not installed: `pip install dlib`"):
        dlib_faces.open_predictor(tmp_path / "model.dat")
