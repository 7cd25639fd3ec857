"""The thesis's numbers as they are recorded, and what the page puts beside them."""

import dataclasses
import html
import json
import platform
import re
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.crops.alignment import face_roll
from stages import evaluate, thesis
from stages.pages import machine, thesis_figures, thesis_samples
from stages.pages.costs import Cost
from stages.pages.thesis_reference import read_reference
from stages.project.json_file import write_json
from stages.project.params import DataParams
from stages.project.params_file import read_params
from stages.project.paths import survey_scores_of
from stages.project.published import LANDMARKS, NAMES, YAW, read_benchmark
from stages.project.survey_params import SurveyMethod, SurveyParams
from tests.helpers.small_project import (
    LAYERS,
    PARAMS,
    SETTINGS,
    SIZE,
    STARTS,
    SUBSETS,
    make_project,
    make_thesis,
    read_json,
    write_occlusion,
    write_run,
)


@pytest.fixture(scope="module")
def reference():
    return read_reference()


class TestReference:
    def test_every_claim_is_of_variants_that_there_are(self, reference):
        variants = set(read_params()["variants"])
        claims = reference.claims
        assert {getattr(claim, side) for claim in claims for side in ("variant", "against")} <= variants
        assert {number.variant for number in reference.numbers} <= variants
        assert len({claim.name for claim in claims}) == len(claims)
        assert {claim.expected for claim in claims} == {"better", "worse", "equal"}

    def test_what_follows_from_the_thesis_s_own_means_is_computed_from_them(self, reference):
        numbers = {(n.section, n.variant, n.metric): n.value for n in reference.numbers}
        checked = 0
        for claim in reference.claims:
            if claim.follows is not None:
                ours, other = (
                    numbers[claim.section, variant, claim.metric] for variant in (claim.variant, claim.against)
                )
                assert claim.follows == pytest.approx(100 * (1 - ours / other), abs=0.06), claim.name
                checked += 1
        assert checked >= 10

    def test_its_contradictions_are_true_of_its_numbers(self, reference):
        text = " ".join(reference.contradictions)
        numbers = {(n.section, n.variant, n.metric): n.value for n in reference.numbers}
        prn, final = (numbers["4.9", name, "thesis_mesh"] for name in ("prn", "final"))
        assert f"From {prn} (PRN) to {final} (final) the mesh error falls by {100 * (1 - final / prn):.1f} %" in text
        plain, augmented, author = (numbers["4.3", n, "thesis_68"] for n in ("prn_plain", "prn", "prn_author"))
        assert 100 * (augmented / plain - 1) == pytest.approx(1, abs=0.1)
        assert 23 < 100 * (1 - augmented / author) < 100 * (1 - plain / author) < 24
        mask = numbers["4.7", "final_mask", "thesis_mesh"]
        assert mask == final
        assert f"Table 4.1 has {mask} for the weight mask alone" in text
        outputs = {row.name: row.output for row in reference.layers["3.3"]}
        assert [outputs[f"Deconv{number}"] for number in (11, 12, 13, 14)] == ["128*128*32"] * 2 + ["256*256*16"] * 2
        for told in ("Layers 13 and 14 put out 128*128*32", "in the table layers 13 and 14 put out 256*256*16"):
            assert told in text


