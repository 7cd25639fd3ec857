"""Errors on covered faces: what is covered, how it is scored and described, and the page's part of it."""

import dataclasses
import shutil
import types

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from pipeline.face.face_model import load_model
from pipeline.uv.surface import load_surface
from stages import occlusion, thesis
from stages.pages.occlusion import read_occlusion, share_figures, share_header, share_rows
from stages.project.occlusion import (
    ERRORS,
    Case,
    contact_sheet,
    cover_sample,
    describe_occlusion,
    score_case,
    visible_face,
)
from stages.project.params import DataParams
from stages.project.params_check import find_problems
from stages.project.params_file import read_params
from stages.project.result_params import OcclusionParams
from stages.project.samples import locate, read_truths
from tests.helpers.places import ROOT
from tests.helpers.small_project import (
    LAYERS,
    PARAMS,
    SETTINGS,
    SIZE,
    STARTS,
    SUBSETS,
    face_map,
    grid_uv,
    write_occlusion,
)

OCCLUSION = OcclusionParams(["prn"], ["hand", "rectangle"], [0.2, 0.5], 300, 1)


@pytest.fixture(scope="module")
def sample(project):
    return next(read_truths(project, locate(project, "on", ["test/b"])))


@pytest.fixture(scope="module")
def surface(project):
    return load_surface(project / "data/face_model/model.h5", project / "data/uv_embedding/uv.h5")


@pytest.fixture(scope="module")
def reference(project, surface):
    return load_model(project / "data/face_model/model.h5").mean[surface.vertices]


