"""dvc.yaml says what each stage really is: its modules, its parameters, its place in git."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from stages.project import shard_stage
from tests.helpers.places import ROOT

PACKAGES = ("pipeline", "model", "stages")
DAGS = [ROOT / "dvc.yaml", ROOT / "ablation" / "stages.yaml"]


def imported_modules(path, root=ROOT):
    """Project modules that a file imports, anywhere in it, as paths from the root."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            above = path.relative_to(root).parts[: -node.level] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            file = Path(*name.split(".")).with_suffix(".py")
            if (root / file).is_file():
                yield str(file)


def back_arrows(root):
    """Imports that point back up: from pipeline/ to the others, or from model/ to stages/, at any depth."""
    return {
        (str(path.relative_to(root)), name)
        for package, forbidden in (("pipeline", ("model", "stages")), ("model", ("stages",)))
        for path in (root / package).rglob("*.py")
        for name in imported_modules(path, root)
        if name.split("/")[0] in forbidden
    }


def stage_definitions():
    for dag in DAGS:
        for name, stage in YAML(typ="safe").load(dag)["stages"].items():
            yield f"{dag.parent.name}:{name}", stage.get("do", stage)


STAGES = list(stage_definitions())


@pytest.mark.parametrize(("name", "stage"), STAGES, ids=[name for name, _ in STAGES])
def test_a_stage_depends_on_the_text_of_its_code_and_on_no_module(name, stage):
    command = stage["cmd"].split()
    assert command[:2] == ["python", "-m"]
    assert command[2] == f"stages.{name.split(':')[1]}"
    if command[2] == "stages.code":
        assert stage["deps"] == ["pipeline", "model", "stages"]
    else:
        assert [dep for dep in stage["deps"] if dep.startswith("data/code")] == [f"data/code/{command[2][7:]}.txt"]
        assert not [dep for dep in stage["deps"] if dep.endswith(".py")]


class BegunError(Exception):
    """What a stage begins with: its name, and its outputs."""


@pytest.mark.parametrize(("name", "stage"), STAGES, ids=[name for name, _ in STAGES])
def test_every_stage_begins_alone_at_the_outputs_that_dvc_knows(name, stage, tmp_path, monkeypatch):
    def begin(name, *outputs):
        raise BegunError(name, {output.as_posix() for output in outputs})

    module = importlib.import_module(stage["cmd"].split()[2])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablation").mkdir()
    for copied in ("params.yaml", "ablation/thesis_scale.txt"):
        shutil.copy(ROOT / copied, tmp_path / copied)
    (tmp_path / "data/none").mkdir(parents=True)
    if hasattr(module, "run_stage"):  # where all that make shards begin
        monkeypatch.setattr(shard_stage, "begin_stage", begin)
        arguments = ("meshes@x", None, {}, Path(path_of(stage["outs"][0])), 0.0, None)
        command = click.Command("x", callback=lambda: shard_stage.run_stage(*arguments))
    else:
        monkeypatch.setattr(module, "begin_stage", begin)
        command = module.main
    with pytest.raises(BegunError) as begun:
        command.main(["x"] * (len(stage["cmd"].split()) > 3 and command is module.main), standalone_mode=False)
    assert begun.value.args[1] == {path_of(out) for out in stage["outs"]}


def test_every_stage_waits_for_the_check_of_params():
    """All but what the check itself is made of: through its own deps, or those of what it is made from."""
    made = {}
    for name, stage in STAGES:
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
            made[path_of(out)] = name

    def waits(stage):
        deps = [path_of(dep) for dep in stage["deps"]]
        if any(dep.startswith("data/settings") for dep in deps):
            return True
        makers = {name for dep in deps for out, name in made.items() if (dep + "/").startswith(out + "/")}
        makers |= {name for dep in deps for out, name in made.items() if (out + "/").startswith(dep + "/")}
        return any(waits(dict(STAGES)[name]) for name in makers - {name for name, one in STAGES if one is stage})

    waiting = {name for name, stage in STAGES if waits(stage)}
    assert {name for name, _ in STAGES} - waiting == {f"{ROOT.name}:code", f"{ROOT.name}:settings"}


