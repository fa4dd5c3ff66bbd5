"""Whether an HTML page is well-formed and needs nothing but itself."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}
"""Elements without an end."""


class Page(HTMLParser):
    """A page that was read: fails on an element that is not closed, or closed twice.

    Args:
        html: all of it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        """Every element, in order."""
        self.names: list[str] = []
        """Every id."""
        self.links: list[str] = []
        """Every address that the page goes to or loads from."""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        for name, value in attrs:
            if name == "id":
                self.names.append(value or "")
            elif name in {"href", "src", "srcset", "action", "data", "poster", "xlink:href"}:
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        expected = self._open.pop()
        assert tag == expected, f"</{tag}> where </{expected}> should be"


def read_page(html: str) -> Page:
    """Read a page that must stand alone: its links lead into itself, and it names no other address."""
    page = Page(html)
    assert len(set(page.names)) == len(page.names), f"an id is there twice: {page.names}"
    outside = [link for link in page.links if not (link.startswith("#") and link[1:] in page.names)]
    assert outside == [], f"links to elsewhere: {outside}"
    loads = re.findall(r"https?:|//[a-z]|url\(|@import|javascript:", html)
    assert loads == [], f"names another address: {loads}"
    return page