def test_the_visible_face_is_where_its_texels_lie(sample, surface):
    # x from 4 + 24 u and y from 3 + 26 v, for the vertices within the mask.
    face = visible_face(sample.position_map, surface)
    rows, columns = np.nonzero(face)
    u, v = surface.vertex_uv.T
    assert (columns.min(), columns.max()) == pytest.approx((4 + 24 * u.min(), 4 + 24 * u.max()), abs=1)
    assert (rows.min(), rows.max()) == pytest.approx((3 + 26 * v.min(), 3 + 26 * v.max()), abs=1)
    assert face[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()


def test_a_sample_is_covered_by_each_kind_and_share_and_by_the_same_for_each_network(sample, surface):
    cases = list(cover_sample(sample, surface, OCCLUSION))
    assert [case[:2] for case in cases] == [
        ("none", 0.0),
        ("hand", 0.2),
        ("hand", 0.5),
        ("rectangle", 0.2),
        ("rectangle", 0.5),
    ]
    assert (cases[0].image == sample.image).all()
    face = visible_face(sample.position_map, surface)
    for case in cases[1:]:
        changed = (case.image != sample.image).any(axis=-1)
        # Noise may be painted over by its own colour.
        assert changed[face].mean() == pytest.approx(case.share, abs=0.02)
    again = list(cover_sample(sample, surface, OCCLUSION))
    assert all((one.image == other.image).all() for one, other in zip(cases, again, strict=True))
    other = dataclasses.replace(sample, sample_id="test/other")
    assert (list(cover_sample(other, surface, OCCLUSION))[2].image != cases[2].image).any()


def test_a_prediction_is_scored_as_by_evaluate(project, sample, surface, reference):
    case = Case("hand", 0.2, sample.image)
    predicted = face_map(grid_uv(SIZE), dx=1.0, dz=31.0)
    row = score_case(sample, case, predicted, surface, reference)
    assert (row["sample_id"], row["kind"], row["share"]) == ("test/b", "hand", 0.2)
    scores = pd.read_csv(project / "runs/main/scores/per_image.csv").set_index("sample_id").loc["test/b"]
    # The run's own map of this sample, which lies in fixed point.
    for name in ERRORS:
        assert row[name] == pytest.approx(scores[name], abs=0.05), name


def test_shares_are_described_by_kind_and_by_the_mean_of_the_kinds_of_each_photo():
    rows = [
        {"sample_id": name, "kind": kind, "share": share} | dict.fromkeys(ERRORS, value)
        for name, more in (("a", 0.0), ("b", 2.0))
        for kind, share, value in (("none", 0.0, 3 + more), ("hand", 0.5, 4 + more), ("mask", 0.5, 8 + more))
    ]
    rows[0]["pose_mae"] = None
    described = describe_occlusion(pd.DataFrame(rows), PARAMS).set_index(["kind", "share", "error"])
    assert described.loc[("all", 0.5, "nme68_2d"), "mean"] == 7
    assert described.loc[("all", 0.5, "nme68_2d"), "images"] == 2
    # Of two photos, 6 and 8.
    assert described.loc[("all", 0.5, "nme68_2d"), "low"] == 6
    assert described.loc[("hand", 0.5, "nme68_2d"), "mean"] == 5
    assert described.loc[("none", 0.0, "nme68_2d"), "mean"] == 4
    assert described.loc[("none", 0.0, "pose_mae"), "images"] == 1


def test_pictures_stand_in_a_row_a_kind_beside_the_photo_as_it_is():
    pictures = [np.full((2, 2, 3), grey, np.uint8) for grey in range(5)]
    names = [("none", 0.0), ("hand", 0.2), ("hand", 0.5), ("mask", 0.2), ("mask", 0.5)]
    sheet = contact_sheet([Case(*name, picture) for name, picture in zip(names, pictures, strict=True)])
    assert sheet[::2, ::2, 0].tolist() == [[0, 1, 2], [0, 3, 4]]


class TestPage:
    """Of networks whose errors `write_occlusion` says."""

    @pytest.fixture
    @staticmethod
    def root(tmp_path):
        for run in ("main", "prn"):
            write_occlusion(tmp_path, run)
        return tmp_path

    def test_tables_have_a_column_a_share_from_nothing_on(self, root):
        found = read_occlusion(root, ["main", "prn"], "best")
        assert list(found.by_share) == ["best", "prn"]
        assert share_header(found)[3:] == ("0 %", "20 %", "50 %")
        rows = {row[:3]: row[3:] for row in share_rows(found)}
        assert rows["best", "anything", "68 landmarks, xy"] == (3, 5, 8)
        assert rows["prn", "mask", "dense, xyz"] == (3, 7, 13)
        assert len(rows) == 2 * 2 * 3

    def test_figures_are_drawn_by_network_and_by_kind(self, root):
        figures = share_figures(read_occlusion(root, ["main", "prn"], "best"))
        assert len(figures) == 4
        pictures = [cv2.imdecode(np.frombuffer(each, np.uint8), 1) for each in figures.values()]
        assert all(picture.std() > 5 for picture in pictures)

    def test_no_run_has_no_section(self, root):
        assert read_occlusion(root, [], "best") is None

    def test_what_is_missing_or_damaged_is_told(self, root):
        with pytest.raises(FileNotFoundError, match=r"by_share.csv is missing: run the stage occlusion"):
            read_occlusion(root, ["final"], "best")
        (root / "runs/prn/occlusion/by_share.csv").write_text("kind,share\nall,0\n")
        with pytest.raises(ValueError, match=r"by_share.csv lacks the column error, images, mean, low, high"):
            read_occlusion(root, ["prn"], "best")

    def test_the_thesis_s_page_has_it(self, project, root, tmp_path_factory):
        copy = tmp_path_factory.mktemp("page") / "project"
        shutil.copytree(project, copy, symlinks=True)
        shutil.copytree(root / "runs", copy / "runs", dirs_exist_ok=True)
        data = DataParams("data/demo", SUBSETS, SIZE, ["on"], 4, 0.5)
        setup = thesis.Setup("final", SETTINGS, LAYERS, STARTS, data, 1.5, occluded=["main", "prn"])
        thesis.thesis(copy, setup, PARAMS)
        page = (copy / "reports/index.html").read_text()
        section = page.partition('<h2 id="occlusion">')[2].partition("<h2")[0]
        assert '<th scope="row">final</th><td>anything</td><td>68 landmarks, xy</td>' in section
        assert section.count("<figure") == 5


@pytest.mark.slow
@pytest.mark.usefixtures("keras")
def test_the_stage_from_a_network_to_its_tables(project, tmp_path, monkeypatch):
    """A network that says the true map of every photo, a little to the right."""
    root = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(root)
    sections = {
        "evaluate": {"bootstrap": 200, "seed": 4, "share_under": 5.0, "benchmark": "benchmark"},
        "occlusion": dataclasses.asdict(OCCLUSION),
    }
    YAML().dump(sections, root / "params.yaml")

    def predict_on_batch(photos):
        return {"final": np.broadcast_to(face_map(grid_uv(SIZE), dx=1.0), photos.shape).astype(np.float32)}

    network = types.SimpleNamespace(predict_on_batch=predict_on_batch)
    task = types.SimpleNamespace(build=lambda: network, to_output=lambda final: final)
    monkeypatch.setattr(occlusion, "settings_of", lambda _: SETTINGS)
    monkeypatch.setattr(occlusion, "choose_regression", lambda *_: task)
    monkeypatch.setattr(occlusion, "load_run", lambda *_: None)
    monkeypatch.setattr(occlusion, "prepare_keras", lambda *_: None)
    result = CliRunner().invoke(occlusion.main)
    assert result.exit_code == 0, result.output
    assert "occlusion: final, 7 test photos, 35 cases" in result.output
    table = pd.read_csv(root / "runs/main/occlusion/per_image.csv")
    assert len(table) == 35
    # It looks at no photo: an error does not depend on what is covered.
    assert (table.groupby("sample_id")["dense_3d"].nunique() == 1).all()
    assert set(pd.read_csv(root / "runs/main/occlusion/by_share.csv")["kind"]) == {"all", "none", "hand", "rectangle"}
    sheet = cv2.imread(str(root / "runs/main/occlusion/examples.png"))
    assert sheet.shape == (3 * 2 * SIZE, 3 * SIZE, 3)
    before = [(root / "runs/main/occlusion" / name).read_bytes() for name in ("per_image.csv", "examples.png")]
    assert CliRunner().invoke(occlusion.main).exit_code == 0
    assert before == [(root / "runs/main/occlusion" / name).read_bytes() for name in ("per_image.csv", "examples.png")]


def test_mistakes_in_the_section_are_sentences():
    for values, told in (
        ({"kinds": ["hat"]}, "occlusion.kinds has hat; expected some of hand, mask, rectangle."),
        ({"shares": [0.0, 0.7]}, r"occlusion.shares has \[0.0, 0.7\]; expected parts of the face above 0, up to 0.6."),
        ({"shares": []}, "occlusion.kinds and occlusion.shares must not be empty."),
        ({"photos": 0}, "occlusion.photos is 0; expected 1 or more."),
    ):
        with pytest.raises(ValueError, match=told):
            dataclasses.replace(OCCLUSION, **values)


def test_a_run_that_there_is_not_is_told(monkeypatch):
    monkeypatch.chdir(ROOT)
    params = read_params()
    found = find_problems(params | {"occlusion": params["occlusion"] | {"runs": ["main", "prm"]}})
    assert found == [f"occlusion.runs has {name!r}, which is no entry of thesis.variants." for name in ("main", "prm")]
