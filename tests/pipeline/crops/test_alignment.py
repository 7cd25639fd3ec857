import numpy as np
import pytest

from pipeline.crops import alignment
from pipeline.crops.alignment import align, contrast, face_roll, resample
from pipeline.crops.augmentation import disturb, draw_similarity, sample_rng
from pipeline.crops.detection import choose_by_union, choose_face
from pipeline.crops.policy import MOST_NOISES, AugmentationPolicy
from pipeline.face.similarity import apply_similarity, make_similarity, similarity_angle, similarity_scale
from pipeline.uv.position_map import sample_map


def upright_face():
    """68 points of a level frontal face, 100 px wide and 110 px high: only points 8, 27 and the eyes rule the roll."""
    points = np.zeros((68, 3))
    points[:] = [200, 150, 0]
    points[0, :2], points[16, :2], points[8, :2], points[27, :2] = (150, 130), (250, 130), (200, 210), (200, 120)
    points[36:42, :2] = [[165, 120], [172, 116], [180, 116], [187, 120], [180, 124], [172, 124]]
    points[42:48, :2] = [[213, 120], [220, 116], [228, 116], [235, 120], [228, 124], [220, 124]]
    points[19, :2] = (170, 100)
    return points


@pytest.mark.parametrize("turn_deg", [0, 10, -35, 90, 135, 180, -100])
def test_the_roll_is_found_over_the_full_circle(turn_deg):
    turned = apply_similarity(make_similarity(1.3, np.deg2rad(turn_deg), (0, 0), (50, -20)), upright_face())
    difference = face_roll(turned) - np.deg2rad(turn_deg)
    assert np.angle(np.exp(1j * difference)) == pytest.approx(0, abs=1e-9)


def test_the_line_is_fitted_through_the_fourteen_points_of_the_thesis():
    # Eyes and chin disagree: a total-least-squares line through 12 eye points, 27, and 27 + turned (27 -> 8).
    points = upright_face()[:, :2]
    points[8] = [230, 210]
    fourteen = np.concatenate([points[36:48], [[200, 120], [290, 90]]])
    centred = fourteen - fourteen.mean(axis=0)
    xx, yy, xy = (centred**2).sum(axis=0)[0], (centred**2).sum(axis=0)[1], centred.prod(axis=1).sum()
    assert face_roll(points) == pytest.approx(0.5 * np.arctan2(2 * xy, xx - yy))


def test_a_level_crop_is_centred_on_the_box_and_one_and_a_half_boxes_wide():
    similarity = align(upright_face(), margin=1.5, level=False, size=64)
    # Box 150..250 by 100..210: centre (200, 155), mean side 105.
    assert similarity_scale(similarity) == pytest.approx(63 / (1.5 * 105))
    assert apply_similarity(similarity, np.array([200.0, 155.0])) == pytest.approx([31.5, 31.5])


def test_levelling_makes_the_crop_independent_of_the_roll():
    face = upright_face()
    turn = make_similarity(1.0, np.deg2rad(140), (200, 150), (180, 160))
    level = apply_similarity(align(face, 1.5, True, 64), face)
    turned = apply_similarity(turn, face)
    assert apply_similarity(align(turned, 1.5, True, 64), turned) == pytest.approx(level)


def test_without_levelling_the_roll_stays():
    turned = apply_similarity(make_similarity(1.0, 0.5, (0, 0), (0, 0)), upright_face())
    assert similarity_angle(align(turned, 1.5, False, 64)) == 0
    assert similarity_angle(align(turned, 1.5, True, 64)) == pytest.approx(-0.5)


def test_a_detected_box_rules_the_crop_where_given():
    similarity = align(upright_face(), 1.5, False, 64, box=np.array([100, 50, 41, 61]))
    assert apply_similarity(similarity, np.array([120.0, 80.0])) == pytest.approx([31.5, 31.5])
    assert similarity_scale(similarity) == pytest.approx(63 / (1.5 * 51))


def test_resampling_puts_a_bright_pixel_where_the_similarity_says():
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[20, 30] = 255
    image = resample(photo, make_similarity(1.0, np.pi / 2, (30, 20), (7, 9)), 32)
    assert image[9, 7].tolist() == [255] * 3
    assert image.sum() == 3 * 255


def test_shrinking_averages_and_keeps_the_pixel_centres():
    photo = np.zeros((40, 40, 3), np.uint8)
    photo[8:12, 16:20] = 200
    # Four photo pixels a pixel: the block of rows 8 to 11 and columns 16 to 19 has its centre at (17.5, 9.5).
    image = resample(photo, make_similarity(0.25, 0, (17.5, 9.5), (4, 2)), 10)
    assert image[2, 4].tolist() == [200] * 3
    assert image.astype(int).sum() == 3 * 200


@pytest.mark.parametrize("scale", [0.3, 0.5, 0.9, 1.7])
def test_a_photo_of_four_channels_has_the_pixels_of_one_of_three(scale, monkeypatch):
    photo = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    similarity = make_similarity(scale, 0.4, (60, 45), (24, 30))  # the photo's rim is in sight
    image = resample(photo, similarity, 64)
    monkeypatch.setattr(alignment, "MOST_FOURFOLD", 0)
    assert image.shape == (64, 64, 3)
    assert np.array_equal(image, resample(photo, similarity, 64))


def test_contrast_is_the_deviation_of_the_grey_values_in_the_middle():
    crop = np.full((8, 8, 3), 255, np.uint8)
    crop[2:6, 2:6] = 0
    crop[2:6, 4:6] = (30, 61, 92)  # of mean 61: half of the pixels, the others are black
    assert contrast(crop) == 30.5


