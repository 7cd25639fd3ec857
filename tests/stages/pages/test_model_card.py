"""The card of the main run says what is in its files, and what it says of names is text."""

import dataclasses
import json
import re
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from pipeline.photo.bundle import save_bundle
from pipeline.store.checkout import BUNDLE
from pipeline.store.files import digest_file
from stages import model_card as stage
from stages.pages.model_card import CardData, CardFiles, model_card
from stages.pages.page import plain
from stages.project.occlusion import read_shares
from stages.project.paths import MODEL_CARD, MODEL_PAGE
from stages.project.results import read_results
from tests.helpers.made_networks import REAL
from tests.helpers.places import ROOT
from tests.helpers.small_project import SETTINGS, read_rows, write_occlusion

FILES = CardFiles(12_345, "ab" * 32, "cd" * 32, REAL, {"face model": "BFM's own"})
DATA = CardData(False, 64, 1.5, [("AFLW2000", "learn", 1175)], {"train": 1175, "validation": 24, "test": 300})


@pytest.fixture(scope="module")
def results(project):
    return read_results(project, "final", main=True)


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    root = tmp_path_factory.mktemp("covered")
    write_occlusion(root, "main")
    return read_shares(root, "main")


@pytest.fixture(scope="module")
def card(results, shares):
    return model_card(SETTINGS, DATA, results, FILES, shares)


def test_the_card_has_the_sections_that_a_model_card_has(card):
    """Those of Mitchell et al., 2019, table 1, in their order."""
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]


def test_where_it_fails_is_told_beside_where_it_does_not(card, results):
    errors = results.per_image
    frontal, profile = (errors[errors["yaw_deg"].abs().between(*ends)]["nme68_2d"] for ends in ((0, 30), (60.1, 90)))
    assert (len(frontal), len(profile)) == (2, 2)
    times = profile.mean() / frontal.mean()
    assert times > 1.5
    row = re.search(r"^\| turned, yaw over 60 degrees \| 2 \| (\S+) \| .* \| (\S+) \|$", card, re.MULTILINE)
    assert (float(row[1]), float(row[2])) == (pytest.approx(profile.mean(), abs=1e-3), pytest.approx(times, abs=6e-3))
    # 3 % as they are, 8 % of the half-covered ones.
    assert "| nothing before the face | 5 | 3.000 | 2.000\u00a0to\u00a04.000 | 1.00 |" in card
    assert "| 50 % of the face covered | 5 | 8.000 | 2.500\u00a0to\u00a04.500 | 2.67 |" in card
    assert "with each of these before the face: a hand, a mask." in card
    above = int((errors["nme68_2d"] > 10).sum())
    told = f"Of 7 faces {above} ({100 * above / 7:.1f} %) have 68 landmarks that are off by more than 10 %"
    assert f"{told} in the mean (nme68_2d); the largest error is {errors['nme68_2d'].max():.1f} %." in card


def test_closed_eyes_are_told_where_there_are_some_and_said_to_be_unknown_where_not(results, shares):
    closed = {"images": 3, "mean": 33.333, "low": 0.0, "high": 100.0, "median": 0.0, "group": "all"}
    table = results.protocols[~results.protocols["error"].str.endswith("_closed")]
    none = model_card(SETTINGS, DATA, dataclasses.replace(results, protocols=table), FILES, shares)
    assert "No test face has closed eyes: nothing is known of these." in none
    assert "No test face has a closed mouth" in none
    table = pd.concat([table, pd.DataFrame([closed | {"error": "eyes_closed"}])])
    card = model_card(SETTINGS, DATA, dataclasses.replace(results, protocols=table), FILES, shares)
    share = "share of the closed eyes that are predicted closed"
    assert f"| eyes_closed | 3 | 33.333 | 0.000\u00a0to\u00a0100.000 | {share} |" in card
    assert "No test face has closed eyes" not in card


def test_the_card_has_each_number_with_what_a_reader_must_know_of_it(card, project):
    row = next(
        row
        for row in read_rows(project / "runs/main/scores/protocols.csv")
        if (row["error"], row["group"]) == ("nme68_2d", "all")
    )
    mean, low, high, median = (f"{float(row[name]):.3f}" for name in ("mean", "low", "high", "median"))
    known = "68 landmarks | x, y | sqrt(w h) of the 68 true points | not used"
    assert f"| nme68_2d | {mean} | {low}\u00a0to\u00a0{high} | {median} | {known} |" in card
    # The published yaw of one of them is 33 degrees.
    for bin_text, count in (("up to 30", 2), ("over 30, up to 60", 3), ("over 60", 2), ("mean of the three", 7)):
        assert re.search(rf"^\| nme68_2d \| {bin_text} \| {count} \| \d", card, re.MULTILINE), bin_text
    assert "| predicted | annotation | annotation | 7 | 2 |" in card
    assert "| facemesh | facemesh | facemesh | 6 | 3 |" in card
    for text in (
        "# Model card: final",
        "| weights | 12,345 numbers, an encoder-decoder, with refinement |",
        "| crop | 1.5 sides of the box of the 68 landmarks, levelled |",
        "| AFLW2000 | learn | 1175 |",
        "1175 samples to learn from, 24 to validate on, 300 to test on",
        "| network.residual_blocks | 2 |",
        f"| export/bundle.face3d | {'cd' * 32} |",
        "300W-LP and AFLW2000-3D are for research only",
        "In the bundle, face model: BFM's own.",
    ):
        assert text in card, text
    assert "procedural" not in card


