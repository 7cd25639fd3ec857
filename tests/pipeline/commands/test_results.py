"""faces.json is whole at any moment, and says what the next run may take over."""

import json

import pytest

from pipeline.commands import results


def rows(folder):
    return json.loads((folder / "faces.json").read_text())


def made(name, maker="m"):
    return {"photo": name, "reduced": 1, "error": "", "made_from": f"{maker}-{name}", "faces": [{"files": []}]}


def test_it_is_whole_after_each_photo_and_after_an_interrupt(tmp_path):
    def work():
        yield made("a")
        yield made("b")
        raise KeyboardInterrupt

    known = {name: made(name) for name in ("b", "c")}
    (tmp_path / "c").mkdir()
    kept = results.keep_results(tmp_path, work(), known)
    assert next(kept) == made("a")
    assert [row["photo"] for row in rows(tmp_path)] == ["a", "c"]
    assert next(kept) == made("b")
    with pytest.raises(KeyboardInterrupt):
        next(kept)
    assert rows(tmp_path) == [made(name) for name in "abc"]
    assert list(results.read_results(tmp_path, "m").values()) == rows(tmp_path)
    assert {row["made_from"] for row in results.read_results(tmp_path, "other").values()} == {""}


def test_each_photo_has_a_line(tmp_path):
    results_of = [made("a\n\"'"), made("\udcff")]
    list(results.keep_results(tmp_path, results_of, {}))
    lines = ",\n".join(map(json.dumps, results_of))
    assert (tmp_path / "faces.json").read_text() == f"[\n{lines}\n]\n"


def test_results_of_other_options_are_no_longer_taken_for_these_when_the_work_begins(tmp_path):
    (tmp_path / "a").mkdir()
    list(results.keep_results(tmp_path, [made("a", "old")], {}))

    def killed():
        raise SystemExit
        yield

    with pytest.raises(SystemExit):
        list(results.keep_results(tmp_path, killed(), results.read_results(tmp_path, "new")))
    assert rows(tmp_path)[0]["made_from"] == ""
    assert results.read_results(tmp_path, "old")["a"]["made_from"] == ""
