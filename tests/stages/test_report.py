"""Drive report and thesis on a small made-up project, and read what they wrote."""

import dataclasses
import re
import shutil

import cv2
import numpy as np
import pytest
import scipy.stats
from click.testing import CliRunner

from pipeline.face.similarity import apply_similarity
from pipeline.uv.surface import load_surface
from stages import data_report as data_report_stage
from stages import evaluate, report, thesis
from stages.pages import contact_sheet
from stages.pages.face_scores import PUBLISHED_POSE
from stages.pages.page import render
from stages.pages.provenance import Provenance
from stages.project.params import DataParams
from stages.project.samples import locate, read_truths
from tests.helpers.small_project import (
    LAYERS,
    PARAMS,
    PHOTO,
    SETTINGS,
    SIZE,
    STARTS,
    SUBSETS,
    Page,
    make_everything,
    make_project,
    numbers_of,
    read_json,
    read_rows,
    write_occlusion,
    write_run,
)


def described_numbers(project, variant):
    """Numbers of a variant's two tables protocols.csv as pages show them, with 3 digits."""
    scores = project / f"runs/{variant}/scores"
    rows = [row for folder in (scores, scores / "fitted") for row in read_rows(folder / "protocols.csv")]
    cells = [cell for row in rows for name, cell in row.items() if name not in ("error", "group") and cell]
    return {float(f"{float(cell):.3f}") for cell in cells}