class TestPage:
    @pytest.fixture(scope="class")
    @staticmethod
    def page(tmp_path_factory, project):
        """A project with the scores of another method."""
        root = shutil.copytree(project, tmp_path_factory.mktemp("foreign") / "project", symlinks=True)
        (root / "metrics/foreign").mkdir(parents=True)
        metrics = {"images": 5, "failed": 2, "nme68_2d": 3.987, "nme68_2d_low": 3.8, "nme68_2d_high": 4.111}
        (root / "metrics/foreign/Their <method>.json").write_text(json.dumps(metrics))
        (root / "metrics/foreign/broken.json").write_text("{}")
        make_thesis(root)
        return (root / "reports/index.html").read_text()

    def test_a_foreign_file_that_cannot_be_shown_is_told_on_the_page(self, page):
        assert "Left out: " in page
        assert "broken.json lacks images, failed, nme68_2d" in page

    def test_another_method_is_a_row_beside_ours(self, page):
        row = next(row for row in page.split("<tr>") if html.escape("Their <method>") in row)
        assert "(scored from its files; on which photos is not known)" in row
        for cell in (">5<", ">2<", ">3.987<", ">3.800\u00a0to\u00a04.111<"):
            assert cell in row

    def test_every_table_and_figure_of_the_thesis_is_there(self, page):
        for number in ("1.5", "2.1", "3.1", "3.3", "3.4", "3.5", "3.6", *(f"4.{n}" for n in range(1, 10))):
            assert f"Figure {number}," in page, number
        for number in ("3.1", "3.2", "3.3", "4.1"):
            assert f"Table {number}" in page, number

    def test_section_1_3_is_drawn(self, page):
        for number in ("Section 1.3.2", "Section 1.3.3", "Figure 1.5"):
            assert f'alt="{number}, demo faces' in page, number

    def test_the_graded_photos_stand_from_the_best_to_the_worst_with_their_errors(self, page):
        captions = re.findall(r"<figcaption>(\d+) %: (test/\w), mesh error ([\d.]+) %, yaw", page)
        # Of seven photos, whose errors are in the order of their names, the sixth is both 0.95's and the worst.
        assert [(share, name) for share, name, _ in captions] == [
            ("0", "test/a"),
            ("25", "test/c"),
            ("50", "test/d"),
            ("75", "test/e"),
            ("100", "test/g"),
        ]
        errors = [float(error) for _, _, error in captions]
        assert errors == sorted(errors)

    def test_each_head_above_our_numbers_has_their_data_and_scale(self, page):
        heads = [text for text in page.replace("</th>", "<th>").split("<th>") if "demo faces" in text]
        assert len(heads) >= 6
        assert all("32 px" in text and "width 8" in text for text in heads)

    def test_the_sections_on_levelling_have_a_row_for_each_source_of_landmarks(self, project):
        """Crops by Face Mesh are off by half as much again as the annotation's, of the six faces that it finds."""
        text = (project / "reports/index.html").read_text()
        section = text.partition('<h2 id="by-crop">4.8 and 4.9 by found landmarks')[2].partition("<h2")[0]
        for variant in ("final", "prn"):
            for source, images, failed in (("annotation", 7, 2), ("facemesh", 6, 3)):
                numbers = [3, images, failed]
                row = f'<th scope="row">{variant}</th><td>{source}</td>'
                row += "".join(f'<td class="number">{number}</td>' for number in numbers)
                assert section.count(row) == 1, (variant, source)
        scores = read_json(project / "metrics/thesis.json")["by_crop"]
        assert {name: list(by_source) for name, by_source in scores.items()} == {
            "final": ["predicted", "facemesh"],
            "prn": ["predicted", "facemesh"],
        }
        for scored in scores.values():
            # The mean of the found six is 1.5 times theirs on annotated crops, so that a third of it is more.
            assert scored["facemesh"]["more"] == pytest.approx(scored["facemesh"]["thesis_mesh"] / 3, rel=0.02)
        claims = read_json(project / "metrics/thesis.json")["claims_by_crop"]
        assert {name: list(by_source) for name, by_source in claims.items()} == {
            name: ["predicted", "facemesh"] for name in ("final_68", "final_mesh")
        }
        assert [claim["images"] for claim in claims["final_mesh"].values()] == [7, 6]

    def test_the_verdict_follows_from_the_interval(self, project):
        claims = read_json(project / "metrics/thesis.json")["claims"]
        text = (project / "reports/index.html").read_text()
        row = next(row for row in text.split("<tr>") if "final against prn<" in row and "37 %" in row)
        assert claims["final_mesh"]["high"] < 0
        assert "<td>better</td><td>holds</td>" in row


class TestMainRunOfOurOwn:
    """The main run is no variant of the thesis, and its crops are not levelled."""

    @pytest.fixture(scope="class")
    @staticmethod
    def root(tmp_path_factory, project):
        """As `project`, but its main run is called best, final is a variant with a third of its errors, and one of two
        methods of the survey has run.
        """
        root = shutil.copytree(project, tmp_path_factory.mktemp("own") / "project", symlinks=True)
        write_run(root, "final", 1 / 3)
        evaluate.evaluate(root, "final", SETTINGS.train, PARAMS, SUBSETS, ["facemesh"])
        data = DataParams("data/demo", SUBSETS, SIZE, ["on"], 4, 0.5)
        methods = {name: SurveyMethod("fit", name, "data/none") for name in ("annotated", "facemesh")}
        write_json(root / survey_scores_of("annotated") / "metrics.json", {"images": 7, "failed": 2, "surface": 1.234})
        costs = {"final": Cost(50.5, 2.25), "annotated": Cost(1.5, 33.0)}
        starts = {"best": "random"} | STARTS
        setup = thesis.Setup("best", SETTINGS, LAYERS, starts, data, 1.5, SurveyParams(methods), costs)
        thesis.thesis(root, setup, PARAMS)
        return root

    def test_the_survey_has_its_rows_with_their_costs_and_a_figure(self, root):
        page = (root / "reports/index.html").read_text()
        section = page.partition('<h2 id="methods">')[2]
        name = "annotated (bound)"
        row = next(row for row in section.split("<tr>") if name in row)
        for number in ("7", "2", "1.234", "1.500", "33.000"):
            assert f">{number}<" in row
        final = next(row for row in section.split("<tr>") if '<th scope="row">final</th>' in row)
        assert ">50.500<" in final
        assert ">2.250<" in final
        assert section.count('alt="Error of the surface in percent against cost') == 2
        left_out = re.findall("<p>Left out: (.*?)</p>", section)
        assert any(reason.startswith("CANDIDE-3") for reason in left_out)
        assert any("facemesh was not run" in reason for reason in left_out)

    def test_it_is_one_more_row_and_the_claims_are_of_the_thesis_s_model(self, root):
        metrics = read_json(root / "metrics/thesis.json")
        assert list(metrics)[:3] == ["best", "final", "prn"]
        # prn has twice the shift of the main run, and final a third of it.
        assert metrics["claims"]["final_mesh"]["lower_by"] == pytest.approx(100 * (1 - 1 / 6), abs=1.0)
        page = (root / "reports/index.html").read_text()
        assert '<th scope="row">best</th>' in page
        assert "over the images of final" in page
        assert {path.stem for path in (root / "reports/meshes").iterdir()} == {"truth", "best", "final", "prn"}
        # Of these, final has the smallest error.
        assert 'src="meshes/final.html"' in page
        assert "The first to be shown is that of final" in page


