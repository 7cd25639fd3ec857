"""The page of a photo in a real browser, from files and without a network."""

import re

import numpy as np
import pytest

from pipeline.commands.files import WriteOptions, write_faces
from pipeline.crops.face_finding import Face
from tests.helpers.browser import LOOK, TELL_WIDTH, browse, in_frame, inject, needs_browser, screenshot
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def faces_page(tmp_path_factory):
    """The page of a photo with a red face on the left and a green one on the right."""
    folder = tmp_path_factory.mktemp("faces") / "photo"
    photo = np.zeros((150, 240, 3), np.uint8)
    photo[:, :120, 0] = photo[:, 120:, 1] = 230
    faces = [Face(np.array([left, 50.0, 40, 40]), np.zeros((5, 2)), 0.99, 0) for left in (40, 160)]
    model = make_model()
    reconstructor = make_reconstructor(model, whole_surface(model))
    write_faces(folder, photo, faces, reconstructor, WriteOptions(("glb", "page"), fill=True))
    return folder / "index.html"


def on_load(page, tmp_path, name, code):
    """Picture of a page after some code has run in it, half a second after it was loaded."""
    script = f'<script>addEventListener("load", () => setTimeout(() => {{{code}}}, 500));</script>'
    return screenshot(inject(page, script), tmp_path, name, "1280,800").astype(int)


def coloured(image, channel):
    """Pixels of the viewer, the right half of a page, that are blue, green or red: channel 0, 1 or 2."""
    others = [other for other in range(3) if other != channel]
    right = image[:, image.shape[1] // 2 :]
    return right[..., channel] > right[..., others].max(axis=2) + 60


@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_the_page_of_a_photo_fits_a_screen_and_a_phone(faces_page, tmp_path, size):
    framing = in_frame(inject(faces_page, LOOK + TELL_WIDTH), size, tmp_path)
    _, said = browse(framing, tmp_path / "profile", "--dump-dom", "--window-size=1400,900")
    # Of each face a photo, an overlay, a pose, a depth, a texture, and a thumbnail.
    assert len(said) == 1
    assert f'"pictures 12 empty 0 wide asked 0 of {size[0]} px, scrolls over {size[0]}"' in said[0]


def test_arrow_keys_go_round_the_tabs_and_each_shows_one_picture(faces_page, tmp_path):
    press = """<script>addEventListener("load", () => {
      const seen = [];
      document.querySelector("[role=tab]").focus();
      for (const name of ["Right", "Right", "Right", "Right", "Right", "Left", "Home", "End"]) {
        const key = ["Left", "Right"].includes(name) ? `Arrow${name}` : name;
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        const tab = document.activeElement;
        const shown = [...document.querySelectorAll("[role=tabpanel] img")].filter((image) => image.offsetWidth > 400);
        const right = shown.length === 1 && shown[0].naturalWidth && tab.getAttribute("aria-selected") === "true"
          && shown[0].parentElement.id === tab.getAttribute("aria-controls");
        seen.push(right ? tab.textContent : "wrong");
      }
      document.querySelectorAll("nav a")[1].click();
      seen.push(document.querySelector(".face:not([hidden]) [aria-selected=true]").textContent);
      document.title = seen.join(" ");
    });</script>"""
    dom, said = browse(inject(faces_page, press), tmp_path / "profile", "--dump-dom", "--window-size=1280,800")
    assert said == []
    # The tab stays as another face is chosen.
    seen = "Overlay Pose Depth Texture Photo Texture Photo Texture Texture"
    assert f"<title>{seen}</title>" in dom, re.search("<title>.*</title>", dom)


def test_the_mesh_of_a_face_turns_zooms_and_comes_back(faces_page, tmp_path):
    key = "const press = (key) => canvas.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
    pointer = """const point = (kind, id, x, y) => canvas.dispatchEvent(new PointerEvent(`pointer${kind}`,
      {pointerId: id, pointerType: "touch", clientX: x, clientY: y, bubbles: true}));
      canvas.setPointerCapture = () => undefined;"""
    start = f"const canvas = document.querySelector('canvas'); {key} {pointer}"
    still = on_load(faces_page, tmp_path, "still", "")
    drawn = coloured(still, 2)
    assert 0.1 < drawn.mean() < 0.6
    actions = {
        "key": "press('ArrowLeft'); press('ArrowLeft'); press('ArrowDown');",
        "drag": "point('down', 1, 800, 400); point('move', 1, 900, 430); point('up', 1, 900, 430);",
    }
    for name, code in actions.items():
        turned = on_load(faces_page, tmp_path, name, start + code)
        assert (np.abs(turned - still).max(axis=2) > 20).mean() > 0.01, name
        back = on_load(
            faces_page, tmp_path, f"{name}_back", start + code + "document.querySelector('[data-look=reset]').click()"
        )
        assert np.abs(back - still).max() <= 2, name
    pinch = "point('down', 1, 880, 400); point('down', 2, 920, 400); point('move', 1, 890, 400);"
    pinched = on_load(faces_page, tmp_path, "pinch", start + pinch)
    # Fingers 40, then 30 px apart.
    assert coloured(pinched, 2).sum() == pytest.approx(0.75**2 * drawn.sum(), rel=0.05)


def test_another_face_and_a_plain_look_change_the_mesh_that_is_shown(faces_page, tmp_path):
    first = on_load(faces_page, tmp_path, "first", "")
    second = on_load(faces_page, tmp_path, "second", "document.querySelectorAll('nav a')[1].click();")
    plain = on_load(faces_page, tmp_path, "plain", "document.querySelector('[data-look=grey]').click();")
    for image, green, red in ((first, False, True), (second, True, False), (plain, False, False)):
        assert [coloured(image, channel).mean() > 0.1 for channel in range(3)] == [False, green, red]
