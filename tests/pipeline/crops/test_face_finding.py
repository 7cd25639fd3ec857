import dataclasses

import cv2
import numpy as np
import pytest
import skimage.data

from pipeline.crops import face_finding
from pipeline.crops.alignment import align, face_roll, resample
from pipeline.crops.face_finding import (
    Face,
    choose_annotated,
    find_faces,
    first_crop,
    landmark_box_of,
    points_roll,
    turn_back,
)
from pipeline.face.similarity import apply_similarity, make_similarity, similarity_angle, similarity_scale
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo

# A level frontal face and one turned to a side: right eye, left eye, nose, right and left mouth corner. The subject's
# right is on the screen's left.
POINTS = np.array([[170.0, 115], [230, 115], [200, 150], [175, 185], [225, 185]])
ASIDE_POINTS = np.array([[185.0, 115], [210, 115], [230, 145], [195, 189], [210, 185]])
FACE = Face(np.array([140.0, 70.0, 120.0, 160.0]), POINTS, 0.99, 0)
MIRRORED = [1, 0, 2, 4, 3]


def degrees_between(first, second):
    return abs(np.rad2deg(np.angle(np.exp(1j * (first - second)))))


def turned(face, angle, scale=1.0, shift=(0.0, 0.0)):
    """The face after the photo was turned about the middle of the box, whose place and side are kept as MTCNN does."""
    middle = face.box[:2] + face.box[2:] / 2
    move = make_similarity(scale, angle, middle, middle + shift)
    box = np.concatenate([middle + shift - scale * face.box[2:] / 2, scale * face.box[2:]])
    return move, Face(box, apply_similarity(move, face.points), face.confidence, face.quarter_turns)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("shape", [(5, 7), (6, 4)])
def test_each_pixel_comes_back_from_where_the_turn_has_put_it(turns, shape):
    numbers = np.arange(shape[0] * shape[1]).reshape(shape)
    y, x = np.indices(np.rot90(numbers, turns).shape)
    back = turn_back(np.stack([x, y], axis=-1), turns, *shape)
    column, row = np.moveaxis(back.round().astype(int), -1, 0)
    assert (numbers[row, column] == np.rot90(numbers, turns)).all()
    assert np.abs(back - back.round()).max() < 1e-9


@pytest.mark.parametrize("turn_deg", [0, 20, -45, 90, 135, 180, -100])
def test_the_roll_of_the_points_is_found_over_the_full_circle(turn_deg):
    _, face = turned(FACE, np.deg2rad(turn_deg), scale=1.7, shift=(40, -30))
    assert degrees_between(points_roll(face.points), np.deg2rad(turn_deg)) < 1e-9


@pytest.mark.parametrize(("nose", "aside"), [(130, 0.2), (114, -0.12), (150, 0.3)])
def test_a_level_face_whose_nose_is_aside_leans_and_its_box_lies_on_the_other_side(nose, aside):
    """Eyes are 50 px above the mouth, 40 and 30 px wide: the four are 0.3 narrower than high. At most 0.3 counts."""
    points = np.array([[100.0, 100], [140, 100], [nose, 128], [105, 150], [135, 150]])
    roll = 0.88 * aside * 0.3
    assert points_roll(points) == pytest.approx(roll)
    face = dataclasses.replace(FACE, points=points)
    # A mean side of 140 px. The middle of the four is (120, 125).
    across, down = -0.77 * aside * 140, 0.065 * 140
    centre = [120 + across * np.cos(roll) - down * np.sin(roll), 125 + across * np.sin(roll) + down * np.cos(roll)]
    assert apply_similarity(first_crop(face, 1.5, 101), np.array(centre)) == pytest.approx([50, 50])


def test_a_mirrored_face_has_the_opposite_roll_also_in_profile():
    mirrored = (ASIDE_POINTS * [-1, 1])[MIRRORED]
    assert abs(points_roll(ASIDE_POINTS)) > 0.02
    assert points_roll(mirrored) == pytest.approx(-points_roll(ASIDE_POINTS))


