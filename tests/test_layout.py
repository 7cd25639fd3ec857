"""The tests themselves: what they import, and where from."""

import ast

import pytest

from tests.helpers.places import ROOT


def shared_modules(text):
    """Modules of the tests that a test module imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}"]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name for name in names if name.startswith(("tests", ".")))


def test_collecting_the_tests_imports_no_tensorflow(imported_by_collection):
    # It takes 10 s to import: a slow test imports it when it runs, or in a fixture.
    assert imported_by_collection == set()


def test_tests_import_from_helpers_alone():
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert len(files) > 50
    found = [(path.name, name) for path in files for name in shared_modules(path.read_text(encoding="utf-8"))]
    assert [(path, name) for path, name in found if not name.startswith("tests.helpers.")] == []
    assert ("conftest.py", "tests.helpers.places") in found


@pytest.mark.parametrize(
    "line", ["from tests.stages.test_dag import ROOT", "import tests.conftest", "from .test_dag import ROOT"]
)
def test_an_import_from_a_test_module_is_found(line):
    (name,) = shared_modules(f"def f():\n    {line}\n")
    assert not name.startswith("tests.helpers.")
