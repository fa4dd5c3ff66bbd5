"""Movie files: the titles and release years that stand beside ratings."""

import re

import numpy as np

from model.formats.blocks import MovieFacts
from model.formats.layout import Column, Layout
from model.formats.lines import (
    BYTE_ORDER_MARK,
    FIRST_YEAR,
    LAST_YEAR,
    line_error,
    parse_id,
    parse_year,
    split_line,
)
from model.formats.source import Member
from model.table import NO_YEAR, Movies

_YEAR_AT_END = re.compile(r"(.*\S)\s*\((\d{4})(?:[-–]\s*(?:\d{4})?)?\s*\)", re.ASCII | re.DOTALL)


def read_movie_facts(member: Member, layout: Layout) -> MovieFacts:
    """Read a movie file.

    MovieLens writes the year behind the title: it becomes the release year and leaves the title, so that
    titles look alike whatever the source. A movie listed twice keeps its first title. A line of another form
    is a DataError that names it.

    Args:
        member: the file. One that is no CSV may be latin-1, as the Prize's and most of MovieLens' are.
        layout: the form of its lines.

    Returns:
        Title and release year by movie id.
    """
    with member.open() as stream:
        data = stream.read().removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n")
    movies: MovieFacts = {}
    for number, line in enumerate(_decode(member.label, data, layout).split("\n"), 1):
        if number == 1 and layout.has_header:
            continue
        try:
            row = dict(zip(layout.columns, split_line(layout, line.removesuffix("\r")), strict=True))
            facts = row[Column.TITLE].strip(), NO_YEAR
            facts = (facts[0], parse_year(row[Column.YEAR])) if Column.YEAR in row else split_title(facts[0])
            movies.setdefault(parse_id(row[Column.MOVIE], "movie"), facts)
        except ValueError as error:
            raise line_error(member.label, number, error, layout) from None
    return movies


def split_title(title: str) -> tuple[str, int]:
    """Take the year in parentheses off the end of a title; of a span of years the first counts.

    >>> split_title("Misérables, Les (1995)")
    ('Misérables, Les', 1995)
    >>> split_title("Babylon 5")
    ('Babylon 5', 0)
    """
    match = _YEAR_AT_END.fullmatch(title)
    if match and FIRST_YEAR <= int(match[2]) <= LAST_YEAR:
        return match[1], int(match[2])
    return title, NO_YEAR


def build_catalogue(facts: MovieFacts) -> Movies:
    """Build the catalogue of the movies given, by ascending id."""
    movie_ids = sorted(facts)
    return Movies(
        movie_ids=np.array(movie_ids, dtype=np.int64),
        titles=[facts[movie][0] for movie in movie_ids],
        release_years=np.array([facts[movie][1] for movie in movie_ids], dtype=np.int16),
    )


def _decode(label: str, data: bytes, layout: Layout) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if not layout.has_header:
            return data.decode("latin-1")
        problem = f"byte {data[error.start]:#04x} is not UTF-8"
        raise line_error(label, data[: error.start].count(b"\n") + 1, problem, layout) from None
