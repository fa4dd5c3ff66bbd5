"""Pairs to predict."""

from pathlib import Path

import pytest

from model.errors import DataError
from model.formats.pairs import Pairs, read_pairs


def read(folder: Path, text: str) -> Pairs:
    """Read pairs from a file of this text."""
    path = folder / "pairs"
    path.write_text(text, encoding="utf-8")
    return read_pairs(path)


def test_pairs_keep_order_and_repetitions_when_read(tmp_path: Path) -> None:
    """Rows are neither sorted nor dropped."""
    pairs = read(tmp_path, "user_id,movie_id\n9,1\n2,5\n9,1\n")
    assert len(pairs) == 3
    assert pairs.user_ids.tolist() == [9, 2, 9]
    assert pairs.movie_ids.tolist() == [1, 5, 1]
    assert [column.dtype for column in (pairs.user_ids, pairs.movie_ids)] == ["int64", "int64"]
    assert (pairs.days, pairs.stars, pairs.is_prize_query) == (None, None, False)


@pytest.mark.parametrize(
    ("text", "days", "stars"),
    [
        ("user_id,movie_id,date\n9,1,1970-01-03\n", [2], None),
        ("user_id,movie_id,rating\n9,1,3.5\n", None, [3.5]),
        ("user_id,movie_id,date,rating\n9,1,1970-01-03,4\n", [2], [4.0]),
        ("customer_id,rating,rating_date,movie_id,release_year,title\n9,4,1970-01-03,1,abc,T\n", [2], [4.0]),
        ("9::1::4::172800\n", [2], [4.0]),
        ("1:\n9,4,1970-01-03\n", [2], [4.0]),
    ],
)
def test_pairs_have_days_and_stars_when_the_source_does(
    tmp_path: Path, text: str, days: list[int] | None, stars: list[float] | None
) -> None:
    """Dates and ratings are optional, titles and years unread; rating files will do."""
    pairs = read(tmp_path, text)
    assert (pairs.user_ids.tolist(), pairs.movie_ids.tolist()) == ([9], [1])
    assert (None if pairs.days is None else pairs.days.tolist()) == days
    assert (None if pairs.stars is None else pairs.stars.tolist()) == stars
    assert not pairs.is_prize_query


@pytest.mark.parametrize(
    ("text", "days"),
    [("3:\n9\n2\n1:\n9\n", None), ("3:\n9,1970-01-01\n2,1970-01-03\n1:\n9,1970-01-02", [0, 2, 1])],
)
def test_pairs_are_prize_queries_when_read_from_probe_or_qualifying(
    tmp_path: Path, text: str, days: list[int] | None
) -> None:
    """Both are recognised, to be answered as a submission."""
    pairs = read(tmp_path, text)
    assert pairs.is_prize_query
    assert (pairs.user_ids.tolist(), pairs.movie_ids.tolist()) == ([9, 2, 9], [3, 3, 1])
    assert (None if pairs.days is None else pairs.days.tolist()) == days
    assert pairs.stars is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user_id,movie_id\n", "pairs: no pairs in it; expected lines user_id,movie_id"),
        ("user_id,title\n1,2\n", "pairs, line 1: 'user_id,title' begins no rating file"),
        ("user_id,rating\n1,2\n", "pairs, line 1: no column for movie (its lines are 'user_id,rating')"),
        ("user_id,movie_id,date\n1,2,\n", "pairs, line 2: '' is not a date: expected YYYY-MM-DD"),
        ("user_id,movie_id\n1,2\n1\n", "pairs, line 3: 1 fields instead of 2"),
    ],
)
def test_pairs_are_refused_when_broken(tmp_path: Path, text: str, message: str) -> None:
    """The message names file, line and what would be accepted."""
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