class TestPages:
    @pytest.mark.parametrize("name", ["main.html", "index.html"])
    def test_every_picture_decodes_and_shows_something(self, project, name):
        page = Page(project / "reports" / name)
        assert len(page.pictures) >= 3
        for alt, image in page.pictures:
            assert image is not None, alt
            assert image.std() > 5, alt

    @pytest.mark.parametrize("name", ["main.html", "index.html"])
    def test_the_page_loads_nothing_but_its_own_meshes(self, project, name):
        page = Page(project / "reports" / name)
        others = {"main.html", "index.html", "data.html", "model.html"}
        links = {link for link in page.links if not link.startswith(("data:image/", "#"))}
        assert others <= links
        meshes = links - others
        variants = ("truth", "final", "prn") if name == "index.html" else ()
        assert meshes == {f"meshes/{variant}.html" for variant in variants}
        assert all((project / "reports" / link).is_file() for link in meshes)
        assert page.tags.isdisjoint({"script", "link", "object"})
        assert not re.search(r"https?://|url\(|@import", page.text)

    def test_the_contents_lead_to_every_section_and_claims_to_theirs(self, project):
        page = Page(project / "reports/index.html")
        sections = re.findall(r'<h2 id="([^"]+)">', page.text)
        assert len(sections) == len(set(sections)) >= 15
        contents = re.search(r'<nav class="contents".*?</nav>', page.text, re.DOTALL)[0]
        assert re.findall(r'href="#([^"]+)"', contents) == sections
        assert {link[1:] for link in page.links if link.startswith("#")} == {"content", *sections}
        claims = page.text.split('<table class="overview">')[1].split("</table>")[0]
        assert re.findall(r'href="#([^"]+)"', claims) == [f"4.{number}" for number in range(3, 10)]

    def test_every_number_of_the_report_is_in_a_metrics_file_or_the_table_of_protocols(self, project):
        known = numbers_of(read_json(project / "runs/main/scores/metrics.json"))
        known |= numbers_of(read_json(project / "metrics/data.json")) | described_numbers(project, "main")
        known |= numbers_of(read_json(project / "metrics/sources.json"))
        shown = Page(project / "reports/main.html").numbers
        decimals = [float(text) for text in shown if "." in text]
        assert len(decimals) >= 30
        assert set(decimals) <= known

    def test_every_number_of_the_comparison_is_in_a_metrics_file_or_a_table_of_protocols(self, project):
        known = described_numbers(project, "main") | described_numbers(project, "prn")
        for name in (
            "metrics/thesis.json",
            "runs/main/scores/metrics.json",
            "runs/prn/scores/metrics.json",
            "runs/vrn/scores/metrics.json",
        ):
            known |= numbers_of(read_json(project / name))
        known |= {value for _, *angles in PUBLISHED_POSE for value in angles}
        shown = [float(text) for text in Page(project / "reports/index.html").numbers if "." in text]
        assert len(shown) >= 30
        assert set(shown) <= known

    def test_every_test_sample_is_drawn_with_its_six_tiles(self, project):
        strips = [image for alt, image in Page(project / "reports/main.html").pictures if "test/" in alt]
        assert [strip.shape for strip in strips] == [(240, 6 * 240, 3)] * 7
        sheet = cv2.imread(str(project / "reports/contact_sheet.png"))
        caption = contact_sheet.CAPTION_HEIGHT
        assert sheet.shape == (caption + 7 * (caption + 240), 6 * 240, 3)
        for strip in strips:
            tiles = np.split(strip, 6, axis=1)
            assert all(tile.std() > 5 for tile in tiles)

    def test_reasons_of_rejection_are_summed_up(self, project):
        page = (project / "reports/main.html").read_text()
        assert re.search(r"Pose_Para is missing in …\.</th><td class=\"number\">2<", page)

    def test_a_demo_says_so_and_other_data_says_where_it_is_from(self):
        def said(*values):
            return render("provenance.html", provenance=Provenance(*values))

        few = {"train": 5, "validation": 1, "test": 2}
        demo = said("data/demo", 64, 8, few, 1400, ("data.size=256", "network.width=16"))
        assert "demo" in demo
        assert "reproduce nothing" in demo
        assert "5 train, 1 validation, 2 test; 1,400 passes of a sample." in demo
        real = said("../faces", 256, 16, few, 3, ())
        assert "../faces" in real
        assert "demo" not in real

    def test_what_is_not_of_the_thesis_s_scale_says_in_what(self):
        def said(learnt, tested, *lines):
            counts = {"train": learnt - 6000, "validation": 6000, "test": tested}
            return render("provenance.html", provenance=Provenance("../faces", 256, 16, counts, 3, lines))

        other, fewer = "This is not the thesis's scale", "The thesis learns from 61,225 images and tests on 2,000."
        # 2 % may be set aside: 61,225 x 0.98 = 60,000.5.
        for counts in ((61225, 2000), (60001, 1960)):
            assert other not in said(*counts)
            assert "thesis_scale.txt" not in said(*counts)
        for counts in ((60000, 2000), (61225, 1959)):
            assert other in said(*counts)
            assert fewer in said(*counts)
        page = said(61225, 2000, "train.lr=0.001", "~data.subsets.AFW_Flip")
        assert other in page
        assert fewer not in page
        assert "<p>train.lr=0.001, ~data.subsets.AFW_Flip</p>" in page

    @pytest.mark.parametrize("name", ["main.html", "index.html"])
    def test_the_pages_say_what_settings_found_of_the_thesis_s_scale(self, project, name):
        assert "<p>data.size=256, train.lr=0.001</p>" in (project / "reports" / name).read_text()

    def test_the_better_variant_is_told_from_the_worse_with_its_interval(self, project):
        claims = read_json(project / "metrics/thesis.json")["claims"]
        # final has half of the shift of prn: half of the error. No other pair of variants was evaluated.
        assert set(claims) == {"smoother", "final_68", "final_mesh"}
        assert claims["final_mesh"]["lower_by"] == pytest.approx(50, abs=0.5)
        # The interval in percent of the other's mean, which is the difference times 100 / 50.
        shares = [
            claims["final_mesh"][name] / claims["final_mesh"]["lower_by"] for name in ("lower_by_low", "lower_by_high")
        ]
        parts = [claims["final_mesh"][name] / claims["final_mesh"]["difference"] for name in ("high", "low")]
        assert shares == pytest.approx(parts, rel=1e-3)
        assert claims["final_mesh"]["high"] < 0
        assert {(claim["seeds"], claim["against_seeds"]) for claim in claims.values()} == {(3, 3)}
        page = (project / "reports/index.html").read_text()
        # Two claims, and once more on crops by each of two sources.
        assert page.count("<td>better</td><td>holds</td>") == 2 + 2 * 2
        assert page.count("<td>cannot be told</td>") == 1
        assert re.search(r"<b>holds:&nbsp;2; cannot be told:&nbsp;1; not run here:&nbsp;\d+\.", page)
        assert page.count('<td class="conclusion good">holds</td>') == 2

    def test_the_interval_of_a_difference_has_the_spread_of_images_and_seeds(self, project):
        tables = {run: read_rows(project / f"runs/{run}/scores/per_seed.csv") for run in ("main", "prn")}
        errors = {
            run: np.array([[float(row["thesis_mesh"]) for row in rows if row["seed"] == seed] for seed in "123"])
            for run, rows in tables.items()
        }
        # Seeds 2 and 3 are off by a quarter more and less than seed 1.
        for table, factor in zip(errors.values(), (1, 2), strict=True):
            assert table[1] == pytest.approx(1.25 * table[0], abs=0.05 * factor)
            assert table[2] == pytest.approx(0.75 * table[0], abs=0.05 * factor)
        difference = (errors["main"] - errors["prn"]).mean(axis=0)
        means = [table.mean(axis=1) for table in errors.values()]
        variances = [np.var(difference, ddof=1) / 7, *(np.var(mean, ddof=1) / 3 for mean in means)]
        freedom = sum(variances) ** 2 / (variances[0] ** 2 / 6 + variances[1] ** 2 / 2 + variances[2] ** 2 / 2)
        half = scipy.stats.t(freedom).ppf(0.975) * np.sqrt(sum(variances))
        claim = read_json(project / "metrics/thesis.json")["claims"]["final_mesh"]
        expected = (difference.mean(), difference.mean() - half, difference.mean() + half)
        assert [claim[name] for name in ("difference", "low", "high")] == pytest.approx(expected, abs=6e-4)

    @pytest.mark.parametrize(("others", "seeds"), [({}, 1), ({2: 2.2}, 2)])
    def test_fewer_than_three_seeds_of_one_give_figures_and_no_verdict(self, project, tmp_path, others, seeds):
        root = shutil.copytree(project, tmp_path / "copy", symlinks=True)
        write_run(root, "prn", 2.0, zoom=0.8, others=others)
        evaluate.evaluate(root, "prn", SETTINGS.train, PARAMS, SUBSETS, ["facemesh"])
        data = DataParams("raw", SUBSETS, SIZE, ["on"], 4, 0.5)
        thesis.thesis(root, thesis.Setup("final", SETTINGS, LAYERS, STARTS, data, 1.5), PARAMS)
        metrics = read_json(root / "metrics/thesis.json")
        assert (metrics["final"]["seeds"], metrics["prn"]["seeds"]) == (3, seeds)
        claim = metrics["claims"]["final_mesh"]
        assert (claim["seeds"], claim["against_seeds"]) == (3, seeds)
        assert claim["high"] < 0
        page = (root / "reports/index.html").read_text()
        assert page.count(f'<td class="aligned">3 and {seeds}</td>') == 3
        # Three claims, two of them once more on crops by each of two sources.
        assert page.count(", over images alone</td>") == 3 + 2 * 2
        assert page.count("<td>no verdict</td><td></td>") == 3 + 2 * 2
        # What the thesis says stands in the third cell after the row's head, which alone has these words.
        rows = [row.split("</td>") for row in page.split("<tr>") if "over images alone</td>" in row]
        assert not {word for row in rows for word in ("better", "worse", "hold") if word in str(row[3:])}

    def test_every_number_of_the_thesis_says_from_how_many_seeds_ours_is(self, project):
        page = (project / "reports/index.html").read_text()
        rows = re.findall(r'<tr><th scope="row">4\.\d</th><td>(?:final|prn)</td>(.*)</tr>', page)
        assert len(rows) >= 5
        for row in rows:
            assert row.split("</td>")[2] == '<td class="number">3'

    def test_the_jumps_of_the_loss_are_counted_over_seeds_and_within_phases(self, project):
        metrics = read_json(project / "metrics/thesis.json")["prn"]
        # Of all seeds and phases only one validation rises: from the best, 5, to 6.
        assert (metrics["jumps"], metrics["worst_rise"]) == (1, 20.0)

    def test_errors_in_the_same_order_have_a_rank_correlation_of_1(self, project):
        rho = read_json(project / "metrics/thesis.json")["rank_correlation"]
        table = list(read_rows(project / "runs/main/scores/per_image.csv"))
        orders = [sorted(range(7), key=lambda i: float(table[i][name])) for name in ("thesis_68", "thesis_mesh")]
        squares = sum((orders[0].index(i) - orders[1].index(i)) ** 2 for i in range(7))
        assert rho["rho"] == pytest.approx(1 - 6 * squares / (7 * 48), abs=1e-3)
        assert rho["low"] <= rho["rho"] <= rho["high"]

    def test_the_same_results_give_the_same_bytes(self, project, tmp_path):
        make_everything(tmp_path)
        paths = [p for folder in ("metrics", "reports", "runs") for p in (project / folder).rglob("*") if p.is_file()]
        assert len(paths) >= 15
        for path in paths:
            assert path.read_bytes() == (tmp_path / path.relative_to(project)).read_bytes(), path


