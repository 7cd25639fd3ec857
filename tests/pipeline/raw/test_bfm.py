"""Reading BFM's two Matlab files, and what is refused of them."""

import contextlib

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


@pytest.mark.parametrize("name", ["mu_shape", "mu_exp"])
def test_a_mean_that_is_kept_as_a_row_is_the_same_mean(patch_model, tmp_path, name):
    write_bfm(tmp_path, patch_model)
    expected = load_bfm(tmp_path)
    column = patch_model.mean.reshape(-1, 1) - 1 if name == "mu_shape" else np.ones((patch_model.mean.size, 1))
    write_bfm(tmp_path, patch_model, **{name: column.T})
    assert np.array_equal(load_bfm(tmp_path).mean, expected.mean)


def test_an_expression_mean_of_another_size_is_named(patch_model, tmp_path):
    write_bfm(tmp_path, patch_model, mu_exp=np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"mu_exp of the face model .* shape \(1, 1\)"):
        load_bfm(tmp_path)


def test_the_expression_file_may_have_its_other_name(patch_model, tmp_path):
    write_bfm(tmp_path, patch_model)
    expected = load_bfm(tmp_path)
    (tmp_path / "Model_Exp.mat").rename(tmp_path / "Model_Expression.mat")
    assert np.array_equal(load_bfm(tmp_path).expression_basis, expected.expression_basis)


def as_face3d(folder, **changes):
    """What face3d's script makes of both files: a structure, with more fields than are needed."""
    shape, expression = (scipy.io.loadmat(folder / name) for name in ("Model_Shape.mat", "Model_Exp.mat"))
    model = {
        "shapeMU": shape["mu_shape"],
        "shapePC": shape["w"],
        "shapeEV": np.ones((shape["w"].shape[1], 1)),
        "texMU": shape["mu_shape"],
        "tri": shape["tri"].astype(float),
        "tri_mouth": shape["tri"][:, :3],
        "kpt_ind": shape["keypoints"].astype(np.uint16),
        "expMU": expression["mu_exp"],
        "expPC": expression["w_exp"],
    }
    return {name: value for name, value in (model | changes).items() if value is not None}


@pytest.mark.parametrize("compressed", [False, True])
def test_bfm_as_face3d_writes_it_is_the_same_model(patch_model, tmp_path, compressed):
    write_bfm(tmp_path, patch_model)
    expected = load_bfm(tmp_path)
    theirs = tmp_path / "face3d"
    theirs.mkdir()
    content = {"other": np.ones(3), "model": as_face3d(tmp_path)}
    scipy.io.savemat(theirs / "BFM.mat", content, do_compression=compressed)
    model = load_bfm(theirs)
    for name in ("mean", "shape_basis", "expression_basis", "triangles", "landmarks"):
        assert np.array_equal(getattr(model, name), getattr(expected, name)), name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda model: {"model": {**model, "expPC": None}}, r"lacks model\.expPC"),
        (lambda model: {"other": model}, r"lacks model\.shapeMU, model\.shapePC"),
        (lambda _: {"model": np.ones(3)}, "model in .* is no structure of 1 x 1"),
        (lambda model: {"model": {**model, "shapeMU": "text"}}, "shapeMU in .* of kind char"),
        (lambda model: {"model": {**model, "shapeMU": np.full((243, 1), np.inf)}}, r"model\.shapeMU .* not finite"),
    ],
)
def test_an_unusable_model_of_face3d_is_named(patch_model, tmp_path, content, reason):
    write_bfm(tmp_path, patch_model)
    theirs = tmp_path / "face3d"
    theirs.mkdir()
    made = content(as_face3d(tmp_path))
    made = {k: {f: a for f, a in v.items() if a is not None} if isinstance(v, dict) else v for k, v in made.items()}
    scipy.io.savemat(theirs / "BFM.mat", made)
    with pytest.raises(ValueError, match=reason):
        load_bfm(theirs)


def test_a_structure_that_is_cut_off_or_mutated_never_ends_the_interpreter(patch_model, tmp_path):
    write_bfm(tmp_path, patch_model)
    scipy.io.savemat(tmp_path / "BFM.mat", {"model": as_face3d(tmp_path)})
    (tmp_path / "Model_Shape.mat").unlink()
    whole = (tmp_path / "BFM.mat").read_bytes()
    rng = np.random.default_rng(0)
    for size in rng.integers(0, len(whole) - 1, 100):
        (tmp_path / "BFM.mat").write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"BFM\.mat|face model"):
            load_bfm(tmp_path)
    for place in rng.integers(128, 1000, 300):
        mutated = bytearray(whole)
        mutated[place] ^= 1 << rng.integers(8)
        (tmp_path / "BFM.mat").write_bytes(mutated)
        with contextlib.suppress(ValueError):  # and nothing else
            load_bfm(tmp_path)