@pytest.mark.parametrize(
    ("network", "expected"),
    [({}, True), ({"lean": True}, False), ({"regresses": "coefficients"}, False)],
)
def test_only_the_thesis_s_own_network_has_its_tables(network, expected):
    assert thesis_samples.has_tables(dataclasses.replace(SETTINGS.network, **network)) == expected


class TestChoice:
    def test_the_frontal_median_the_most_rolled_the_spread_of_yaw_and_quantiles_of_the_error(self):
        yaw = [0, -10, 20, 30, 31, -60, 80]
        table = pd.DataFrame({"sample_id": list("abcdefg"), "yaw_deg": yaw, "thesis_mesh": [5.0, 3, 4, 9, 1, 2, 8]})
        roll = dict(zip("abcdefg", (0.1, 6.2, -0.5, 0.2, 3, 3, 3), strict=True))
        # Of a, b, c, d by error: b, c, a, d. The roll of b wraps to -0.08; e, f and g are no frontal faces.
        choice = thesis_samples.choose(table, roll)
        assert (choice.front, choice.rolled) == ("a", "c")
        assert choice.spread == ["a", "c", "e", "g"]
        # All by error: e f b c a g d; 0.95 * 6 is 5.7, the place of the last, which is shown once.
        assert list(choice.graded.items()) == [("e", 0.0), ("b", 0.25), ("c", 0.5), ("a", 0.75), ("d", 1.0)]

    def test_without_a_frontal_face_all_are_looked_at(self):
        table = pd.DataFrame({"sample_id": ["a"], "yaw_deg": [88.0], "thesis_mesh": [5.0]})
        assert thesis_samples.choose(table, {"a": 0.0}) == thesis_samples.Choice("a", "a", ["a"], {"a": 1.0})


class TestFound:
    """Figures 3.3 and 3.4 show what is found in a photo, whatever is annotated."""

    def turned_face(self):
        """The 68 points of a face in 300 px, turned by 30 degrees and seen from one side: eyes, root, chin, jaw."""
        points = np.zeros((68, 2))
        points[:17] = np.column_stack([np.linspace(-160, 60, 17), 80 * np.sin(np.linspace(0, np.pi, 17))])
        points[17:] = [0, 10]
        points[36:48, 0] = [*np.linspace(-40, -20, 6), *np.linspace(20, 40, 6)]
        points[36:48, 1] = [-1, -1, -1, 1, 1, 1] * 2
        points[27], points[8] = (0, 0), (0, 110)
        turn = np.deg2rad(30)
        return points @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + 150

    def test_the_fourteenth_point_is_the_chin_turned_about_the_nose_s_root(self):
        found = self.turned_face()
        points = thesis_figures.levelling_points(found)
        assert points.shape == (14, 2)
        assert points[12].tolist() == [150, 150]
        # As far from the root as the chin, in the direction of the head's own horizontal.
        assert points[13] - 150 == pytest.approx(110 * np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)]))
        direction = np.linalg.svd(points - points.mean(axis=0))[2][0]
        assert abs(direction @ [np.cos(face_roll(found)), np.sin(face_roll(found))]) == pytest.approx(1, abs=1e-12)

    def test_all_fourteen_points_are_in_both_pictures(self):
        found = self.turned_face()
        found[37:42], found[43:48] = found[36], found[42]
        tiles = np.split(thesis_figures.correction(np.zeros((300, 300, 3), np.uint8), found, 1.5), 2, axis=1)
        for tile in tiles:
            dots, _ = cv2.connectedComponents((tile == thesis_figures.DOT).all(axis=2).astype(np.uint8))
            # Background; an eye each, the root, and the turned chin.
            assert dots == 1 + 4

    def test_the_points_that_are_drawn_are_those_that_were_found(self):
        found = self.turned_face()
        picture = thesis_figures.detection(np.zeros((300, 600, 3), np.uint8), found, 1.5)
        places = np.rint(360 / 600 * (found + 0.5) - 0.5).astype(int)
        assert (picture[places[:, 1], places[:, 0]] == thesis_figures.DOT).all(axis=1).all()
        # Beside it the crop: the box with a margin, all of it within the photo.
        assert picture.shape == (360, 720, 3)

    @pytest.mark.parametrize("finds", [True, False])
    def test_a_face_that_is_not_found_is_said_and_not_drawn(self, project, tmp_path, monkeypatch, finds):
        asked = []

        def find(photo, landmarks):
            asked.append(photo.shape)
            return landmarks[:, :2] + 1 if finds else None

        monkeypatch.setattr(thesis, "open_finder", lambda *_: find)
        root = shutil.copytree(project, tmp_path / "project", symlinks=True)
        make_thesis(root)
        page = (root / "reports/index.html").read_text()
        assert set(asked) == {(60, 60, 3)}
        assert page.count("no face was found in this photo") == (0 if finds else 2)
        assert page.count('alt="Figure 3.3,') == page.count('alt="Figure 3.4,') == int(finds)


