"""Recognising formats by their first lines."""

import pytest

from model.formats import layout as known
from model.formats.layout import Column, Layout, recognise, shown
from model.table import Origin

SAMPLE_HEADER = "customer_id,rating,rating_date,movie_id,release_year,title"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1:", "7,3,2005-01-01"], known.PRIZE_RATINGS),
        (["7,3,2005-01-01"], known.PRIZE_RATINGS),
        (["1:"], known.PRIZE_RATINGS),
        (["1:", "7,2005-01-01"], known.PRIZE_QUALIFYING),
        (["1:", "7", "8"], known.PRIZE_PROBE),
        (["1:", "seven"], known.PRIZE_RATINGS),
        (["1,2003,Title", "2,NULL,Other, with comma"], known.PRIZE_TITLES),
        (["1::2::3::978300760"], known.RATINGS_DAT),
        (["1::2::nan::978300760"], known.RATINGS_DAT),
        (["1::A Film (1995)::Drama|War"], known.MOVIES_DAT),
        (["1\t2\t3\t978300760"], known.U_DATA),
        (["1|A Film (1995)|01-Jan-1995||http://x|0|1"], known.U_ITEM),
        (["267|unknown||||1|0"], known.U_ITEM),
    ],
)
def test_recognise_finds_the_layout_when_lines_are_of_it(lines: list[str], expected: Layout) -> None:
    """Each of the formats without a header is recognised."""
    assert recognise(lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1:", "7,3,2005-01-01"], Origin.NETFLIX_PRIZE),
        (["1::2::3::978300760"], Origin.MOVIELENS),
        (["1\t2\t3\t978300760"], Origin.MOVIELENS),
        (["userId,movieId,rating,timestamp"], Origin.MOVIELENS),
        ([SAMPLE_HEADER], Origin.OTHER),
        (["user,movie,rating,date"], Origin.OTHER),
    ],
)
def test_origin_is_whose_files_look_like_that_when_recognised(lines: list[str], expected: Origin) -> None:
    """The Prize and MovieLens have forms of their own; a CSV may come from anywhere."""
    layout = recognise(lines)
    assert layout is not None
    assert layout.origin is expected


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["SUMMARY", "======="],
        ["1|24|M|technician|85711"],
        ["1::F::1::10::48067"],
        ["15::4973::excellent!::1215184630"],
        ["movieId,imdbId,tmdbId"],
        ["movieId,tagId,relevance"],
        ['"unfinished,rating'],
        ["title,year"],
    ],
)
def test_recognise_finds_nothing_when_lines_are_of_something_else(lines: list[str]) -> None:
    """Read-me files, MovieLens' users, tags, links and genome are no ratings and no movies."""
    assert recognise(lines) is None


def test_recognise_forgives_broken_lines_when_they_are_the_minority() -> None:
    """A broken line among good ones does not hide the format: reading names it."""
    assert recognise(["1::2::3", "1::2::3::4", "1::5::3::4"]) == known.RATINGS_DAT


def test_recognise_trusts_the_header_when_rows_look_like_another_format() -> None:
    """Rows such as 1,1997,4.0,... look like titles, but the header decides."""
    found = recognise(["userId,movieId,rating,timestamp", "1,1997,4.0,964982703"])
    assert found is not None
    assert found.columns == (Column.USER, Column.MOVIE, Column.RATING, Column.TIME)


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (SAMPLE_HEADER, "user rating date movie release year title".replace("release year", "release_year")),
        ("MovieID,UserID,Rating,Date", "movie user rating date"),
        (' "User Id", stars,DAY,itemId,timestamp', "user rating ignored movie timestamp"),
        ("movieId,title,genres", "movie title ignored"),
        ("userId,movieId,rating,date,timestamp", "user movie rating ignored timestamp"),
        ("user_id,movie_id", "user movie"),
    ],
)
def test_recognise_reads_column_names_when_there_is_a_header(header: str, names: str) -> None:
    """Columns are recognised by name, in any order and case; a timestamp beats a date."""
    found = recognise([header])
    assert found is not None
    assert [column.value.replace(" ", "_") for column in found.columns] == names.split()
    assert found.has_header


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (SAMPLE_HEADER, None),
        ("userId,movieId,tag,timestamp", "no column for rating "),
        ("movie_id,rating", "no column for user, date or timestamp "),
        ("user_id,customer_id,movie_id,rating,date", "more than one column for user "),
        ("user,movie,rating,date,title,movie_title", "more than one column for title "),
    ],
)
def test_problem_names_columns_when_missing_or_repeated(header: str, problem: str | None) -> None:
    """Missing and repeated columns are named; ignored ones may repeat."""
    found = recognise([header])
    assert found is not None
    actual = found.compute_problem(needs_rating=True)
    assert actual == problem if problem is None else str(actual).startswith(problem)


def test_problem_asks_for_no_rating_when_pairs_are_read() -> None:
    """A user and a movie, be it from the line above, make a pair."""
    assert known.PRIZE_PROBE.compute_problem(needs_rating=False) is None
    assert known.PRIZE_PROBE.compute_problem(needs_rating=True) == (
        "no column for rating, date or timestamp (its lines are 'user below a line movie:')"
    )


def test_without_movie_facts_ignores_title_and_year_when_given() -> None:
    """Titles and years become ignored fields, at their places."""
    found = recognise([SAMPLE_HEADER])
    assert found is not None
    assert found.without_movie_facts().columns == (
        Column.USER,
        Column.RATING,
        Column.DATE,
        Column.MOVIE,
        Column.IGNORED,
        Column.IGNORED,
    )


def test_shown_shortens_when_text_is_long() -> None:
    """A long text is cut off after 60 characters."""
    assert shown("x" * 60) == repr("x" * 60)
    assert shown("x" * 61) == repr("x" * 60 + "…")
