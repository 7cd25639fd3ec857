"""The texts that stages depend on instead of on their code."""

import hashlib
import shutil
import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import code
from tests.helpers.places import ROOT
from tests.helpers.recipes import modules_of, runs_again

BUNDLE = Path("pipeline/photo/bundle.py")
FILES = {
    "pipeline/room/low.py": "import numpy",
    "pipeline/room/beside.py": "from . import low\nfrom ..other.far import x",
    "pipeline/other/far.py": "x = 1",
    "pipeline/other/unused.py": "",
    "model/middle.py": "def later():\n    import pipeline.room.beside",
    "stages/first.py": "from model import middle\nfrom stages.pages.page import render",
    "stages/second.py": "from pipeline.other import far",
    "stages/pages/page.py": "",
    "stages/pages/templates/page.html": "<p>",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_closure_has_what_is_imported_anywhere_and_the_templates_beside(project):
    found = code.import_closure(project, Path("stages/first.py"))
    assert {str(path) for path in found} == set(FILES) - {"stages/second.py", "pipeline/other/unused.py"}
    found = code.import_closure(project, Path("stages/second.py"))
    assert {str(path) for path in found} == {"stages/second.py", "pipeline/other/far.py"}


def test_the_text_has_a_line_for_each_file_in_their_order(project):
    digests = [
        hashlib.sha256(FILES[name].encode()).hexdigest() for name in ("pipeline/other/far.py", "stages/second.py")
    ]
    text = code.describe_code(project, Path("stages/second.py"))
    assert text == f"{digests[0]}  pipeline/other/far.py\n{digests[1]}  stages/second.py\n"


def test_the_stage_writes_a_text_for_each_module_of_stages(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "data/code").mkdir(parents=True)
    (project / "data/code/gone.txt").touch()
    assert CliRunner().invoke(code.main).exit_code == 0
    assert {path.name for path in (project / "data/code").iterdir()} == {"first.txt", "second.txt"}


@pytest.mark.parametrize("stage", ["split", "aligned", "train", "evaluate", "report"])
def test_the_closure_is_what_python_itself_finds(stage):
    """By the standard library, in the bytecode; and what a process has loaded that imported the stage is part of it."""
    finder = ModuleFinder(path=[str(ROOT)])
    finder.run_script(str(ROOT / f"stages/{stage}.py"))
    known = {Path(module.__file__).relative_to(ROOT) for module in finder.modules.values() if module.__file__}
    known = {path for path in known if (ROOT / path).stat().st_size}
    found = {path for path in code.import_closure(ROOT, Path(f"stages/{stage}.py")) if path.suffix == ".py"}
    assert found == known
    script = f"import sys, stages.{stage}; files = [getattr(m, '__file__', None) for m in sys.modules.values()]"
    script += "; print(*filter(None, files))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {Path(name).relative_to(ROOT) for name in done.stdout.split() if Path(name).is_relative_to(ROOT)}
    inside = {path for path in loaded if path.parts[0] in code.PACKAGES and (ROOT / path).stat().st_size}
    assert Path("stages/__init__.py") in inside
    assert len(inside) > 5
    assert inside <= found


def test_a_comment_changes_the_texts_of_those_stages_alone_that_import_the_module(tmp_path):
    for package in code.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    stages = sorted(Path("stages") / path.name for path in (ROOT / "stages").glob("[!_]*.py"))
    before = {stage: code.describe_code(tmp_path, stage) for stage in stages}
    for file in ("pipeline/face/camera.py", "model/losses.py", "pipeline/pages/templates/page.html", "stages/split.py"):
        with (tmp_path / file).open("a") as module:
            module.write("\n")
        changed = {stage for stage in stages if code.describe_code(tmp_path, stage) != before[stage]}
        assert changed == {stage for stage in stages if f"  {file}\n" in before[stage]}
        assert 0 < len(changed) < len(stages)
        shutil.copy(ROOT / file, tmp_path / file)


def test_an_edit_of_a_bundle_runs_what_writes_one_and_what_finds_by_one_and_trains_nothing():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    needing = {name for name in stages if BUNDLE in code.import_closure(ROOT, Path(f"stages/{name}.py"))}
    assert needing == {"export", "found", "model_card"}


@pytest.mark.parametrize(
    ("recipe", "listed_by"),
    [
        ("A loss term", "A loss term"),
        ("A network", "A loss term"),  # "as for a loss term"
        ("A system of the survey", "A system of the survey"),
    ],
)
def test_what_a_recipe_says_to_touch_is_imported_by_what_it_says_runs_again(recipe, listed_by):
    dags = [YAML(typ="safe").load(ROOT / name)["stages"] for name in ("dvc.yaml", "ablation/stages.yaml")]
    stages = {stage for dag in dags for stage in dag} - {"code", "settings"}
    touched = {Path(module) for module in modules_of(recipe)}
    assert len(touched) > 1
    importing = {name for name in stages if touched & code.import_closure(ROOT, Path(f"stages/{name}.py"))}
    assert importing == runs_again(listed_by)
