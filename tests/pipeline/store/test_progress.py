"""Bars on what is a terminal, and nothing on what is none."""

import contextlib
import io
import re

import pytest

from pipeline.store.progress import open_bar, show_progress, show_steps, tell_beside


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """The lines that are left in the end: a return goes back to the line's beginning."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


@contextlib.contextmanager
def on_terminal():
    with contextlib.redirect_stderr(Terminal()) as terminal:
        yield terminal


def test_where_no_terminal_is_nothing_is_shown_and_the_items_are_those_that_were_given(capsys):
    items = [1, 2, 3]
    assert show_progress(items, "stage", "photo") is items
    with show_steps("stage", 2) as begin, open_bar("stage", "photo", 3) as bar:
        begin("one")
        bar.update(3)
    tell_beside("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_a_terminal_shows_the_title_how_many_of_all_and_the_rate_and_is_clean_afterwards():
    with on_terminal() as terminal:
        assert list(show_progress([1, 2, 3, 4], "report", "photo")) == [1, 2, 3, 4]
    said = terminal.getvalue()
    assert re.search(r"report: +0%.*0/4 \[.*photo/s\]", said)
    assert terminal.screen() == [""]


def test_where_nobody_knows_how_many_there_are_no_share_is_shown():
    with on_terminal() as terminal:
        assert list(show_progress(iter([1, 2]), "track", "frame")) == [1, 2]
    assert "track: 0frame [00:00, ?frame/s]" in terminal.getvalue()
    assert "%" not in terminal.getvalue()


def test_more_than_were_announced_are_no_more_than_all():
    with on_terminal() as terminal, open_bar("track", "frame", 2) as bar:
        bar.update(2)
        bar.update(3)
        bar.refresh()
    assert "track: 5frame" in terminal.getvalue()
    assert "5/2" not in terminal.getvalue()


def test_what_was_there_before_counts():
    with on_terminal() as terminal, open_bar("train", "step", 40, 30):
        pass
    assert re.search(r"train: +75%.*30/40 ", terminal.getvalue())


def test_of_unlike_steps_it_is_told_which_one_is_begun_and_not_when_the_last_one_ends():
    with on_terminal() as terminal, show_steps("export", 2) as begin:
        begin("onnx")
        begin("litert")
    said = terminal.getvalue()
    assert re.search(r"export: onnx .* 0 of 2 steps \[00:00\]", said)
    assert re.search(r"export: litert .* 1 of 2 steps \[00:00\]", said)
    assert "/s" not in said
    assert terminal.screen() == [""]


def test_a_line_stands_by_itself_while_a_bar_is_there():
    with on_terminal() as terminal:
        for number in show_progress([1, 2], "reconstruct", "photo"):
            tell_beside(f"photo {number}: no face")
    assert terminal.screen() == ["photo 1: no face", "photo 2: no face", ""]


def test_a_bar_goes_when_what_it_counts_fails():
    with on_terminal() as terminal:

        def items():
            yield 1
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            list(show_progress(items(), "score", "photo", 2))
    assert terminal.screen() == [""]
