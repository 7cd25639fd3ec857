"""Crops that are augmented while a network learns: what is kept, and what is drawn."""

import cv2
import numpy as np
import pytest

from pipeline.crops.alignment import resample
from pipeline.crops.online import (
    border,
    crop_with_border,
    draw,
    from_copy_to_crop,
    move_cameras,
    pad_rows,
    unchanged,
    unpack_crop,
)
from pipeline.crops.policy import AugmentationPolicy
from pipeline.face.similarity import apply_similarity, make_similarity, similarity_angle, similarity_scale

POLICY = AugmentationPolicy(
    copies=0,
    rotation_deg=30,
    zoom=(0.8, 1.25),
    shift=0.1,
    channel_gain=(0.5, 1.5),
    noises=0,
    online=True,
    far_share=0.25,
    far_rotation_deg=90,
    mirror=0.5,
    gain=(0.9, 1.1),
    contrast=(0.6, 1.4),
    saturation=(0.0, 1.4),
    brightness=0.1,
    noise=0.06,
    patches=2,
)
SIZE, COUNT = 64, 4000
DRAWS = draw(POLICY, COUNT, SIZE, seed=1, epoch=3)


def smooth_photo() -> np.ndarray:
    rows, columns = np.mgrid[:150, :180]
    waves = [np.sin(rows / 9), np.cos(columns / 11), np.sin((rows + columns) / 13)]
    return np.stack([127 + 100 * wave for wave in waves], axis=-1).astype(np.uint8)


def test_the_middle_of_a_crop_is_the_aligned_image_up_to_what_a_jpeg_loses():
    photo, similarity = smooth_photo(), make_similarity(0.7, 0.3, (90, 75), (31.5, 31.5))
    crop = unpack_crop(crop_with_border(photo, similarity, SIZE))
    assert (border(SIZE), crop.shape) == (12, (88, 88, 3))
    aligned = resample(photo, similarity, SIZE).astype(int)
    assert np.abs(crop[12:-12, 12:-12].astype(int) - aligned).mean() < 1.5


def test_padded_rows_unpack_to_what_went_in():
    photo = smooth_photo()
    rows = [crop_with_border(photo[:, shift:], np.eye(3) * [0.5, 0.5, 1], SIZE) for shift in (0, 30, 60)]
    padded = pad_rows([*rows, rows[0][:0]])
    assert padded.shape == (4, max(map(len, rows)))
    for row, whole in zip(padded, rows, strict=False):
        assert np.array_equal(unpack_crop(row), unpack_crop(whole))
    assert not padded[3].any()


def test_what_is_drawn_lies_in_the_policy_s_ranges_and_fills_them():
    angle, scale = np.rad2deg(similarity_angle(DRAWS.move)), similarity_scale(DRAWS.move)
    assert 88 < np.abs(angle).max() <= 90
    # Two thirds of the far turns, a quarter of all, are beyond 30 degrees.
    assert np.mean(np.abs(angle) > 30) == pytest.approx(0.25 * 2 / 3, abs=0.02)
    assert (scale.min(), scale.max()) == pytest.approx((0.8, 1.25), abs=2e-3)
    assert np.all((scale >= 0.8 - 1e-6) & (scale <= 1.25 + 1e-6))
    moved = np.array([apply_similarity(move, np.array([31.5, 31.5])) for move in DRAWS.move]) - 31.5
    assert np.abs(moved).max() == pytest.approx(6.4, abs=0.02)
    assert DRAWS.mirrored.mean() == pytest.approx(0.5, abs=0.03)
    assert (DRAWS.gain.min(), DRAWS.gain.max()) == pytest.approx((0.45, 1.65), abs=0.03)
    assert (DRAWS.contrast.min(), DRAWS.contrast.max()) == pytest.approx((0.6, 1.4), abs=2e-3)
    assert (DRAWS.saturation.min(), DRAWS.saturation.max()) == pytest.approx((0, 1.4), abs=2e-3)
    assert np.abs(DRAWS.brightness).max() == pytest.approx(0.1, abs=1e-3)
    assert (DRAWS.noise.min(), DRAWS.noise.max()) == pytest.approx((0, 0.06), abs=1e-4)
    covered = (DRAWS.patch[:, :, 2] > DRAWS.patch[:, :, 0]).mean(axis=0)
    assert covered == pytest.approx([0.35, 0.35], abs=0.03)
    sides = (DRAWS.patch[:, :, 2:] - DRAWS.patch[:, :, :2])[DRAWS.patch[:, :, 2] > 0]
    assert (sides.min() / SIZE, sides.max() / SIZE) == pytest.approx((0.1, 0.5), abs=5e-3)


