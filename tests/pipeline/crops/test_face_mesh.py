"""BlazeFace and Face Mesh: how their outputs are read, by hand, and what they find in a photo in the public domain."""

import cv2
import numpy as np
import pytest
import skimage.data

from pipeline.crops import blaze_face, face_mesh
from pipeline.crops.blaze_face import Network, Region, decode, detect, halvings, line_roll
from pipeline.crops.face_finding import turn_back
from pipeline.crops.face_mesh import NOSE_TIP, POINTS, find_faces, follow, mesh_points, mesh_region, open_networks
from pipeline.face.similarity import apply_similarity, make_similarity

# Read off the picture by eye, in its pixels: right eye, left eye, nose; the subject's right is on the screen's left.
ASTRONAUT_POINTS = np.array([[203, 101], [246.5, 103], [223, 126]])
HEAD = (slice(20, 220), slice(130, 330))
# Where the eyes lie in the 200 px of the head.
HEAD_EYES = ASTRONAUT_POINTS[:2] - [130, 20]
NO_SIMILARITY = np.eye(3)
SURE, UNSURE = 4.0, -4.0


@pytest.fixture(scope="module")
def networks():
    return open_networks()


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def face(astronaut, networks):
    (only,) = find_faces(astronaut, networks)
    return only


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


# --- how Face Mesh's outputs are read ----------------------------------------------------------------------------


def test_the_points_are_brought_back_to_the_photo_with_z_towards_the_viewer():
    points = np.zeros((POINTS, 3), np.float32)
    points[0], points[1] = (0.5, 0.5, 0), (100.5, 0.5, -7)
    network = Network(lambda _: [np.zeros((1, 1, 1, 1), np.float32), points.reshape(1, 1, 1, -1)], 101)
    # A square of 50 px upright about (60, 40): its first pixel is (35, 15), and one of its own is half a pixel.
    placed, presence = mesh_points([grey_photo(100, 100)], Region(np.array([60.0, 40]), 50.0, 0.0), network)
    assert placed[0] == pytest.approx([35, 15, 0])
    assert placed[1] == pytest.approx([85, 15, 3.5])
    assert presence == pytest.approx(0.5)


def test_the_region_of_a_face_is_level_with_its_eyes_and_half_again_as_large_as_its_box():
    rng = np.random.default_rng(0)
    mesh = np.concatenate([rng.uniform([-20, -30], [20, 30], (POINTS, 2)), np.zeros((POINTS, 1))], axis=1)
    mesh[0, :2], mesh[1, :2] = (-20, -30), (20, 30)
    mesh[33, :2], mesh[263, :2] = (-10, -5), (10, -5)
    turn = make_similarity(2.0, 0.7, (0, 0), (200, 300))
    region = mesh_region(apply_similarity(turn, mesh))
    assert region.roll == pytest.approx(0.7)
    assert region.centre == pytest.approx([200, 300])
    assert region.side == pytest.approx(1.5 * 2 * 60)


def test_the_roll_is_clockwise_on_the_screen():
    assert line_roll(np.array([0, 0]), np.array([1, 1])) == pytest.approx(np.pi / 4)
    assert line_roll(np.array([5, 5]), np.array([3, 5])) == pytest.approx(np.pi)


# --- photos ------------------------------------------------------------------------------------------------------


def test_a_face_is_found_where_it_is(face):
    assert face.confidence > 0.99
    assert face.score > 0.8
    assert face.quarter_turns == 0
    assert np.abs(face.points[:3] - ASTRONAUT_POINTS).max() < 3
    right_corner, left_corner = face.points[3:]
    assert right_corner[0] < face.points[2, 0] < left_corner[0]
    # Chin, crown's end of the face, and both cheeks, by eye.
    left, top, width, height = face.box
    assert (left, left + width) == pytest.approx((177, 272), abs=6)
    assert (top, top + height) == pytest.approx((68, 174), abs=6)


def test_the_nose_stands_out_towards_the_viewer(face):
    assert face.mesh.shape == (POINTS, 3)
    depth = face.mesh[:, 2]
    assert np.argmax(depth) in (1, NOSE_TIP)
    assert 0.3 < (depth.max() - depth.min()) / face.box[2] < 1.2


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_turns_along_with_the_photo_and_its_right_stays_right(astronaut, networks, face, turns):
    (found,) = find_faces(np.ascontiguousarray(np.rot90(astronaut, turns)), networks)
    # As many turns again as make a whole one bring it upright.
    assert found.quarter_turns == -turns % 4
    away = turn_back(found.mesh[:, :2], turns, *astronaut.shape[:2]) - face.mesh[:, :2]
    size = face.box[2:].mean()
    assert np.median(np.linalg.norm(away, axis=1)) < 0.03 * size
    # Two passes do not quite settle on a face that the detector places badly; six come within a hundredth.
    assert np.linalg.norm(away, axis=1).max() < 0.065 * size
    assert np.abs(turn_back(found.points, turns, *astronaut.shape[:2]) - face.points).max() < 0.04 * size


