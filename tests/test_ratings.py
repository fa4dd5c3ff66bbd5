"""Reading ratings into one table and writing the sample CSV."""

import shutil
import tracemalloc
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.dates import FIRST_DAY, LAST_DAY
from model.errors import ConfigError, DataError
from model.ratings import find_superseded, read_ratings, write_sample_csv
from model.table import HALF_STARS, WHOLE_STARS, Movies, Ratings

COMBINED_1 = "10:\n7,3,2005-01-02\n8,4,2005-01-01\n"
COMBINED_2 = "2:\n7,5,2005-01-02\n7,1,2005-01-03\n"
TITLES = "2,NULL,Two, too\n5,1999,Five\n10,2003,Café\n"


def write(folder: Path, contents: dict[str, str]) -> Path:
    """Write files in latin-1 into a folder."""
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("latin-1"))
    return folder


def rows(ratings: Ratings) -> list[tuple[int, int, float, int]]:
    """User, movie, stars and day of each row."""
    columns = ratings.user_ids, ratings.movie_ids, ratings.stars, ratings.days
    return list(zip(*(column.tolist() for column in columns), strict=True))


def movies(ratings: Ratings) -> dict[int, tuple[str, int]]:
    """Title and year by movie."""
    catalogue = ratings.movies
    facts = zip(catalogue.titles, catalogue.release_years.tolist(), strict=True)
    return dict(zip(catalogue.movie_ids.tolist(), facts, strict=True))


PRIZE_ROWS = [(8, 10, 4.0, 12784), (7, 10, 3.0, 12785), (7, 2, 1.0, 12786)]
"""Worked out by hand from COMBINED_1 and COMBINED_2: 2005-01-01 is day 12784; user 7's first rating of
movie 2, on the second day, is replaced on the third."""

PRIZE_MOVIES = {2: ("Two, too", 0), 5: ("Five", 1999), 10: ("Café", 2003)}


@pytest.mark.parametrize("kind", ["folder", "zip", "gztar", "tar"])
@pytest.mark.parametrize(
    "names",
    [("combined_data_1.txt", "combined_data_2.txt"), ("training_set/mv_1.txt", "training_set/mv_2.txt")],
)
def test_ratings_are_read_when_the_prize_is_packed_any_way(
    tmp_path: Path, kind: str, names: tuple[str, str]
) -> None:
    """Both layouts of the Prize, in a folder or an archive, give the same table in time order."""
    contents = {
        names[0]: COMBINED_1,
        names[1]: COMBINED_2,
        "movie_titles.csv": TITLES,
        "probe.txt": "2:\n7\n",
    }
    folder = write(tmp_path / "prize", contents)
    path = folder if kind == "folder" else Path(shutil.make_archive(str(tmp_path / "packed"), kind, folder))
    ratings = read_ratings(path)
    assert rows(ratings) == PRIZE_ROWS
    assert movies(ratings) == PRIZE_MOVIES
    assert ratings.scale == WHOLE_STARS
    assert ratings.n_duplicates == 1
    dtypes = [c.dtype for c in (ratings.user_ids, ratings.movie_ids, ratings.stars, ratings.days)]
    assert dtypes == ["int32", "int32", "float32", "int16"]


def test_ratings_are_ordered_by_time_of_day_when_the_source_has_it(tmp_path: Path) -> None:
    """Timestamps order the ratings of a day; equal ones keep their place in the file."""
    lines = ["1::1::5::90000", "1::2::4::86400", "2::1::3::90000", "2::2::2::0", "1::1::1::86401"]
    ratings = read_ratings(write(tmp_path, {"ratings.dat": "\n".join(lines)}) / "ratings.dat")
    assert rows(ratings) == [(2, 2, 2.0, 0), (1, 2, 4.0, 1), (1, 1, 5.0, 1), (2, 1, 3.0, 1)]
    assert ratings.n_duplicates == 1


def test_last_rating_counts_when_given_twice_on_a_day(tmp_path: Path) -> None:
    """Without times the later line of the file is the later rating."""
    ratings = read_ratings(write(tmp_path, {"x.txt": "1:\n7,3,2005-01-02\n7,4,2005-01-02\n7,5,2005-01-02\n"}))
    assert (rows(ratings), ratings.n_duplicates) == ([(7, 1, 5.0, 12785)], 2)


