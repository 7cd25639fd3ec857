"""BlazeFace: how a photo is halved and seen, and how the detector's outputs are read, by hand."""

import numpy as np
import pytest
import skimage.data

from pipeline.crops import blaze_face
from pipeline.crops.blaze_face import Region, decode, detect, halvings, line_roll
from pipeline.crops.face_mesh import open_networks
from pipeline.face.similarity import apply_similarity, make_similarity

NO_SIMILARITY = np.eye(3)
SURE, UNSURE = 4.0, -4.0


@pytest.fixture(scope="module")
def networks():
    return open_networks()


def grey_photo(height, width):
    return np.full((height, width, 3), 127, np.uint8)


# --- how a photo is made smaller ---------------------------------------------------------------------------------


def test_a_halving_is_the_mean_of_four_pixels_and_leaves_the_last_odd_ones_out():
    photo = np.zeros((5, 515, 3), np.uint8)
    photo[:2, :2, 0] = [[10, 20], [30, 44]]
    photo[2:4, 510:512, 1] = [[100, 102], [104, 106]]
    photo[4] = photo[:, 514] = 255
    levels = halvings(photo)
    assert [level.shape for level in levels] == [(5, 515, 3), (2, 257, 3), (1, 128, 3)]
    assert levels[0] is photo
    assert levels[1][0, 0].tolist() == [26, 0, 0]
    assert levels[1][1, 255].tolist() == [0, 103, 0]
    assert not levels[1][:, 256].any(), "the column of 255 is the odd one"


def test_a_small_photo_is_not_halved():
    assert len(halvings(grey_photo(256, 256))) == 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_region_shows_the_same_place_whichever_halving_it_is_seen_in(level):
    side = 512 * 2**level
    photo = np.zeros((side, side, 3), np.uint8)
    spot = 32 * 2**level
    photo[3 * spot : 4 * spot, 5 * spot : 6 * spot] = 255
    region = Region(np.array([side - 1, side - 1]) / 2, side, 0.0)
    seen, similarity = blaze_face.see(halvings(photo), region, 128)
    row, column = (seen[..., 0].astype(float).sum(axis=axis) for axis in (1, 0))
    middle = np.array([column @ np.arange(128), row @ np.arange(128)]) / column.sum()
    expected = apply_similarity(similarity, np.array([5.5, 3.5]) * spot - 0.5)
    assert np.abs(middle - expected).max() < 0.02


# --- how the detector's outputs are read -------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "size", "count"), [("near", 128, 896), ("far", 192, 2304)])
def test_the_anchors_are_as_many_as_the_outputs_of_the_detector(networks, kind, size, count):
    assert networks[kind].size == size
    outputs = networks[kind].run(np.zeros((1, size, size, 3), np.float32))
    assert sorted(values.shape for values in outputs) == [(1, count, 1), (1, count, 16)]
    assert blaze_face._anchors(kind, size).shape == (count, 2)


def test_the_anchors_are_the_middles_of_cells_row_by_row():
    near = blaze_face._anchors("near", 128)
    # 16 x 16 cells of 8 px with two boxes each, then 8 x 8 cells of 16 px with six.
    assert near[[0, 1, 2, 31, 32]].tolist() == [[4, 4], [4, 4], [12, 4], [124, 4], [4, 12]]
    assert near[[511, 512, 517, 518, 895]].tolist() == [[124, 124], [8, 8], [8, 8], [24, 8], [120, 120]]
    assert blaze_face._anchors("far", 192)[[0, 1, 48, 2303]].tolist() == [[2, 2], [6, 2], [2, 6], [190, 190]]


def box_row(x, y, side, right_eye=(0, 0), left_eye=(0, 0)):
    """A detector's row: centre, size and six points as seen from the anchor."""
    return [x, y, side, side, *right_eye, *left_eye, *np.zeros(8)]