def test_a_sample_s_numbers_are_its_own_whatever_follows_it_and_others_in_another_epoch_or_seed():
    fewer = draw(POLICY, 10, SIZE, seed=1, epoch=3)
    for ours, theirs in zip(fewer, DRAWS, strict=True):
        assert np.array_equal(ours, theirs[:10])
    for seed, epoch in ((1, 4), (2, 3)):
        assert not np.array_equal(draw(POLICY, 10, SIZE, seed, epoch).move, fewer.move)


def test_strength_grows_from_nothing_but_mirroring_to_the_whole_policy():
    none = draw(POLICY, 50, SIZE, 1, 3, strength=0.0)
    plain = unchanged(50)
    for name in ("move", "gain", "brightness", "saturation", "contrast", "noise"):
        np.testing.assert_allclose(getattr(none, name), getattr(plain, name), atol=1e-6)
    assert not none.patch.any()
    assert np.array_equal(none.mirrored, DRAWS.mirrored[:50])
    half = draw(POLICY, COUNT, SIZE, 1, 3, strength=0.5)
    assert np.rad2deg(np.abs(similarity_angle(half.move))).max() < 45.01
    assert similarity_scale(half.move).max() == pytest.approx(1.125, abs=1e-3)


def test_a_pixel_of_a_copy_comes_from_where_the_similarity_took_it():
    move = DRAWS.move[:20]
    source = from_copy_to_crop(move, SIZE)
    aligned = np.array([[0.0, 0.0], [63, 0], [20, 50]])
    for one, back in zip(move, source, strict=True):
        copy = apply_similarity(one, aligned)
        assert copy @ back[:, :2].T + back[:, 2] == pytest.approx(aligned + border(SIZE), abs=1e-9)


def test_a_camera_moves_as_the_points_that_it_places():
    rng = np.random.default_rng(0)
    cameras, points = rng.normal(0, 1, (20, 3, 4)), rng.normal(0, 10, (5, 3))
    for one, camera, moved in zip(DRAWS.move, cameras, move_cameras(DRAWS.move[:20], cameras), strict=False):
        placed = points @ camera[:, :3].T + camera[:, 3]
        expected = apply_similarity(one, placed)
        assert points @ moved[:, :3].T + moved[:, 3] == pytest.approx(expected, abs=1e-9)


def test_a_policy_that_is_online_stores_no_copies_and_its_keys_need_it():
    for changes, sentence in (
        ({"copies": 1}, "stores no copies: set copies and noises to 0"),
        (
            {"online": False},
            "far_share, far_rotation_deg, mirror, gain, contrast, saturation, brightness, noise, patches",
        ),
        ({"saturation": (1.2, 0.4)}, r"saturation of an augmentation policy is 1.2 to 0.4; expected 0 <= low <= high"),
        ({"mirror": 2.0}, "shares of 0 to 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            AugmentationPolicy(**{**POLICY.__dict__, **changes})


def test_a_damaged_crop_is_refused():
    with pytest.raises(cv2.error):
        unpack_crop(np.zeros(0, np.uint8))


def test_what_is_drawn_twice_or_thrice_is_drawn_anew_each_time():
    """Shift to the right and down, gain of each channel, place and colour of each patch."""
    moved = np.array([apply_similarity(move, np.array([31.5, 31.5])) for move in DRAWS.move])
    covering = DRAWS.patch[:, :, 2] > DRAWS.patch[:, :, 0]
    patches = DRAWS.patch[covering]
    pairs = {
        "shift": moved.T,
        "gain": DRAWS.gain.T,
        "patch": np.stack([patches[:, 0] + patches[:, 2], patches[:, 1] + patches[:, 3]]),
        "sides": np.stack([patches[:, 2] - patches[:, 0], patches[:, 3] - patches[:, 1]]),
        "colour": DRAWS.patch_colour[covering].T,
    }
    for name, values in pairs.items():
        common = np.corrcoef(values)[np.triu_indices(len(values), 1)]
        # Gains have a factor in common: 0.9 to 1.1, of channels of 0.5 to 1.5, is 4 % of their variance.
        assert np.abs(common).max() < 0.12, name


def test_noise_begins_anywhere_in_the_bank():
    assert DRAWS.noise_start.min() < 2**18 / 500
    assert 2**18 * (1 - 1 / 500) < DRAWS.noise_start.max() < 2**18
    assert np.std(DRAWS.noise_start) == pytest.approx(2**18 / 12**0.5, rel=0.05)
