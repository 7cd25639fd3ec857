"""A card as a page beside those of results: the same Markdown, with contents, and tables as pages have them."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from stages.pages.page import longest_name, numeric_columns, render

# Cards have headings, paragraphs, lists, tables and code; HTML in them is text.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


class Part(NamedTuple):
    """A heading, a table, whose `body` is its caption, its `own` or its section's heading, or anything between."""

    kind: str
    level: int = 0
    name: str = ""
    title: str = ""
    body: Markup = Markup()
    header: Sequence[Markup] = ()
    rows: Sequence[Sequence[Markup]] = ()
    aligned: Sequence[bool] = ()
    own: bool = True
    longest: int = 0


def card_page(markdown: str, page: str, footer: str, links: Mapping[str, str]) -> str:
    """Make the page of a card.

    Parameters
    ----------
    markdown : str
        The card. Its first heading is the page's title; a paragraph that ends with a colon becomes the caption of the
        table behind it, and a table without one has its section's heading.
    page : str
        The page's file, which its links to the others leave out.
    footer : str
        What stands under the page.
    links : dict of str to str
        Where links of the card lead from the page.

    Returns
    -------
    str
        HTML.
    """
    title, *parts = read_parts(markdown, links)
    titles = {part.name: part.title for part in parts if part.kind == "heading" and part.level == 2}
    return render("card.html", page=page, name=title.title, titles=titles, parts=parts, footer=footer)


def read_parts(markdown: str, links: Mapping[str, str]) -> list[Part]:
    """Take a card apart, see `Part`; names of headings are those of their addresses, no two the same."""
    tokens = list(_point_links(_MARKDOWN.parse(markdown), links))
    parts: list[Part] = []
    start = 0
    while start < len(tokens):
        end = _end_of(tokens, start)
        group = tokens[start:end]
        if group[0].type == "heading_open":
            title = _text(group[1])
            name = _address(title, {part.name for part in parts})
            parts.append(Part("heading", int(group[0].tag[1]), name, title))
        elif group[0].type == "table_open":
            parts.append(_table(group, *_caption(parts)))
        else:
            parts.append(Part("text", body=_html(group)))
        start = end
    return parts


def _caption(parts: list[Part]) -> tuple[Markup, bool]:
    """Take away the paragraph before a table if it ends with a colon, or else the last heading's text; and whether."""
    last = str(parts[-1].body).strip()
    if parts[-1].kind == "text" and last.startswith("<p>") and last.endswith(":</p>") and last.count("<p>") == 1:
        parts.pop()
        return Markup(last.removeprefix("<p>").removesuffix(":</p>")), True
    return Markup(html.escape(next(part.title for part in reversed(parts) if part.kind == "heading"))), False


def _table(group: Sequence[Token], caption: Markup, own: bool) -> Part:
    rows: list[list[Token]] = []
    for token in group:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token)
    header, *body = ([_html([cell]) for cell in row] for row in rows)
    texts = [[_text(cell) for cell in row] for row in rows[1:]]
    aligned, longest = numeric_columns(texts), longest_name(texts)
    return Part("table", body=caption, header=header, rows=body, aligned=aligned, longest=longest, own=own)


def _end_of(tokens: Sequence[Token], start: int) -> int:
    """Behind the last token of the block that begins at one."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index + 1
    return len(tokens)


def _point_links(tokens: Sequence[Token], links: Mapping[str, str]) -> Iterator[Token]:
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                target = str(child.attrs["href"])
                child.attrs["href"] = links.get(target, target)
        yield token


def _html(tokens: Sequence[Token]) -> Markup:
    return Markup(_MARKDOWN.renderer.render(list(tokens), _MARKDOWN.options, {}))


def _text(token: Token) -> str:
    """What is read of a line, without marks."""
    return "".join(child.content for child in token.children or ())


def _address(title: str, taken: set[str]) -> str:
    plain = re.sub(r"\W+", "-", title.lower()).strip("-")
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    return found
