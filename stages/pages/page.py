"""What the pages of reports have in common: their templates, and how they show numbers and texts."""

import html
import numbers
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from pipeline.pages.templating import make_environment

# White space that may break a line.
WHITE = re.compile(r"[^\S\u00a0]+")
MOST_LETTERS = 16
# A letter of a table on paper, what is between two columns, and the inner width of a sheet.
LETTER_PX, GAP_PX, SHEET_PX = 6.2, 9.3, 688
DIGIT = re.compile(r"\d")
# Numbers, and what may stand between and behind several of them.
FIGURES = re.compile(r"(?:[\d.,()%+/*\u2212\s-]|to|and|of|beyond|, over images alone)+")
# Signs that Markdown may take for marks.
MARKS = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)")


def render(template: str, **values: object) -> str:
    """Fill in a template.

    Parameters
    ----------
    template : str
        Name of a file in ``stages/pages/templates``, or in ``pipeline/pages/templates``.
    values : object
        By the names that the template has for them.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    jinja2.UndefinedError
        If the template asks for a value that it is not given.
    """
    return _ENVIRONMENT.get_template(template).render(values)


def render_markdown(template: str, **values: object) -> str:
    """Fill in a template of Markdown, see `render`; what is put into it is shown as it is, whatever its signs mean."""
    return _MARKDOWN.get_template(template).render(values)


def plain(value: object) -> object:
    """Write a text so that Markdown, wherever it has one, shows it as it is: on one line, without HTML or marks."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return MARKS.sub(r"\\\g<0>", html.escape(WHITE.sub(" ", value), quote=False))


def _join_cells(values: Iterable[object]) -> Markup:
    return Markup(" | ".join(str(plain(value)) for value in values))


def three_digits(value: object) -> object:
    """Show a number with a fraction with 3 digits, as in the metrics files; anything else as it is."""
    return f"{value:.3f}" if isinstance(value, (float, np.floating)) else value


def is_wide(rows: Sequence[Sequence], header: Sequence[object]) -> bool:
    """Whether a table is too wide for a sheet of A4 that stands, even where its cells break at every white space."""
    columns = zip(header, *rows, strict=False)
    longest = (max(len(word) for cell in column for word in WHITE.split(str(cell))) for column in columns)
    return sum(LETTER_PX * letters + GAP_PX for letters in longest) > SHEET_PX


def longest_name(rows: Sequence[Sequence]) -> int:
    """How many letters the longest name in a table's first column has, as far as a phone has room for it."""
    return min(max((len(str(row[0])) for row in rows), default=0), MOST_LETTERS)


def numeric_columns(rows: Sequence[Sequence]) -> list[bool]:
    """Which columns of a table hold numbers, intervals and counts alone, so that they stand best under each other.

    A cell without any digit says that there is no number, and does not count.
    """
    columns = zip(*rows, strict=False) if rows else ()
    return [_is_numeric([str(cell) for cell in column if DIGIT.search(str(cell))]) for column in columns]


def _is_numeric(cells: Sequence[str]) -> bool:
    return bool(cells) and all(FIGURES.fullmatch(cell) for cell in cells)


def interval_text(low: object, high: object) -> str:
    """Interval in percent, kept on one line; an end that is no number, from a file of others, is shown as it is."""
    ends = (f"{float(end):.3f}" if isinstance(end, numbers.Real) else str(end) for end in (low, high))
    return "\u00a0to\u00a0".join(ends)


def mean_text(mean: float, low: float, high: float) -> str:
    """Mean in percent with its interval, kept on one line."""
    return f"{mean:.3f}\u00a0({interval_text(low, high)})"


def drop_empty_columns(header: Sequence[str], rows: Iterable[Sequence]) -> tuple[list[str], list[tuple]]:
    """Leave out the columns of a table that no row has anything in."""
    rows = list(rows)
    used = [number for number in range(len(header)) if any(row[number] != "" for row in rows)]
    return [header[number] for number in used], [tuple(row[number] for number in used) for row in rows]


_ENVIRONMENT = make_environment(Path(__file__).parent / "templates")
_ENVIRONMENT.filters |= {
    "is_wide": is_wide,
    "longest_name": longest_name,
    "three_digits": three_digits,
    "numeric_columns": numeric_columns,
}
_MARKDOWN = _ENVIRONMENT.overlay(autoescape=False, finalize=plain)
_MARKDOWN.filters = _ENVIRONMENT.filters | {"cells": _join_cells}
