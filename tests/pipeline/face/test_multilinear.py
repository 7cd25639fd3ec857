"""The multilinear face model: against tensors that are built from known parts, and faces that are put together anew."""

import dataclasses

import h5py
import numpy as np
import pytest

from pipeline.face.camera import project
from pipeline.face.face_model import FaceModel
from pipeline.face.face_model import deform as deform_linear
from pipeline.face.fit import Prior, fit_face
from pipeline.face.multilinear import (
    at_vertices,
    deform,
    linear_about,
    load_multilinear,
    make_multilinear,
    mixed_share,
    save_multilinear,
)
from pipeline.face.multilinear_fit import fit_multilinear, place

IDENTITIES, EXPRESSIONS, VERTICES = 9, 6, 80
RANKS = (3, 2)
TRIANGLES, LANDMARKS = np.array([[0, 1, 2]], np.int32), np.arange(68, dtype=np.int32)
NAMES = tuple(f"expression{number}" for number in range(EXPRESSIONS))
POSE, HEIGHT = np.array([0.1, 0.5, -0.1, 200.0, 210.0, 0.0, 1.5e-3]), 400


def draw_parts(seed=0):
    """Mean, identity, expression and mixed part of faces in micrometres, and orthonormal weights without mean."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, size=(2, VERTICES))
    mean = np.stack([7e4 * x, 9e4 * y, 6e4 * (1 - 0.6 * x**2 - 0.3 * y**2)], axis=1)
    parts = [rng.normal(size=(VERTICES, 3, *shape)) for shape in ((RANKS[0],), (RANKS[1],), RANKS)]
    weights = [draw_weights(rng, *size) for size in ((IDENTITIES, RANKS[0]), (EXPRESSIONS, RANKS[1]))]
    return mean, 4e3 * parts[0], 3e3 * parts[1], 8e2 * parts[2], *weights


def draw_weights(rng, count, rank):
    values = rng.normal(size=(count, rank))
    return np.linalg.qr(values - values.mean(axis=0))[0] * np.sqrt(count)


def faces(mean, identity, expression, mixed, of_identities, of_expressions):
    """Vertices (N, M, V, 3) of all pairs."""
    return (
        mean
        + np.einsum("vdi,ni->nvd", identity, of_identities)[:, None]
        + np.einsum("vde,me->mvd", expression, of_expressions)
        + np.einsum("vdie,ni,me->nmvd", mixed, of_identities, of_expressions)
    )


def make(meshes, ranks=RANKS):
    return make_multilinear(meshes, ranks, TRIANGLES, LANDMARKS, NAMES[: meshes.shape[1]])


def rebuilt(model):
    return np.array([[deform(model, a, b) for b in model.expression_weights] for a in model.identity_weights])


def test_a_tensor_of_known_rank_is_rebuilt_and_has_no_more_directions():
    meshes = faces(*draw_parts())
    model = make(meshes, (8, 5))
    assert model.core.shape == (VERTICES, 3, 4, 3)
    np.testing.assert_allclose(rebuilt(model), meshes, atol=0.05)
    np.testing.assert_allclose(model.core[:, :, 0, 0], meshes.mean(axis=(0, 1)), atol=0.01)


def test_the_weights_of_the_set_have_mean_0_and_variance_1_and_are_uncorrelated():
    model = make(faces(*draw_parts()))
    for weights in (model.identity_weights, model.expression_weights):
        np.testing.assert_allclose(weights.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(weights.T @ weights / len(weights), np.eye(weights.shape[1]), atol=1e-9)


@pytest.mark.parametrize("ranks", [(1, 2), (3, 1), (2, 1), (0, 2), (0, 0)])
def test_what_is_cut_off_is_no_more_than_the_variances_left_out(ranks):
    meshes = faces(*draw_parts())
    model = make(meshes, ranks)
    error = ((rebuilt(model) - meshes) ** 2).sum()
    left_out = model.identity_variances[ranks[0] :].sum() + model.expression_variances[ranks[1] :].sum()
    assert error <= left_out * (1 + 1e-6)
    # An orthogonal projection of both modes leaves out at least what one of them does.
    assert error >= max(model.identity_variances[ranks[0] :].sum(), model.expression_variances[ranks[1] :].sum()) * (
        1 - 1e-6
    )


def test_a_linear_face_model_is_the_case_without_a_mixed_part():
    mean, identity, expression, mixed, a, b = draw_parts()
    model = make(faces(mean, identity, expression, 0 * mixed, a, b))
    assert mixed_share(model) < 1e-9
    linear = linear_about(model, np.zeros(3), np.zeros(2))
    coefficients = np.array([[*model.identity_weights[4], *model.expression_weights[1]]])
    np.testing.assert_allclose(deform_linear(linear, coefficients)[0], rebuilt(model)[4, 1], atol=0.05)
    # With known weights of orthonormal columns the shares are those of the parts.
    whole = make(faces(mean, identity, expression, mixed, a, b))
    shares = [(part**2).sum() for part in (identity, expression, mixed)]
    assert mixed_share(whole) == pytest.approx(shares[2] / sum(shares), rel=1e-5)


def test_with_one_kind_of_weights_kept_the_linear_model_is_the_model():
    model = make(faces(*draw_parts()))
    a, b, other = model.identity_weights[2], model.expression_weights[3], model.expression_weights[0]
    linear = linear_about(model, a, b)
    np.testing.assert_allclose(deform_linear(linear, np.array([[*a, *other]]))[0], deform(model, a, other), atol=0.05)
    both = deform_linear(linear, np.array([[*(a + 1), *other]]))[0]
    assert np.abs(both - deform(model, a + 1, other)).max() > 100


@pytest.mark.parametrize("axes", [2, 3])
def test_a_fit_finds_a_pair_of_identity_and_expression_that_the_set_lacks(axes):
    parts = draw_parts()
    *fields, of_identities, of_expressions = parts
    rng = np.random.default_rng(1)
    model = make(faces(*parts))
    a, b = rng.normal(size=3), rng.normal(size=2)
    unseen = faces(*fields, a[None], b[None])[0, 0]
    points = project(unseen, POSE, HEIGHT)[:, :axes]
    fit = fit_multilinear(at_vertices(model, lambda values: values[:68]), points[:68], 1e-3, HEIGHT)
    assert np.abs(place(model, fit)[:, :axes] - points).max() < 0.01
    # The weights are the drawn ones, turned as the directions of the model are among those of the parts.
    turns = [
        np.linalg.lstsq(drawn, found)[0]
        for drawn, found in ((of_identities, model.identity_weights), (of_expressions, model.expression_weights))
    ]
    np.testing.assert_allclose(fit.coefficients, [*(a @ turns[0]), *(b @ turns[1])], atol=2e-3)
    # Its own linear part alone cannot: what is mixed is missing.
    linear = linear_about(at_vertices(model, lambda values: values[:68]), np.zeros(3), np.zeros(2))
    alone = fit_face(linear, points[:68], 1e-3, Prior(np.zeros(5), np.ones(5)), HEIGHT)
    assert alone.residual_px > 100 * fit.residual_px


def test_without_a_mixed_part_the_fit_is_that_of_the_linear_model():
    mean, identity, expression, mixed, a, b = draw_parts()
    model = make(faces(mean, identity, expression, 0 * mixed, a, b))
    points = project(mean, POSE, HEIGHT)[:, :2] + np.random.default_rng(2).normal(size=(VERTICES, 2))
    fit = fit_multilinear(model, points, 2.0, HEIGHT)
    linear = linear_about(model, np.zeros(3), np.zeros(2))
    expected = fit_face(linear, points, 2.0, Prior(np.zeros(5), np.ones(5)), HEIGHT)
    np.testing.assert_allclose(fit.coefficients, expected.coefficients, atol=2e-3)


def test_points_that_are_not_seen_have_no_say():
    model = make(faces(*draw_parts()))
    points = project(rebuilt(model)[0, 0], POSE, HEIGHT)
    points[::3] = np.nan
    fit = fit_multilinear(model, points, np.full(VERTICES, 1e-3), HEIGHT)
    np.testing.assert_allclose(fit.coefficients, [*model.identity_weights[0], *model.expression_weights[0]], atol=2e-3)


def test_of_one_expression_it_is_the_pca_of_the_identities():
    mean, identity, _, _, a, _ = draw_parts()
    meshes = mean + np.einsum("vdi,ni->nvd", identity, a)[:, None]
    model = make(meshes, (3, 5))
    assert model.core.shape[2:] == (4, 1)
    singular = np.linalg.svd((meshes[:, 0] - meshes[:, 0].mean(axis=0)).reshape(IDENTITIES, -1), compute_uv=False)
    np.testing.assert_allclose(model.identity_variances[:3], singular[:3] ** 2, rtol=1e-6)


def test_the_file_gives_the_model_back_and_the_same_model_has_the_same_bytes(tmp_path):
    model = make(faces(*draw_parts()))
    save_multilinear(tmp_path / "model.h5", model)
    save_multilinear(tmp_path / "again.h5", make(faces(*draw_parts())))
    assert (tmp_path / "model.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()
    read = load_multilinear(tmp_path / "model.h5")
    for field in dataclasses.fields(model):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(model, field.name))
    assert read.expression_names == NAMES


def test_a_file_whose_parts_do_not_belong_together_is_refused(tmp_path):
    path = tmp_path / "model.h5"
    save_multilinear(path, make(faces(*draw_parts())))
    with h5py.File(path, "a") as file:
        core = file["core"][..., :2]
        del file["core"]
        file["core"] = core
    with pytest.raises(ValueError, match="do not belong together"):
        load_multilinear(path)
    with h5py.File(path, "a") as file:
        del file["core"]
    with pytest.raises(ValueError, match="lacks core"):
        load_multilinear(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged"):
        load_multilinear(path)


def test_sets_that_say_nothing_are_refused():
    meshes = faces(*draw_parts())
    with pytest.raises(ValueError, match="at least two meshes"):
        make(meshes[:1, :1])
    with pytest.raises(ValueError, match="expected \\(identities"):
        make(meshes[0])
    meshes[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        make(meshes)


def test_the_linear_model_is_a_face_model_as_any_other():
    linear = linear_about(make(faces(*draw_parts())), np.zeros(3), np.zeros(2))
    assert isinstance(linear, FaceModel)
    assert linear.mean.dtype == linear.shape_basis.dtype == linear.expression_basis.dtype == np.float32
