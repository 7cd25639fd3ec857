"""The page on which labels are judged, in a real browser, from files and without a network."""

import html
import json
import re

import cv2
import numpy as np
import pytest

from stages.pages.review_page import review_page
from tests.helpers.browser import LOOK, TELL_WIDTH, browse, in_frame, inject, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def review(tmp_path_factory):
    """A page of three labels, whose names no address may have as they are, the one in doubt first."""
    folder = tmp_path_factory.mktemp("review of labels")
    (folder / "review").mkdir()
    faces = []
    for name, doubt in (("plain", ""), ('a "b", ä#?%', ""), ("doubted", "Likely wrong.")):
        (folder / f"review/{name}.jpg").write_bytes(cv2.imencode(".jpg", np.full((180, 360, 3), 90, np.uint8))[1])
        turns = dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), 12.0)
        faces.append({"name": name, "doubt": doubt, "verdict": "", "confidence": 1.0, **turns})
    page = folder / "review.html"
    page.write_text(review_page({"photo": {"faces": faces, "error": ""}}), encoding="utf-8")
    return page


@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_the_page_of_labels_fits_a_screen_and_a_phone_and_finds_its_pictures(review, tmp_path, size):
    eager = inject(review, LOOK + TELL_WIDTH)
    eager.write_text(eager.read_text(encoding="utf-8").replace('loading="lazy"', ""), encoding="utf-8")
    framing = in_frame(eager, size, tmp_path)
    _, said = browse(framing, tmp_path / "profile", "--dump-dom", "--window-size=1400,900")
    assert len(said) == 1
    assert f'"pictures 3 empty 0 wide asked 0 of {size[0]} px, scrolls over {size[0]}"' in said[0]


def test_keys_and_buttons_judge_the_labels_and_the_table_says_so(review, tmp_path):
    press = """<script>addEventListener("load", async () => {
      const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
      const text = () => document.querySelector("output").textContent;
      const seen = [text()];
      for (const key of ["ArrowRight", "a", "ArrowRight", "R"]) press(key);
      seen.push(document.activeElement.dataset.name, text());
      document.querySelector("[data-name=plain] [data-verdict=refused]").click();
      press("ArrowLeft");
      seen.push(document.activeElement.dataset.name, text());
      let file;
      URL.createObjectURL = (made) => { file = made; return "#"; };
      document.getElementById("download").click();
      seen.push(await file.text());
      const pressed = document.querySelectorAll("[aria-pressed=true]");
      seen.push([...pressed].map((button) => button.textContent));
      document.title = JSON.stringify(seen);
    });</script>"""
    dom, said = browse(inject(review, press), tmp_path / "profile", "--dump-dom", "--window-size=1280,800")
    assert said == []
    seen = json.loads(html.unescape(re.search("<title>(.*)</title>", dom, re.DOTALL)[1]))
    name = 'a "b", ä#?%'
    table = 'face,verdict\n"doubted",accepted\n"a ""b"", ä#?%",refused\n"plain",refused\n'
    assert seen == [
        "2 accepted, 1 refused",
        name,
        "2 accepted, 1 refused",
        "doubted",
        "1 accepted, 2 refused",
        table,
        ["Accept", "Refuse", "Refuse"],
    ]