def test_one_box_is_read_from_its_anchor_and_brought_back_to_the_photo():
    anchors = np.array([[10.0, 20], [30, 40]])
    boxes = np.array([box_row(500, 500, 9), box_row(1, -2, 24, (-6, -5), (5, -4))])
    # From the photo to the square: a quarter turn clockwise, half the size, then moved.
    similarity = make_similarity(0.5, np.pi / 2, (100, 50), (7, 9))
    (found,) = decode(boxes, np.array([UNSURE, SURE]), anchors, similarity)
    # In the square the centre is (31, 38) from its edge, (30.5, 37.5) in pixels; the turn takes (dx, dy) back to
    # 2 (dy, -dx).
    assert found.centre == pytest.approx([100 + 2 * (37.5 - 9), 50 - 2 * (30.5 - 7)])
    assert found.side == pytest.approx(48)
    assert found.keypoints[:2] == pytest.approx(
        np.array([[100 + 2 * (34.5 - 9), 50 - 2 * (23.5 - 7)], [100 + 2 * (35.5 - 9), 50 - 2 * (34.5 - 7)]])
    )
    assert found.score == pytest.approx(1 / (1 + np.exp(-4)))


def test_boxes_of_one_face_are_their_mean_weighted_by_the_score_and_others_stay():
    anchors = np.array([[50.0, 50], [50, 50], [90, 50]])
    boxes = np.array([box_row(0, 0, 20, (-4, 0), (4, 0)), box_row(3, 0, 26, (-4, 0), (4, 0)), box_row(0, 0, 10)])
    logits = np.log([3.0, 1.0, 9.0])  # scores 0.75, 0.5, 0.9
    small, mean = decode(boxes, logits, anchors, NO_SIMILARITY)
    assert (small.score, mean.score) == pytest.approx((0.9, 0.75)), "the most certain first, by its best box"
    assert small.centre == pytest.approx([89.5, 49.5])
    assert mean.centre == pytest.approx([49.5 + 3 * 0.5 / 1.25, 49.5])
    assert mean.side == pytest.approx((0.75 * 20 + 0.5 * 26) / 1.25)
    assert mean.keypoints[:2] == pytest.approx(np.array([[45.5, 49.5], [53.5, 49.5]])), "each eye's own mean"


@pytest.mark.parametrize(("moved", "faces"), [(5.2, 1), (5.6, 2)])
def test_two_boxes_are_of_one_face_where_they_share_more_than_three_tenths_of_their_union(moved, faces):
    # Two squares of 10 px share (10 - d) / (10 + d): 0.316 where one is moved by 5.2, 0.282 by 5.6.
    boxes = np.array([box_row(0, 0, 10), box_row(moved, 0, 10)])
    assert len(decode(boxes, np.array([SURE, SURE]), np.full((2, 2), 50.0), NO_SIMILARITY)) == faces


def test_a_square_within_another_shares_its_own_area():
    centres, sides = np.array([[0.0, 0], [1, 1], [100, 0]]), np.array([10.0, 5, 10])
    assert blaze_face.share_of_union(centres, sides, np.zeros(2), 10.0) == pytest.approx([1, 0.25, 0])


def test_extreme_logits_and_none_above_the_threshold_are_read_quietly():
    boxes, anchors = np.array([box_row(0, 0, 10)]), np.zeros((1, 2))
    assert decode(boxes, np.array([-1e30]), anchors, NO_SIMILARITY) == []
    assert decode(boxes, np.array([1e30]), anchors, NO_SIMILARITY)[0].score == 1


def test_the_detector_sees_red_green_and_blue_from_minus_1_to_1():
    seen = []

    def run(values):
        seen.append(values)
        return [np.full((1, 896, 1), -9, np.float32), np.zeros((1, 896, 16), np.float32)]

    photo = np.full((128, 128, 3), [255, 0, 51], np.uint8)
    networks = {"near": blaze_face.Network(run, 128)}
    assert detect([photo], Region(np.array([63.5, 63.5]), 127.0, 0.0), "near", networks) == []
    assert seen[0].shape == (1, 128, 128, 3)
    assert seen[0].dtype == np.float32
    assert seen[0][0, 64, 64] == pytest.approx([1, -1, -0.6])


def test_the_roll_is_clockwise_on_the_screen():
    assert line_roll(np.array([0, 0]), np.array([1, 1])) == pytest.approx(np.pi / 4)
    assert line_roll(np.array([5, 5]), np.array([3, 5])) == pytest.approx(np.pi)


def test_the_detector_places_the_face_and_its_eyes(networks):
    # Read off the picture by eye, in its pixels: the subject's right eye is on the screen's left.
    eyes = np.array([[203, 101], [246.5, 103]])
    middle = np.array([511, 511]) / 2
    (found,) = detect(halvings(skimage.data.astronaut()), Region(middle, 512.0, 0.0), "near", networks)
    assert np.abs(found.keypoints[:2] - eyes).max() < 8
    assert 80 < found.side < 130
