"""What is put before a face: how much of it is covered, where, and that a seed repeats it."""

import numpy as np
import pytest

from pipeline.crops.occlusion import KINDS, Occluder, cover, draw_occluder
from pipeline.face.landmarks import CHIN, NOSE_ROOT
from stages.project.result_params import MOST_COVERED, OCCLUDERS

SIDE = 96
SHARES = (0.1, 0.35, MOST_COVERED)
ROWS, COLUMNS = np.indices((SIDE, SIDE))


def make_face(turn=0.0):
    """An ellipse, taller than wide, turned about the middle, with its chin and nose root; skin before grey."""
    middle = (SIDE - 1) / 2
    x, y = COLUMNS - middle, ROWS - middle
    c, s = np.cos(turn), np.sin(turn)
    face = ((c * x + s * y) / 25) ** 2 + ((c * y - s * x) / 34) ** 2 < 1
    landmarks = np.full((68, 3), middle)
    for number, down in ((CHIN, 33), (NOSE_ROOT, -6)):
        landmarks[number, :2] += down * np.array([-s, c])
    image = np.full((SIDE, SIDE, 3), 90, np.uint8)
    image[face] = (200, 150, 120)
    return image, face, landmarks


def draw(kind, seed=3, turn=0.0):
    image, face, landmarks = make_face(turn)
    return image, face, draw_occluder(kind, image, face, landmarks, np.random.default_rng(seed))


def test_the_names_in_params_are_those_of_what_there_is():
    assert tuple(KINDS) == OCCLUDERS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", [0.0, 1.2])
def test_the_share_of_the_face_s_pixels_that_is_asked_for_is_covered_and_nothing_else_changes(kind, turn):
    for seed in range(8):
        image, face, occluder = draw(kind, seed, turn)
        for share in SHARES:
            result, covered = cover(image, face, occluder, share)
            assert abs((covered & face).sum() - share * face.sum()) <= 2
            assert (result[~covered] == image[~covered]).all()
            assert result[covered].std() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_covered_stays_covered_as_the_share_grows_and_a_seed_repeats_it(kind):
    image, face, occluder = draw(kind)
    before = np.zeros_like(face)
    for share in SHARES:
        result, covered = cover(image, face, occluder, share)
        assert (covered >= before).all()
        before = covered
    again, _ = cover(image, face, draw(kind)[2], SHARES[-1])
    assert (again == result).all()
    assert (cover(image, face, draw(kind, seed=4)[2], SHARES[-1])[0] != result).any()


def test_nothing_is_covered_by_a_share_of_0():
    image, face, occluder = draw("rectangle")
    result, covered = cover(image, face, occluder, 0.0)
    assert (result == image).all()
    assert not covered.any()


def test_a_mask_covers_the_chin_first_then_the_mouth_and_never_the_brow_whatever_the_head_s_turn():
    for turn in (0.0, 1.2, np.pi):
        image, face, occluder = draw("mask", turn=turn)
        _, covered = cover(image, face, occluder, 0.4)
        middle = (SIDE - 1) / 2
        down = -np.sin(turn) * (COLUMNS - middle) + np.cos(turn) * (ROWS - middle)
        assert covered[face & (down > 20)].all()
        assert not covered[down < -12].any()


def test_a_hand_has_the_colour_of_the_face():
    image, face, occluder = draw("hand")
    result, covered = cover(image, face, occluder, 0.4)
    red, green, blue = np.median(result[covered], axis=0)
    assert (red / green, red / blue) == pytest.approx((200 / 150, 200 / 120), rel=0.05)


def test_what_does_not_reach_so_far_is_told():
    image, face, _ = make_face()
    levels = np.where(COLUMNS < SIDE / 2, 0.0 + ROWS, np.inf)
    with pytest.raises(ValueError, match="reaches 50 % of it; 60 % are asked for"):
        cover(image, face, Occluder(levels, np.zeros((SIDE, SIDE, 3)), 0.0), 0.6)


def test_an_image_without_a_face_is_refused():
    image, face, landmarks = make_face()
    with pytest.raises(ValueError, match="No pixel of the image shows the face"):
        draw_occluder("hand", image, np.zeros_like(face), landmarks, np.random.default_rng(0))