def test_points_that_coincide_give_finite_numbers():
    face = dataclasses.replace(FACE, points=np.full((5, 2), 7.0))
    assert np.isfinite(points_roll(face.points))
    assert np.isfinite(first_crop(face, 1.5, 64)).all()


def test_the_crop_of_a_frontal_face_is_level_and_round_its_middle():
    similarity = first_crop(FACE, 1.5, 256)
    assert similarity_angle(similarity) == pytest.approx(0)
    # MTCNN's box has a mean side of 140 px; the landmarks' box is about 0.86 of it, and the crop 1.5 times that.
    assert 255 / similarity_scale(similarity) == pytest.approx(1.5 * 0.862 * 140)
    x, y = apply_similarity(np.linalg.inv(similarity), np.array([127.5, 127.5]))
    assert x == pytest.approx(200)
    assert 150 < y < 165, "the chin reaches further down from the eyes and mouth than the brows do up"


def test_the_box_of_the_landmarks_is_smaller_than_the_detector_s_and_lies_lower():
    # 0.862 of a mean side of 140 px, and the middle of eyes and mouth, (200, 150), by 0.065 of it further down.
    half = (120.68 - 1) / 2
    assert landmark_box_of(FACE) == pytest.approx([200 - half, 159.1 - half, 120.68, 120.68])


def test_a_detected_face_is_framed_alike_to_learn_from_and_in_a_photo():
    """By `align`, which training crops with: the same square, turned by the landmarks instead of the five points."""
    landmarks = np.zeros((68, 2))
    landmarks[8], landmarks[27] = (200, 210), (200, 120)
    landmarks[36:48, 1], landmarks[36:48, 0] = 120, np.linspace(160, 240, 12)
    for face in (FACE, dataclasses.replace(FACE, points=ASIDE_POINTS)):
        crop, box = first_crop(face, 1.5, 256), landmark_box_of(face)
        level, off = (align(landmarks, 1.5, level, 256, box) for level in (True, False))
        assert similarity_angle(level) == similarity_angle(off) == pytest.approx(0, abs=1e-12)
        back = make_similarity(1.0, points_roll(face.points), (127.5, 127.5), (127.5, 127.5))
        assert back @ crop == pytest.approx(level)
        assert off == pytest.approx(level)


def test_the_annotated_face_is_the_one_that_holds_the_landmarks():
    other = dataclasses.replace(FACE, box=np.array([300.0, 70, 120, 160]))
    landmarks = np.tile([[330.0, 100.0]], (68, 1))
    assert choose_annotated([FACE, other], landmarks) is other
    assert choose_annotated([FACE], landmarks) is None
    assert choose_annotated([], landmarks) is None


@pytest.mark.parametrize("turn_deg", [30, 90, 180, -75])
def test_the_crop_shows_the_same_however_the_photo_is_turned_and_scaled(turn_deg):
    profile = dataclasses.replace(FACE, points=ASIDE_POINTS)
    move, face = turned(profile, np.deg2rad(turn_deg), scale=0.6, shift=(11, 17))
    assert first_crop(face, 1.5, 64) @ move == pytest.approx(first_crop(profile, 1.5, 64))


def test_a_wider_margin_keeps_the_centre():
    narrow, wide = first_crop(FACE, 1.0, 101), first_crop(FACE, 2.0, 101)
    assert similarity_scale(narrow) == pytest.approx(2 * similarity_scale(wide))
    centre = apply_similarity(np.linalg.inv(narrow), np.array([50.0, 50.0]))
    assert apply_similarity(wide, centre) == pytest.approx([50, 50])


class FoundUpright:
    """Stands for MTCNN: finds what is red, with the confidence that it is given for each way up."""

    def __init__(self, confidences):
        self.confidences = confidences
        self.shapes = []

    def detect_faces(self, photo, **_):
        confidence = self.confidences[len(self.shapes)]
        self.shapes.append(photo.shape)
        y, x = np.nonzero(photo[..., 0] > 128)
        if not len(x) or confidence is None:
            return np.zeros((0, 6))
        low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
        return np.array([[0, *low, *high, confidence, *np.full(5, low[0]), *np.full(5, low[1])]], np.float64)


