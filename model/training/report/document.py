"""A document as data: written once, rendered as HTML and as Markdown, so that both say the same.

All text is plain; the renderers escape it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """Stands above what follows within a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences that stand on their own."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first column names them."""

    head: tuple[str, ...]
    """Of each column; all empty where the rows speak for themselves."""
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    is_numeric: bool = True
    """Whether the columns after the first hold numbers."""
    marked: int | None = None
    """The row that stands out."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with the numbers behind it."""

    title: str
    svg: str
    """Markdown shows the table in its place."""
    note: str
    """What to read from it."""
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Gallery:
    """Figures and captioned tables side by side where there is room."""

    items: tuple[Figure | Table, ...]


Block = Heading | Paragraph | Bullets | Table | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document with a heading."""

    name: str
    """What links to it say, in lower-case letters and hyphens."""
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A number that stands at the top."""

    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Document:
    """The whole of it."""

    title: str
    subtitle: str
    key_figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
