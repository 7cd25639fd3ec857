"""The page of a training, as far as it is written; a browser shows it in tests/stages/test_browser.py."""

import json

import pytest

from stages.project.training_page import TEMPLATE, training_page

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