def path_of(entry):
    """Path of a dep or an output, with one name for every subset and run."""
    path = next(iter(entry)) if isinstance(entry, dict) else entry
    return re.sub(r"\$\{.*?\}", "x", path.replace("${item.boxes}", "meshes"))


def test_init_files_are_empty_but_for_what_must_be_done_before_numpy_is_imported():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert len(files) > 10
    assert [path for path in files if path.read_text()] == [ROOT / "stages/__init__.py"]


def test_stages_holds_nothing_but_stages_and_commands():
    for path in (ROOT / "stages").glob("[!_]*.py"):
        body = ast.parse(path.read_text()).body
        names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        names |= {alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert "main" in names, path.name
    commands = {path.stem for path in (ROOT / "stages").glob("[!_]*.py")} - {name.split(":")[1] for name, _ in STAGES}
    for name in commands:
        assert "A command, not a stage." in (ROOT / f"stages/{name}.py").read_text().splitlines()[0], name
    assert {path.name for path in (ROOT / "stages").iterdir() if path.is_dir()} - {"__pycache__"} == {
        "project",
        "pages",
        "photo",
    }


def find_circle(arrows):
    """Names on a circle of arrows (pairs of names); none where there is no circle."""
    waiting = set(arrows)
    while waiting:
        ends = {first for first, _ in waiting}
        left = {(first, second) for first, second in waiting if second in ends}
        if left == waiting:
            return sorted(ends)
        waiting = left
    return []


def module_arrows(root):
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            name = str(path.relative_to(root))
            yield from ((name, other) for other in imported_modules(path, root) if other != name)


def test_no_modules_and_no_rooms_import_each_other_in_a_circle():
    arrows = set(module_arrows(ROOT))
    assert len(arrows) > 300
    assert find_circle(arrows) == []
    rooms = {(str(Path(first).parent), str(Path(second).parent)) for first, second in arrows}
    assert find_circle({(first, second) for first, second in rooms if first != second}) == []
    assert find_circle({("a", "b"), ("b", "c"), ("c", "b")})


def test_arrows_point_from_stages_to_model_to_pipeline():
    assert not back_arrows(ROOT)


def test_an_arrow_back_is_found_at_any_depth(tmp_path):
    files = {
        "pipeline/room/within/low.py": "from model.high import x",
        "pipeline/room/beside.py": "from .within import low",
        "model/room/middle.py": "import pipeline.room.beside\ndef f():\n    from stages import top",
        "model/high.py": "",
        "stages/top.py": "from model.room.middle import f",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert back_arrows(tmp_path) == {
        ("pipeline/room/within/low.py", "model/high.py"),
        ("model/room/middle.py", "stages/top.py"),
    }


def test_an_experiment_changes_one_line_of_params(tmp_path):
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    before = path.read_text().splitlines()
    code = f"from dvc.utils.hydra import apply_overrides; apply_overrides({str(path)!r}, ['train.lr=0.00001'])"
    subprocess.run([sys.executable, "-c", code], check=True)
    after = path.read_text().splitlines()
    assert len(after) == len(before)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("  lr: 0.003", "  lr: 1e-05")]


def test_every_uncached_output_is_tracked_by_git_and_every_cached_one_ignored(tmp_path):
    """Ignored also as folders that exist: else DVC adds .gitignore files of its own, and hashes them with the data."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)

    def ignored(path):
        place = tmp_path / path
        (place.parent if place.suffix else place).mkdir(parents=True, exist_ok=True)
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False).returncode == 0

    for name, stage in STAGES:
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, []):
                path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
                path = path_of(path)
                assert ignored(path) != (options.get("cache") is False), f"{path} of {name}"


def test_a_stage_module_starts_without_tensorflow():
    # TensorFlow takes 10 s to import; only stages that compute with it may pay, and only when they run.
    stages = sorted(f"stages.{path.stem}" for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
    code = f"import sys, importlib\nfor name in {stages}: importlib.import_module(name)\n"
    code += "sys.exit(' '.join(sorted({'tensorflow', 'keras', 'mtcnn'} & set(sys.modules))) or None)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
