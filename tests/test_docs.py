"""What README, docs/ and CONTRIBUTING name is there; and every stage and make target is named."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")),
    ROOT / ".github/pull_request_template.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / folder / "README.md" for folder in ("metrics/foreign", "runs/random", "data/none")),
]
CODE = [
    *(
        path
        for package in ("pipeline", "model", "stages", "benchmarks")
        for path in sorted((ROOT / package).rglob("*.py"))
    ),
    *(ROOT / name for name in ("Makefile", "params.yaml", "dvc.yaml", "ablation/stages.yaml", "pyproject.toml")),
    *sorted(ROOT.glob("requirements*.txt")),
    *sorted((ROOT / "requirements").glob("*.in")),
    *sorted((ROOT / ".github").rglob("*.yml")),
    ROOT / "Dockerfile",
]
READERS_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# A page that a sentence names, and the section that it names with it: docs/data.md, section 'Contracts'.
NAMED_PAGE = re.compile(
    r"(?<![\w/])((?:docs/\w+|README|CONTRIBUTING|CHANGELOG)\.md|README)\b(?:,? sections? ['\"]?([^'\".;,)]+))?"
)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def every(paths):
    return pytest.mark.parametrize("path", paths, ids=[name_of(path) for path in paths])


def text_of(path):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def headings(path):
    return re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)


def anchors(path):
    """Anchors as code hosts make them of headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(path)}


def joined(path):
    """A file's text with the string literals that a line break divides, and its comments, in one piece."""
    text = re.sub(r"['\"]\s*\n\s*f?['\"]", "", path.read_text(encoding="utf-8"))
    return re.sub(r"\s*\n\s*(?:#\s*)?", " ", text)


def read_yaml(name):
    return YAML(typ="safe").load(ROOT / name)


def make_targets():
    lines = re.findall(r"^([a-z][a-z -]*):(?![=:])(?! *[A-Z_]+ *:?=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return sorted({target for line in lines for target in line.split()})


@every(PAGES)
def test_every_link_is_relative_and_leads_somewhere(path):
    for link in LINK.findall(text_of(path)):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert not target.startswith("/"), link
        assert file.is_relative_to(ROOT), link
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@every([*PAGES, *CODE])
def test_every_page_and_section_that_a_text_names_is_there(path):
    for page, section in NAMED_PAGE.findall(joined(path)):
        file = ROOT / (page if page.endswith(".md") else f"{page}.md")
        assert file.is_file(), page
        assert not section or section.strip() in headings(file), f"{page} has no section {section!r}"


def test_a_section_is_found_wherever_a_line_breaks():
    found = NAMED_PAGE.findall(
        "missing; docs/data.md, section 'Where to get it', says; README, section Real data; see docs/scale.md."
    )
    assert found == [("docs/data.md", "Where to get it"), ("README", "Real data"), ("docs/scale.md", "")]


@every(PAGES)
def test_tables_have_a_header_and_as_many_cells_in_every_row(path):
    lines = ["", *text_of(path).splitlines(), ""]
    starts = [
        number for number, line in enumerate(lines) if line.startswith("|") and not lines[number - 1].startswith("|")
    ]
    for start in starts:
        assert lines[start - 1] == "", lines[start]
        end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
        assert re.fullmatch(r"(\|:?-+:?)+\|", lines[start + 1]), (
            f"no header, or a row after a blank line: {lines[start]}"
        )
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines[start:end]}
        assert len(cells) == 1, lines[start]
        assert all(line.endswith("|") for line in lines[start:end]), lines[start]


def test_every_stage_has_its_row():
    rows = re.findall(r"^\| `(\w+)(?:@\w+)?` \|", "\n".join(text_of(path) for path in READERS_PAGES), re.MULTILINE)
    stages = [*read_yaml("dvc.yaml")["stages"], *read_yaml("ablation/stages.yaml")["stages"]]
    assert len(stages) > 20
    assert not set(stages) - set(rows)


def test_every_make_target_is_named():
    targets = make_targets()
    assert {"repro", "real-thesis", "clean"} <= set(targets)
    text = "\n".join(path.read_text(encoding="utf-8") for path in READERS_PAGES)
    assert [target for target in targets if not re.search(rf"\bmake {target}(?![\w-])", text)] == []


@every([*PAGES, *(path for path in CODE if path.suffix == ".py")])
def test_every_module_that_a_command_runs_is_there(path):
    for module in re.findall(r"python -m ((?:stages|benchmarks)(?:\.\w+)+)", path.read_text(encoding="utf-8")):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module


@every(PAGES)
def test_every_file_and_name_of_the_code_that_a_page_quotes_is_there(path):
    packages = "pipeline|model|stages|tests|benchmarks|ablation"
    quoted = re.findall(r"`([^`\n]+)`", text_of(path))
    for name in quoted:
        if re.fullmatch(rf"(?:{packages})/[\w/]*(?:\.(?:py|yaml))?", name):
            assert (ROOT / name).exists(), name
        if match := re.match(r"((?:pipeline|model|stages)(?:\.\w+)+)(?<!\.h5)(?!\.)\b", name):
            *parts, last = match[1].split(".")
            module = ROOT.joinpath(*parts).with_suffix(".py")
            assert module.is_file(), name
            assert re.search(rf"^(?:def|class) {last}\b|^{last}\b.* =", module.read_text(), re.MULTILINE), name


def test_the_table_of_constants_names_parameters_that_there_are():
    table = text_of(ROOT / "docs/experiments.md").partition("## Constants")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", table)
    assert {"loss.weights", "crop.margin", "augmented.policies.full.copies"} <= set(named)
    for name in set(named) - {"params.yaml"}:
        value = read_yaml("params.yaml")
        for key in name.split("."):
            assert key in value, name
            value = value[key]
    strengths = set(re.findall(r"`(noise_\w+)`", table))
    assert strengths == {key for key in read_yaml("params.yaml")["augmented"]["policies"]["full"] if "noise_" in key}
