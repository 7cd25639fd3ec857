"""Points that another method left in a file of its own kind."""

import os

import numpy as np
import pytest
import scipy.io
import trimesh

from pipeline.photo.point_files import SUFFIXES, find_point_file, read_point_file, write_coefficients, write_points


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


@pytest.mark.parametrize("columns", [2, 3])
def test_what_peers_write_is_read(tmp_path, columns):
    values = np.random.default_rng(0).uniform(-50, 200, (68, columns))
    np.save(tmp_path / "rows.npy", values.astype(np.float32))
    np.save(tmp_path / "columns.npy", values.T)
    np.save(tmp_path / "whole.npy", np.asfortranarray(values.round()).astype(np.int16))
    scipy.io.savemat(tmp_path / "3ddfa.mat", {"vertex": values.T, "colors": np.zeros((3, 68))})
    np.savetxt(tmp_path / "a_kpt.txt", values)  # as PRNet does
    for name in ("rows.npy", "columns.npy", "3ddfa.mat", "a_kpt.txt"):
        read = read_point_file(tmp_path / name)
        assert read.dtype == np.float64
        assert np.abs(read - values).max() < 1e-4, name
    assert np.array_equal(read_point_file(tmp_path / "whole.npy"), values.round())
    assert find_point_file(tmp_path, "a") == tmp_path / "a_kpt.txt"


VALUES = np.random.default_rng(2).uniform(-50, 200, (68, 3)).round(3)
LINES = [f"v {x} {y} {z}" for x, y, z in VALUES]
HALF = len(LINES) // 2


@pytest.mark.parametrize(
    "lines",
    [
        LINES,
        ["# caf\xe9", *LINES],
        [line.replace(" ", "\t") for line in LINES],
        [f"  {line} 0.1 0.2 0.3\r" for line in LINES],
        ["mtllib a.mtl", *LINES, "usemtl a", "f 1 2 3", "usemtl b", "f 4 5 6"],
        ["o a", *LINES[:HALF], "f 1 2 3", "o b", *LINES[HALF:], "f 66 67 68"],
        [*LINES, "g a", "f 1 2 3", "g b", "f 4 5 6"],
        # A seam of the texture, and a face that names its vertices backwards.
        [*LINES, "vt 0 0", "vt 1 1", "vt 0 1", "f 1/1 2/2 3/3", "f 1/2 3/1 4/2"],
        [*LINES, "vn 0 0 1", "f 3//1 2//1 1//1"],
        [*LINES, "p 1 2", "l 1 2 3", "f 1 2 300"],
    ],
)
def test_the_vertices_of_an_obj_are_read_in_their_order_whatever_its_faces_are(tmp_path, lines):
    (tmp_path / "a.obj").write_bytes("\n".join(lines).encode("latin-1"))
    assert np.array_equal(read_point_file(tmp_path / "a.obj"), VALUES)


