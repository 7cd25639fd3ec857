"""The similarity in closed form, against known ones, Umeyama's by decomposition, and finite differences."""

import importlib.util

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from model.backend import prepare_keras
from pipeline.face.similarity import fit_similarity
from tests.helpers.processes import run_alone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

COUNT, POINTS = 20, 60


def draw(noise, mirrored=False):
    """Faces' points (wide, high, less deep), and where a similarity takes them."""
    rng = np.random.default_rng(1)
    source = rng.normal(0, 1, (COUNT, POINTS, 3)) * [1, 1.2, 0.35] + rng.normal(0, 1, (COUNT, 1, 3))
    turns, scales = Rotation.random(COUNT, random_state=2).as_matrix(), rng.uniform(0.3, 2, (COUNT, 1, 1))
    target = scales * source @ turns.transpose(0, 2, 1) + rng.normal(0, 1, (COUNT, 1, 3))
    target = target * ([1, 1, -1] if mirrored else 1) + rng.normal(0, noise, source.shape)
    return source.astype(np.float32), target.astype(np.float32), turns, scales


def found_of(source, target, weights):
    """Scale, rotation, and the source moved."""
    from model.self_alignment import apply_alignment, fit_alignment

    alignment = fit_alignment(source, target, weights)
    return [np.asarray(part) for part in (alignment.scale, alignment.rotation, apply_alignment(alignment, source))]


def test_it_finds_the_similarity_that_points_were_moved_by():
    source, target, turns, scales = draw(0)
    scale, rotation, moved = found_of(source, target, np.ones((1, POINTS), np.float32))
    assert scale == pytest.approx(scales, rel=1e-5)
    assert rotation == pytest.approx(turns, abs=2e-6)
    assert moved == pytest.approx(target, abs=1e-5)


@pytest.mark.parametrize(("noise", "mirrored"), [(0.1, False), (0.5, False), (0.1, True)])
def test_it_is_umeyama_s_where_points_do_not_fit_and_never_a_reflection(noise, mirrored):
    source, target, _, _ = draw(noise, mirrored)
    expected = fit_similarity(source, target)
    scale, rotation, _ = found_of(source, target, np.ones((1, POINTS), np.float32))
    # Of mirror images the second eigenvalue may come within a hundredth of the first.
    tolerance = 2e-6 if not mirrored else 0.1
    assert np.abs(rotation - expected.rotation).max() < tolerance
    assert np.median(np.abs(rotation - expected.rotation)) < 2e-6
    if not mirrored:
        assert scale[:, 0, 0] == pytest.approx(expected.scale, rel=1e-5)
        assert np.linalg.det(rotation) == pytest.approx(np.ones(COUNT), abs=1e-5)


def test_what_has_no_weight_does_not_count():
    source, target, turns, _ = draw(0)
    weights = np.ones((COUNT, POINTS), np.float32)
    weights[:, ::3] = 0
    wild = np.where(weights[..., None] > 0, target, 50)
    _, rotation, _ = found_of(source, wild.astype(np.float32), weights)
    assert rotation == pytest.approx(turns, abs=2e-6)


def test_points_in_one_place_leave_finite_numbers():
    source, target, _, _ = draw(0)
    weights = np.ones((1, POINTS), np.float32)
    for first, second in ((0 * source, target), (source, 0 * target), (0 * source, 0 * target)):
        assert all(np.isfinite(part).all() for part in found_of(first, second, weights))


def test_its_gradient_is_that_of_finite_differences():
    import tensorflow as tf

    from model.self_alignment import apply_alignment, fit_alignment

    rng = np.random.default_rng(3)
    source, target, _, _ = draw(0.2)
    source, target = source[:2, :8], target[:2, :8]
    weights, factors = np.ones((1, 8), np.float32), rng.normal(0, 1, source.shape).astype(np.float32)

    def value(first, second):
        return tf.reduce_sum(factors * apply_alignment(fit_alignment(first, second, weights), first))

    both = [tf.constant(source), tf.constant(target)]
    with tf.GradientTape() as tape:
        tape.watch(both)
        total = value(*both)
    for number, gradient in enumerate(tape.gradient(total, both)):
        step = rng.normal(0, 1, source.shape).astype(np.float32)
        ends = [[part + sign * 1e-2 * step * (k == number) for k, part in enumerate(both)] for sign in (1, -1)]
        difference = float(value(*ends[0]) - value(*ends[1])) / 2e-2
        assert difference == pytest.approx(float(np.sum(gradient.numpy() * step)), rel=2e-2)


def found_on_jax():
    prepare_keras(backend="jax")
    import jax

    source, target, _, _ = draw(0.1)
    return jax.tree.map(np.asarray, found_of(source, target, np.ones((1, POINTS), np.float32)))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_it_finds_the_same_on_jax():
    source, target, _, _ = draw(0.1)
    for one, other in zip(
        run_alone(found_on_jax), found_of(source, target, np.ones((1, POINTS), np.float32)), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-5)
