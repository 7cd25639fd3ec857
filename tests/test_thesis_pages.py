"""docs/thesis.md and docs/reviewers.md: every part of the thesis has its row, and every name in them is there."""

import re

from ruamel.yaml import YAML

from tests.helpers.places import ROOT

PAGES = [ROOT / "docs/thesis.md", ROOT / "docs/reviewers.md"]
# The numbered equations, tables and figures of the thesis that its text has, and its sections.
EQUATIONS = ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "2.1", "2.2", "3.1", "3.2", "3.3", "3.4"]
TABLES = ["3.1", "3.2", "3.3", "4.1"]
FIGURES = ["1.1", "1.5", "2.1", *(f"3.{n}" for n in range(1, 7)), *(f"4.{n}" for n in range(1, 10))]
SECTIONS = [
    *("1.1", "1.2", "1.2.1", "1.2.2", "1.2.3", "1.3.1", "1.3.2", "1.3.3", "1.3.4", "1.3.5", "1.4", "2.1", "2.2", "2.3"),
    *("2.4", "3.1.1", "3.1.2", "3.1.3", "3.1.4", "3.2.1", "3.2.2", "3.2.3", "3.2.4", "3.3.1", "3.3.2", "3.4", "3.4.1"),
    *("3.4.2", "3.4.3", "3.4.5", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "5"),
]


def first_cells():
    rows = re.findall(r"^\| ([^|]+) \|", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE)
    return [cell for cell in rows if cell != "thesis"]


def numbers(word):
    """Numbers behind a word in the first cells: 'equations 1.4 and 1.5', 'Figures 4.4 to 4.6'."""
    found = []
    for listed in re.findall(rf"{word}s? ((?:\d\.\d(?:, | and | to )?)+)", " ".join(first_cells())):
        for first, last in re.findall(r"(\d\.\d)(?: to (\d\.\d))?", listed):
            found += [f"{first[0]}.{n}" for n in range(int(first[2]), int((last or first)[2]) + 1)]
    return sorted(set(found))


def params():
    return YAML(typ="safe").load(ROOT / "params.yaml")


def test_every_equation_table_and_figure_has_its_row():
    assert numbers("quation") == EQUATIONS
    assert numbers("Table") == TABLES
    assert numbers("Figure") == FIGURES


def test_every_section_has_its_row():
    named = {number for cell in first_cells() if cell[0].isdigit() for number in re.findall(r"\d(?:\.\d)*", cell)}
    assert set(SECTIONS) - named == set()


def test_a_name_of_the_code_is_a_file_or_a_function():
    quoted = [name for page in PAGES for name in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))]
    names = [name for name in quoted if re.fullmatch(r"(?:pipeline|model|stages)(?:\.\w+)+", name)]
    assert len(names) > 60
    for name in names:
        *parts, last = name.split(".")
        module = ROOT.joinpath(*parts).with_suffix(".py")
        as_module = ROOT.joinpath(*parts, last).with_suffix(".py")
        assert as_module.is_file() or re.search(rf"^(?:def|class) {last}\b", module.read_text(), re.MULTILINE), name
    files = [name for name in quoted if re.fullmatch(r"(?:pipeline|model|stages|docs|metrics|ablation)/\S+\.\w+", name)]
    made = {"metrics/evaluation.json", "metrics/thesis.json", "ablation/dvc.lock"}
    assert [name for name in files if name not in made and not (ROOT / name).exists()] == []


def test_a_name_of_a_parameter_or_a_variant_is_in_the_settings():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    content = params()
    quoted = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", text)
    dotted = {name for name in quoted if name.split(".")[0] in content and not name.endswith(".txt")}
    assert {"train.seeds", "network.residual_join", "loss.brief", "evaluate.seed"} <= dotted
    for name in dotted:
        value = content
        for key in name.split("."):
            assert key in value, name
            value = value[key]
    variants = set(re.findall(r"`((?:prn|final|3ddfa|joint|frozen|nonlinear|vrn)(?:_\w+)?)`", text))
    assert {"final", "prn_l1_k_s", "final_loops"} <= variants
    assert variants - set(content["variants"]) == set()


def test_every_variant_of_the_thesis_is_on_the_page():
    text = PAGES[0].read_text(encoding="utf-8")
    ours = {"prn_refine_fast"}
    missing = {name for name in params()["thesis"]["variants"] if f"`{name}`" not in text}
    assert missing - ours <= {"joint_unlevelled", "mobile"}
