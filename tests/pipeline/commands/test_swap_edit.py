"""The commands that change a face in a photo, with a made-up network and detector whose faces one knows."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from pipeline.commands import edit, swap
from pipeline.commands.options import ReconstructorOptions
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface
from tests.helpers.small_project import GRID


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The options and threads that the commands open a network by; the folder has photos of one and of no face."""
    model, found = make_model(), []
    reconstructor = make_reconstructor(model, whole_surface(model))

    def open_made(*arguments):
        found.append(arguments)
        return reconstructor

    for command in (edit, swap):
        monkeypatch.setattr(command, "open_reconstructor", open_made)
    monkeypatch.chdir(tmp_path)
    photo = np.full((150, 200, 3), 60, np.uint8)
    cv2.imwrite("wall.png", photo)
    photo[60:100, 80:120] = 255
    cv2.imwrite("face.png", photo)
    return found


def call(command, *arguments):
    return CliRunner().invoke(command.main, arguments)


@pytest.mark.parametrize(
    ("command", "arguments"), [(swap, ("face.png", "face.png")), (edit, ("face.png", "--region", "nose"))]
)
class TestEither:
    def test_the_options_of_the_network_arrive_as_one(self, asked, command, arguments):
        assert call(command, *arguments, "--out", "a.png").exit_code == 0
        chosen = ("--landmarks", "asm", "--detector", "dlib", "--dlib-model", "points.dat")
        more = ("--bundle", "b.face3d", "--method", "network", "--no-fit")
        assert call(command, *arguments, "--out", "new/b.jpg", *chosen, *more).exit_code == 0
        (default, threads), (named, _) = asked
        assert default == ReconstructorOptions(
            bundle=None, method="auto", fit=True, detector="facemesh", landmarks="facemesh"
        )
        assert threads >= 1
        assert [str(value) for value in vars(named).values()] == [
            *("b.face3d", "network", "False", "dlib", "asm", "points.dat")
        ]
        assert cv2.imread("a.png").shape == cv2.imread("new/b.jpg").shape == (150, 200, 3)

    def test_an_out_of_another_kind_is_refused_before_anything_is_opened(self, asked, command, arguments):
        result = call(command, *arguments, "--out", "a.gif")
        assert result.exit_code == 1
        assert result.stderr == "Error: --out is a.gif; expected a name that ends in .jpg or .png.\n"
        assert asked == []

    def test_a_photo_that_is_read_is_not_written_over(self, asked, command, arguments):
        before = Path("face.png").read_bytes()
        result = call(command, *arguments, "--out", "./face.png")
        assert result.exit_code == 1
        assert result.stderr == "Error: --out is face.png, a photo that is read: choose another name.\n"
        assert Path("face.png").read_bytes() == before
        assert asked == []

    def test_a_photo_without_a_face_is_named(self, asked, command, arguments):
        result = call(command, "wall.png", *arguments[1:], "--out", "a.png")
        assert result.exit_code == 1
        assert result.stderr == "Error: No face was found in wall.png.\n"


def test_an_edit_that_changes_nothing_leaves_the_photo_and_writes_its_mesh(asked):
    assert call(edit, "face.png", "--region", "mouth", "--out", "same.png").exit_code == 0
    assert np.array_equal(cv2.imread("same.png"), cv2.imread("face.png"))
    assert len(trimesh.load_mesh("same.obj", process=False).vertices) == GRID**2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("--scale", "100"), "--scale is 100; expected a number above 0, up to 3."),
        (("--scale", "-1"), "--scale is -1; expected a number above 0, up to 3."),
        *(
            (
                ("--shift", *shift),
                f"--shift is {' '.join(shift)}; expected three numbers from -1 to 1, each in distances of the outer "
                "eye corners.",
            )
            for shift in (("nan", "0", "0"), ("0", "inf", "0"), ("0", "0", "-1.01"), ("1e+300", "0", "0"))
        ),
    ],
)
def test_what_is_no_change_of_a_feature_is_refused(asked, change, sentence):
    result = call(edit, "face.png", "--region", "nose", "--out", "new.png", *change)
    assert result.stderr == f"Error: {sentence}\n"
    assert asked == []


def test_the_largest_shift_is_taken(asked):
    assert call(edit, "face.png", "--region", "nose", "--out", "new.png", "--shift", "1", "-1", "1").exit_code == 0