def test_the_card_says_what_our_own_network_is_made_of(results, shares):
    lean = dataclasses.replace(SETTINGS.network, residual=False, lean=True)
    for network, told in (
        (lean, "our own lean one |"),
        (dataclasses.replace(lean, convolution="separable"), "our own lean one of separable convolutions |"),
    ):
        card = model_card(dataclasses.replace(SETTINGS, network=network), DATA, results, FILES, shares)
        assert f"| weights | 12,345 numbers, an encoder-decoder, {told}" in card


def test_the_card_says_whose_box_and_whose_levelling_the_crops_have(results, shares):
    sources = results.sources.iloc[:1].assign(map="found", box="detector", levelling="annotation", images=4)
    card = model_card(SETTINGS, DATA, dataclasses.replace(results, sources=sources), FILES, shares)
    assert "| found | detector | annotation | 4 |" in card


def test_every_table_has_as_many_cells_in_every_row(card):
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) == 10
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_a_network_of_procedural_faces_says_so_and_claims_no_use(results, shares):
    files = dataclasses.replace(FILES, facts=None)
    card = model_card(SETTINGS, dataclasses.replace(DATA, demo=True), results, files, shares)
    assert "It has learnt from procedural faces alone, and knows no real one." in card
    assert "for research only" not in card
    assert "The bundle has no network of position maps." in card


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b> & [a](b) `c` d|e", "&lt;b&gt; &amp; \\[a\\](b) \\`c\\` d\\|e"),
        ("two\nlines", "two lines"),
        ("_a_b_ *c*", "\\_a_b\\_ \\*c\\*"),
        (7, 7),
    ],
)
def test_what_markdown_would_read_as_marks_is_text(value, shown):
    assert plain(value) == shown


def test_hostile_names_become_part_of_no_table_and_no_html(results, shares):
    name = "<script>x</script>|[y](javascript:z)\n# head"
    train = dataclasses.replace(SETTINGS.train, variant=name)
    data = dataclasses.replace(DATA, subsets=[(name, "learn", 1)])
    files = dataclasses.replace(FILES, licences={name: name})
    card = model_card(dataclasses.replace(SETTINGS, train=train), data, results, files, shares)
    assert "<script" not in card
    assert not re.search(r"(?<!\\)\[y(?<!\\)\]", card)
    assert "\n# head" not in card
    assert "| &lt;script&gt;x&lt;/script&gt;\\|\\[y\\](javascript:z) # head | learn | 1 |" in card


def test_the_stage_reads_the_run_and_its_bundle(project, embedded, tmp_path, monkeypatch):
    root = tmp_path / "project"
    shutil.copytree(project, root, symlinks=True)
    monkeypatch.chdir(root)
    shutil.copy(ROOT / "params.yaml", root)
    (root / "data/settings").mkdir(parents=True, exist_ok=True)
    (root / "data/settings/main.json").write_text(json.dumps(SETTINGS.used()))
    with h5py.File(root / "runs/main/model.weights.h5", "w") as file:
        file["layers/a/vars/0"] = np.zeros((3, 4))
        file["layers/a/vars/1"] = np.zeros(5)
    save_bundle(root / BUNDLE, embedded)
    write_occlusion(root, "main")
    cards = []
    for _ in range(2):
        result = CliRunner().invoke(stage.main)
        assert result.exit_code == 0, result.output
        cards.append(((root / MODEL_CARD).read_bytes(), (root / MODEL_PAGE).read_bytes()))
    assert cards[0] == cards[1]
    card, page = (content.decode() for content in cards[0])
    assert '<a href="data.html">a card of its own</a>' in page
    assert digest_file(root / BUNDLE) in page
    assert "| weights | 17 numbers" in card
    assert digest_file(root / BUNDLE) in card
    assert "It has learnt from procedural faces alone" in card
    assert "In the bundle, networks: BlazeFace and Face Mesh" in card
    (root / BUNDLE).unlink()
    result = CliRunner().invoke(stage.main)
    assert result.exit_code == 1
    assert "bundle.face3d is missing or no file" in result.stderr
