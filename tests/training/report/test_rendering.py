"""A document as HTML and as Markdown: the same words in both, and none of them markup."""

from dataclasses import replace

import pytest
from html_checks import Page, read_page

from model.training.report.as_html import render_html
from model.training.report.as_markdown import escape_markdown, render_markdown
from model.training.report.document import (
    Bullets,
    Document,
    Figure,
    Gallery,
    Heading,
    KeyFigure,
    Paragraph,
    Section,
    Table,
)

HOSTILE = "<script>alert('|')</script> & *_[`"


def build_document(words: str) -> Document:
    """Every kind of block, each with the given words wherever there are any."""
    table = Table(head=(words, "n"), rows=((words, words), ("b", "2")), caption=words, marked=1)
    return Document(
        title=words,
        subtitle=words,
        key_figures=(KeyFigure(words, words),),
        sections=(
            Section(
                "first",
                words,
                (
                    Heading(words),
                    Paragraph(words),
                    Bullets((words, words)),
                    table,
                    Gallery((Figure(words, "<svg></svg>", words, replace(table, caption="")), table)),
                ),
            ),
        ),
    )


def test_html_holds_no_markup_of_others_when_words_are_hostile() -> None:
    """Everywhere it is text."""
    html = render_html(build_document(HOSTILE))
    page = read_page(html)
    assert "script" not in page.tags
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;|&#x27;)&lt;/script&gt; &amp; *_[`") > 10


def test_markdown_holds_no_markup_of_others_when_words_are_hostile() -> None:
    """No element, and no more cells in a row than columns."""
    markdown = render_markdown(build_document(HOSTILE))
    assert "<" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {3}
    assert escape_markdown(HOSTILE) in rows[0]


def test_both_say_the_same_when_rendered() -> None:
    """Each word of the document as often in one as in the other, but for the title of the page's tab."""
    words = "wordy"
    html, markdown = render_html(build_document(words)), render_markdown(build_document(words))
    # the tab repeats title and subtitle, and the navigation the section's title
    assert html.count(words) - 3 == markdown.count(words)
    assert '<tr class="marked"><th scope="row">b</th><td>2</td></tr>' in html
    assert "| b | 2 |" in markdown


def test_table_has_no_head_when_its_columns_have_no_names() -> None:
    """The rows speak for themselves; Markdown cannot do without a line for it."""
    section = Section("s", "t", (Table(head=("", ""), rows=(("a", "b"),)),))
    document = Document("t", "s", (), (section,))
    assert "thead" not in Page(render_html(document)).tags
    assert "|  |  |\n| --- | ---: |\n| a | b |" in render_markdown(document)


@pytest.mark.parametrize(
    ("html", "problem"),
    [("<p><b></p></b>", "</p> where </b>"), ("<p>", "left open"), ("</p>", "closes nothing")],
)
def test_page_is_refused_when_it_is_not_well_formed(html: str, problem: str) -> None:
    """The check can fail."""
    with pytest.raises(AssertionError, match=problem):
        Page(html)


@pytest.mark.parametrize(
    "html", ['<a href="https://example.org">x</a>', '<img src="x.png">', "<style>@import 'a'</style>"]
)
def test_page_is_refused_when_it_needs_something_else(html: str) -> None:
    """The check can fail."""
    with pytest.raises(AssertionError):
        read_page(html)