@pytest.fixture
def red_field():
    photo = np.zeros((300, 500, 3), np.uint8)
    photo[40:101, 60:161, 0] = 255
    return photo


@pytest.mark.parametrize(
    ("confidences", "chosen"),
    [
        ([0.999], 0),  # certain: the other ways up are not tried
        ([None, None, 0.9, 0.85], 2),
        ([0.9, 0.95, None, 0.97], 3),
        ([0.95, 0.9, 0.9, 0.9], 0),
        ([0.95, 0.9, 0.97, 0.9], 0),  # most photos lie as they should
        ([0.8, None, None, 0.95], 3),
        ([0.7, 0.7, None, None], None),  # not confident enough
        ([None] * 4, None),
    ],
)
def test_the_way_up_is_the_one_whose_largest_face_is_most_certain(monkeypatch, red_field, confidences, chosen):
    detector = FoundUpright(confidences)
    monkeypatch.setattr(face_finding, "open_mtcnn", lambda: detector)
    faces = find_faces(red_field)
    assert len(detector.shapes) == len(confidences)
    assert [face.quarter_turns for face in faces] == ([] if chosen is None else [chosen])
    for face in faces:
        assert face.box == pytest.approx([60, 40, 100, 60])
        assert face.confidence == confidences[chosen]
        # The upper left corner of the turned photo's box, seen in the photo as given.
        assert face.points[0] == pytest.approx([[60, 40], [160, 40], [160, 100], [60, 100]][chosen])


@pytest.mark.parametrize("factor", [3, 7])
def test_a_large_photo_is_searched_at_a_bounded_size_and_told_in_its_own_pixels(monkeypatch, factor):
    detector = FoundUpright([1.0])
    monkeypatch.setattr(face_finding, "open_mtcnn", lambda: detector)
    photo = np.zeros((500 * factor, 1000 * factor, 3), np.uint8)
    photo[100 * factor : 200 * factor, 300 * factor : 450 * factor, 0] = 255
    face = find_faces(photo)[0]
    assert detector.shapes == [(500, 1000, 3)]
    # From the middle of the first pixel of the scaled photo's field, 300 and 100, to that of the last, 449 and 199.
    assert face.box[:2] == pytest.approx((np.array([300, 100]) + 0.5) * factor - 0.5)
    assert face.box[2:] == pytest.approx(np.array([149, 99]) * factor)


def test_faces_of_a_few_pixels_are_dropped(monkeypatch):
    photo = np.zeros((300, 500, 3), np.uint8)
    photo[40:60, 60:80, 0] = 255
    monkeypatch.setattr(face_finding, "open_mtcnn", lambda: FoundUpright([1.0] * 4))
    assert find_faces(photo) == []


@pytest.mark.parametrize("shape", [(1, 1), (20, 400), (30, 8000)])
def test_a_photo_too_narrow_for_a_face_has_none(monkeypatch, shape):
    monkeypatch.setattr(face_finding, "open_mtcnn", None)
    assert find_faces(np.zeros((*shape, 3), np.uint8)) == []


# Read off the picture by eye, in its pixels: the subject's right is on the screen's left.
ASTRONAUT_POINTS = np.array([[203, 101], [246, 103], [222, 127], [203, 140], [244, 141]])


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


@pytest.mark.slow
@pytest.mark.parametrize("turns", range(4))
def test_a_face_turns_along_with_the_photo_and_its_right_stays_right(astronaut, turns):
    photo = np.ascontiguousarray(np.rot90(astronaut, turns))
    faces = find_faces(photo)
    assert len(faces) == 1
    assert faces[0].quarter_turns == (-turns) % 4
    upright_points = turn_back(faces[0].points, turns, *astronaut.shape[:2])
    assert np.abs(upright_points - ASTRONAUT_POINTS).max() < 7
    # The head is tilted by a few degrees; a quarter turn counter-clockwise on the screen is -90.
    assert degrees_between(points_roll(faces[0].points), -turns * np.pi / 2) < 6
    crop = resample(photo, first_crop(faces[0], 1.5, 128), 128)
    upright = resample(astronaut, first_crop(find_faces(astronaut)[0], 1.5, 128), 128)
    assert np.abs(crop.astype(int) - upright).mean() < 6


