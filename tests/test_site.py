"""The pages of `make site`: what is on them, and that none loads anything from the web."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from docs import site_pages
from tests.helpers.places import ROOT

MKDOCS = ROOT / "work/mkdocs/bin/mkdocs"
FROM_A_HOST = re.compile(
    r"""<(?:script|img|iframe|source|video|embed|object)\b[^>]*\b(?:src|srcset|data)=["']?(?:https?:)?//"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import ["'](?:https?:)?//""",
    re.IGNORECASE,
)


def read_yaml(name):
    return YAML(typ="safe").load(ROOT / name)


def navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return re.findall(r"^  - [^:\n]+: (\S+\.md)$", text.partition("\nnav:\n")[2], re.MULTILINE)


def test_every_page_stands_in_the_navigation_once():
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(navigation()) == sorted([*pages, *site_pages.TOP_PAGES.values()])


def test_links_of_the_pages_at_the_top_lead_into_docs():
    text = "[a](docs/data.md#stages) ![b](docs/pictures/c.jpg) [d](CHANGELOG.md) [e](params.yaml) [f](https://g.org)"
    assert site_pages.from_docs(text, at_top=True) == (
        "[a](data.md#stages) ![b](pictures/c.jpg) [d](changelog.md) e [f](https://g.org)"
    )


def test_links_of_docs_lead_to_pages_and_code_stays_as_it_is():
    text = "[a](data.md) [b](#c) [d](../README.md#start) [e](../ablation/real_thesis.txt)\n```\n[f](../g.md)\n```\n"
    assert site_pages.from_docs(text, at_top=False) == (
        "[a](data.md) [b](#c) [d](index.md#start) e\n```\n[f](../g.md)\n```\n"
    )


def test_every_module_has_its_place_in_the_reference():
    modules = [module for names in site_pages.rooms().values() for module in names]
    assert len(modules) == len(set(modules)) > 200
    assert {"pipeline.face.camera", "model.scores.protocols", "stages.train"} <= set(modules)


def test_the_drawn_dag_has_every_stage():
    drawn = (ROOT / "docs/pictures/dag.svg").read_text(encoding="utf-8")
    stages = set(read_yaml("dvc.yaml")["stages"]) | set(read_yaml("ablation/stages.yaml")["stages"])
    # exist for what is not asked for
    named = stages - {"detected", "profiled"}
    assert {name for name in named if not re.search(rf">\s*{name}\s*<", drawn)} == set()


def test_the_readme_s_drawing_has_every_stage_of_the_main_run_and_no_other():
    drawn = (ROOT / "docs/pictures/main_run.svg").read_text(encoding="utf-8")
    names = set(re.findall(r"<text [^>]*>\s*(\w+)\s*</text>", drawn))
    # exist for what is not asked for; stand before all others
    left_out = {"detected", "profiled", "code", "settings"}
    assert names == set(read_yaml("dvc.yaml")["stages"]) - left_out, "python -m docs.pictures.draw draws it anew"


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.org/a.js">',
        "<link rel=stylesheet href=//fonts.org/a.css>",
        "a{background:url(http://b.org/c.png)}",
    ],
)
def test_what_comes_from_a_host_is_found(text):
    assert FROM_A_HOST.search(text)
    assert not FROM_A_HOST.search('<a href="https://dvc.org">DVC</a> <script src="assets/a.js"></script>')


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_a_host(tmp_path):
    if not MKDOCS.is_file():
        pytest.skip("make site installs what builds the pages")
    command = [MKDOCS, "build", "--strict", "--quiet", "--site-dir", tmp_path]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    files = [path for path in tmp_path.rglob("*") if path.suffix in (".html", ".css", ".svg")]
    pages = {path.relative_to(tmp_path).as_posix() for path in files}
    assert {"index.html", "thesis.html", "reference/pipeline-face.html", "reference/stages.html"} <= pages
    assert [str(path) for path in files if FROM_A_HOST.search(path.read_text(encoding="utf-8"))] == []
    camera = Path(tmp_path / "reference/pipeline-face.html").read_text(encoding="utf-8")
    assert 'id="pipeline.face.camera.project"' in camera
    assert "Parameters:" in camera  # a section of numpydoc, as a table
