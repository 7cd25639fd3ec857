"""The table of all benchmarks: what stands in it, and that each one that it names can be run alone."""

import json
import sys

import pytest
from click.testing import CliRunner

from benchmarks import all as every
from benchmarks.all import BENCHMARKS, Figure, cells, markdown, value_of
from tests.helpers.places import ROOT


def test_a_figure_stands_beside_its_peer_s_and_says_how_many_times_better_it_is():
    lower = Figure("ms", ("a", "ms"), "theirs", ("b", 1))
    assert cells(lower, {"a": {"ms": 3.0}, "b": [9, 12.0]}) == ("ms", "3", "theirs", "12", "4.00")
    assert cells(lower._replace(more_is_better=True), {"a": {"ms": 3.0}, "b": [9, 12.0]})[-1] == "0.25"
    assert cells(Figure("bytes", ("n",)), {"n": 123456.0}) == ("bytes", "1.235e+05", "", "", "")


def test_a_figure_that_a_benchmark_lacks_is_told_by_its_keys():
    with pytest.raises(ValueError, match=r"there is no 'b' of a\.b; it has c"):
        value_of({"a": {"c": 1}}, ("a", "b"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_is_one_that_ends_with_a_line_of_json(name):
    assert "json.dumps" in (ROOT / f"benchmarks/{name}.py").read_text()
    assert f"python -m benchmarks.{name}\n" in (ROOT / "Makefile").read_text()


def test_what_fails_leaves_the_other_figures_and_is_told(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/good.py").write_text("print('text')\nprint('{\"ms\": 2.5}')")
    (tmp_path / "benchmarks/bad.py").write_text("raise SystemExit(3)")
    figures = {name: (Figure("ms", ("ms",)),) for name in ("good", "bad")}
    monkeypatch.setattr(every, "BENCHMARKS", figures)
    monkeypatch.setattr(every, "ROOT", tmp_path)
    result = CliRunner().invoke(every.main, [])
    lines = result.stdout.splitlines()
    assert lines[2] == "| good | ms | 2.5 |  |  |  |"
    assert json.loads(lines[3]) == {"good": {"ms": 2.5}}
    assert result.exit_code == 1
    assert (
        f"bad: Command '['{sys.executable}', '-m', 'benchmarks.bad']' returned non-zero exit status 3" in result.stderr
    )
    assert list(markdown({}))[1] == "|---|---|---|---|---|---|"
