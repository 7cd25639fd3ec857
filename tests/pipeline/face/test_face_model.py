import dataclasses

import h5py
import numpy as np
import pytest

from pipeline.face.face_model import at_landmarks, at_vertices, deform, load_model, save_model, select_coefficients


def test_the_model_survives_its_file(patch_model, tmp_path):
    save_model(tmp_path / "model.h5", patch_model)
    loaded = load_model(tmp_path / "model.h5")
    for name in ("mean", "shape_basis", "expression_basis", "triangles", "landmarks"):
        assert np.array_equal(getattr(loaded, name), getattr(patch_model, name)), name


def test_the_names_of_expressions_survive_and_a_model_without_names_has_no_place_for_them(patch_model, tmp_path):
    save_model(tmp_path / "unnamed.h5", patch_model)
    with h5py.File(tmp_path / "unnamed.h5") as file:
        assert set(file) == {"mean", "shape_basis", "expression_basis", "triangles", "landmarks"}
        assert dict(file.attrs) == {"units": "micrometre"}
    assert load_model(tmp_path / "unnamed.h5").expression_names == ()
    named = dataclasses.replace(patch_model, expression_names=("jawOpen",))
    save_model(tmp_path / "named.h5", named)
    assert load_model(tmp_path / "named.h5").expression_names == ("jawOpen",)
    assert at_landmarks(named).expression_names == ("jawOpen",)
    save_model(tmp_path / "again.h5", named)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "named.h5").read_bytes()


def test_coefficients_are_used_raw_identity_first(patch_model):
    one = deform(patch_model, np.array([[2.0, 0.0, 0.0], [0.0, 0.0, -3.0]]))
    assert one[0] == pytest.approx(patch_model.mean + 2 * patch_model.shape_basis[..., 0], abs=1e-5)
    assert one[1] == pytest.approx(patch_model.mean - 3 * patch_model.expression_basis[..., 0], abs=1e-5)


def test_the_leading_coefficients_are_used_where_the_model_has_fewer_vectors(patch_model):
    kept = select_coefficients(patch_model, np.arange(10.0)[None], 100 + np.arange(5.0)[None])
    assert kept.tolist() == [[0, 1, 100]]
    with pytest.raises(ValueError, match="different models"):
        select_coefficients(patch_model, np.ones((1, 1)), np.ones((1, 5)))


def test_the_model_at_other_vertices_deforms_as_these_do(patch_model):
    coefficients = np.array([[2.0, 0.5, -3.0], [0.0, 1.0, 1.0]])
    whole = deform(patch_model, coefficients)
    few = at_vertices(patch_model, lambda values: values[[7, 3]])
    assert deform(few, coefficients) == pytest.approx(whole[:, [7, 3]], abs=1e-5)
    middle = at_vertices(patch_model, lambda values: (values[:1] + 3 * values[1:2]) / 4)
    assert deform(middle, coefficients) == pytest.approx((whole[:, :1] + 3 * whole[:, 1:2]) / 4, abs=1e-5)
    assert len(few.triangles) == len(few.landmarks) == 0
    assert deform(at_landmarks(patch_model), coefficients) == pytest.approx(whole[:, patch_model.landmarks], abs=1e-5)