def test_the_detected_box_that_holds_the_face_is_chosen_and_none_beside_it():
    face = upright_face()
    boxes = np.array([[0, 0, 100, 100, 0.99], [140, 90, 120, 130, 0.8], [190, 90, 300, 130, 0.9]])
    assert choose_face(boxes, face) == 1
    assert choose_face(boxes[:1], face) is None
    assert choose_face(boxes[:0], face) is None


POLICY = AugmentationPolicy(2, 45, (0.7, 1.3), 0.1, (0.5, 1.5), 3)


def test_a_point_read_from_the_map_and_moved_equals_the_point_read_from_the_moved_map():
    rng = np.random.default_rng(0)
    maps = rng.uniform(-20, 80, (64, 64, 3)).astype(np.float32)
    uv = rng.uniform(size=(500, 2))
    for copy in range(20):
        move = draw_similarity(sample_rng("AFW/a", copy, 1), POLICY, 64)
        moved_map = apply_similarity(move, maps).astype(np.float32)
        assert np.abs(apply_similarity(move, sample_map(maps, uv)) - sample_map(moved_map, uv)).max() < 0.02


def test_the_drawn_similarities_fill_the_ranges_of_the_policy():
    moves = [draw_similarity(sample_rng("AFW/a", copy, 1), POLICY, 64) for copy in range(500)]
    turns = np.rad2deg([similarity_angle(move) for move in moves])
    scales = np.array([similarity_scale(move) for move in moves])
    shifts = np.array([apply_similarity(move, np.array([31.5, 31.5])) - 31.5 for move in moves]) / 64
    for values, low, high in ((turns, -45, 45), (scales, 0.7, 1.3), (shifts, -0.1, 0.1)):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high


def test_a_copy_depends_on_sample_seed_and_number_only():
    image = np.full((64, 64, 3), 120, np.uint8)
    face = np.array([[10.0, 10.0], [50.0, 50.0]])

    def copy(sample, number, seed):
        return disturb(image, face, sample_rng(sample, number, seed), POLICY).tobytes()

    assert copy("AFW/a", 0, 1) == copy("AFW/a", 0, 1)
    assert len({copy(*key) for key in (("AFW/a", 0, 1), ("AFW/b", 0, 1), ("AFW/a", 1, 1), ("AFW/a", 0, 2))}) == 4


def test_colour_changes_everywhere_and_noise_on_the_face_only():
    image = np.full((64, 64, 3), 120, np.uint8)
    face = np.array([[20.0, 24.0], [40.0, 44.0]])
    gains = set()
    for number in range(30):
        result = disturb(image, face, sample_rng("AFW/a", number, 1), POLICY)
        outside = np.delete(
            result.reshape(-1, 3), np.ravel_multi_index(np.mgrid[24:45, 20:41], (64, 64)).ravel(), axis=0
        )
        assert (outside == outside[0]).all(), "noise outside the face"
        assert np.ptp(result[24:45, 20:41].astype(int)) > 0, "no noise on the face"
        gains.update((outside[0] / 120).tolist())
    assert 0.5 <= min(gains) < 0.6
    assert 1.4 < max(gains) <= 1.51
    assert 1.0 in gains  # one to three channels are drawn, the others stay


def test_a_policy_out_of_range_is_refused():
    with pytest.raises(ValueError, match="zoom"):
        AugmentationPolicy(1, 0, (1.3, 0.7), 0, (1, 1), 0)
    with pytest.raises(ValueError, match="noises"):
        AugmentationPolicy(1, 0, (1, 1), 0, (1, 1), MOST_NOISES + 1)


def test_a_box_round_points_is_the_annotated_one_where_three_tenths_of_the_union_are_common():
    landmarks = np.array([[100.0, 50, 7], [110, 60, 7], [104, 52, 7]])  # a box of 10 x 10 px
    # Moved by d px to the side, it has (10 - d) / (10 + d) in common: 0.290, 0.307, and none.
    far, near, apart = ([100 + d, 50, 10, 10] for d in (5.5, 5.3, 30))
    assert choose_by_union(np.array([far, near, apart]), landmarks) == 1
    assert choose_by_union(np.array([far, apart]), landmarks) is None
    # Of a profile whose points lie beside it, the box holds one of three landmarks.
    assert choose_face(np.array([near]), landmarks) is None
    # A box round the whole photo holds all, and is another thing.
    assert choose_by_union(np.array([[0, 0, 300, 300]]), landmarks) is None
    assert choose_by_union(np.zeros((0, 4)), landmarks) is None


@pytest.mark.parametrize("turn_deg", range(-165, 181, 15))
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_chin_alone_says_which_way_round_the_line_of_the_eyes_is(mirrored, turn_deg):
    face = upright_face()[:, :2]
    if mirrored:
        # The points of the right eye are on the other side, and the chin is where it was: no half turn.
        face[:, 0] = 400 - face[:, 0]
    turned = apply_similarity(make_similarity(1.0, np.deg2rad(turn_deg), (0, 0), (0, 0)), face)
    difference = face_roll(turned) - np.deg2rad(turn_deg)
    assert np.angle(np.exp(1j * difference)) == pytest.approx(0, abs=1e-9)


def test_a_box_that_holds_just_half_of_the_landmarks_is_the_face_s():
    points = np.array([[10.0, 10], [20, 20], [90, 90], [95, 95]])
    assert choose_face(np.array([[0, 0, 30, 30, 0.9]]), points) == 0
    assert choose_face(np.array([[0, 0, 15, 15, 0.9]]), points) is None


def test_a_pattern_finer_than_the_new_pixels_becomes_its_mean():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::4] = 200
    # A quarter of the size: each new pixel has one column of 200 and three of 0.
    image = resample(stripes, make_similarity(0.25, 0, (31.5, 31.5), (7.5, 7.5)), 16)
    assert np.abs(image.astype(int) - 50).max() <= 1
