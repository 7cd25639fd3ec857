"""The page of a training: what is written, and what a browser shows of it."""

import html
import json
import re
import shutil

import pytest

from stages.project.training_page import TEMPLATE, training_page
from tests.helpers.browser import LOOK, browse, inject, needs_browser

ROW = {"passes": 40, "phase": "brief", "lr": 0.003, "loss": 2.5, "val_loss": 3.0}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "work/training"


def numbers(folder):
    text = (folder / "main.js").read_text()
    assert text.startswith("show(")
    assert text.endswith(");\n")
    return json.loads(text[len("show(") : -len(");\n")])


def test_the_page_is_told_and_its_numbers_follow_each_row_of_each_seed(folder, capsys):
    with training_page("main", "best", [1, 2], 80) as show:
        assert capsys.readouterr().out == f"train: its losses while it runs: {folder / 'main.html'}\n"
        assert (folder / "main.html").read_bytes() == TEMPLATE.read_bytes()
        begun = numbers(folder)
        assert (begun["variant"], begun["passes"], begun["seeds"]) == ("best", 80, {"1": [], "2": []})
        show(1, ROW)
        show(2, ROW | {"val_loss": 4.0})
        told = numbers(folder)
        assert told["state"] == "running"
        assert [row["val_loss"] for rows in told["seeds"].values() for row in rows] == [3.0, 4.0]
        assert told["seeds"]["1"][0].items() >= ROW.items()
        assert begun["written"] <= told["seeds"]["1"][0]["at"] <= told["written"]
    assert numbers(folder)["state"] == "done"
    assert sorted(path.name for path in folder.iterdir()) == ["main.html", "main.js"]


def test_a_training_that_fails_says_so_on_its_page(folder):
    with pytest.raises(ValueError, match="The loss became"), training_page("main", "best", [1], 80):
        raise ValueError("The loss became nan.")
    told = numbers(folder)
    assert (told["state"], told["why"]) == ("stopped", "The loss became nan.")
    with pytest.raises(KeyboardInterrupt), training_page("main", "best", [1], 80):
        raise KeyboardInterrupt
    assert numbers(folder)["why"] == "KeyboardInterrupt"


def test_a_training_goes_on_where_its_page_cannot_be_written(folder, capsys):
    folder.parent.mkdir()
    folder.write_text("no folder")
    with training_page("main", "best", [1], 80) as show:
        show(1, ROW)
    assert capsys.readouterr().out == ""


def test_the_page_of_a_row_is_no_part_of_the_row():
    row = dict(ROW)
    with training_page("main", "best", [1], 80) as show:
        show(1, row)
    assert row == ROW


def test_the_page_asks_no_other_machine():
    assert "http" not in TEMPLATE.read_text().replace("http://www.w3.org/2000/svg", "")


def training_row(number, phase, loss):
    return {"passes": 40 * number, "phase": phase, "lr": 0.003, "loss": loss, "val_loss": loss + 1}


def look_at(page, tmp_path, size="1000,800"):
    dom, said = browse(page, tmp_path / "profile", "--dump-dom", f"--window-size={size}")
    assert said == []
    return html.unescape(dom)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("size", ["1000,800", "500,800"])
def test_a_training_is_seen_in_its_middle(tmp_path, size):
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
