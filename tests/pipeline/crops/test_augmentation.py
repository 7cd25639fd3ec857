"""What one augmented copy of a sample is: how much is drawn for it, and that all of the sample moves together."""

import re

import albumentations
import numpy as np
import pytest

from pipeline.crops import augmentation
from pipeline.crops.augmentation import augment_sample, disturb, draw_similarity, make_noises, sample_rng
from pipeline.crops.policy import AugmentationPolicy
from pipeline.face.camera import project, transform_pose
from pipeline.face.similarity import apply_similarity, make_similarity

SIZE, COUNT = 64, 300
GAINS = AugmentationPolicy(1, 0, (1, 1), 0, (0.5, 1.5), 0)
FACE = np.array([[20.0, 24.0], [40.4, 44.0]])
FLAT = np.full((SIZE, SIZE, 3), 120, np.uint8)
NUMBERS = range(COUNT)


def disturbed(policy: AugmentationPolicy) -> np.ndarray:
    """Copies of a flat image (COUNT, SIZE, SIZE, 3)."""
    return np.array([disturb(FLAT, FACE, sample_rng("AFW/a", number, 1), policy) for number in NUMBERS])


def add_1(image, **_):
    return image + 1


def add_4(image, **_):
    return image + 4


def add_16(image, **_):
    return image + 16


@pytest.fixture
def marks(monkeypatch):
    """In place of the three kinds of noise what tells them apart: they add 1, 4 and 16 grey levels."""
    kinds = tuple(albumentations.Lambda(image=add, p=1) for add in (add_1, add_4, add_16))
    monkeypatch.setattr(augmentation, "make_noises", lambda _: kinds)
    return np.array([1, 4, 16])


def shares(counts: np.ndarray, values: range) -> list[float]:
    return [np.mean(counts == value) for value in values]


def test_one_two_or_three_channels_are_drawn_equally_often_and_each_has_a_gain_of_its_own():
    colours = disturbed(GAINS)[:, 0, 0].astype(int)
    changed = colours != 120
    # One copy in 120 has a drawn gain that rounds to none.
    assert shares(changed.sum(axis=1), range(1, 4)) == pytest.approx([1 / 3] * 3, abs=0.09)
    assert changed.mean(axis=0) == pytest.approx([2 / 3] * 3, abs=0.09)
    several = colours[changed.sum(axis=1) == 3]
    # Two of 120 levels are the same by chance once in 120 times, so that of three some two are once in 40.
    assert np.mean([len(set(colour)) == 3 for colour in several.tolist()]) > 0.9
    assert np.corrcoef(several.T)[[0, 0, 1], [1, 2, 2]] == pytest.approx([0, 0, 0], abs=0.35)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_one_to_as_many_kinds_of_noise_as_the_policy_has_are_drawn_each_once_and_each_as_often(marks, most):
    levels = disturbed(AugmentationPolicy(1, 0, (1, 1), 0, (1, 1), most))[:, 30, 30, 0].astype(int) - 120
    drawn = levels[:, None] // marks % 4
    assert set(np.unique(drawn)) == {0, 1}
    assert shares(drawn.sum(axis=1), range(1, most + 1)) == pytest.approx([1 / most] * most, abs=0.09)
    # The mean number of kinds is (most + 1) / 2, of 3.
    assert drawn.mean(axis=0) == pytest.approx([(most + 1) / 6] * 3, abs=0.09)


def test_noise_fills_the_box_round_the_landmarks_with_both_ends_and_no_pixel_more(marks):
    noisy = disturbed(AugmentationPolicy(1, 0, (1, 1), 0, (1, 1), 1))
    box = np.zeros((SIZE, SIZE), bool)
    box[24:45, 20:42] = True  # x from 20 to 40.4, of which pixel 41 has a part; y from 24 to 44
    assert np.array_equal((noisy != 120).all(axis=3), np.broadcast_to(box, noisy.shape[:3]))


@pytest.mark.parametrize("number", range(5))
def test_each_kind_of_noise_is_as_strong_as_the_policy_says(number):
    strengths = {"noise_std": (0.04, 0.04), "noise_pixels": (0.3, 0.3), "noise_patches": 1}
    policy = AugmentationPolicy(1, 0, (1, 1), 0, (1, 1), 3, **strengths, noise_patch_sides=(0.5, 0.5))
    gaussian, pixels, patches = (
        albumentations.Compose([noise], seed=number)(image=FLAT)["image"].astype(int) for noise in make_noises(policy)
    )
    assert (gaussian - 120).std() == pytest.approx(0.04 * 255, rel=0.06)  # of whole grey levels
    changed = pixels[(pixels != 120).any(axis=2)]
    assert len(changed) == pytest.approx(0.3 * SIZE**2, rel=0.03)
    assert set(np.unique(changed)) == {0, 255}
    rows, columns = np.nonzero((patches != 120).any(axis=2))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1, len(rows)) == (32, 32, 32 * 32)
    assert len(np.unique(patches[rows, columns], axis=0)) == 1


