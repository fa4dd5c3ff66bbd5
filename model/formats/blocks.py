"""The fast parser: a block of lines at a time, in NumPy.

It reads only what is plainly well formed; everything else it leaves to the strict parser of `lines`, which
either accepts it after all or names the line. So whatever this one returns, the strict one would return too.
"""

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.dates import FIRST_DAY, LAST_DAY, SECONDS_PER_DAY, Days
from model.formats.layout import Column, Layout
from model.formats.lines import FIRST_TIME, FIRST_YEAR, LAST_TIME, LAST_YEAR, MAX_HALF_STARS, split_quoted
from model.table import NO_YEAR

Ids = NDArray[np.int64] | NDArray[np.int32]
"""Ids of users or movies."""

MovieFacts = dict[int, tuple[str, int]]
"""Title and release year by movie id; '' and `NO_YEAR` where the source gives none."""

_Span = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Where a field starts and ends in the block, for every line."""

_MAX_DIGITS = 18  # 19 digits may not fit an int64
_NO_DAY = FIRST_DAY - 1


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


class _NotPlainError(Exception):
    """The block needs the strict parser."""


def _require(condition: object) -> None:
    if not condition:
        raise _NotPlainError


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
    except _NotPlainError:
        return None


def _parse(text: bytes, layout: Layout, movie: int) -> tuple[Rows, int]:
    text = text.replace(b"\r\n", b"\n")
    _require(b"\r" not in text)
    separator = layout.separator.encode()
    if len(separator) > 1:
        _require(b"\t" not in text)
        text, separator = text.replace(separator, b"\t"), b"\t"
    buffer = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(buffer == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    movie_ids = None
    if layout.is_grouped:
        is_heading = buffer[ends - 1] == ord(":")
        headings = _parse_integers(buffer, starts[is_heading], ends[is_heading] - 1)
        _require(np.all(headings >= 1))
        starts, ends = starts[~is_heading], ends[~is_heading]
        movie_ids = np.concatenate(([movie], headings))[np.cumsum(is_heading)[~is_heading]]
        _require(np.all(movie_ids >= 1))
        movie = int(headings[-1]) if len(headings) else movie
    spans = _find_fields(buffer, starts, ends, separator=separator[0], n_fields=len(layout.columns))
    columns = dict(zip(layout.columns, spans, strict=True))
    has_text = Column.TITLE in columns or Column.IGNORED in columns
    if has_text:
        _check_text(text, layout, spans[-1])
    user_ids = _parse_integers(buffer, *columns[Column.USER])
    if movie_ids is None:
        movie_ids = _parse_integers(buffer, *columns[Column.MOVIE])
    _require(np.all(user_ids >= 1) and np.all(movie_ids >= 1))
    days = times = None
    if Column.DATE in columns:
        days = _parse_dates(buffer, *columns[Column.DATE])
    elif Column.TIME in columns:
        times = _parse_integers(buffer, *columns[Column.TIME])
        _require(np.all((times >= FIRST_TIME) & (times <= LAST_TIME)))
        days = (times // SECONDS_PER_DAY).astype(np.int16)
    return Rows(
        user_ids=user_ids,
        movie_ids=movie_ids,
        half_stars=_parse_ratings(buffer, *columns[Column.RATING]) if Column.RATING in columns else None,
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
    _require(np.all(n_separators >= n_fields - 1))
    at = separators[first[:, None] + np.arange(n_fields - 1)]  # (n_lines, n_fields - 1)
    edges = np.column_stack((starts - 1, at, ends))
    return [(edges[:, k] + 1, edges[:, k + 1]) for k in range(n_fields)]


def _check_text(text: bytes, layout: Layout, last: _Span) -> None:
    """Require that fields of text are UTF-8 and hold separators only within quotes."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise _NotPlainError from None
    if b'"' not in text:
        _require(text.count(layout.separator.encode()) == (len(layout.columns) - 1) * len(last[0]))
        return
    # Numbers hold no quotes, so with all text in the last field the first separators are where they seem to be.
    _require(not {Column.TITLE, Column.IGNORED} & set(layout.columns[:-1]))
    for field_text in {text[start:end] for start, end in _pairs(last)}:
        _unquote(field_text)