class TestDrawing:
    @pytest.fixture
    def sample(self, project):
        return next(read_truths(project, locate(project, "on", ["test/a"])))

    @pytest.fixture
    def surface(self, project):
        return load_surface(project / "data/face_model/model.h5", project / "data/uv_embedding/uv.h5")

    def tiles(self, sample, position_map, surface):
        photo = np.full((PHOTO, PHOTO, 3), 120, np.uint8)
        strip = contact_sheet.draw_strip(photo, sample, position_map, sample.similarity, surface)
        return dict(zip(contact_sheet.TILE_NAMES, np.split(strip.astype(int), 6, axis=1), strict=True))

    def test_a_perfect_prediction_looks_like_the_truth(self, sample, surface):
        tiles = self.tiles(sample, sample.position_map, surface)
        assert (tiles["true map"] == tiles["predicted map"]).all()
        assert (tiles["true mesh"] == tiles["predicted mesh"]).all()

    def test_a_prediction_off_to_the_right_is_drawn_off_to_the_right(self, sample, surface):
        tiles = self.tiles(sample, sample.position_map + np.float32([4, 0, 0]), surface)
        red = (tiles["predicted map"] - tiles["true map"])[120, 120]
        assert red.tolist() == [pytest.approx(255 * 4 / SIZE, abs=1), 0, 0]
        # The raw photo is plain grey: what differs from it is the mesh. 4 aligned px are 4 / 32 of the crop's tile.
        columns = [
            np.flatnonzero((tiles[name] != 120).any(axis=(0, 2))).min() for name in ("true mesh", "predicted mesh")
        ]
        assert columns[1] - columns[0] == pytest.approx(4 * 240 / 32, abs=2)

    def test_landmarks_are_drawn_where_they_are_true_in_green_and_predicted_in_red(self, sample):
        predicted = sample.landmarks.copy()
        predicted[8] = apply_similarity(np.linalg.inv(sample.similarity), np.array([1.0, 2.0, 0.0]))
        tile = contact_sheet.crop_tile(sample, predicted)
        # Aligned pixel (1, 2) is 7.5 tile pixels wide: its centre is at (1.5, 2.5) * 7.5 - 0.5.
        assert tile[18, 11].tolist() == list(contact_sheet.PREDICTED_COLOUR)
        x, y, _ = (apply_similarity(sample.similarity, sample.landmarks[8]) + 0.5) * 7.5 - 0.5
        assert tile[round(y), round(x)].tolist() == list(contact_sheet.TRUE_COLOUR)

    def test_the_outline_of_the_crop_is_drawn_in_the_photo(self, sample, surface):
        photo = self.tiles(sample, sample.position_map, surface)["photo and crop"]
        # A crop of 32 px at scale 0.8 is 40 px of a photo of 60: 160 tile pixels round photo pixel (30, 30). Only the
        # thick upper side, 80 above the middle, has the pure colour.
        yellow = (photo == np.array(contact_sheet.OUTLINE_COLOUR)).all(axis=2)
        rows, columns = np.nonzero(yellow)
        assert columns.max() - columns.min() == pytest.approx(160, abs=4)
        assert np.mean([columns.min(), columns.max()]) == pytest.approx(30.5 * 4 - 0.5, abs=2)
        assert np.mean(rows) == pytest.approx(30.5 * 4 - 0.5 - 80, abs=1)
        assert np.ptp(rows) <= 4

    def test_a_wild_prediction_is_drawn_too(self, sample, surface):
        wild = sample.position_map * np.float32(1e4)
        assert set(self.tiles(sample, wild, surface)) == set(contact_sheet.TILE_NAMES)


