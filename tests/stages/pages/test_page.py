"""What every page is made with: templates that miss nothing and escape everything, and how numbers are shown."""

import base64
from pathlib import Path

import jinja2
import numpy as np
import pytest

from pipeline.pages.templating import data_uri
from stages.pages.page import (
    drop_empty_columns,
    interval_text,
    is_wide,
    longest_name,
    mean_text,
    numeric_columns,
    render,
    three_digits,
)
from stages.pages.provenance import Provenance

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.23456, "1.235"), (np.float32(2), "2.000"), (7, 7), (np.int64(7), 7), ("1.23456", "1.23456"), ("", "")],
)
def test_a_number_with_a_fraction_has_3_digits_and_nothing_else_is_touched(value, shown):
    assert three_digits(value) == shown


def test_an_interval_stays_on_one_line_whatever_a_foreign_file_has_for_its_ends():
    assert interval_text(1.23456, 4) == "1.235\u00a0to\u00a04.000"
    assert interval_text("low", None) == "low\u00a0to\u00a0None"


def test_a_mean_stays_on_one_line_with_its_interval():
    assert mean_text(-1.23456, -2.0, 0.5) == "-1.235\u00a0(-2.000\u00a0to\u00a00.500)"


def test_columns_that_no_row_fills_are_left_out():
    rows = [("x", "", 0, ""), ("y", "", "", 2.5)]
    assert drop_empty_columns(("a", "b", "c", "d"), rows) == (["a", "c", "d"], [("x", 0, ""), ("y", "", 2.5)])


def test_numbers_intervals_and_counts_are_told_from_words():
    rows = [
        ("prn_l1", 1.5, "1.0\u00a0to\u00a02.0", "3 and 1", "\u22127.6 % (\u221283.8 to +68.5)", "by 3 %", "", "holds"),
        ("final", "", "2.000\u00a0(1.0\u00a0to\u00a02.0), over images alone", "not told", "", "12", "", "4.3"),
    ]
    assert numeric_columns(rows) == [False, True, True, True, True, False, False, True]
    assert numeric_columns([]) == []


def test_a_table_is_wide_by_its_longest_words():
    row = ["1.000\u00a0(0.500\u00a0to\u00a01.500)"] * 4
    assert not is_wide([row], ["a"] * 4)
    assert is_wide([row * 2], ["a"] * 8)
    assert not is_wide([["word " * 50] * 8], ["a"] * 8)
    assert not is_wide([], ["a"])


def test_a_name_has_as_many_letters_as_a_phone_has_room_for():
    assert longest_name([("a", 1), ("abc", 2)]) == 3
    assert longest_name([("a" * 99,)]) == 16
    assert longest_name([]) == 0


@pytest.mark.parametrize(("start", "kind"), [(b"\x89PNG\r\n", "png"), (b"\xff\xd8\xff", "jpeg")])
def test_a_picture_is_within_its_address(start, kind):
    address = data_uri(start + b"rest")
    head, _, data = address.partition(",")
    assert head == f"data:image/{kind};base64"
    assert base64.b64decode(data) == start + b"rest"


def test_a_value_that_a_template_misses_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'provenance' is undefined"):
        render("provenance.html")


def test_the_label_says_data_and_scale():
    assert Provenance("data/demo", 64, 8, {}, 3, ()).label == "demo faces, 64 px, width 8"
    assert Provenance("../faces", 256, 16, {}, 3, ()).label == "../faces, 256 px, width 16"
