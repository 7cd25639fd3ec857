"""Open the pages in a real browser, from files and without a network."""

import html
import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from benchmarks.chromium import BROWSER
from pipeline.commands.files import WriteOptions, write_faces
from pipeline.crops.face_finding import Face
from stages import offline_plots
from stages.pages.review_page import review_page
from stages.project.training_page import training_page
from tests.helpers.dvc_project import git
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface
from tests.helpers.small_project import make_everything
from tests.helpers.stage_runs import environment_of

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
# Runs in the page, and leaves in its title: pictures without pixels, what is wider than the window and in no box that
# scrolls, what the network was asked for.
LOOK = """<script>window.addEventListener("load", () => setTimeout(() => {
  const empty = [...document.images].filter((image) => !image.naturalWidth).length;
  const wide = [...document.querySelectorAll("body *")].filter((item) => !item.closest(".scroll > *, .strip > *")
    && item.getBoundingClientRect().right > innerWidth + 1).map((item) => item.tagName);
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
    """Copy a page beside itself with a script in it, and without its policy, which would let in none."""
    copy = page.with_name(f"{page.stem}_watched.html")
    text = re.sub('<meta http-equiv="Content-Security-Policy".*?>', "", page.read_text(encoding="utf-8"))
    # The last: a script may have that tag in a text.
    before, _, after = text.rpartition("</body>")
    copy.write_text(f"{before}{script}</body>{after}", encoding="utf-8")
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


def on_load(page, tmp_path, name, code, size="1280,800"):
    """Picture of a page after some code has run in it, half a second after it was loaded."""
    copy = page.with_name(f"{name}.html")
    script = f'<script>addEventListener("load", () => setTimeout(() => {{{code}}}, 500));</script>'
    # The last: a script may have that tag in a text.
    before, _, after = page.read_text(encoding="utf-8").rpartition("</body>")
    copy.write_text(f"{before}{script}</body>{after}", encoding="utf-8")
    path = tmp_path / f"{name}.png"
    _, said = browse(copy, tmp_path / f"profile_{name}", f"--screenshot={path}", f"--window-size={size}")
    assert said == []
    return cv2.imread(str(path)).astype(int)


def coloured(image, channel):
    """Pixels of the viewer, the right half of a page, that are blue, green or red: channel 0, 1 or 2."""
    others = [other for other in range(3) if other != channel]
    right = image[:, image.shape[1] // 2 :]
    return right[..., channel] > right[..., others].max(axis=2) + 60


TELL_WIDTH = """<script>addEventListener("load", () => setTimeout(() => {
  console.log(`${document.title} of ${innerWidth} px, scrolls over ${document.documentElement.scrollWidth}`);
}, 1000));</script>"""


def in_frame(page, size, folder):
    """A page that shows another in a frame of `size` px: no window is as narrow as a phone."""
    framing = folder / "frame.html"
    framing.write_text(
        '<iframe src="{}" style="width: {}px; height: {}px; border: 0"></iframe>'.format(page.as_uri(), *size)
    )
    return framing


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


def test_a_page_that_fails_would_be_seen(reports, tmp_path):
    broken = '<script>missing()</script><img src="none.png"><img src="https://example.org/x.png">'
    dom, said = browse(inject(reports / "main.html", LOOK + broken), tmp_path / "profile", "--dump-dom")
    assert any("missing is not defined" in line for line in said)
    assert re.search(r"empty 2 .* asked 1</title>", dom)
    page = reports / "meshes/final.html"
    again = [screenshot(inject(page, "<script></script>"), tmp_path, name) for name in ("first", "second")]
    assert np.array_equal(*again)


def training_row(number, phase, loss):
    return {"passes": 40 * number, "phase": phase, "lr": 0.003, "loss": loss, "val_loss": loss + 1}


def look_at(page, tmp_path, size="1000,800"):
    dom, said = browse(page, tmp_path / "profile", "--dump-dom", f"--window-size={size}")
    assert said == []
    return html.unescape(dom)


@pytest.mark.parametrize("size", ["1000,800", "500,800"])
def test_a_training_is_seen_in_its_middle(tmp_path, monkeypatch, size):
    monkeypatch.chdir(tmp_path)
    with training_page("main", "final", [1, 2, 3], 480) as show:
        for seed, phases in ((1, ("brief", "brief", "all", "all")), (2, ("brief", "brief"))):
            for number, phase in enumerate(phases, 1):
                show(seed, training_row(number, phase, 10.0 / number))
        page = tmp_path / "work/training/main.html"
        dom = look_at(page, tmp_path, size)
        assert "<title>Training final (main)</title>" in dom
        assert "240 of at most 480 passes of a sample" in dom
        # Two phases of the first seed and one of the second, each learnt and validated; a point a validation.
        assert len(re.findall("<polyline", dom)) == 6
        assert len(re.findall("<circle", dom)) == 6
        assert ">seed 1, brief, 40 passes: 11<" in dom
        watched = inject(page, LOOK)
        shutil.copy(page.with_suffix(".js"), watched.with_suffix(".js"))
        wide, asked = re.search(r"wide (.*) asked (\d+)</title>", look_at(watched, tmp_path, size)).groups()
        # The table scrolls in a box of its own.
        assert set(filter(None, wide.split(","))) <= {"TABLE", "TBODY", "TR", "TD", "TH"}
        assert asked == "0"
    assert "Done: 240 of at most 480" in look_at(page, tmp_path, size)


def test_plots_of_dvc_are_drawn_without_a_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    subprocess.run(["dvc", "init", "-q"], env=environment_of(), check=True)
    (tmp_path / "history.csv").write_text("passes,loss,val_loss\n40,3,4\n80,2,3.5\n120,1.5,3\n")
    (tmp_path / "dvc.yaml").write_text(
        "plots:\n- Loss:\n    template: simple\n    x: passes\n    y:\n      history.csv: [loss, val_loss]\n"
    )
    offline_plots.main([], standalone_mode=False)
    subprocess.run(["dvc", "plots", "show"], env=environment_of(), check=True, capture_output=True)
    page = tmp_path / "dvc_plots/index.html"
    assert not re.search(r'(src|href)="http', page.read_text(encoding="utf-8"))
    dom, said = browse(inject(page, LOOK), tmp_path / "profile", "--dump-dom", "--window-size=1000,800")
    # Vega tells that it is newer than what the charts were written for.
    assert [line for line in said if "The compiled spec uses Vega" not in line] == []
    assert re.search(r"asked 0</title>", dom)
    assert re.search(r'<svg[^>]* class="marks" width="\d{3}"', dom)
    assert ">val_loss<" in dom
    assert len(re.findall('aria-roledescription="line mark"|mark-line', dom)) >= 1