@pytest.mark.slow
def test_several_faces_come_largest_first(astronaut):
    face = astronaut[20:220, 130:330]
    photo = np.full((500, 900, 3), 127, np.uint8)
    photo[250:350, 50:150] = cv2.resize(face, (100, 100), interpolation=cv2.INTER_AREA)
    photo[50:450, 450:850] = cv2.resize(face, (400, 400))
    photo[20:220, 200:400] = face
    faces = find_faces(photo)
    assert len(faces) == 3
    # The nose lies at (92, 107) of the 200 px of the face.
    noses = [np.array([450, 50]) + 2 * np.array([92, 107]), [292, 127], [96, 303]]
    for found, nose in zip(faces, noses, strict=True):
        assert np.abs(found.points[2] - nose).max() < 12


@pytest.mark.slow
def test_a_large_photo_gives_the_same_face_in_its_own_pixels(astronaut):
    large = find_faces(cv2.resize(astronaut, (3072, 3072), interpolation=cv2.INTER_CUBIC))
    assert len(large) == 1
    assert np.abs((large[0].points + 0.5) / 6 - 0.5 - ASTRONAUT_POINTS).max() < 7


@pytest.mark.slow
def test_photos_without_a_face_have_none():
    assert find_faces(skimage.data.coffee()) == []
    assert find_faces(np.full((450, 450, 3), 127, np.uint8)) == []
    assert find_faces(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)) == []


@pytest.mark.slow
def test_a_tiny_face_is_dropped(astronaut):
    tiny = np.full((300, 300, 3), 127, np.uint8)
    tiny[100:150, 100:150] = cv2.resize(astronaut[20:220, 130:330], (50, 50), interpolation=cv2.INTER_AREA)
    assert find_faces(tiny) == []


@pytest.mark.slow
def test_a_face_cut_by_the_frame_keeps_its_place_and_size(astronaut):
    whole = find_faces(astronaut)[0]
    # The left border goes through the right eye's outer corner.
    cut = find_faces(np.ascontiguousarray(astronaut[:, 195:]))[0]
    assert np.abs(cut.points + np.array([195, 0]) - ASTRONAUT_POINTS).max() < 12
    assert cut.box[0] < 0
    assert cut.box[2:].mean() == pytest.approx(whole.box[2:].mean(), rel=0.12)


@pytest.mark.slow
def test_the_crop_of_real_photos_is_near_to_that_of_their_landmarks(face_data_or_none):
    if face_data_or_none is None:
        pytest.skip("The real sample is not here; FACE_DATA says where it is.")
    rolls, sides, offsets, missed = [], [], [], 0
    photos = sorted((face_data_or_none / "AFLW2000").glob("*.jpg"))[::25]
    for path in photos:
        landmarks = read_annotation(path.with_suffix(".mat")).true_landmarks
        face = choose_annotated(find_faces(read_photo(path)), landmarks)
        if face is None:
            missed += 1
            continue
        crop, aligned = first_crop(face, 1.5, 256), align(landmarks, 1.5, True, 256)
        centre = apply_similarity(np.linalg.inv(crop), np.array([127.5, 127.5]))
        rolls.append(degrees_between(points_roll(face.points), face_roll(landmarks)))
        sides.append(abs(np.log(similarity_scale(crop) / similarity_scale(aligned))))
        offsets.append(np.linalg.norm(apply_similarity(aligned, centre) - 127.5) / 255)
    assert missed <= 0.12 * len(photos)
    assert np.median(rolls) < 3.5
    assert np.median(sides) < 0.06
    assert np.median(offsets) < 0.04
