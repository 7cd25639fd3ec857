"""What the page of a photo shows of a face: windows, depth in colours, numbers with units, pictures of bounded size."""

import cv2
import numpy as np
import pytest

from pipeline.commands.face_in_photo import SIDE, THUMBNAIL_SIDE, FaceInPhoto, shrink
from pipeline.commands.files import describe
from pipeline.commands.photo_page import page_numbers, page_views
from pipeline.commands.pictures import OUTSIDE_GREY, around, colour_depth
from pipeline.crops.face_finding import Face
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface

# A face of 8 x 4 px whose middle is (14, 22).
VERTICES = np.array([[10.0, 20, 0], [18, 24, 5]])


def test_a_window_is_a_square_about_the_face_that_the_photo_cuts():
    photo = np.zeros((40, 30, 3), np.uint8)
    assert around(VERTICES, photo, 0.0) == (slice(18, 27), slice(10, 19))
    assert around(VERTICES, photo, 0.5) == (slice(14, 31), slice(6, 23))
    rows, columns = around(VERTICES, photo, 2.0)
    assert photo[rows, columns].shape == (38, 30, 3)


def test_a_window_about_a_face_beyond_the_photo_still_has_a_pixel():
    photo = np.zeros((40, 30, 3), np.uint8)
    for shift in (-100, 100):
        assert photo[around(VERTICES + shift, photo, 0.0)].size > 0


def test_depth_goes_from_violet_to_yellow_and_is_grey_outside():
    violet, yellow = [68, 1, 84], [253, 231, 37]
    colours = colour_depth(np.array([[0.0, 8.0, np.nan]], np.float32))
    assert np.abs(colours.astype(int) - [[violet, yellow, [OUTSIDE_GREY] * 3]]).max() <= 3
    assert (colour_depth(np.full((1, 2), np.nan, np.float32)) == OUTSIDE_GREY).all()


def test_numbers_are_shown_with_their_units():
    numbers = {
        "box": [10.4, 20.0, 30.6, 40.0],
        "confidence": 0.98765,
        "pose": {"yaw": -12.34, "pitch": 5.0, "roll": 0.04, "scale": 0.00123456},
        "visible_share": 0.873,
    }
    shown = [
        ("Yaw", "-12.3°"),
        ("Pitch", "5.0°"),
        ("Roll", "0.0°"),
        ("Box", "31 × 40 px at (10, 20)"),
        ("Confidence", "0.988"),
        ("Seen in the photo", "87 % of the face"),
    ]
    assert page_numbers(numbers) == shown
    assert page_numbers(numbers | {"mm_per_px": 0.6349}) == [*shown, ("Scale", "0.63 mm per px")]


@pytest.mark.parametrize("enlarged", [1, 30])
def test_pictures_of_a_large_photo_are_small_and_show_the_same_place(enlarged):
    model = make_model()
    reconstructor = make_reconstructor(model, whole_surface(model))
    photo = np.full((150 * enlarged, 200 * enlarged, 3), 60, np.uint8)
    face = Face(np.array([80.0, 50, 40, 40]) * enlarged, np.zeros((5, 2)), 0.99, 0)
    found = reconstructor.reconstruct(photo, face)
    # The made-up network's face has the same size in px in every photo.
    middle = found.vertices.mean(axis=0) * [1, 1, 0]
    found.vertices[:] = (found.vertices - middle) * enlarged + middle
    placed = FaceInPhoto(photo, *shrink(photo), found, reconstructor, fill=True)
    numbers = describe(face, found) | {"visible_share": 1.0, "files": ["face1.glb"]}
    views = page_views(placed, numbers)
    assert [picture.tab for picture in views.pictures] == ["Photo", "Overlay", "Pose", "Depth"]
    assert (views.files, views.method, views.warning) == (["face1.glb"], "made up", "")
    files = [picture.file for picture in views.pictures] + [views.thumbnail]
    *pictures, thumbnail = (cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR).astype(int) for file in files)
    assert max(thumbnail.shape) <= THUMBNAIL_SIDE
    assert len({picture.shape for picture in pictures}) == 1
    assert max(pictures[0].shape) == SIDE if enlarged > 1 else max(pictures[0].shape) < 150
    # The face is in the middle, and its box 1 / 2.2 of the side.
    inside = np.abs(pictures[3] - OUTSIDE_GREY).max(axis=2) > 15
    rows, columns = np.nonzero(inside)
    for places, side in ((rows, inside.shape[0]), (columns, inside.shape[1])):
        assert (places.min() + places.max()) / 2 == pytest.approx(side / 2, abs=0.03 * side)
        assert np.ptp(places) == pytest.approx(side / 2.2, rel=0.06)
    drawn = np.abs(pictures[1] - pictures[0]).max(axis=2) > 10
    assert (drawn & ~inside).mean() < 0.02
    assert drawn[inside].mean() > 0.9