@pytest.mark.parametrize("most", [1, 2, 4])
def test_there_are_one_to_as_many_patches_as_the_policy_has(most):
    policy = AugmentationPolicy(1, 0, (1, 1), 0, (1, 1), 3, noise_patches=most, noise_patch_sides=(0.02, 0.02))
    copies = [
        albumentations.Compose([make_noises(policy)[2]], seed=number)(image=FLAT)["image"] for number in range(60)
    ]
    # A patch is one pixel of 64 x 64: that two meet is rare.
    counts = [(copy != 120).any(axis=2).sum() for copy in copies]
    assert (min(counts), max(counts)) == (1, most)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"noise_std": (0.1, 0.05)},
            "noise_std of an augmentation policy is 0.1 to 0.05; expected 0 < low <= high",
        ),
        ({"noise_pixels": (0.0, 0.05)}, "noise_pixels of an augmentation policy is 0.0 to 0.05; expected 0 < low"),
        ({"noise_patch_sides": (0.1, 1.5)}, "noise_patch_sides of an augmentation policy is 0.1 to 1.5; expected 0 < "),
        ({"noise_patches": 0}, "noise_patches of an augmentation policy is 0; expected 1 or more."),
        ({"noises": 0, "online": True, "noise_patches": 2}, "noise_patches of an augmentation policy need online: fal"),
    ],
)
def test_a_strength_out_of_range_or_of_a_policy_that_stores_nothing_is_refused(changes, sentence):
    values = {"copies": 0, "rotation_deg": 0, "zoom": (1, 1), "shift": 0, "channel_gain": (1, 1), "noises": 1}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        AugmentationPolicy(**values | changes)


def test_the_shift_down_is_another_number_than_that_to_the_right():
    policy = AugmentationPolicy(1, 0, (1, 1), 0.1, (1, 1), 0)
    moves = np.array([draw_similarity(sample_rng("AFW/a", number, 1), policy, SIZE) for number in NUMBERS])
    right, down = moves[:, 0, 2], moves[:, 1, 2]
    assert abs(np.corrcoef(right, down)[0, 1]) < 0.2
    # The mean distance of two numbers of -6.4 to 6.4 px is a third of 12.8.
    assert np.abs(right - down).mean() == pytest.approx(12.8 / 3, rel=0.15)


def test_a_turn_and_a_zoom_leave_the_middle_pixel_of_the_image_where_it_is():
    policy = AugmentationPolicy(1, 45, (0.7, 1.3), 0, (1, 1), 0)
    for number in range(20):
        move = draw_similarity(sample_rng("AFW/a", number, 1), policy, SIZE)
        assert apply_similarity(move, np.array([31.5, 31.5])) == pytest.approx([31.5, 31.5])


HEIGHT = 120
TO_ALIGNED = make_similarity(0.8, 0.4, (60, 55), (31.5, 31.5))
# Points of the model's frame that a pose places in the raw photo: the first three have a spot in the photo, one of each
# colour, all have a texel in the map.
VERTICES = np.vstack([[-10.0, 4, 3], [9.0, 8, -2], [1.0, -11, 6], np.random.default_rng(0).uniform(-12, 12, (65, 3))])
POSE = np.array([0.2, -0.4, 0.3, 61.0, 66.0, 7.0, 1.3])
RAW = project(VERTICES, POSE, HEIGHT)


def spots() -> np.ndarray:
    """A black photo (120, 120, 3) with a soft spot of each colour where the first three points are."""
    rows, columns = np.mgrid[:HEIGHT, :HEIGHT]
    squares = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in RAW[:3, :2]]
    return np.stack([250 * np.exp(-each / 18) for each in squares], axis=-1).astype(np.uint8)


def centres(image: np.ndarray) -> np.ndarray:
    """Centre of gravity of each colour (3, 2), x and y in px."""
    rows, columns = np.mgrid[: len(image), : len(image)]
    weights = image.reshape(-1, 3) / image.reshape(-1, 3).sum(axis=0, dtype=float)
    return np.stack([columns.ravel() @ weights, rows.ravel() @ weights], axis=1)


def make_sample() -> dict:
    aligned = apply_similarity(TO_ALIGNED, RAW).astype(np.float32)
    position_map = np.zeros((SIZE, SIZE, 3), np.float32)
    position_map.reshape(-1, 3)[:68] = aligned
    return {
        "sample_id": "AFW/a",
        "similarity": TO_ALIGNED,
        "position_map": position_map,
        "landmarks": aligned,
        "pose": transform_pose(POSE, HEIGHT, TO_ALIGNED, SIZE).astype(np.float32),
        "image": np.zeros((SIZE, SIZE, 3), np.uint8),
    }


@pytest.mark.parametrize("number", range(5))
def test_image_map_landmarks_pose_and_similarity_of_a_copy_are_all_of_one_and_the_same_move(number):
    policy, sample = AugmentationPolicy(1, 45, (0.7, 1.3), 0.1, (1, 1), 0), make_sample()
    copy = augment_sample(sample, spots(), sample_rng("AFW/a", number, 1), policy, SIZE)
    # The move is the first thing that is drawn.
    move = draw_similarity(sample_rng("AFW/a", number, 1), policy, SIZE)
    moved = apply_similarity(move, apply_similarity(TO_ALIGNED, RAW))
    assert np.abs(moved - sample["landmarks"])[:, :2].max() > 1
    assert copy["landmarks"] == pytest.approx(moved, abs=1e-3)
    assert copy["position_map"].reshape(-1, 3)[:68] == pytest.approx(moved, abs=1e-3)
    assert project(VERTICES, copy["pose"], SIZE) == pytest.approx(moved, abs=1e-3)
    assert apply_similarity(copy["similarity"], RAW) == pytest.approx(moved, abs=1e-3)
    assert centres(copy["image"]) == pytest.approx(moved[:3, :2], abs=0.15)
    assert (copy["sample_id"], list(copy)) == ("AFW/a", list(sample))
    assert {name: values.dtype for name, values in copy.items() if name != "sample_id"} == {
        name: values.dtype for name, values in sample.items() if name != "sample_id"
    }
