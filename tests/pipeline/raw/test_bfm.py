"""Reading BFM's two Matlab files, and what is refused of them."""

import numpy as np
import pytest
import scipy.io

from pipeline.raw.bfm import load_bfm


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
