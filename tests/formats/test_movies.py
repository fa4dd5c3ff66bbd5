"""Movie files."""

import io
from pathlib import PurePosixPath

import pytest

from model.errors import DataError
from model.formats.layout import MOVIES_DAT, PRIZE_TITLES, U_ITEM, Layout, recognise
from model.formats.movies import build_catalogue, read_movie_facts, split_title
from model.formats.source import Member


def read(layout: Layout, data: bytes) -> dict[int, tuple[str, int]]:
    """Read a movie file named movies."""
    return read_movie_facts(Member("movies", PurePosixPath("movies"), lambda: io.BytesIO(data)), layout)


def movies_csv() -> Layout:
    """The layout of MovieLens' movies.csv."""
    layout = recognise(["movieId,title,genres"])
    assert layout is not None
    return layout


def test_prize_titles_are_read_when_they_hold_commas_quotes_and_latin_1() -> None:
    """A title is all that follows the second comma, verbatim; NULL is no year."""
    data = '1,2003,One, the "First"\r\n2,NULL,Café\r\n'.encode("latin-1")
    assert read(PRIZE_TITLES, data) == {1: ('One, the "First"', 2003), 2: ("Café", 0)}


def test_titles_are_read_as_utf_8_when_they_are_valid_utf_8() -> None:
    """A file that is UTF-8 from end to end, with or without a byte order mark, is taken for it."""
    assert read(MOVIES_DAT, "\ufeff1::Café (1995)::Drama".encode()) == {1: ("Café", 1995)}


def test_movielens_titles_are_read_when_in_any_of_its_formats() -> None:
    """The year behind the title becomes the release year."""
    expected = {1: ("Toy, a Film", 1995), 2: ("Untitled", 0)}
    assert read(MOVIES_DAT, b"1::Toy, a Film (1995)::Drama|War\n2::Untitled::\n") == expected
    assert read(U_ITEM, b"1|Toy, a Film (1995)|01-Jan-1995||x|0\n2|Untitled||||1\n") == expected
    assert (
        read(movies_csv(), b'movieId,title,genres\n1,"Toy, a Film (1995) ",Drama\n2,Untitled,x\n') == expected
    )


def test_movie_csv_keeps_titles_whole_when_it_has_a_year_column() -> None:
    """With a column for the year, parentheses belong to the title."""
    layout = recognise(["movie_id,year,title"])
    assert layout is not None
    assert read(layout, b"movie_id,year,title\n4,1990,Film (1995)\n") == {4: ("Film (1995)", 1990)}


def test_first_title_counts_when_a_movie_is_listed_twice() -> None:
    """A movie listed twice keeps its first title."""
    assert read(PRIZE_TITLES, b"1,2003,First\n1,2004,Second\n") == {1: ("First", 2003)}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Film (1995)", ("Film", 1995)),
        ("Film (1995) ", ("Film (1995) ", 0)),
        ("Film (Le film) (1995)", ("Film (Le film)", 1995)),
        ("Series (2006–2007)", ("Series", 2006)),
        ("Series (2006- )", ("Series", 2006)),
        ("Film", ("Film", 0)),
        ("Film (0007)", ("Film (0007)", 0)),
        ("(1995)", ("(1995)", 0)),
        ("1984", ("1984", 0)),
    ],
)
def test_split_title_takes_the_year_off_when_there_is_one(title: str, expected: tuple[str, int]) -> None:
    """The year in parentheses leaves the title; of a span the first year counts."""
    assert split_title(title) == expected


@pytest.mark.parametrize(
    ("layout", "data", "line", "problem"),
    [
        (PRIZE_TITLES, b"1,2003,A\n2,2003\n", 2, "2 fields instead of 3"),
        (PRIZE_TITLES, b"1,2003,A\n\n2,2003,B\n", 2, "1 fields instead of 3"),
        (PRIZE_TITLES, b"1,20035,A\n", 1, "release year '20035' is not"),
        (MOVIES_DAT, b"0::A::B\n", 1, "movie '0' is not"),
        (movies_csv(), b'movieId,title,genres\n1,"A,B\n', 2, "bad quoting"),
        (movies_csv(), b"movieId,title,genres\n1,A,B\n2,Caf\xe9,B\n", 3, "byte 0xe9 is not UTF-8"),
    ],
)
def test_movie_file_is_refused_when_a_line_is_broken(
    layout: Layout, data: bytes, line: int, problem: str
) -> None:
    """The message names file, line, problem and what would be accepted."""
    with pytest.raises(DataError) as caught:
        read(layout, data)
    assert str(caught.value).startswith(f"movies, line {line}: {problem}")
    assert str(caught.value).endswith(f"; expected {layout.form}")


def test_catalogue_is_ordered_by_id_when_built() -> None:
    """Movies stand by ascending id, whatever the order they come in."""
    movies = build_catalogue({7: ("Seven", 1995), 2: ("", 0)})
    assert movies.movie_ids.tolist() == [2, 7]
    assert list(movies.titles) == ["", "Seven"]
    assert movies.release_years.tolist() == [0, 1995]
