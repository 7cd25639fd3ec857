"""Reading ICT-FaceKit's published folder: one of the same form, made up, and what is refused of it."""

import numpy as np
import pytest

from pipeline.raw.ict import EXPRESSIONS, LANDMARKS, NARROW_FACE, VERTICES, load_ict

# Two quads with a common edge, one with the shorter diagonal 0-2 and one with 4-2, and faces beyond the narrow face.
CORNERS = np.array([[0, 0, 0], [3, 0, 0], [2, 2, 0], [0, 3, 0], [6, 0, 0], [6, 6, 0]], float)
MOVED = np.add(CORNERS, [1, 0, 0])
FACES = ["f 1/7 2/8 3/9 4/1", "f 2 5 6 3", f"f 1 2 {NARROW_FACE + 1} 4", f"f {VERTICES} {VERTICES - 1} {VERTICES - 2}"]


def obj(changed, faces=(), ending="\n"):
    """Text of a published file: its vertices are 0.5, 1, 2 but for the first ones."""
    rows = [" ".join(f"{value:g}" for value in row) for row in changed]
    rows += ["0.5 1 2"] * (VERTICES - len(rows))
    lines = ["# ICT FaceKit", "", "mtllib some.mtl", *(f"v {row}" for row in rows), "vt 0 1", "usemtl skin", *faces, ""]
    return ending.join(lines)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "generic_neutral_mesh.obj").write_text(obj(CORNERS, FACES))
    (tmp_path / "identity000.obj").write_text(obj(MOVED))
    # The second of a hundred is missing, as more may.
    (tmp_path / "identity002.obj").write_text(obj(CORNERS * 2))
    (tmp_path / "jawOpen.obj").write_text(obj(CORNERS - np.array([0, 0.25, 0])))
    (tmp_path / "eyeBlink_L.obj").write_text(obj(CORNERS))
    # Upstream's own list leaves it out.
    (tmp_path / "cheekRaiser_L.obj").write_text("no shape")
    return tmp_path


def test_shapes_become_displacements_in_micrometres_under_their_names(folder):
    model = load_ict(folder)
    assert model.mean.shape == (6706, 3)
    assert model.mean[:6].tolist() == (CORNERS * 1e4).tolist()
    assert (model.mean[6:] == [5000, 10000, 20000]).all()
    assert model.shape_basis.shape == (6706, 3, 2)
    assert model.shape_basis[:6, :, 0].tolist() == [[10000, 0, 0]] * 6
    assert model.shape_basis[:6, :, 1].tolist() == (CORNERS * 1e4).tolist()
    # In upstream's order, in which eyes come before jaws.
    assert model.expression_names == ("eyeBlink_L", "jawOpen")
    assert not model.expression_basis[..., 0].any()
    assert model.expression_basis[:6, :, 1].tolist() == [[0, -2500, 0]] * 6
    assert not model.shape_basis[6:].any()
    assert {each.dtype.name for each in (model.mean, model.shape_basis, model.expression_basis)} == {"float32"}
    assert model.landmarks.tolist() == list(LANDMARKS)


def test_quads_of_the_narrow_face_are_split_along_the_shorter_diagonal(folder):
    triangles = load_ict(folder).triangles
    # 0-2 is 2.8 long and 1-3 4.2; 1-5 is 6.7 and 4-2 4.5. The faces with a vertex beyond are left out.
    assert triangles.tolist() == [[0, 1, 2], [0, 2, 3], [1, 4, 2], [4, 5, 2]]
    assert triangles.dtype == np.int32


def test_lines_may_end_as_windows_ends_them(folder):
    before = load_ict(folder)
    for path, shape, faces in (
        ("generic_neutral_mesh", CORNERS, FACES),
        ("identity000", MOVED, ()),
    ):
        (folder / f"{path}.obj").write_bytes(obj(shape, faces, "\r\n").encode())
    after = load_ict(folder)
    assert np.array_equal(before.mean, after.mean)
    assert np.array_equal(before.shape_basis, after.shape_basis)
    assert np.array_equal(before.triangles, after.triangles)


def test_the_published_lists_are_whole():
    assert len(EXPRESSIONS) == len(set(EXPRESSIONS)) == 53
    assert len(LANDMARKS) == len(set(LANDMARKS)) == 68
    assert max(LANDMARKS) < NARROW_FACE


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (["generic_neutral_mesh"], r"no generic_neutral_mesh\.obj; docs/data\.md"),
        (["identity000", "identity002"], r"no identity, such as identity000\.obj; docs/data\.md"),
        (["jawOpen", "eyeBlink_L"], r"no expression, such as jawOpen\.obj; docs/data\.md"),
    ],
)
def test_what_is_missing_is_named_with_where_to_get_it(folder, missing, reason):
    for name in missing:
        (folder / f"{name}.obj").unlink()
    with pytest.raises(FileNotFoundError, match=reason):
        load_ict(folder)


def without_a_vertex(text):
    return text.replace("v 0.5 1 2\n", "", 1)


def cut(text):
    return text[: len(text) // 2]


@pytest.mark.parametrize("name", ["generic_neutral_mesh", "identity002", "jawOpen"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without_a_vertex, "26718 vertices; expected ICT-FaceKit's 26719"),
        (cut, r"\d+ vertices; expected ICT-FaceKit's 26719"),
        (lambda text: text.replace("v 0.5 1 2", "v 0.5 1", 1), r"a damaged vertex \(.* row 7"),
        (lambda text: text.replace("v 0.5 1 2", "v 0.5 one 2", 1), r"a damaged vertex \(.*'one'.* row 6"),
        (lambda text: text.replace("v 0.5 1 2", "v 0.5 nan 2", 1), "a vertex that is not finite"),
        (lambda text: text.replace("v ", "#"), "0 vertices"),
    ],
)
def test_a_damaged_shape_is_named_with_its_line(folder, name, damage, reason):
    path = folder / f"{name}.obj"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=rf"{name}\.obj has {reason}"):
        load_ict(folder)


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        (["f 1 2 3"], "another mesh than ICT-FaceKit's"),
        (["f 1 2 3 -4"], "another mesh than ICT-FaceKit's"),
        (["f"], "another mesh than ICT-FaceKit's"),
        ([], "another mesh than ICT-FaceKit's"),
        (["f 1 2 3 x"], "a damaged face .*'x'"),
    ],
)
def test_a_mesh_of_other_faces_is_refused(folder, faces, reason):
    (folder / "generic_neutral_mesh.obj").write_text(obj(CORNERS, faces))
    with pytest.raises(ValueError, match=rf"generic_neutral_mesh\.obj has {reason}"):
        load_ict(folder)