class TestBenchmark:
    @pytest.fixture
    def folder(self, tmp_path):
        make_project(tmp_path)
        return tmp_path / "benchmark"

    def test_an_empty_folder_publishes_nothing(self, tmp_path):
        benchmark = read_benchmark(tmp_path)
        assert (benchmark.landmarks, benchmark.yaw_deg) == ({}, {})
        assert benchmark.landmarks_of("test/a") is None
        assert benchmark.replace_yaw(["test/a"], np.array([7.0])).tolist() == [7.0]

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nowhere, the folder of evaluate.benchmark, is missing"):
            read_benchmark(tmp_path / "nowhere")

    @pytest.mark.parametrize("name", [LANDMARKS, YAW])
    def test_a_table_that_does_not_fit_the_list_is_refused(self, folder, name):
        np.save(folder / name, np.load(folder / name)[1:])
        with pytest.raises(ValueError, match=r"has shape \(7.* for the 8 names"):
            read_benchmark(folder)

    def test_the_list_may_have_its_archive_s_name(self, folder):
        expected = read_benchmark(folder).yaw_deg
        (folder / NAMES).rename(folder / "AFLW2000-3D_crop.list")
        assert read_benchmark(folder).yaw_deg == expected

    def test_a_table_without_the_list_is_refused(self, folder):
        (folder / NAMES).unlink()
        with pytest.raises(ValueError, match=f"{NAMES} is missing: it names the rows"):
            read_benchmark(folder)


def test_all_that_is_missing_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Results of other stages are missing") as told:
        thesis.check_inputs(["prn"], ["main", "prn"])
    data = ("face_model", "uv_embedding", "landmark_map", "split", "settings")
    runs = ("predict", "evaluate", "predict@prn", "evaluate@prn", "occlusion", "occlusion@prn")
    assert [stage for stage in (*data, *runs) if f"{stage} (" not in str(told.value)] == []
    assert "evaluate@prn (runs/prn/scores/metrics.json and 10 more)" in str(told.value)


def test_nothing_is_missing_where_each_stage_left_its_files(project, tmp_path, monkeypatch):
    """The main run is the variant `final`, which has no folder of its own; `vrn` has its metrics alone."""
    root = shutil.copytree(project, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(root)
    volume = dataclasses.replace(SETTINGS, network=dataclasses.replace(SETTINGS.network, regresses="volume"))
    monkeypatch.setattr(thesis, "settings_of", lambda run: volume if run == "vrn" else SETTINGS)
    for run in ("main", "final", "prn", "vrn"):
        (root / f"data/settings/{run}.json").touch()
    write_occlusion(root, "main")
    thesis.check_inputs(["final", "prn", "vrn"], ["main"])
    (root / "runs/prn/predictions.h5").unlink()
    with pytest.raises(ValueError, match=r"makes all: predict@prn \(runs/prn/predictions.h5\)\.$"):
        thesis.check_inputs(["final", "prn", "vrn"], ["main"])


def test_the_machine_is_described_without_its_name():
    described = machine.describe_machine()
    assert set(described) == set(read_reference().machine)
    assert all(described.values())
    assert "not installed" not in described["framework"]
    assert platform.node() not in " ".join(described.values())