def test_scale_has_halves_when_any_rating_is_a_half(tmp_path: Path) -> None:
    """One half is enough; 4.0 is none."""
    header = "userId,movieId,rating,timestamp\n1,2,4.0,0\n"
    write(tmp_path, {"whole.csv": header, "half.csv": header + "1,3,0.5,0\n"})
    assert read_ratings(tmp_path / "whole.csv").scale == WHOLE_STARS
    assert read_ratings(tmp_path / "half.csv").scale == HALF_STARS


def test_catalogue_holds_movies_without_titles_when_they_are_rated(tmp_path: Path) -> None:
    """All movies of the movie file and all rated ones are in the catalogue."""
    write(
        tmp_path, {"u.data": "1\t2\t3\t0\n1\t9\t3\t0\n", "u.item": "2|Two (1995)|01-Jan-1995||\n4|Café|||\n"}
    )
    assert movies(read_ratings(tmp_path)) == {2: ("Two", 1995), 4: ("Café", 0), 9: ("", 0)}


def test_catalogue_is_the_csv_own_when_it_has_titles(tmp_path: Path) -> None:
    """A CSV with titles needs no movie file; one with years alone is completed by it."""
    write(tmp_path, {"movie_titles.txt": TITLES})
    write(tmp_path, {"own.csv": "user_id,movie_id,rating,date,title\n1,2,3,2005-01-01,Mine\n"})
    write(
        tmp_path,
        {"years.csv": "user_id,movie_id,rating,date,year\n1,2,3,2005-01-01,1990\n1,3,3,2005-01-01,1991\n"},
    )
    assert movies(read_ratings(tmp_path / "own.csv")) == {2: ("Mine", 0)}
    assert movies(read_ratings(tmp_path / "years.csv")) == PRIZE_MOVIES | {3: ("", 1991)}


@pytest.mark.parametrize("text", ["1:\n", "userId,movieId,rating,date\n"])
def test_ratings_are_refused_when_there_are_none(tmp_path: Path, text: str) -> None:
    """A heading alone is no data set."""
    path = write(tmp_path, {"x": text}) / "x"
    with pytest.raises(DataError, match="x: no ratings in it; expected lines"):
        read_ratings(path)


def test_broken_line_is_named_when_in_an_archive(tmp_path: Path) -> None:
    """The message names archive, member and line."""
    write(tmp_path / "x", {"a/ratings.csv": "userId,movieId,rating,timestamp\n1,2,3,4\n1,2,7,4\n"})
    path = shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "x")
    with pytest.raises(DataError) as caught:
        read_ratings(Path(path))
    assert str(caught.value) == (
        f"{path}!a/ratings.csv, line 3: rating '7' is not 0.5 to 5 in steps of 0.5; "
        "expected userId,movieId,rating,timestamp"
    )


