"""The pages of results in a real browser, from files and without a network."""

import re

import numpy as np
import pytest

from tests.helpers.browser import LOOK, TELL_WIDTH, browse, in_frame, inject, needs_browser, screenshot
from tests.helpers.small_project import make_everything

# Drags the mouse across the viewer's canvas.
TURN = """<script>window.addEventListener("load", () => setTimeout(() => {
  const canvas = document.querySelector("canvas");
  const point = (x) => ({clientX: x, clientY: 200, screenX: x, screenY: 200, pageX: x, pageY: 200, button: 0,
    buttons: 1, bubbles: true, pointerId: 1, pointerType: "mouse", isPrimary: true});
  canvas.setPointerCapture = canvas.releasePointerCapture = () => undefined;
  for (const kind of ["pointer", "mouse"]) {
    canvas.dispatchEvent(new (kind === "mouse" ? MouseEvent : PointerEvent)(`${kind}down`, point(200)));
    for (const target of [canvas, document, window])
      for (let x = 200; x <= 320; x += 20)
        target.dispatchEvent(new (kind === "mouse" ? MouseEvent : PointerEvent)(`${kind}move`, point(x)));
    for (const target of [canvas, document])
      target.dispatchEvent(new (kind === "mouse" ? MouseEvent : PointerEvent)(`${kind}up`, point(320)));
  }
}, 500));</script>"""

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    make_everything(root)
    return root / "reports"


@pytest.mark.parametrize("name", ["index", "main"])
def test_a_page_shows_every_picture_within_its_width_and_complains_of_nothing(reports, tmp_path, name):
    page = inject(reports / f"{name}.html", LOOK)
    dom, said = browse(page, tmp_path / "profile", "--dump-dom", "--window-size=1200,900")
    assert said == []
    found = re.search(r"<title>pictures (\d+) empty (\d+) wide (.*) asked (\d+)</title>", dom)
    assert int(found[1]) >= 5
    assert found.groups()[1:] == ("0", "", "0")


@pytest.mark.parametrize("name", ["index", "main"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_a_page_of_results_fits_a_screen_and_a_phone(reports, tmp_path, name, size):
    framing = in_frame(inject(reports / f"{name}.html", TELL_WIDTH), size, tmp_path)
    _, said = browse(framing, tmp_path / "profile", "--dump-dom", "--window-size=1400,900")
    assert len(said) == 1
    assert f"of {size[0]} px, scrolls over {size[0]}" in said[0]


# What lies below the first screen, and whether the pictures of Figures 4.4 to 4.6 stand in one row.
TELL_PLACES = """<script>addEventListener("load", () => setTimeout(() => {
  const claims = document.querySelector(".overview").getBoundingClientRect();
  const meshes = ["4.4", "4.5", "4.6"].map((number) => document.querySelector(`[alt^="Figure ${number},"]`));
  const tops = new Set(meshes.filter(Boolean).map((image) => image.getBoundingClientRect().top));
  document.title = `claims end at ${Math.ceil(claims.bottom)}, rows ${tops.size}`;
}, 500));</script>"""


def test_all_claims_are_on_the_first_screen_and_the_meshes_side_by_side(reports, tmp_path):
    page = inject(reports / "index.html", TELL_PLACES)
    dom, said = browse(page, tmp_path / "profile", "--dump-dom", "--window-size=1280,1000")
    assert said == []
    found = re.search(r"<title>claims end at (\d+), rows (\d)</title>", dom)
    assert int(found[1]) <= 900
    assert int(found[2]) == 1


def test_what_is_folded_up_is_open_in_print(reports, tmp_path):
    page = reports / "index.html"
    text = page.read_text(encoding="utf-8")
    # On paper alone.
    screen, at, paper = text.rpartition("@media print")
    closed = screen + at + paper.replace("content-visibility: visible;", "")
    pages = {"as it is": text, "open": text.replace("<details>", "<details open>"), "closed": closed}
    assert len(set(pages.values())) == 3
    printed = {}
    for name, content in pages.items():
        copy = page.with_name(f"printed_{len(printed)}.html")
        copy.write_text(content, encoding="utf-8")
        path = tmp_path / f"{len(printed)}.pdf"
        browse(copy, tmp_path / "profile", f"--print-to-pdf={path}")
        printed[name] = len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))
    assert printed["as it is"] == printed["open"] > printed["closed"]


def test_the_mesh_is_drawn_and_turns_with_the_mouse(reports, tmp_path):
    page = reports / "meshes/final.html"
    still = screenshot(page, tmp_path, "still")
    drawn = (still < 250).any(axis=2)
    assert 0.05 < drawn.mean() < 0.95
    rows, columns = np.nonzero(drawn)
    assert abs(rows.mean() - 200) < 60
    assert abs(columns.mean() - 250) < 60
    turned = screenshot(inject(page, TURN), tmp_path, "turned")
    assert (np.abs(turned.astype(int) - still).max(axis=2) > 20).mean() > 0.01


def test_a_page_that_fails_would_be_seen(reports, tmp_path):
    broken = '<script>missing()</script><img src="none.png"><img src="https://example.org/x.png">'
    dom, said = browse(inject(reports / "main.html", LOOK + broken), tmp_path / "profile", "--dump-dom")
    assert any("missing is not defined" in line for line in said)
    assert re.search(r"empty 2 .* asked 1</title>", dom)
    page = reports / "meshes/final.html"
    again = [screenshot(inject(page, "<script></script>"), tmp_path, name) for name in ("first", "second")]
    assert np.array_equal(*again)