class TestCommands:
    """The stages as DVC runs them, in the project's root."""

    @pytest.fixture
    def root(self, tmp_path, monkeypatch):
        make_project(tmp_path)
        write_occlusion(tmp_path, "main")
        (tmp_path / "params.yaml").write_text(
            "data:\n  root: raw\n  subsets:\n    train: {folder: train, use: learn, boxes: meshes}\n"
            "    test: {folder: test, use: test, boxes: meshes}\n"
            "  size: 32\n  levels:\n  - on\n"
            "  samples_per_shard: 4\n  max_reject_fraction: 0.5\n"
            "evaluate:\n  bootstrap: 200\n  seed: 4\n  share_under: 5.0\n  benchmark: benchmark\n"
            "crop:\n  detected: {}\n  found: {facemesh: data/landmark_map}\n  margin: 1.5\n"
            "occlusion:\n  photos: 2\n  seed: 1\n  kinds: [hand]\n  shares: [0.5]\n  runs: []\n"
            "survey:\n  methods: {}\nreport:\n  samples: 3\nthesis:\n  variants:\n"
            "    prn: {init: random, policy: full, level: on}\n"
        )
        (tmp_path / "data" / "settings").mkdir(parents=True, exist_ok=True)
        for run in ("main", "prn"):
            (tmp_path / "data" / "settings" / f"{run}.json").touch()
        monkeypatch.chdir(tmp_path)

        def settings_of(run):
            variant = "final" if run == "main" else run
            return dataclasses.replace(SETTINGS, train=dataclasses.replace(SETTINGS.train, variant=variant))

        monkeypatch.setattr(thesis, "network_layers", lambda *_: LAYERS)
        monkeypatch.setattr(thesis, "measure_networks", lambda *_: {})
        for stage in (evaluate, report, thesis):
            monkeypatch.setattr(stage, "settings_of", settings_of)
        return tmp_path

    def call(self, stage, *arguments):
        return CliRunner().invoke(stage.main, arguments)

    def test_from_predictions_to_both_pages(self, root):
        for stage, *arguments in ((evaluate,), (evaluate, "prn"), (data_report_stage,), (report,), (thesis,)):
            result = self.call(stage, *arguments)
            assert result.exit_code == 0, result.output
            assert len(result.output.splitlines()) == 1
        made = {
            str(path.relative_to(root)) for folder in ("metrics", "reports") for path in (root / folder).rglob("*.*")
        }
        assert made == {
            "metrics/evaluation.json",
            "metrics/sources.json",
            "metrics/data.json",
            "reports/data.json",
            "metrics/thesis.json",
            "reports/main.html",
            "reports/index.html",
            "reports/meshes/truth.html",
            "reports/meshes/final.html",
            "reports/meshes/prn.html",
            "reports/contact_sheet.png",
            "reports/uv_embedding.png",
        }

    @pytest.mark.usefixtures("root")
    @pytest.mark.parametrize(
        ("stage", "sentence"),
        [
            (report, "runs/main/scores/metrics.json is missing; train and evaluate the variant 'final' first"),
            (
                thesis,
                "Results of other stages are missing, `make thesis` makes all: evaluate (runs/main/scores/metrics.json",
            ),
        ],
    )
    def test_a_stage_too_early_says_what_to_run(self, stage, sentence):
        result = self.call(stage)
        assert result.exit_code == 1
        assert sentence in result.output
        assert "Traceback" not in result.output

    def test_a_parameter_out_of_range_is_named(self, root):
        params = root / "params.yaml"
        params.write_text(params.read_text().replace("bootstrap: 200", "bootstrap: 5"))
        result = self.call(evaluate)
        assert result.exit_code == 1
        assert "evaluate.bootstrap is 5; expected 100 resamples or more" in result.output

    def test_variants_of_different_test_images_are_not_compared(self, root):
        for arguments in ((), ("prn",)):
            self.call(evaluate, *arguments)
        table = root / "runs/prn/scores/per_seed.csv"
        lines = table.read_text().splitlines(keepends=True)
        for kept, told in (
            ([line for line in lines if ",test/g," not in line], "final and prn were not evaluated on the same images"),
            (lines[:-1], "The seeds of prn were not evaluated on the same images: evaluate it again."),
        ):
            table.write_text("".join(kept))
            result = self.call(thesis)
            assert result.exit_code == 1
            assert told in result.output