def promise(path, shape, kind="<f8"):
    """An array of numpy's whose head promises more than there is."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
        file.write(bytes(64))


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)


def save(path, values, **options):
    with path.open("wb") as file:
        np.save(file, values, **options)


def zipped(path):
    with path.open("wb") as file:
        np.savez(file, np.zeros((68, 3)))


FAR = np.full((68, 3), 1e300)
HOSTILE = {
    "fifo.npy": (os.mkfifo, "is no file that can be read"),
    "fifo.obj": (os.mkfifo, "is no file that can be read"),
    "folder.npy": (lambda path: path.mkdir(), "is no file that can be read"),
    "endless.npy": (lambda path: path.symlink_to("/dev/zero"), "is no file that can be read"),
    "noise_kpt.txt": (lambda path: path.symlink_to("/dev/urandom"), "is no file that can be read"),
    "kernel.mat": (lambda path: path.symlink_to("/proc/self/maps"), "is empty, or tells no size"),
    "broken.npy": (lambda path: path.symlink_to("nowhere"), "is no file that can be read"),
    "loop.npy": (lambda path: path.symlink_to("loop.npy"), "is no file that can be read"),
    "huge.npy": (lambda path: sparse(path, 7 * 2**30), "has 7,516,192,768 bytes; expected the points of one face"),
    "huge.obj": (lambda path: sparse(path, 7 * 2**30), "has 7,516,192,768 bytes; expected the points of one face"),
    "zeros.npy": (lambda path: sparse(path, 1000), "can't be read: "),
    "zeros.obj": (lambda path: sparse(path, 1000), "has no vertices, lines of v, x, y and z"),
    "zeros.mat": (lambda path: sparse(path, 1000), "can't be read: "),
    "zeros_kpt.txt": (lambda path: sparse(path, 1000), "can't be read: "),
    "empty.npy": (lambda path: path.touch(), "is empty"),
    "promise.npy": (lambda path: promise(path, (10**10, 3)), "can't be read: "),
    "negative.npy": (lambda path: promise(path, (-1, 3)), "can't be read: "),
    "overflow.npy": (lambda path: promise(path, (2**62, 2**62, 3)), "can't be read: "),
    "objects.npy": (lambda path: save(path, np.array([{}, None])), "can't be read: "),
    "zip.npy": (zipped, "can't be read: "),
    "words.npy": (lambda path: save(path, np.full((68, 3), "x")), "has an array of <U1; expected numbers"),
    "complex.npy": (lambda path: save(path, np.ones((68, 3), complex)), "has an array of complex128; expected numbers"),
    "bools.npy": (lambda path: save(path, np.ones((68, 3), bool)), "has an array of bool; expected numbers"),
    "scalar.npy": (lambda path: save(path, np.float64(3)), "has an array of shape"),
    "cube.npy": (lambda path: save(path, np.zeros((1, 68, 3))), "has an array of shape"),
    "none.npy": (lambda path: save(path, np.zeros((0, 3))), "has an array of shape"),
    "far.npy": (lambda path: save(path, FAR), r"has a coordinate of 1e\+300 px, which is in no photo"),
    "far_kpt.txt": (lambda path: np.savetxt(path, FAR), r"has a coordinate of 1e\+300 px, which is in no photo"),
    "far.mat": (lambda path: scipy.io.savemat(path, {"points": FAR}, appendmat=False), r"1e\+300 px"),
    "inf.npy": (lambda path: save(path, np.full((68, 3), np.inf)), "has points that are not finite"),
    "text.npy": (lambda path: path.write_text("1 2 3"), "can't be read: "),
    "text_kpt.txt": (lambda path: path.write_text("a b c"), "can't be read: "),
    "ragged_kpt.txt": (lambda path: path.write_text("1 2 3\n4 5"), "can't be read: "),
    "text.obj": (lambda path: path.write_text("v a b c\nf 1 2 3"), "can't be read: "),
    "hello.obj": (lambda path: path.write_text("hello"), "has no vertices, lines of v, x, y and z"),
    "texture.obj": (lambda path: path.write_text("vt 1 2 3\nvn 0 0 1\n"), "has no vertices, lines of v, x, y and z"),
    "flat.obj": (lambda path: path.write_text("v 1 2\n" * 68), "can't be read: "),
    "none.mat": (lambda path: scipy.io.savemat(path, {"other": FAR}, appendmat=False), "has 0 of the arrays"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_a_sentence_at_once(tmp_path, name):
    make, sentence = HOSTILE[name]
    make(tmp_path / name)
    stem = next(name.removesuffix(suffix) for suffix in SUFFIXES[::-1] if name.endswith(suffix))
    with pytest.raises(ValueError, match=sentence) as error:
        read_point_file(find_point_file(tmp_path, stem))
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_an_array_that_is_no_list_of_points_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((68, 4)))
    with pytest.raises(ValueError, match=r"x.npy has an array of shape \(4, 68\); expected \(K, 3\), or \(K, 2\)"):
        read_point_file(tmp_path / "x.npy")
    np.save(tmp_path / "nan.npy", np.full((68, 3), np.nan))
    with pytest.raises(ValueError, match=r"nan.npy has points that are not finite"):
        read_point_file(tmp_path / "nan.npy")
    scipy.io.savemat(tmp_path / "two.mat", {"points": np.zeros((4, 3)), "vertices": np.zeros((5, 3))})
    with pytest.raises(
        ValueError, match=r"two.mat has 2 of the arrays points, vertices, vertex, pt3d_68; expected one"
    ):
        read_point_file(tmp_path / "two.mat")


def test_a_sample_has_one_file(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.npy").touch()
    assert find_point_file(tmp_path, "set/a") == tmp_path / "set/a.npy"
    (tmp_path / "set/a.obj").touch()
    with pytest.raises(ValueError, match="more than one prediction for set/a: keep one"):
        find_point_file(tmp_path, "set/a")
    with pytest.raises(ValueError, match=r"has no prediction for set/b \(.npy, .mat, .obj, _kpt.txt\)"):
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