def test_passes_settle_on_the_same_points_whichever_way_up_the_photo_lies(astronaut, networks, face):
    levels = halvings(np.ascontiguousarray(astronaut[::-1, ::-1]))
    regions = [(halvings(astronaut), mesh_region(face.mesh)), (levels, None)]
    turned = turn_back(face.mesh[:, :2], 2, *astronaut.shape[:2])
    regions[1] = (levels, mesh_region(np.concatenate([turned, face.mesh[:, 2:]], axis=1)))
    upright, head_down = (follow(*each, networks) for each in regions)
    away = turn_back(head_down.mesh[:, :2], 2, *astronaut.shape[:2]) - upright.mesh[:, :2]
    assert np.linalg.norm(away, axis=1).max() < 0.002 * face.box[2:].mean()
    assert head_down.mesh[:, 2] == pytest.approx(upright.mesh[:, 2], abs=0.3)


def test_a_photo_three_times_as_large_gives_the_same_points(astronaut, networks, face):
    (large,) = find_faces(cv2.resize(astronaut, (1536, 1536), interpolation=cv2.INTER_CUBIC), networks)
    # Of enlarged pixels, whose centres lie at (x + 1/2) 3 - 1/2.
    assert np.abs((large.mesh[:, :2] + 0.5) / 3 - 0.5 - face.mesh[:, :2]).max() < 0.5
    assert large.mesh[:, 2] / 3 == pytest.approx(face.mesh[:, 2], abs=0.5)


@pytest.mark.parametrize("side", [60, 80])
def test_a_small_face_in_a_large_photo_is_found(astronaut, networks, side):
    photo = grey_photo(1200, 1600)
    photo[700 : 700 + side, 1000 : 1000 + side] = cv2.resize(
        astronaut[HEAD], (side, side), interpolation=cv2.INTER_AREA
    )
    (found,) = find_faces(photo, networks)
    assert 20 < found.box[2:].mean() < 45
    assert found.confidence > 0.9
    eyes = (HEAD_EYES + 0.5) * side / 200 - 0.5 + [1000, 700]
    assert np.abs(found.points[:2] - eyes).max() < 1.5


def test_two_faces_are_found_once_each_the_largest_first(astronaut, networks):
    photo = grey_photo(500, 900)
    photo[20:220, 100:300] = astronaut[HEAD]
    photo[50:450, 450:850] = cv2.resize(astronaut[HEAD], (400, 400))
    large, small = find_faces(photo, networks)
    assert np.abs(large.points[:2] - ((HEAD_EYES + 0.5) * 2 - 0.5 + [450, 50])).max() < 6
    assert np.abs(small.points[:2] - (np.array([100, 20]) + HEAD_EYES)).max() < 4


def test_a_grey_photo_gives_nearly_the_same_points(astronaut, networks, face):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    (found,) = find_faces(np.stack([grey] * 3, axis=-1), networks)
    assert np.abs(found.mesh[:, :2] - face.mesh[:, :2]).max() < 0.03 * face.box[2:].mean()


@pytest.mark.parametrize(("name", "step"), [("brick", 2), ("grass", 2), ("coffee", 1), ("rocket", 2)])
def test_photos_without_a_face_have_none(networks, name, step):
    photo = getattr(skimage.data, name)()[::step, ::step]
    photo = photo if photo.ndim == 3 else np.stack([photo] * 3, axis=-1)
    assert find_faces(np.ascontiguousarray(photo), networks) == []


def test_what_no_network_is_sure_of_is_returned_only_where_there_is_no_other(networks):
    """A wheel of colours is round like a face; who asks for a profile gets it, with a presence that tells."""
    wheel = np.ascontiguousarray(skimage.data.colorwheel()[..., :3])
    (doubtful,) = find_faces(wheel, networks)
    assert doubtful.confidence < 0.01
    photo = grey_photo(400, 800)
    photo[15:385, 15:386] = wheel
    photo[100:300, 550:750] = skimage.data.astronaut()[HEAD]
    (certain,) = find_faces(photo, networks)
    assert certain.confidence > 0.99
    assert certain.box[0] > 550


def test_noise_has_no_face(networks):
    assert find_faces(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8), networks) == []


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (2, 60_000), (60_000, 1), (19, 8000)])
def test_a_photo_narrower_than_any_face_has_none_and_takes_no_memory(networks, shape):
    unused = dict.fromkeys(networks)
    assert find_faces(np.full((*shape, 3), 200, np.uint8), unused) == []


def test_a_long_thin_photo_is_searched(astronaut, networks):
    photo = grey_photo(200, 4000)
    photo[:, 2900:3100] = astronaut[HEAD]
    (found,) = find_faces(photo, networks)
    assert np.abs(found.points[:2] - (np.array([2900, 0]) + HEAD_EYES)).max() < 4


def test_the_detector_places_the_face_and_its_eyes(astronaut, networks):
    middle = np.array([511, 511]) / 2
    (found,) = detect(halvings(astronaut), Region(middle, 512.0, 0.0), "near", networks)
    assert np.abs(found.keypoints[:2] - ASTRONAUT_POINTS[:2]).max() < 8
    assert 80 < found.side < 130


def test_missing_networks_are_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError, match=r"networks of Face Mesh are missing: make"):
        face_mesh.networks_folder()
