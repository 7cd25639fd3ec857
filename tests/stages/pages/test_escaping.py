"""Names and texts that are HTML are shown on the pages as they are, and nothing of them becomes part of a page."""

import dataclasses
import html.parser
import json

import numpy as np
import pytest

import tests.helpers.small_project as small_project
from pipeline.commands.files import WriteOptions, write_faces
from pipeline.crops.face_finding import Face
from pipeline.pages.templating import TEMPLATES
from stages import evaluate, report, thesis
from stages.data_report import data_report
from stages.pages.review_page import review_page
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface
from tests.helpers.small_project import LAYERS, PARAMS, SETTINGS, make_project, write_csv

# No file name has a slash; a browser runs a script, or an event's code, without one.
HOSTILE = "<script>alert(1)<img src=x onerror='f(\"&amp;\")'>"
REASON = f"{HOSTILE} cannot be read."
VARIANT, SUBSET = f"variant {HOSTILE}", f"subset {HOSTILE}"
FOREIGN, LEFT_OUT = f"foreign {HOSTILE}", f"left out {HOSTILE}"
FAILED, ROOT = f"test/failed {HOSTILE}", f"root {HOSTILE}"
# Lists of names are divided at spaces.
SAMPLE = "sample<script>alert('&amp;')"


class Reader(html.parser.HTMLParser):
    """Tags, names of attributes, and the texts that a reader sees, each element's as one."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.texts, self.alts = set(), set(), [""], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.alts += [value for name, value in attrs if name == "alt"]
        self.texts.append("")

    def handle_endtag(self, tag):
        self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data

    def shows(self, text):
        """Whether a text is part of what one element shows."""
        return any(text in shown for shown in self.texts)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project all of whose names are HTML."""
    root = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(small_project.YAW_DEG, SAMPLE, 5.0)
        patch.setitem(small_project.SHIFT, SAMPLE, 4.0)
        data = make_project(root, data_root=ROOT)
    (root / ROOT).symlink_to(root / "raw")
    write_csv(root / "data/index/test/test/rejected.csv", [("sample", "reason"), ("x.jpg", REASON)])
    for run in ("main", "prn"):
        evaluate.evaluate(root, run, SETTINGS.train, PARAMS, small_project.SUBSETS, ["facemesh"])
        write_csv(root / f"runs/{run}/scores/failed.csv", [("sample", "stage", "reason"), (FAILED, "aligned", REASON)])
    _, counts = data_report(root, data)
    counts["subsets"][SUBSET] = {"in": 1, "out": 1, "rejected": 0}
    (root / "reports/data.json").write_text(json.dumps(counts))
    (root / "metrics/foreign").mkdir()
    scores = dict.fromkeys(("images", "failed", "nme68_2d", "nme68_2d_low", "nme68_2d_high", "dense_3d"), 2.5)
    (root / f"metrics/foreign/{FOREIGN}.json").write_text(json.dumps(scores))
    (root / f"metrics/foreign/{LEFT_OUT}.json").write_text(json.dumps(scores | {"dense_3d": HOSTILE}))
    report.report(root, report.Run(VARIANT, "on", 8), data, report.ReportParams(samples=8))
    settings = dataclasses.replace(SETTINGS, train=dataclasses.replace(SETTINGS.train, variant=VARIANT))
    starts = {VARIANT: "random", "prn": "random"}
    thesis.thesis(root, thesis.Setup(VARIANT, settings, LAYERS, starts, data, 1.5), PARAMS)
    model = make_model()
    photo = np.zeros((150, 200, 3), np.uint8)
    face = Face(np.array([60.0, 50, 40, 40]), np.zeros((5, 2)), 0.99, 0)
    reconstructor = make_reconstructor(model, whole_surface(model))
    write_faces(root / "reports" / HOSTILE, photo, [face], reconstructor, WriteOptions(("page",), fill=True))
    return root


@pytest.mark.parametrize("name", ["main.html", "index.html"])
def test_no_name_becomes_part_of_the_page(root, name):
    path = root / "reports" / name
    page = Reader(path)
    assert "<script" not in path.read_text().lower()
    assert page.tags.isdisjoint({"script", "object", "embed", "link", "base"})
    assert not {attribute for attribute in page.attributes if attribute.startswith("on")}


def test_the_report_shows_each_name_as_it_is(root):
    page = Reader(root / "reports/main.html")
    for text in (VARIANT, FAILED, REASON, SUBSET, f"Photos and annotations from {ROOT}."):
        assert page.shows(text), text
    captions = [alt for alt in page.alts if f"test/{SAMPLE}, yaw 5.0 degrees" in alt]
    assert len(captions) == 1
    assert page.shows(captions[0])


def test_the_comparison_shows_each_name_as_it_is(root):
    page = Reader(root / "reports/index.html")
    foreign = f"{FOREIGN} (scored from its files; on which photos is not known)"
    for text in (VARIANT, foreign, f"{ROOT}, 32 px, width", f"{LEFT_OUT}.json has no finite number as dense_3d"):
        assert page.shows(text), text


def test_the_links_to_meshes_lead_to_files_of_any_name(root):
    page = (root / "reports/index.html").read_text()
    assert (root / f"reports/meshes/{VARIANT}.html").is_file()
    quoted = "variant%20%3Cscript%3Ealert%281%29%3Cimg%20src%3Dx%20onerror%3D%27f%28%22%26amp%3B%22%29%27%3E"
    assert f'href="meshes/{quoted}.html"' in page
    assert f'src="meshes/{quoted}.html"' in page


def test_the_photo_s_page_shows_the_file_s_name_as_it_is_and_runs_its_own_script_alone(root):
    path = root / "reports" / HOSTILE / "index.html"
    text, page = path.read_text(), Reader(path)
    assert page.texts.count(f"Face in {HOSTILE}") == 2
    assert page.tags.isdisjoint({"iframe", "object", "embed", "link", "base"})
    assert not {attribute for attribute in page.attributes if attribute.startswith("on")}
    own = "".join((TEMPLATES / name).read_text().rstrip("\n") for name in ("decode.js", "mesh_viewer.js", "faces.js"))
    assert text.lower().count("<script") == 1
    assert text.split("<script>\n")[1].split("</script>")[0] == own.rstrip("\n")


def test_the_page_of_labels_has_the_doubtful_first_and_shows_names_as_they_are(tmp_path):
    numbers = {"yaw_deg": 1.0, "pitch_deg": -2.4, "roll_deg": 0.0, "confidence": 1.0}
    sure = numbers | {"name": "sure", "doubt": "", "verdict": ""}
    doubted = numbers | {"name": HOSTILE, "doubt": REASON, "verdict": ""}
    records = {"a": {"faces": [sure], "error": ""}, HOSTILE: {"faces": [doubted], "error": ""}}
    records["wall"] = {"faces": [], "error": f"{HOSTILE} has no face."}
    path = tmp_path / "review.html"
    path.write_text(review_page(records), encoding="utf-8")
    page, text = Reader(path), path.read_text(encoding="utf-8")
    for shown in (f"{HOSTILE}: yaw 1\N{DEGREE SIGN}, pitch -2", REASON, f"wall: {HOSTILE} has no face."):
        assert page.shows(shown), shown
    assert text.lower().count("<script") == 1
    assert page.tags.isdisjoint({"iframe", "object", "embed", "link", "base"})
    assert not {attribute for attribute in page.attributes if attribute.startswith("on")}
    assert text.index('src="review/%3Cscript%3E') < text.index('src="review/sure.jpg"')
    assert text.count('class="refused"') == 1
