"""A card's page: what becomes of its headings, tables and links."""

import re

from stages.pages.card_page import card_page, read_parts

CARD = """# Model card: <b>

What it learnt from has [a card](../data.md).

## Errors & more

In percent:

| error | mean | interval |
|---|---|---|
| a\\_b | 1.25 | 1.0 to 1.5 |
| <i> | | |

| part | size |
|---|---|
| x | large |

* one
* two

## Errors, more

### Errors & more
"""


def test_a_paragraph_with_a_colon_is_the_caption_of_its_table_and_else_the_heading_is():
    title, text, heading, first, second, listed, *rest = read_parts(CARD, {})
    assert [part.kind for part in (title, text, heading, first, second, listed)] == [
        *("heading", "text", "heading", "table", "table", "text")
    ]
    assert (str(first.body), first.own) == ("In percent", True)
    assert (str(second.body), second.own) == ("Errors &amp; more", False)
    assert first.rows == [["a_b", "1.25", "1.0 to 1.5"], ["&lt;i&gt;", "", ""]]
    assert (first.aligned, second.aligned) == ([False, True, True], [False, False])
    assert (first.longest, second.longest) == (3, 1)
    assert [part.name for part in (heading, *rest)] == ["errors-more", "errors-more-2", "errors-more-3"]


def test_the_page_has_contents_and_links_that_lead_from_where_it_lies():
    page = card_page(CARD, "model.html", "Written by <hand>.", {"../data.md": "data.html"})
    assert "<title>Model card: &lt;b&gt;</title>" in page
    assert '<a href="data.html">a card</a>' in page
    contents = re.search(r'<nav class="contents".*?</nav>', page, re.DOTALL)[0]
    assert re.findall(r'href="(.*?)">(.*?)<', contents) == [
        ("#errors-more", "Errors &amp; more"),
        ("#errors-more-2", "Errors, more"),
    ]
    assert '<a href="model.html" aria-current="page">' in page
    assert '<th scope="row">a_b</th><td class="aligned">1.25</td>' in page
    assert "Written by &lt;hand&gt;." in page
    assert not re.search("<(b|i|hand)>", page.partition("</style>")[2])


def test_a_link_to_no_page_of_ours_stays():
    assert 'href="https://example.org"' in str(read_parts("# a\n\n[b](https://example.org)\n", {})[1].body)
