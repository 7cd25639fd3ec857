"""Procedural faces whose expressions go with their geometry."""

import functools

import numpy as np

from pipeline.demo.dataset import deform
from pipeline.demo.face import MICROMETRES, make_face
from pipeline.demo.meshes import expressions_on, make_meshes
from pipeline.face.multilinear import make_multilinear, mixed_share

# Of `identity_fields` and `expression_fields`.
LONG, JAW_ASIDE, JAW_OPEN, ONE_CORNER = 1, 12, 0, 5


@functools.cache
def face():
    return make_face()


def coefficients(field, sigmas):
    values = np.zeros(face().shape_sigma.size)
    values[field] = sigmas * face().shape_sigma[field]
    return values


def test_on_the_mean_face_the_expressions_are_those_of_the_linear_model():
    np.testing.assert_allclose(expressions_on(face(), face().mean), face().expression_basis, atol=2.0)  # micrometres
    expression = np.array([[1.0, 0.5, -0.5, 0.2, 1.0, 0.3]])
    mean = make_meshes(face(), coefficients(LONG, 0)[None], expression)[0, 0]
    np.testing.assert_allclose(mean, deform(face(), coefficients(LONG, 0), expression[0]), atol=5.0)


def test_a_jaw_that_is_lower_opens_further_back():
    """It turns about the ears: a vertex moves back by 0.045 of its height below them, for one unit."""
    chin = face().landmarks[8]
    moved = {}
    for sigmas in (-2, 0):
        neutral = face().mean + face().shape_basis @ coefficients(LONG, sigmas)
        moved[sigmas] = neutral[chin, 1], expressions_on(face(), neutral)[chin, 2, JAW_OPEN]
    (high, less), (low, more) = moved[-2], moved[0]
    assert low < high
    assert more < less < 0
    np.testing.assert_allclose(less, 0.045 * (high - 8 * MICROMETRES), rtol=0.02)
    np.testing.assert_allclose(more, 0.045 * (low - 8 * MICROMETRES), rtol=0.02)


def test_a_mirrored_identity_has_mirrored_expressions():
    flip = np.array([-1, 1, 1])
    neutral = face().mean + face().shape_basis @ coefficients(JAW_ASIDE, 2)
    mirrored = neutral[face().mirror] * flip
    own, other = expressions_on(face(), neutral), expressions_on(face(), mirrored)
    for number, parity in enumerate(face().expression_parity):
        np.testing.assert_allclose(other[..., number], parity * flip * own[face().mirror][..., number], atol=1e-6)


def test_the_set_has_a_mixed_part_and_the_linear_model_has_none():
    rng = np.random.default_rng(0)
    shape, expression = rng.normal(size=(7, 13)) * face().shape_sigma, rng.normal(size=(6, 6))
    meshes = make_meshes(face(), shape, expression)
    linear = np.array([[deform(face(), a, b) for b in expression] for a in shape], np.float32)
    shares = [
        mixed_share(make_multilinear(each, (6, 5), face().triangles, face().landmarks, "abcdef"))
        for each in (meshes, linear)
    ]
    assert shares[0] > 1e-3
    assert shares[1] < 1e-8
