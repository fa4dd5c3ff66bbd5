"""The fast parser: a block of lines at a time, in NumPy.

It reads only what is plainly well formed; everything else it leaves to the strict parser of `lines`, which
either accepts it after all or names the line. So whatever this one returns, the strict one would return too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.dates import SECONDS_PER_DAY, Days
from model.formats.digits import (
    NotPlainError,
    parse_dates,
    parse_integers,
    parse_ratings,
    parse_years,
    require,
)
from model.formats.layout import Column, Layout
from model.formats.lines import FIRST_TIME, LAST_TIME, split_quoted
from model.table import NO_YEAR, Ids

MovieFacts = dict[int, tuple[str, int]]
"""Title and release year by movie id; '' and `NO_YEAR` where the source gives none."""

_Span = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Where a field starts and ends in the block, for every line."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Parsed rows, in the order of the source."""

    user_ids: Ids
    """(n,) ids."""
    movie_ids: Ids
    """(n,) ids."""
    half_stars: NDArray[np.int8] | None = None
    """(n,) ratings, half stars; None where the source has no such column."""
    days: Days | None = None
    """(n,) days since 1970-01-01; None where the source has no such column."""
    times: NDArray[np.int64] | None = None
    """(n,) seconds since 1970-01-01; None where the source has no such column."""
    movies: MovieFacts = field(default_factory=dict)
    """What the rows say of their movies; the first row of a movie counts."""


def parse_block(text: bytes, layout: Layout, movie: int) -> tuple[Rows, int] | None:
    """Parse whole lines.

    Args:
        text: lines, each with its line end.
        layout: their form; no `last_takes_rest`.
        movie: the last `movie:` line before the block; 0 for none.

    Returns:
        The rows, and the last `movie:` line before the end of the block; None where the block is not plain.
    """
    try:
        return _parse(text, layout, movie)
    except NotPlainError:
        return None


def _parse(text: bytes, layout: Layout, movie: int) -> tuple[Rows, int]:
    text = text.replace(b"\r\n", b"\n")
    require(b"\r" not in text)
    separator = layout.separator.encode()
    if len(separator) > 1:
        require(b"\t" not in text)
        text, separator = text.replace(separator, b"\t"), b"\t"
    buffer = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(buffer == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    movie_ids = None
    if layout.is_grouped:
        is_heading = buffer[ends - 1] == ord(":")
        headings = parse_integers(buffer, starts[is_heading], ends[is_heading] - 1)
        require(np.all(headings >= 1))
        starts, ends = starts[~is_heading], ends[~is_heading]
        movie_ids = np.concatenate(([movie], headings))[np.cumsum(is_heading)[~is_heading]]
        require(np.all(movie_ids >= 1))
        movie = int(headings[-1]) if len(headings) else movie
    spans = _find_fields(buffer, starts, ends, separator=separator[0], n_fields=len(layout.columns))
    columns = dict(zip(layout.columns, spans, strict=True))
    has_text = Column.TITLE in columns or Column.IGNORED in columns
    if has_text:
        _check_text(text, layout, spans[-1])
    user_ids = parse_integers(buffer, *columns[Column.USER])
    if movie_ids is None:
        movie_ids = parse_integers(buffer, *columns[Column.MOVIE])
    require(np.all(user_ids >= 1) and np.all(movie_ids >= 1))
    days = times = None
    if Column.DATE in columns:
        days = parse_dates(buffer, *columns[Column.DATE])
    elif Column.TIME in columns:
        times = parse_integers(buffer, *columns[Column.TIME])
        require(np.all((times >= FIRST_TIME) & (times <= LAST_TIME)))
        days = (times // SECONDS_PER_DAY).astype(np.int16)
    return Rows(
        user_ids=user_ids,
        movie_ids=movie_ids,
        half_stars=parse_ratings(buffer, *columns[Column.RATING]) if Column.RATING in columns else None,
        days=days,
        times=times,
        movies=_read_movie_facts(text, buffer, movie_ids, columns),
    ), movie


def _find_fields(
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    *,
    separator: int,
    n_fields: int,
) -> list[_Span]:
    """Find where the fields of each line start and end; the last one takes what is left of the line."""
    if n_fields == 1:
        return [(starts, ends)]
    separators = np.flatnonzero(buffer == separator)
    first = np.searchsorted(separators, starts)
    n_separators = np.searchsorted(separators, ends) - first
    require(np.all(n_separators >= n_fields - 1))
    at = separators[first[:, None] + np.arange(n_fields - 1)]  # (n_lines, n_fields - 1)
    edges = np.column_stack((starts - 1, at, ends))
    return [(edges[:, k] + 1, edges[:, k + 1]) for k in range(n_fields)]


def _check_text(text: bytes, layout: Layout, last: _Span) -> None:
    """Require that fields of text are UTF-8 and hold separators only within quotes."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise NotPlainError from None
    if b'"' not in text:
        require(text.count(layout.separator.encode()) == (len(layout.columns) - 1) * len(last[0]))
        return
    # Numbers hold no quotes, so with all text in the last field the first separators are what they seem.
    require(not {Column.TITLE, Column.IGNORED} & set(layout.columns[:-1]))
    for field_text in {text[start:end] for start, end in _slices(last)}:
        _unquote(field_text)


def _slices(span: _Span) -> Iterable[tuple[int, int]]:
    return zip(span[0].tolist(), span[1].tolist(), strict=True)


def _unquote(data: bytes) -> str:
    """Decode one field of text."""
    if b'"' not in data:
        return data.decode()
    try:
        (only,) = split_quoted(data.decode())
    except ValueError:
        raise NotPlainError from None
    return only


def _read_movie_facts(
    text: bytes, buffer: NDArray[np.uint8], movie_ids: NDArray[np.int64], columns: dict[Column, _Span]
) -> MovieFacts:
    """Read the title and year of each movie from its first row."""
    if Column.TITLE not in columns and Column.YEAR not in columns:
        return {}
    ids, first_rows = np.unique(movie_ids, return_index=True)
    titles, years = [""] * len(ids), [NO_YEAR] * len(ids)
    if Column.TITLE in columns:
        starts, ends = columns[Column.TITLE]
        titles = [_unquote(text[start:end]) for start, end in _slices((starts[first_rows], ends[first_rows]))]
    if Column.YEAR in columns:
        years = parse_years(buffer, *columns[Column.YEAR])[first_rows].tolist()
    return dict(zip(ids.tolist(), zip(titles, years, strict=True), strict=True))