@pytest.mark.parametrize("largest", [5, 2**62, 2**63 - 1])
@given(data=st.data())
def test_superseded_rows_are_those_with_a_later_twin_when_ids_are_of_any_size(
    data: st.DataObject, largest: int
) -> None:
    """The rows found are those a slow search finds, and only them."""
    ids = st.sampled_from([1, 2, largest - 1, largest])
    pairs = data.draw(st.lists(st.tuples(ids, ids)))
    found = find_superseded(*np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
    assert found.tolist() == [row for row, pair in enumerate(pairs) if pair in pairs[row + 1 :]]


TEXT = st.text("ab, \"'é|:\t\u2028", max_size=6)
MOVIE = st.tuples(TEXT, st.sampled_from([0, 1800, 1995, 2100]))


@st.composite
def tables(draw: st.DrawFn) -> Ratings:
    """Small tables of which every movie is rated."""
    user = st.sampled_from([1, 2, 3, 2**63 - 1])
    movie = st.sampled_from([1, 5, 10**12])
    cells = st.tuples(st.integers(FIRST_DAY, LAST_DAY), user, movie, st.sampled_from(range(1, 11)))
    drawn = sorted(draw(st.lists(cells, min_size=1, unique_by=itemgetter(1, 2))), key=itemgetter(0))
    days, users, rated, half_stars = zip(*drawn, strict=True)
    catalogue = {movie_id: draw(MOVIE) for movie_id in sorted(set(rated))}
    return Ratings(
        user_ids=np.array(users, dtype=np.int64),
        movie_ids=np.array(rated, dtype=np.int64),
        stars=np.array(half_stars, dtype=np.float32) * np.float32(0.5),
        days=np.array(days, dtype=np.int16),
        movies=Movies(
            movie_ids=np.array(list(catalogue), dtype=np.int64),
            titles=[title for title, _ in catalogue.values()],
            release_years=np.array([year for _, year in catalogue.values()], dtype=np.int16),
        ),
        scale=HALF_STARS if any(half % 2 for half in half_stars) else WHOLE_STARS,
    )


@given(ratings=tables())
def test_written_table_reads_back_equal_when_every_movie_is_rated(
    tmp_path_factory: pytest.TempPathFactory, ratings: Ratings
) -> None:
    """Rows, their order, titles, years and scale survive writing and reading."""
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    write_sample_csv(ratings, path)
    again = read_ratings(path)
    assert rows(again) == rows(ratings)
    assert movies(again) == movies(ratings)
    assert (again.scale, again.n_duplicates) == (ratings.scale, 0)


def test_sample_csv_is_as_documented_when_written(tmp_path: Path) -> None:
    """The bytes of a small file, with a quoted title, a missing year and a half star."""
    write(tmp_path, {"a.csv": "userId,movieId,rating,timestamp\n1,2,3.5,0\n7,1,4.0,86400\n"})
    write(tmp_path, {"movies.csv": 'movieId,title,genres\n2,"Two, too (1995)",x\n1,One,x\n3,Unrated,x\n'})
    write_sample_csv(read_ratings(tmp_path), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (
        b"customer_id,rating,rating_date,movie_id,release_year,title\n"
        b'1,3.5,1970-01-01,2,1995,"Two, too"\n'
        b"7,4,1970-01-02,1,,One\n"
    )


def test_sample_csv_replaces_the_file_whole_when_it_is_there(tmp_path: Path) -> None:
    """What cannot be written leaves the old file as it was and no other behind; what can replaces it."""
    source = write(tmp_path / "in", {"x.txt": COMBINED_1})
    ratings = read_ratings(source)
    bad = Ratings(
        user_ids=ratings.user_ids,
        movie_ids=ratings.movie_ids,
        stars=ratings.stars,
        days=ratings.days,
        movies=Movies(ratings.movies.movie_ids, ["two\nlines"], ratings.movies.release_years),
        scale=ratings.scale,
    )
    write(tmp_path, {"out.csv": "old"})
    with pytest.raises(
        DataError, match=r"movie 10: title 'two\\nlines' has a line break; expected a title of one"
    ):
        write_sample_csv(bad, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8") == "old"
    write_sample_csv(ratings, tmp_path / "out.csv")
    assert len((tmp_path / "out.csv").read_text("utf-8").splitlines()) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.csv"]


def test_sample_csv_is_refused_when_it_cannot_be_a_file(tmp_path: Path) -> None:
    """A folder, and a file in a folder that does not exist, are refused by name."""
    ratings = read_ratings(write(tmp_path, {"x.txt": COMBINED_1}))
    for path in (tmp_path, tmp_path / "gone" / "out.csv"):
        with pytest.raises(ConfigError, match="cannot be written; expected a file in a folder that exists"):
            write_sample_csv(ratings, path)


def test_reading_takes_bounded_memory_when_the_file_is_large(tmp_path: Path) -> None:
    """600,000 ratings in a file of 13 MB peak below 150 bytes a row, blocks included."""
    n_movies, per_movie = 60, 10_000
    lines = "".join(
        f"{user},{user % 5 + 1},2005-01-{user % 28 + 1:02d}\n" for user in range(1, per_movie + 1)
    )
    path = tmp_path / "combined_data_1.txt"
    path.write_text("".join(f"{movie}:\n{lines}" for movie in range(1, n_movies + 1)), encoding="ascii")
    tracemalloc.start()
    ratings = read_ratings(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ratings) == n_movies * per_movie
    assert peak < 150 * len(ratings) + (100 << 20)
