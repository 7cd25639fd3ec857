"""No module runs code that data bring."""

import re

import pytest

from tests.helpers.places import ROOT

FORBIDDEN = {
    "pickle": r"\b(c?pickle|dill|shelve|marshal|joblib)\b",
    "arrays that may hold objects": r"allow_pickle\s*=\s*True|\b(np|numpy)\.load\((?!.*allow_pickle=False)",
    "code from data": r"(?<![\w.])(eval|exec|compile|__import__)\(",
    "YAML that makes objects": r"\byaml\.(load|unsafe_load|full_load)\(|typ\s*=\s*[\"']unsafe",
    "a shell": r"\bos\.(system|popen)\(|shell\s*=\s*True",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_module_runs_code_that_data_bring(what):
    sources = sorted(path for folder in ("pipeline", "stages", "model") for path in (ROOT / folder).rglob("*.py"))
    assert len(sources) > 50
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("pickle", "import pickle"),
        ("arrays that may hold objects", "np.load(path, allow_pickle=True)"),
        ("arrays that may hold objects", "np.load(path)"),
        ("code from data", "value = eval(text)"),
        ("YAML that makes objects", "yaml.load(file)"),
        ("a shell", "os.system(command)"),
    ],
)
def test_the_search_for_such_code_finds_it(what, line):
    assert re.search(FORBIDDEN[what], line)
