"""Open the page of the thesis in a real browser, from a file and without a network."""

import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from pipeline.crops.face_finding import Face
from stages.photo.files import write_faces
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface
from tests.helpers.small_project import make_everything

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # Nothing resolves: what is shown came from the file.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--virtual-time-budget=8000",
    "--hide-scrollbars",
)
# Runs in the page, and leaves in its title: pictures without pixels, what is wider than the window, what the network
# was asked for.
LOOK = """<script>window.addEventListener("load", () => setTimeout(() => {
  const empty = [...document.images].filter((image) => !image.naturalWidth).length;
  const wide = [...document.querySelectorAll("body *")].filter(
    (item) => item.getBoundingClientRect().right > innerWidth + 1).map((item) => item.tagName);
  const asked = performance.getEntriesByType("resource").filter((entry) => entry.name.startsWith("http"));
  document.title = `pictures ${document.images.length} empty ${empty} wide ${wide.slice(0, 5)} asked ${asked.length}`;
}, 500));</script>"""
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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium: install Debian's package of that name"),
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    make_everything(root)
    return root / "reports"


def browse(page, profile, *actions):
    """Open a file; returns what the browser printed, and what the page said in its console."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *actions, page.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    said = [line for line in result.stderr.splitlines() if ":CONSOLE" in line or "net_error" in line]
    # Software drawing tells that reading pixels back is slow; that is no fault of the page.
    return result.stdout, [line for line in said if "GPU stall" not in line]


def inject(page, script):
    """Copy a page beside itself with a script in it."""
    copy = page.with_name(f"{page.stem}_watched.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    return copy


def screenshot(page, tmp_path, name):
    path = tmp_path / f"{name}.png"
    _, said = browse(page, tmp_path / f"profile_{name}", f"--screenshot={path}", "--window-size=500,400")
    assert said == []
    return cv2.imread(str(path))


@pytest.mark.parametrize("name", ["index", "main"])
def test_a_page_shows_every_picture_within_its_width_and_complains_of_nothing(reports, tmp_path, name):
    page = inject(reports / f"{name}.html", LOOK)
    dom, said = browse(page, tmp_path / "profile", "--dump-dom", "--window-size=1200,900")
    assert said == []
    found = re.search(r"<title>pictures (\d+) empty (\d+) wide (.*) asked (\d+)</title>", dom)
    assert int(found[1]) >= 5
    assert found.groups()[1:] == ("0", "", "0")


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


def test_the_page_of_a_photo_shows_its_pictures_and_the_textured_mesh(tmp_path):
    model = make_model()
    photo = np.zeros((150, 200, 3), np.uint8)
    photo[..., 0] = 230
    face = Face(np.array([60.0, 50, 40, 40]), np.zeros((5, 2)), 0.99, 0)
    write_faces(
        tmp_path / "photo", photo, [face], make_reconstructor(model, whole_surface(model)), ("page",), fill=True
    )
    page = tmp_path / "photo/index.html"
    dom, said = browse(inject(page, LOOK), tmp_path / "profile", "--dump-dom", "--window-size=1200,900")
    assert said == []
    assert re.search(r"<title>pictures 2 empty 0 wide  asked 0</title>", dom)
    path = tmp_path / "page.png"
    browse(page, tmp_path / "profile", f"--screenshot={path}", "--window-size=900,1500")
    image = cv2.imread(str(path)).astype(int)
    frame = image[-800:] if image[-800:].any() else image
    red = (frame[..., 2] > frame[..., 1] + 60) & (frame[..., 2] > frame[..., 0] + 60)
    assert red.mean() > 0.02


def test_a_page_that_fails_would_be_seen(reports, tmp_path):
    broken = '<script>missing()</script><img src="none.png"><img src="https://example.org/x.png">'
    dom, said = browse(inject(reports / "main.html", LOOK + broken), tmp_path / "profile", "--dump-dom")
    assert any("missing is not defined" in line for line in said)
    assert re.search(r"empty 2 .* asked 1</title>", dom)
    page = reports / "meshes/final.html"
    again = [screenshot(inject(page, "<script></script>"), tmp_path, name) for name in ("first", "second")]
    assert np.array_equal(*again)
