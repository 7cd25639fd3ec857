import numpy as np
import pytest
import scipy.io

from pipeline.face.face_model import deform, load_bfm, load_model, save_model, select_coefficients


def write_bfm(folder, model, **changes):
    """Write a model as 3DDFA publishes BFM: 1-based uint16 tables, transposed, triangles wound inwards."""
    size = model.mean.size
    shape = {
        "mu_shape": model.mean.reshape(-1, 1) - 1,
        "w": model.shape_basis.reshape(size, -1),
        "tri": (model.triangles[:, ::-1].T + 1).astype(np.uint16),
        "keypoints": (model.landmarks[None] + 1).astype(np.int32),
    }
    expression = {"mu_exp": np.ones((size, 1), np.float32), "w_exp": model.expression_basis.reshape(size, -1)}
    scipy.io.savemat(folder / "Model_Shape.mat", {**shape, **{k: v for k, v in changes.items() if k in shape}})
    scipy.io.savemat(folder / "Model_Exp.mat", {**expression, **{k: v for k, v in changes.items() if k in expression}})


def test_bfm_files_become_the_model_with_outward_triangles(patch_model, tmp_path):
    write_bfm(tmp_path, patch_model)
    model = load_bfm(tmp_path)
    assert model.mean == pytest.approx(patch_model.mean, abs=1e-6)
    for name in ("shape_basis", "expression_basis", "triangles", "landmarks"):
        assert np.array_equal(getattr(model, name), getattr(patch_model, name)), name
    assert model.triangles.dtype == model.landmarks.dtype == np.int32


def test_the_model_survives_its_file(patch_model, tmp_path):
    save_model(tmp_path / "model.h5", patch_model)
    loaded = load_model(tmp_path / "model.h5")
    for name in ("mean", "shape_basis", "expression_basis", "triangles", "landmarks"):
        assert np.array_equal(getattr(loaded, name), getattr(patch_model, name)), name


def test_coefficients_are_used_raw_identity_first(patch_model):
    one = deform(patch_model, np.array([[2.0, 0.0, 0.0], [0.0, 0.0, -3.0]]))
    assert one[0] == pytest.approx(patch_model.mean + 2 * patch_model.shape_basis[..., 0], abs=1e-5)
    assert one[1] == pytest.approx(patch_model.mean - 3 * patch_model.expression_basis[..., 0], abs=1e-5)


def test_the_leading_coefficients_are_used_where_the_model_has_fewer_vectors(patch_model):
    kept = select_coefficients(patch_model, np.arange(10.0)[None], 100 + np.arange(5.0)[None])
    assert kept.tolist() == [[0, 1, 100]]
    with pytest.raises(ValueError, match="different models"):
        select_coefficients(patch_model, np.ones((1, 1)), np.ones((1, 5)))


def test_a_missing_model_file_is_named_with_where_to_get_it(patch_model, tmp_path):
    write_bfm(tmp_path, patch_model)
    (tmp_path / "Model_Exp.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"Model_Exp\.mat is missing; docs/data\.md"):
        load_bfm(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"w": np.ones((7, 2))}, "w of the face model .* 243 rows"),
        ({"keypoints": np.zeros((1, 68), np.int32)}, "outside its 81 vertices"),
        ({"keypoints": np.ones((1, 51), np.int32)}, "without 68"),
        ({"mu_shape": np.full((243, 1), np.nan)}, "not finite"),
    ],
)
def test_an_unusable_model_array_is_named(patch_model, tmp_path, change, reason):
    write_bfm(tmp_path, patch_model, **change)
    with pytest.raises(ValueError, match=reason):
        load_bfm(tmp_path)