def _pairs(span: _Span) -> zip[tuple[int, int]]:
    return zip(span[0].tolist(), span[1].tolist(), strict=True)


def _unquote(data: bytes) -> str:
    """Decode one field of text."""
    if b'"' not in data:
        return data.decode()
    try:
        (only,) = split_quoted(data.decode())
    except ValueError:
        raise _NotPlainError from None
    return only


def _parse_integers(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Parse fields of 1 to 18 digits."""
    widths = ends - starts
    values = np.zeros(len(starts), dtype=np.int64)
    if not len(starts):
        return values
    shortest, longest = int(widths.min()), int(widths.max())
    _require(shortest >= 1 and longest <= _MAX_DIGITS)
    for place in range(longest):
        digits = buffer[ends - (1 + place)] - np.uint8(ord("0"))  # wraps, so that all else is above 9
        if place >= shortest:
            digits = np.where(widths > place, digits, np.uint8(0))
        _require(digits.max() <= 9)
        values += digits * np.int64(10**place)
    return values


def _parse_ratings(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Parse ratings such as 4, 4.0 and 3.5 into half stars."""
    widths = ends - starts
    decimal = widths == 3
    _require(np.all(decimal | (widths == 1)))
    digits = buffer[starts] - np.uint8(ord("0"))
    _require(np.all(digits <= MAX_HALF_STARS // 2))
    half_stars = 2 * digits.astype(np.int8)
    tails = buffer[starts[decimal] + 2]
    _require(np.all(buffer[starts[decimal] + 1] == ord(".")))
    _require(np.all((tails == ord("0")) | (tails == ord("5"))))
    half_stars[decimal] += tails == ord("5")
    _require(np.all((half_stars >= 1) & (half_stars <= MAX_HALF_STARS)))
    return half_stars


def _build_calendar() -> NDArray[np.int16]:
    """Build the table from year, month and day of the month to the day; `_NO_DAY` where there is none."""
    first = dt.date(1970, 1, 1).toordinal()
    dates = [dt.date.fromordinal(first + day) for day in range(FIRST_DAY, LAST_DAY + 1)]
    calendar = np.full((dates[-1].year + 1 - dates[0].year, 13, 32), _NO_DAY, dtype=np.int16)
    for day, date in enumerate(dates, FIRST_DAY):
        calendar[date.year - dates[0].year, date.month, date.day] = day
    return calendar


_CALENDAR = _build_calendar()
_CALENDAR_YEAR = 1900


def _parse_dates(buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Days:
    """Parse dates written YYYY-MM-DD."""
    _require(np.all(ends - starts == len("YYYY-MM-DD")))
    _require(np.all(buffer[starts + 4] == ord("-")) and np.all(buffer[starts + 7] == ord("-")))
    years = _parse_integers(buffer, starts, starts + 4) - _CALENDAR_YEAR
    months = _parse_integers(buffer, starts + 5, starts + 7)
    days_of_month = _parse_integers(buffer, starts + 8, starts + 10)
    _require(np.all((years >= 0) & (years < len(_CALENDAR)) & (months <= 12) & (days_of_month <= 31)))
    days = _CALENDAR[years, months, days_of_month]
    _require(np.all(days != _NO_DAY))
    return days


def _parse_years(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Parse release years; nothing at all is `NO_YEAR`."""
    years = np.full(len(starts), NO_YEAR, dtype=np.int64)
    given = ends > starts
    _require(np.all((ends - starts)[given] == 4))
    years[given] = _parse_integers(buffer, starts[given], ends[given])
    _require(np.all((years[given] >= FIRST_YEAR) & (years[given] <= LAST_YEAR)))
    return years


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
        titles = [_unquote(text[start:end]) for start, end in _pairs((starts[first_rows], ends[first_rows]))]
    if Column.YEAR in columns:
        years = _parse_years(buffer, *columns[Column.YEAR])[first_rows].tolist()
    return dict(zip(ids.tolist(), zip(titles, years, strict=True), strict=True))
