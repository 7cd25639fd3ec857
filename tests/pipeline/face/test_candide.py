"""CANDIDE's file format by a small file, what is refused of it, and a wireframe that is fitted as any face model."""

import numpy as np
import pytest

from pipeline.face.camera import project
from pipeline.face.candide import VERTEX_OF, fit_candide, place_candide, read_wireframe
from pipeline.face.face_model import FaceModel, deform
from pipeline.face.landmarks import LANDMARKS, MIRRORED
from tests.helpers.candide_file import VERTICES, write_wireframe

HEIGHT = 400


def make_face():
    """68 points of a bulging face in mm, each a vertex of its own, and points between them."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-60, 60, LANDMARKS), rng.uniform(-80, 80, LANDMARKS)
    pairs = np.arange(LANDMARKS)
    x, y = (x - x[MIRRORED]) / 2, (y + y[MIRRORED]) / 2
    x[36:42], x[42:48] = -np.abs(x[36:42]) - 20, np.abs(x[42:48]) + 20
    # The eyes are above the chin, and the tip of the nose stands before them.
    y[36:48], y[8] = np.abs(y[36:48]) / 4 + 20, -85
    x[30] = y[30] = 0
    vertices = np.stack([x, y, 60 - x**2 / 90 - y**2 / 150 + 20 * np.exp(-(x**2 + y**2) / 400)], axis=1)
    between = (vertices[:-1] + vertices[1:]) / 2
    vertices = np.concatenate([vertices, between, between[::-1] * [1, 1, 1.1]]).astype(np.float32)
    nothing = np.zeros((len(vertices), 3, 0), np.float32)
    return FaceModel(vertices, nothing, nothing, np.zeros((0, 3), np.int32), pairs.astype(np.int32))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("candide") / "stand_in.wfm"
    write_wireframe(path, make_face())
    return path


def change(file, tmp_path, old, new):
    text = file.read_text(encoding="latin-1")
    assert old in text
    changed = tmp_path / "changed.wfm"
    changed.write_text(text.replace(old, new, 1), encoding="latin-1")
    return changed


def test_sections_become_a_face_model(file):
    model = read_wireframe(file)
    text = file.read_text(encoding="latin-1").splitlines()
    assert model.mean.shape == (VERTICES, 3)
    assert model.mean[0] == pytest.approx([float(word) for word in text[text.index("# VERTEX LIST:") + 2].split()])
    assert model.triangles[0].tolist() == [int(word) for word in text[text.index("# FACE LIST:") + 2].split()]
    assert model.expression_names == ("AUV11 Jaw drop", "AUV14 Lid tightener")
    # The first shape unit is a fifth of y, the second a fifth of x.
    assert model.shape_basis[:, 1, 0] == pytest.approx(0.2 * model.mean[:, 1], abs=1e-6)
    assert model.shape_basis[:, 0, 1] == pytest.approx(0.2 * model.mean[:, 0], abs=1e-6)
    assert model.shape_basis[:, 0, 0].tolist() == [0] * VERTICES
    lids = model.expression_basis[:, :, 1]
    assert np.flatnonzero(lids.any(axis=1)).tolist() == sorted([VERTEX_OF[37], VERTEX_OF[44]])
    assert lids[VERTEX_OF[37]] == pytest.approx([0, -0.02, 0.001])
    assert len(model.landmarks) == 0


def test_names_may_have_lines_below_them_and_a_unit_may_be_empty(file, tmp_path):
    path = change(file, tmp_path, "# AUV14 Lid tightener\n2\n", "# AUV14 Lid tightener\n# (AU7)\n\n2\n")
    assert read_wireframe(path).expression_names[1] == "AUV14 Lid tightener"
    path = change(file, tmp_path, "# SHAPE UNITS LIST:\n2\n", "# SHAPE UNITS LIST:\n3\n# None of it\n0\n\n")
    basis = read_wireframe(path).shape_basis
    assert basis.shape == (VERTICES, 3, 3)
    assert not basis[:, :, 0].any()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("# FACE LIST:", "# FACES", "it lacks the section FACE LIST"),
        ("# VERTEX LIST:\n113", "# VERTEX LIST:\n114", "VERTEX LIST: 114 lines are announced and 113 are there"),
        ("# VERTEX LIST:\n113", "# VERTEX LIST:\nmany", "VERTEX LIST: expected a count, found 'many'"),
        ("# VERTEX LIST:\n113", "# VERTEX LIST:\n90", "has 90 vertices; CANDIDE-3 has 113"),
        ("# SHAPE UNITS LIST:\n2", "# SHAPE UNITS LIST:\n1", "SHAPE UNITS LIST: 1 units are announced and 2 are there"),
        (f"\n{VERTEX_OF[37]} 0.000000 -0.02", "\n113 0.000000 -0.02", "moves a vertex that is none of the 113"),
        (f"\n{VERTEX_OF[37]} 0.000000 -0.02", "\n7.5 0.000000 -0.02", "moves a vertex that is none of the 113"),
        (" -0.020000 0.001000", " -0.020000", "expected lines of 4 numbers"),
        (" -0.020000 0.001000", " -0.020000 nan", "a number is not finite"),
        ("# AUV14 Lid tightener\n2\n", "# AUV14 Lid tightener\n3\n", "'AUV14 Lid tightener' ends after 2 of 3 lines"),
    ],
)
def test_what_is_no_wireframe_is_said(file, tmp_path, old, new, sentence):
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        read_wireframe(change(file, tmp_path, old, new))


def test_a_face_of_vertices_that_are_not_there_and_a_mirrored_one_are_refused(tmp_path):
    face = make_face()
    path = tmp_path / "mirrored.wfm"
    write_wireframe(path, FaceModel(face.mean * [-1, 1, 1], *[getattr(face, name) for name in ARRAYS]))
    with pytest.raises(ValueError, match="x is mirrored"):
        read_wireframe(path)
    for turned, sentence in (
        ([1, -1, 1], "y is to point up"),
        ([1, 1, -1], "z is to point out"),
        ([1, 1, 0.01], "z is"),
    ):
        write_wireframe(path, FaceModel(face.mean * turned, *[getattr(face, name) for name in ARRAYS]))
        with pytest.raises(ValueError, match=sentence):
            read_wireframe(path)
    write_wireframe(path, face)
    line = path.read_text(encoding="latin-1").partition("# FACE LIST:\n")[2].splitlines()[1]
    path.write_text(path.read_text(encoding="latin-1").replace(f"\n{line}\n", "\n1 2 113\n", 1), encoding="latin-1")
    with pytest.raises(ValueError, match="FACE LIST: a face is not of three of the 113 vertices"):
        read_wireframe(path)


def test_units_of_another_length_than_the_vertices_are_refused(file, tmp_path):
    text = file.read_text(encoding="latin-1")
    head, _, rest = text.partition("# VERTEX LIST:\n113\n")
    lines = rest.splitlines()
    for factor in (1000.0, 0.001):
        larger = [" ".join(f"{factor * float(word):.6f}" for word in line.split()) for line in lines[:113]]
        (tmp_path / "scaled.wfm").write_text(
            "\n".join([f"{head}# VERTEX LIST:", "113", *larger, *lines[113:]]), "latin-1"
        )
        with pytest.raises(ValueError, match="are to have one unit of length"):
            read_wireframe(tmp_path / "scaled.wfm")


def test_names_of_units_may_be_in_capitals(file, tmp_path):
    path = change(file, tmp_path, "# AUV11 Jaw drop", "# JAW DROP")
    assert read_wireframe(path).expression_names == ("JAW DROP", "AUV14 Lid tightener")


def test_a_folder_is_no_wireframe(tmp_path):
    with pytest.raises(ValueError, match=r"is no file; expected CANDIDE-3's wireframe, candide3\.wfm"):
        read_wireframe(tmp_path)


ARRAYS = ("shape_basis", "expression_basis", "triangles", "landmarks")


def test_the_table_of_landmarks_pairs_left_with_right():
    """Vertices that are mirror images in the report are so among the landmarks: 11 to 33 on the left are 44 to 66."""
    assert len(VERTEX_OF) == len(set(VERTEX_OF.values())) == 37
    assert {MIRRORED[point] for point in VERTEX_OF} == set(VERTEX_OF)
    for point, vertex in VERTEX_OF.items():
        if 11 <= vertex <= 33:
            assert VERTEX_OF[MIRRORED[point]] == vertex + 33


def test_pose_and_units_come_back(file):
    model = read_wireframe(file)
    units = np.array([0.4, -0.3, 0.5, 0.0])
    pose = np.array([0.1, -0.5, 0.2, 210, 180, 0, 150.0])
    vertices = project(deform(model, units[None])[0], pose, HEIGHT)
    landmarks = np.full((LANDMARKS, 2), 1e6)  # those that the wireframe has not are not looked at
    landmarks[list(VERTEX_OF)] = vertices[list(VERTEX_OF.values()), :2]
    fit = fit_candide(model, landmarks, 0.05, HEIGHT)
    # Height and width of the head are known up to a common factor, which is the scale's.
    assert (1 + 0.2 * fit.coefficients[0]) / (1 + 0.2 * fit.coefficients[1]) == pytest.approx(1.08 / 0.94, rel=0.01)
    assert np.rad2deg(fit.pose[:3] - pose[:3]) == pytest.approx([0, 0, 0], abs=1.0)
    placed, found = place_candide(model, fit)
    assert np.isfinite(found).all(axis=1).sum() == 37
    known = list(VERTEX_OF)
    assert found[known, :2] == pytest.approx(landmarks[known], abs=0.1)
    assert placed[VERTEX_OF[30]].tolist() == found[30].tolist()
