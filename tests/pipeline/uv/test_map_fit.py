"""A position map fitted by the face model: exact without noise, nearer to the truth with it, blind beyond the mask."""

import numpy as np
import pytest

from pipeline.face.camera import camera_matrix
from pipeline.face.face_model import FaceModel, at_vertices, deform
from pipeline.face.fit import Prior, fit_face
from pipeline.uv.map_fit import choose_texels, fit_map, fit_texels

SIZE = 64
PRIOR = Prior(np.zeros(5), np.ones(5))
MASK = np.zeros((SIZE, SIZE), bool)
MASK[6:58, 8:56] = True


def make_texels():
    """A bulge at the texels, which five smooth vectors move by some percent of its size."""
    v, u = np.meshgrid(np.linspace(1, -1, SIZE), np.linspace(-1, 1, SIZE), indexing="ij")
    mean = np.stack([70 * u, 90 * v, 60 * (1 - 0.6 * u**2 - 0.4 * v**2)], axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    waves = np.cos(np.einsum("tc,cpd->tpd", mean / 60, rng.normal(size=(3, 5, 3)))).transpose(0, 2, 1)
    basis = (5 * waves).astype(np.float32)
    return FaceModel(
        mean.astype(np.float32),
        basis[..., :3],
        basis[..., 3:],
        np.zeros((0, 3), np.int32),
        np.zeros(0, np.int32),
    )


TEXELS = make_texels()


def draw_map(rng, yaw):
    pose = np.array([rng.uniform(-0.3, 0.3), yaw, rng.uniform(-0.2, 0.2), 32, 32, rng.uniform(-5, 5), 0.25])
    camera = camera_matrix(pose, SIZE)
    vertices = deform(TEXELS, rng.normal(size=(1, 5)))[0]
    return (vertices @ camera[:, :3].T + camera[:, 3]).reshape(SIZE, SIZE, 3)


@pytest.mark.parametrize("yaw", [-1.3, 0.0, 0.7])
def test_a_map_of_the_model_s_own_is_left_as_it_is(yaw):
    true = draw_map(np.random.default_rng(1), yaw)
    fitted, _ = fit_map(true, TEXELS, MASK, Prior(PRIOR.mean, 1e4 * PRIOR.sigma))
    assert fitted.dtype == np.float32
    assert fitted == pytest.approx(true, abs=1e-3)
    # The prior pulls it towards the mean by a small part of a px.
    assert np.linalg.norm(fit_map(true, TEXELS, MASK, PRIOR)[0] - true, axis=-1).mean() < 0.05


def test_noise_is_averaged_out():
    rng = np.random.default_rng(2)
    for yaw in (-1.0, 0.0, 0.5):
        true = draw_map(rng, yaw)
        noisy = true + rng.normal(size=true.shape)
        before, after = (
            np.linalg.norm((guess - true)[MASK], axis=-1).mean()
            for guess in (
                noisy,
                fit_map(noisy, TEXELS, MASK, PRIOR)[0],
            )
        )
        assert before == pytest.approx(1.6, abs=0.1)  # the mean length of a normal vector in space
        assert after < 0.15 * before


def test_every_second_of_64_rows_and_columns_is_fitted_to_and_every_eighth_of_256():
    chosen = choose_texels(MASK)
    # From the middle of the first step on, within rows 6 to 57 and columns 8 to 55.
    rows, columns = np.arange(7, 58, 2), np.arange(9, 56, 2)
    assert chosen.tolist() == (64 * rows[:, None] + columns).ravel().tolist()
    assert choose_texels(np.ones((256, 256), bool))[[0, 1, 32, -1]].tolist() == [
        1028,
        1036,
        256 * 12 + 4,
        256 * 252 + 252,
    ]
    # Fewer rows than are fitted to: all.
    assert choose_texels(np.ones((3, 3), bool)).tolist() == list(range(9))


def test_a_texel_of_64_is_taken_to_be_off_by_a_quarter_of_6_px():
    rng = np.random.default_rng(4)
    noisy, chosen = draw_map(rng, 0.3) + rng.normal(scale=2, size=(SIZE, SIZE, 3)), choose_texels(MASK)
    points = at_vertices(TEXELS, lambda array: array[chosen])
    found = fit_texels(noisy, points, chosen, PRIOR)
    expected = fit_face(points, noisy.reshape(-1, 3)[chosen], 1.5, PRIOR, SIZE)
    assert found.coefficients == pytest.approx(expected.coefficients, abs=1e-9)
    assert found.covariance == pytest.approx(expected.covariance, abs=1e-12)


def test_texels_beyond_the_mask_have_no_say():
    true = draw_map(np.random.default_rng(3), 0.2)
    other = np.where(MASK[..., None], true, -1000.0)
    assert (fit_map(other, TEXELS, MASK, PRIOR)[0] == fit_map(true, TEXELS, MASK, PRIOR)[0]).all()
