"""All pages in one browser: accessible, on a phone, in the dark, on paper, by keys alone, and without a request."""

import cv2
import numpy as np
import pytest

from benchmarks.chromium import opening
from pipeline.commands.files import WriteOptions, write_faces
from pipeline.crops.face_finding import Face
from stages import data_card
from stages.pages.card_page import card_page
from stages.pages.data_card import data_card as write_data_card
from stages.pages.model_card import CardData, CardFiles, model_card
from stages.pages.review_page import review_page
from stages.project.occlusion import read_shares
from stages.project.params import DataParams
from stages.project.results import read_results
from tests.helpers.accessibility import violations
from tests.helpers.browser import needs_browser
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface
from tests.helpers.made_networks import REAL
from tests.helpers.small_project import (
    SETTINGS,
    SIZE,
    SUBSETS,
    YAW_DEG,
    make_everything,
    write_csv,
    write_occlusion,
)  # fmt: skip

RESULTS = ("main", "index", "data", "model")
NAMES = (*RESULTS, "meshes/final", "photo/index", "review")
FILES = CardFiles(12_345, "ab" * 32, "cd" * 32, REAL, {"face model": "BFM's own"})
DATA = CardData(False, SIZE, 1.5, [("AFLW2000", "learn", 1175)], {"train": 1175, "validation": 24, "test": 300})
# Inner width of a sheet of A4 as the pages set it, upright and lying, in px.
UPRIGHT, LYING = 688, 1032

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of each kind."""
    root = tmp_path_factory.mktemp("pages")
    make_everything(root)
    reports = root / "reports"
    write_csv(root / "data/split/test.csv", [("sample_id", "identity"), *((f"test/{name}", name) for name in YAW_DEG)])
    facts = data_card.read_facts(root, DataParams("raw", SUBSETS, SIZE, ["on"], 4, 0.5), 1.5)
    write_occlusion(root, "main")
    cards = {
        "data": write_data_card(facts),
        "model": model_card(SETTINGS, DATA, read_results(root, "final", main=True), FILES, read_shares(root, "main")),
    }
    for name, card in cards.items():
        (reports / f"{name}.html").write_text(card_page(card, f"{name}.html", "A test.", {}), encoding="utf-8")
    model = make_model()
    photo = np.full((150, 240, 3), 200, np.uint8)
    faces = [Face(np.array([left, 50.0, 40, 40]), np.zeros((5, 2)), 0.99, 0) for left in (40, 160)]
    reconstructor = make_reconstructor(model, whole_surface(model))
    write_faces(reports / "photo", photo, faces, reconstructor, WriteOptions(("glb", "page"), fill=True))
    turns = dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), 12.0)
    labels = [
        {"name": name, "doubt": doubt, "verdict": "", "confidence": 1.0, **turns}
        for name, doubt in (("sure", ""), ("doubted", "Likely wrong."))
    ]
    (reports / "review").mkdir()
    for label in labels:
        (reports / f"review/{label['name']}.jpg").write_bytes(cv2.imencode(".jpg", photo)[1])
    (reports / "review.html").write_text(review_page({"photo": {"faces": labels, "error": ""}}), encoding="utf-8")
    return reports


@pytest.fixture(scope="module")
def browser(folder):
    with opening(folder / "main.html", folder.parent / "profile") as page:
        yield page


@pytest.fixture
def page(browser):
    browser.resize(1280, 900)
    browser.prefer("light")
    browser.said.clear()
    yield browser
    assert browser.said == []
    assert {url.split(":")[0] for url in browser.asked} <= {"file", "data", "blob"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_breaks_no_rule_of_wcag_at_a_and_aa(page, folder, name, scheme):
    page.prefer(scheme)
    page.open(folder / f"{name}.html")
    assert violations(page) == []


def test_what_breaks_a_rule_would_be_seen(page, folder):
    page.open(folder / "main.html")
    page.run(
        "document.querySelector('img').removeAttribute('alt'); document.querySelector('main p').style.color = '#bbb'"
    )
    assert {rule for rule, _ in violations(page)} == {"image-alt", "color-contrast"}


@pytest.mark.parametrize("name", NAMES)
def test_a_phone_scrolls_no_page_sideways_and_every_table_in_its_box_with_its_first_column(page, folder, name):
    page.resize(360, 740, phone=True)
    page.open(folder / f"{name}.html")
    # All that is folded up, too.
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.run("document.documentElement.scrollWidth") == 360
    moved = page.run(
        """[...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth).map((box) => {
          box.scrollLeft = 150;
          const head = box.querySelector("tbody tr:last-child th:last-of-type").getBoundingClientRect();
          return [Math.round(head.left - box.getBoundingClientRect().left), head.width <= 190];
        })"""
    )
    assert moved == [[0, True]] * len(moved)
    assert len(moved) >= {"main": 5, "index": 8, "data": 3, "model": 3}.get(name, 0)


def test_plots_are_light_on_dark_in_the_dark(page, folder):
    page.open(folder / "main.html")
    shown = {}
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        box = page.run(
            "(() => { const image = document.querySelector('img.plot'); image.scrollIntoView({block: 'center'});"
            " const box = image.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; })()"
        )
        left, top, right, bottom = (round(value) for value in box)
        picture = cv2.imdecode(np.frombuffer(page.picture(), np.uint8), cv2.IMREAD_GRAYSCALE)
        shown[scheme] = picture[max(top, 0) : bottom, left:right]
    assert np.median(shown["light"]) == 255
    assert shown["light"].min() < 40
    assert np.median(shown["dark"]) < 40
    assert shown["dark"].max() > 200


@pytest.mark.parametrize("name", RESULTS)
def test_paper_has_no_navigation_no_dark_and_whole_tables(page, folder, name):
    page.prefer("dark", "print")
    page.open(folder / f"{name}.html")
    assert page.run("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    seen = "(each) => each.checkVisibility({contentVisibilityAuto: true})"
    for selector, expected in (("nav, .skip, iframe, .anchor", 0), ("h1", 1)):
        assert page.run(f"[...document.querySelectorAll('{selector}')].filter({seen}).length") == expected
    folded = page.run(f"[...document.querySelectorAll('main details > :not(summary)')].map({seen})")
    assert all(folded)
    assert len(folded) >= (2 if name == "index" else 0)
    for selector, width in ((":not(.many)", UPRIGHT), (".many", LYING)):
        page.resize(width, 900)
        wide = page.run(
            f"[...document.querySelectorAll('.scroll{selector} > table, main img')].filter((each) =>"
            f" each.getBoundingClientRect().right > {width} + 1 && each.closest('.scroll{selector}, figure'))"
            ".map((each) => each.textContent.slice(0, 60) || each.alt)"
        )
        assert wide == [], width


def test_paper_has_all_faces_of_a_photo_with_all_pictures_and_the_mesh(page, folder):
    page.open(folder / "photo/index.html")
    page.wait("document.querySelector('canvas').width > 300")
    page.run("dispatchEvent(new Event('beforeprint'))")
    page.prefer("light", "print")
    seen = "(each) => each.offsetHeight > 0"
    assert page.run(f"[...document.querySelectorAll('[role=tabpanel] img')].filter({seen}).length") == 2 * 5
    assert page.run(f"[...document.querySelectorAll('button, nav img, canvas:not(.print)')].filter({seen}).length") == 0
    drawn = page.run(
        "(() => { const paper = document.querySelector('canvas.print');"
        " const {data} = paper.getContext('2d').getImageData(0, 0, paper.width, paper.height);"
        " return [paper.offsetHeight, data.filter((value, i) => i % 4 === 3 && value).length / data.length * 4]; })()"
    )
    assert drawn[0] > 100
    assert 0.05 < drawn[1] < 0.9


@pytest.mark.parametrize("name", NAMES)
def test_keys_reach_everything_and_the_first_leads_past_the_header(page, folder, name):
    page.open(folder / f"{name}.html")
    # One of several tabs is for the Tab key, the others are for arrows; a frame is a page of its own.
    count = page.run(
        """(() => {
          const all = [...document.querySelectorAll("a[href], button, input, summary, canvas, [tabindex='0']")];
          const seen = (each) => each.checkVisibility({contentVisibilityAuto: true});
          window.reachable = all.filter((each) => each.tabIndex === 0 && seen(each));
          window.reached = new Set();
          addEventListener("focusin", (event) => window.reached.add(event.target));
          return window.reachable.length;
        })()"""
    )
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    for _ in range(count + 12):
        page.press("Tab")
    missed = page.run(
        "window.reachable.filter((each) => !window.reached.has(each)).map((each) => each.outerHTML.slice(0, 90))"
    )
    assert missed == []
    page.run("document.querySelector('.skip').focus()")
    page.press("Enter")
    assert page.run("document.activeElement.id") == "content"


def test_arrow_keys_turn_a_mesh(page, folder):
    page.open(folder / "meshes/final.html")
    page.run("document.querySelector('canvas').focus(); new Promise((done) => setTimeout(done, 300))")
    before = cv2.imdecode(np.frombuffer(page.picture(), np.uint8), 1).astype(int)
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown"):
        page.press(key)
    page.run("new Promise((done) => setTimeout(done, 300))")
    after = cv2.imdecode(np.frombuffer(page.picture(), np.uint8), 1).astype(int)
    assert (np.abs(after - before).max(axis=2) > 20).mean() > 0.01


def test_the_first_face_that_opens_is_none_that_is_likely_wrong(page, folder):
    text = (folder / "photo/index.html").read_text(encoding="utf-8")
    doubted = folder / "photo/doubted.html"
    doubted.write_text(text.replace('<div class="views">', '<p class="warning">No.</p><div class="views">', 1))
    page.open(doubted)
    assert page.run("document.querySelector('.face:not([hidden]) h2').textContent") == "Face 2"
