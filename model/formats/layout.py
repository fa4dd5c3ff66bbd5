"""What the lines of a file hold, and how a file is recognised by its first lines.

A layout declares a format's columns; one strict parser (`lines`) and one fast one (`blocks`) serve them all.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from model.table import Origin

ACCEPTED = (
    "accepted are the Netflix Prize's files (a line '123:', then lines 'user,rating,YYYY-MM-DD'), a CSV "
    "(commas) whose first line names its columns (customer_id,rating,rating_date,movie_id,release_year,title "
    "or userId,movieId,rating,timestamp, say) and MovieLens' ratings.dat and u.data"
)
"""The rating files that can be read, in words, for the end of an error message."""

MOVIELENS_HEADER = "userId,movieId,rating,timestamp"
"""The first line of MovieLens' ratings.csv."""

_MAX_SHOWN = 60


class Column(Enum):
    """The meaning of a field; the value names it in messages."""

    USER = "user"
    MOVIE = "movie"
    RATING = "rating"
    DATE = "date"
    TIME = "timestamp"
    TITLE = "title"
    YEAR = "release year"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Layout:
    """The declared form of a file's lines."""

    columns: tuple[Column, ...]
    """The meaning of each field of a line."""
    separator: str
    """What stands between fields."""
    form: str
    """A line as shown in messages."""
    is_grouped: bool = False
    """Whether lines `movie:` stand above the lines of that movie, as in the Prize's files."""
    has_header: bool = False
    """Whether the first line names the columns; such a file is a CSV, so fields may be quoted."""
    last_takes_rest: bool = False
    """Whether the last field may hold the separator."""

    def has(self, column: Column) -> bool:
        """Whether every row has this column, be it from the `movie:` line above it."""
        return column in self.columns or (column is Column.MOVIE and self.is_grouped)

    @property
    def has_day(self) -> bool:
        """Whether every row has a date or a timestamp."""
        return self.has(Column.DATE) or self.has(Column.TIME)

    @property
    def is_movie_file(self) -> bool:
        """Whether the file describes movies and holds no ratings."""
        return self.has(Column.MOVIE) and self.has(Column.TITLE) and not self.has(Column.USER)

    @property
    def origin(self) -> Origin:
        """Whose files have this form."""
        if self.is_grouped:
            return Origin.NETFLIX_PRIZE
        is_movielens = self in {RATINGS_DAT, U_DATA} or self.form == MOVIELENS_HEADER
        return Origin.MOVIELENS if is_movielens else Origin.OTHER

    def without_movie_facts(self) -> "Layout":
        """The same lines, titles and release years left unread."""
        facts = (Column.TITLE, Column.YEAR)
        return replace(self, columns=tuple(Column.IGNORED if c in facts else c for c in self.columns))

    def compute_problem(self, *, needs_rating: bool) -> str | None:
        """Say why the columns do not do.

        Args:
            needs_rating: whether a rating and a day are needed; a user and a movie always are.

        Returns:
            None where nothing is amiss, else words for a message.
        """
        needed = [Column.USER, Column.MOVIE] + [Column.RATING] * needs_rating
        missing = [column.value for column in needed if not self.has(column)]
        if needs_rating and not self.has_day:
            missing.append("date or timestamp")
        if missing:
            return f"no column for {', '.join(missing)} (its lines are '{self.form}')"
        known = [column for column in self.columns if column is not Column.IGNORED]
        twice = sorted({column.value for column in known if known.count(column) > 1})
        return f"more than one column for {', '.join(twice)} (its lines are '{self.form}')" if twice else None


_C = Column
PRIZE_RATINGS = Layout(
    (_C.USER, _C.RATING, _C.DATE), ",", "user,rating,YYYY-MM-DD below a line movie:", is_grouped=True
)
PRIZE_QUALIFYING = Layout((_C.USER, _C.DATE), ",", "user,YYYY-MM-DD below a line movie:", is_grouped=True)
PRIZE_PROBE = Layout((_C.USER,), ",", "user below a line movie:", is_grouped=True)
PRIZE_TITLES = Layout((_C.MOVIE, _C.YEAR, _C.TITLE), ",", "movie,year or NULL,title", last_takes_rest=True)
RATINGS_DAT = Layout((_C.USER, _C.MOVIE, _C.RATING, _C.TIME), "::", "user::movie::rating::timestamp")
U_DATA = Layout(
    (_C.USER, _C.MOVIE, _C.RATING, _C.TIME), "\t", "user, movie, rating, timestamp with tabs between"
)
MOVIES_DAT = Layout(
    (_C.MOVIE, _C.TITLE, _C.IGNORED), "::", "movie::title (year)::genres", last_takes_rest=True
)
U_ITEM = Layout((_C.MOVIE, _C.TITLE, _C.IGNORED), "|", "movie|title (year)|date|...", last_takes_rest=True)

