"""Points that another method left in a file of its own kind."""

import numpy as np
import pytest
import scipy.io
import trimesh

from pipeline.photo.point_files import find_point_file, read_point_file, write_coefficients, write_points


@pytest.mark.parametrize("count", [68, 400])
def test_a_mat_and_an_obj_say_what_an_npy_says(count, tmp_path):
    values = np.random.default_rng(count).uniform(-50, 200, (count, 3))
    np.save(tmp_path / "a.npy", values)
    scipy.io.savemat(tmp_path / "rows.mat", {"vertices": values})
    scipy.io.savemat(tmp_path / "columns.mat", {"pt3d_68": values.T, "other": [1]})
    # An obj has the places of its vertices in text, and triangles of its own; the order of vertices is what counts.
    triangles = np.arange(66).reshape(-1, 3)
    (tmp_path / "a.obj").write_text(trimesh.Trimesh(values, triangles, process=False).export(file_type="obj", digits=9))
    for name in ("a.npy", "rows.mat", "columns.mat", "a.obj"):
        read = read_point_file(tmp_path / name)
        assert read.dtype == np.float64
        assert np.abs(read - values).max() < 1e-6, name


def test_an_array_that_is_no_list_of_points_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((68, 2)))
    with pytest.raises(ValueError, match=r"x.npy has an array of shape \(68, 2\); expected \(K, 3\)"):
        read_point_file(tmp_path / "x.npy")
    np.save(tmp_path / "nan.npy", np.full((68, 3), np.nan))
    with pytest.raises(ValueError, match=r"nan.npy has points that are not finite"):
        read_point_file(tmp_path / "nan.npy")
    scipy.io.savemat(tmp_path / "two.mat", {"points": np.zeros((4, 3)), "vertices": np.zeros((5, 3))})
    with pytest.raises(ValueError, match=r"two.mat has 2 of the arrays points, vertices, pt3d_68; expected one"):
        read_point_file(tmp_path / "two.mat")


def test_a_sample_has_one_file(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.npy").touch()
    assert find_point_file(tmp_path, "set/a") == tmp_path / "set/a.npy"
    (tmp_path / "set/a.obj").touch()
    with pytest.raises(ValueError, match="more than one prediction for set/a: keep one"):
        find_point_file(tmp_path, "set/a")
    with pytest.raises(ValueError, match=r"has no prediction for set/b \(.npy, .mat, .obj\)"):
        find_point_file(tmp_path, "set/b")


def test_points_and_coefficients_become_tables_to_a_thousandth(tmp_path):
    write_points(tmp_path / "landmarks.csv", np.array([[1.5, -2.25, 0.00049], [1234.5678, 0.0, 1e-9]]))
    assert (tmp_path / "landmarks.csv").read_text() == ("index,x,y,z\n0,1.500,-2.250,0.000\n1,1234.568,0.000,0.000\n")
    write_coefficients(tmp_path / "expression.csv", ("jawOpen", "eyeBlink_L"), np.array([0.25, -1 / 3]))
    assert (tmp_path / "expression.csv").read_text() == "name,value\njawOpen,0.25\neyeBlink_L,-0.333333\n"


def test_a_coefficient_without_a_name_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="longer"):
        write_coefficients(tmp_path / "expression.csv", ("jawOpen",), np.zeros(2))
    assert list(tmp_path.iterdir()) == []
