"""The command that makes bundles of other face models, and what it refuses."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.crops.face_mesh import open_networks
from pipeline.crops.landmark_map import save_map, table_map
from pipeline.face.fit import Prior, save_prior
from pipeline.photo.bundle import load_bundle
from pipeline.photo.embedded import embedded_model
from pipeline.photo.registration import CUT, ENLARGED, SIDE, draw_registration
from stages import bundle as command
from stages.bundle import read_face_model
from tests.helpers.places import FACE_DATA


def call(*arguments):
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (["--out", "b.zip"], ["--out is b.zip; expected a name that ends in .face3d."]),
        (
            ["--out", "b.face3d", "--bfm", "bfm", "--ict", "ict", "--prior", "p.h5"],
            ["Give --bfm or --ict, not both."],
        ),
        (
            ["--out", "b.face3d", "--bfm", "bfm"],
            [
                "--bfm and --prior go together: BFM's files say nothing of its spread. data/coefficient_prior/prior.h5 "
                "is made by `dvc repro coefficient_prior` of real faces, without training; make real has it below "
                "work/real/."
            ],
        ),
        (
            ["--out", "b.face3d", "--bfm", "bfm", "--prior", "p.h5"],
            [
                "p.h5 is missing or no file; expected a prior, data/coefficient_prior/prior.h5 of `dvc repro "
                "coefficient_prior`."
            ],
        ),
        (
            ["--out", "b.face3d", "--ict", "ict"],
            ["ict has no generic_neutral_mesh.obj; docs/data.md says where to get ICT-FaceKit's model."],
        ),
    ],
)
def test_what_does_not_go_together_or_is_missing_is_told_and_nothing_is_written(
    monkeypatch, tmp_path, arguments, sentences
):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["Error: " + sentences[0], *sentences[1:]]
    assert not list(tmp_path.iterdir())


def test_the_embedded_model_with_a_landmark_map_is_the_embedded_bundle_with_it(monkeypatch, tmp_path, embedded):
    monkeypatch.chdir(tmp_path)
    save_map(tmp_path / "map.h5", table_map())
    monkeypatch.setattr(command, "make_bundle", lambda *_: embedded)
    result = call("--out", "new/b.face3d", "--landmark-map", "map.h5")
    assert result.exit_code == 0, result.output
    assert result.stdout == "bundle: embedded, 19 vectors; new/b.face3d and new/b.png\n"
    made = load_bundle(tmp_path / "new/b.face3d")
    assert np.array_equal(made.landmark_map, table_map())
    assert np.array_equal(made.points.mean, embedded.points.mean)
    side = 2 * ENLARGED * (SIDE - 2 * CUT)
    assert cv2.imread("new/b.png").shape == (side, side, 3)
    assert call("--out", "c.face3d", "--landmark-map", "none.h5").stderr == (
        "Error: none.h5 is missing or no file; expected a landmark map, data/landmark_map/map.h5 of `dvc repro "
        "landmark_map`.\n"
    )


def test_another_file_of_a_project_is_no_landmark_map_and_no_prior(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    save_map(tmp_path / "small.h5", np.zeros((3, 4)))
    save_prior(tmp_path / "prior.h5", Prior(np.zeros(2), np.ones(2)))
    for name, option in (("small", "--landmark-map"), ("prior", "--landmark-map"), ("small", "--prior")):
        others = ("--bfm", "bfm") if option == "--prior" else ()
        result = call("--out", "b.face3d", option, f"{name}.h5", *others)
        assert result.exit_code == 1
        assert result.stderr.startswith(
            f"Error: {name}.h5 can't be read; expected a {option[2:].replace('-', ' ')}, data/"
        )
    assert not (tmp_path / "b.face3d").exists()


def test_the_picture_has_each_point_in_its_colour_where_it_is_seen_and_where_it_was_found(embedded):
    model, _ = embedded_model()
    # All points at the tip of the nose, which is the middle of the picture's upper right quarter: one dot there.
    nose = np.repeat(model.mean[model.landmarks[[30]]], 468, axis=0)
    picture = draw_registration(model, nose, open_networks()).astype(int)
    side = len(picture) // 2
    colourful = picture.max(axis=2) - picture.min(axis=2) > 100
    left, right = colourful[:side, :side], colourful[:side, side:]
    assert left.mean() > 0.01
    assert 0 < right.sum() < 100
    rows, columns = np.nonzero(right)
    centre = (model.mean.max(axis=0) + model.mean.min(axis=0)) / 2
    offset = (nose[0] - centre)[:2] * [1, -1] / np.ptp(model.mean[:, 1]) * 0.6 * SIDE * ENLARGED
    assert (columns.mean() - side / 2, rows.mean() - side / 2) == pytest.approx(tuple(offset), abs=6)


@pytest.mark.slow
@pytest.mark.skipif(not FACE_DATA.is_dir(), reason="FACE_DATA is not there")
def test_ict_s_and_bfm_s_models_become_bundles_that_fit_faces(monkeypatch, tmp_path):
    import skimage.data

    from pipeline.commands import reconstruct

    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", skimage.data.astronaut()[..., ::-1])
    vectors = len(read_face_model(FACE_DATA / "bfm", None, saved_prior(tmp_path))[1].mean)
    assert vectors == 50
    for name, options in {
        "ict": ("--ict", FACE_DATA / "ict/FaceXModel"),
        "bfm": ("--bfm", FACE_DATA / "bfm", "--prior", "prior.h5"),
    }.items():
        assert call("--out", f"{name}.face3d", *options).exit_code == 0
        arguments = ["photo.png", "--out", name, "--bundle", f"{name}.face3d", "--write", "overlay"]
        assert CliRunner().invoke(reconstruct.main, arguments).exit_code == 0
        (face,) = json.loads((tmp_path / name / "faces.json").read_text())[0]["faces"]
        assert face["doubt"] == ""
        landmarks = np.array(face["landmarks"])
        for number, place in {30: (223, 126), 36: (194, 100.5), 45: (258, 103.5)}.items():
            assert np.linalg.norm(landmarks[number, :2] - place) < 6, (name, number)
        assert abs(face["pose"]["yaw"]) < 8


def saved_prior(folder):
    """A spread of BFM's coefficients as 300W-LP's annotations have it, to an order of magnitude."""
    sigma = np.concatenate([np.full(40, 4e5) / np.arange(1, 41), np.full(10, 1.0)])
    save_prior(folder / "prior.h5", Prior(np.zeros(50), sigma))
    return folder / "prior.h5"