_INT, _NUMBER, _DATE = r"-?[0-9]+", r"(?:-?[0-9.]+|-?nan|-?inf)", r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HEADING = re.compile(rf"{_INT}:")
_BY_LINES = tuple(
    (re.compile(pattern, re.IGNORECASE), layout)
    for pattern, layout in (
        (rf"{_INT}::{_INT}::{_NUMBER}::{_INT}", RATINGS_DAT),
        (rf"{_INT}\t{_INT}\t{_NUMBER}\t{_INT}", U_DATA),
        # MovieLens' users.dat has more fields than movies.dat, its u.user has no date in the third.
        (r"[0-9]+::(?:(?!::).)+::(?:(?!::).)*", MOVIES_DAT),
        (r"[0-9]+\|[^|]*\|(?:[0-9]{2}-[a-z]{3}-[0-9]{4})?\|.*", U_ITEM),
        (rf"{_INT},{_NUMBER},{_DATE}|{_INT}:", PRIZE_RATINGS),
        (r"[0-9]+,(?:(?:18|19|20)[0-9]{2}|NULL),.*", PRIZE_TITLES),
    )
)
_BY_NAME = {
    "user": _C.USER,
    "userid": _C.USER,
    "customer": _C.USER,
    "customerid": _C.USER,
    "movie": _C.MOVIE,
    "movieid": _C.MOVIE,
    "item": _C.MOVIE,
    "itemid": _C.MOVIE,
    "rating": _C.RATING,
    "stars": _C.RATING,
    "date": _C.DATE,
    "ratingdate": _C.DATE,
    "timestamp": _C.TIME,
    "title": _C.TITLE,
    "movietitle": _C.TITLE,
    "year": _C.YEAR,
    "releaseyear": _C.YEAR,
    "yearofrelease": _C.YEAR,
}


def shown(text: str) -> str:
    """Quote a piece of a file for a message, shortened where it is long."""
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")


def recognise(lines: Sequence[str]) -> Layout | None:
    """Recognise a format by the first lines of a file.

    Half of the lines decide, so that a broken one is found, and named, when the file is read.

    Args:
        lines: the first lines, without line ends.

    Returns:
        The layout, complete or not (see `Layout.compute_problem`); None for anything else.

    >>> recognise(["1::1193::5::978300760"]).form
    'user::movie::rating::timestamp'
    """
    if not lines:
        return None
    if _HEADING.fullmatch(lines[0]):
        return _recognise_grouped(lines)
    if header := _recognise_header(lines[0]):
        return header
    for pattern, layout in _BY_LINES:
        if 2 * sum(pattern.fullmatch(line) is not None for line in lines) >= len(lines):
            return layout
    return None


def _recognise_grouped(lines: Sequence[str]) -> Layout:
    """Tell the Prize's three files of `movie:` lines apart by the first line below one."""
    fields = next((line.split(",") for line in lines if not _HEADING.fullmatch(line)), [])
    if len(fields) == 1 and re.fullmatch(_INT, fields[0]):
        return PRIZE_PROBE
    if len(fields) == 2 and re.fullmatch(_DATE, fields[1]):
        return PRIZE_QUALIFYING
    return PRIZE_RATINGS


def _recognise_header(line: str) -> Layout | None:
    """Recognise a CSV by the names of its columns."""
    try:
        names = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    columns = [_BY_NAME.get(re.sub(r"[^a-z]", "", name.lower()), _C.IGNORED) for name in names]
    if _C.TIME in columns:
        # A timestamp says the day and orders the day's ratings as well.
        columns = [_C.IGNORED if column is _C.DATE else column for column in columns]
    layout = Layout(tuple(columns), ",", line.strip(), has_header=True)
    n_known = sum(layout.has(column) for column in (_C.USER, _C.MOVIE, _C.RATING)) + layout.has_day
    return layout if n_known > 1 or layout.is_movie_file else None
