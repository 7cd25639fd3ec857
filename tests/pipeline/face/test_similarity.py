"""Similarities in the plane and in space."""

import numpy as np
import pytest

from pipeline.face.camera import rotation_matrix
from pipeline.face.similarity import (
    apply_similarity,
    fit_similarity,
    is_mirrored,
    make_similarity,
    move,
    move_back,
    similarity_angle,
    similarity_scale,
)


def rotation(axis, angle_deg):
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    turn = np.eye(3)
    first, second = [i for i in range(3) if i != axis]
    turn[first, first], turn[first, second], turn[second, first], turn[second, second] = c, -s, s, c
    return turn


def test_a_similarity_turns_clockwise_on_the_screen_and_scales_z():
    similarity = make_similarity(2.0, np.pi / 2, (1, 1), (10, 20))
    # From (1, 1) one step right becomes two steps down.
    assert apply_similarity(similarity, np.array([2.0, 1.0, 7.0])) == pytest.approx([10, 22, 14])
    assert similarity_scale(similarity) == pytest.approx(2)
    assert similarity_angle(similarity) == pytest.approx(np.pi / 2)


def test_a_fit_finds_a_known_similarity():
    source = np.random.default_rng(0).normal(size=(40, 3))
    turn = rotation(0, 110) @ rotation(2, -70)
    fit = fit_similarity(source, 2.5 * source @ turn.T + [1, 2, 3])
    assert fit.scale == pytest.approx(2.5)
    assert fit.rotation == pytest.approx(turn)
    assert fit.translation == pytest.approx([1, 2, 3])


@pytest.mark.parametrize("seed", range(20))
def test_a_mirrored_face_is_never_fitted_by_a_reflection(seed):
    source = np.random.default_rng(seed).normal(size=(30, 3)) * [3, 2, 1]
    fit = fit_similarity(source, source * [-1, 1, 1])
    assert np.linalg.det(fit.rotation) == pytest.approx(1)
    assert fit.scale > 0


def test_a_flat_face_has_a_proper_rotation():
    source = np.random.default_rng(0).normal(size=(30, 3)) * [1, 1, 0]
    fit = fit_similarity(source, source @ rotation(2, 33).T)
    assert np.linalg.det(fit.rotation) == pytest.approx(1)
    assert source @ fit.rotation.T == pytest.approx(source @ rotation(2, 33).T)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_scale_or_shift_fits_better(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(2, 25, 3))
    fit = fit_similarity(source, target)

    def residual(scale, translation):
        return ((scale * source @ fit.rotation.T + translation - target) ** 2).sum()

    best = residual(fit.scale, fit.translation)
    for _ in range(20):
        other = residual(fit.scale + rng.normal(scale=0.1), fit.translation + rng.normal(scale=0.1, size=3))
        assert other > best


def test_a_collapsed_prediction_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="one place"):
        fit_similarity(np.ones((5, 3)), np.eye(5)[:, :3])


def test_a_rigid_fit_turns_and_shifts_and_leaves_the_size():
    points = np.random.default_rng(0).normal(size=(20, 3))
    target = 3.0 * points @ rotation(2, 30).T + [1, 2, 3]
    fit = fit_similarity(points, target, scaled=False)
    assert fit.scale == 1
    assert fit.rotation == pytest.approx(rotation(2, 30))
    assert fit.translation == pytest.approx(target.mean(axis=0) - rotation(2, 30) @ points.mean(axis=0))


def test_points_are_moved_and_moved_back():
    points = np.random.default_rng(0).normal(size=(2, 20, 3))
    target = 3.0 * points @ rotation(1, -70).T + [1, 2, 3]
    fit = fit_similarity(points, target)
    assert move(fit, points) == pytest.approx(target)
    assert move_back(fit, target) == pytest.approx(points)


def test_points_of_a_face_tell_a_mirrored_one():
    """By a made-up face: eyes, nose and mouth, nearly symmetric, in another frame and unit."""
    eyes, mouth = [[-45, 30, 0], [-15, 28, 8], [15, 28, 8.5], [46, 31, 0]], [[-26, -40, 12], [24, -41, 13]]
    face = np.array([*eyes, [1, -10, 45], *mouth], float)
    turned = 0.02 * face @ rotation_matrix(0.3, -0.5, 2.0).T + [5, 6, 7]
    assert not is_mirrored(face, turned)
    assert not is_mirrored(face * [-1, 1, 1], turned * [-1, 1, 1])
    assert is_mirrored(face * [-1, 1, 1], turned)
    assert is_mirrored(face, turned * [1, -1, 1])
