"""The numbers of README and docs/ that a run has made, beside the files that are kept of it."""

import json
import re

import pytest
import skimage.data

from docs import longer, readme
from pipeline.api import Reconstructor
from pipeline.photo.bundle import save_bundle
from tests.helpers.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    name: (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
    for name in ("evaluation", "photos", "photos_measured", "results")
}


def rows_of(page, command):
    return [line for line in page.splitlines() if line.startswith("|") and command in line]


def test_the_readme_s_results_are_what_the_metrics_say():
    assert readme.results_table() in README


def test_the_readme_s_difference_is_what_dvc_says_of_the_metrics(capsys):
    readme.print_difference()
    printed = capsys.readouterr().out.strip()
    assert len(printed.splitlines()) > 5
    assert f"\n\n{printed}\n\n" in README


def test_the_experiment_that_is_kept_is_scored_as_the_baseline_is():
    baseline, changed = (readme.read(f"demo/{name}.json") for name in ("evaluation", "lower_rate"))
    assert baseline.keys() == changed.keys()
    assert (baseline["images"], baseline["failed"]) == (changed["images"], changed["failed"])
    sources = readme.read("demo/sources.json")["predicted"]
    assert {name: sources[name] for name in sources if name in baseline} == {
        name: value for name, value in baseline.items() if name in sources
    }


@pytest.mark.parametrize(
    ("name", "page", "row"),
    [
        ("real_gpu", "results", "| `best`, width 32 (`make real-gpu`) |"),
        ("real", "results", "| 250,000 | map |"),
        ("photos", "photos_measured", "| 297 of 300 |"),
        ("photos_network", "photos_measured", "| with such a map and a network"),
    ],
)
def test_numbers_of_runs_whose_files_were_not_kept_are_those_that_a_page_notes(name, page, row):
    metrics = readme.read(f"noted/{name}.json")
    (line,) = (line for line in PAGES[page].splitlines() if line.startswith(row))
    interval = "{nme68_2d:.2f} ({nme68_2d_low:.2f} to {nme68_2d_high:.2f})".format(**metrics)
    assert interval in line
    for error in ("nme68_2d_bins", "dense_3d"):
        assert error not in metrics or f" {metrics[error]:.2f} " in line, error
    assert metrics["images"] in (300, 297)


def test_the_tables_of_networks_that_learnt_longer_are_what_their_errors_say():
    assert longer.variants_table() in PAGES["results"]
    assert longer.differences_table() in PAGES["results"]


def test_the_table_of_256_px_is_what_its_scores_say():
    assert longer.side_table() in PAGES["results"]


@pytest.mark.parametrize("variant", longer.VARIANTS)
def test_the_errors_of_each_seed_that_are_kept_hold_those_of_the_kept_network(variant):
    metrics = json.loads((longer.KEPT / variant / "metrics.json").read_text(encoding="utf-8"))
    names = {"thesis_mesh": "thesis_mesh", "nme68_2d": "nme68_2d", "dense_3d": "dense_3d", longer.BINS: "nme68_2d_bins"}
    means = {error: longer.errors(variant, error).mean(axis=1) for error in names}
    (seed,) = (row for row in range(5) if means["thesis_mesh"][row] == pytest.approx(metrics["thesis_mesh"], abs=6e-4))
    for error, name in names.items():
        assert means[error][seed] == pytest.approx(metrics[name], abs=6e-4), error


def test_the_trace_that_a_page_shows_is_the_one_that_is_kept():
    kept = (ROOT / "docs/results/demo/trace.txt").read_text(encoding="utf-8")
    short = re.sub(r"(nme68_2d [\d.]+, nme68_3d [\d.]+), .*", r"\1, ...", kept)
    assert f"```text\n{short}```" in PAGES["evaluation"]


def test_the_faces_json_that_a_page_shows_is_that_of_the_astronaut(embedded, tmp_path):
    (block,) = re.findall(r"^```json\n(.*?)^```$", PAGES["photos"], re.DOTALL | re.MULTILINE)
    ((shown,),) = (photo["faces"] for photo in json.loads(block))
    save_bundle(tmp_path / "embedded.face3d", embedded)
    (face,) = Reconstructor.from_bundle(tmp_path / "embedded.face3d")(skimage.data.astronaut())
    assert shown["box"] == pytest.approx(face.box, abs=0.2)
    assert shown["pose"] == pytest.approx(face.pose, abs=0.02)
    assert shown["landmarks"][0] == pytest.approx(face.landmarks[0], abs=0.02)
    assert (shown["confidence"], shown["doubt"]) == (face.confidence, face.doubt)
