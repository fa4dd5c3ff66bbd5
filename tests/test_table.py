"""The tables of ratings and movies."""

import numpy as np
import pytest
from builders import Rated, make_ratings

from model.errors import DataError
from model.table import HALF_STARS, WHOLE_STARS, Movies, Ratings


def make_movies(*movie_ids: int, n_titles: int | None = None) -> Movies:
    """A catalogue without years."""
    n_movies = len(movie_ids)
    return Movies(
        movie_ids=np.array(movie_ids, dtype=np.int64),
        titles=[""] * (n_movies if n_titles is None else n_titles),
        release_years=np.zeros(n_movies, dtype=np.int16),
    )


def test_scale_middle_is_halfway_between_lowest_and_highest() -> None:
    """(1 + 5) / 2 = 3; (0.5 + 5) / 2 = 2.75."""
    assert WHOLE_STARS.middle == 3
    assert HALF_STARS.middle == pytest.approx(2.75)


def test_movies_count_themselves() -> None:
    """Three movies are three."""
    assert len(make_movies(1, 5, 9)) == 3


@pytest.mark.parametrize("movie_ids", [(5, 1), (1, 5, 5)])
def test_movies_refuse_when_ids_are_not_ascending(movie_ids: tuple[int, ...]) -> None:
    """Neither descending nor twice the same."""
    with pytest.raises(DataError, match="ascending"):
        make_movies(*movie_ids)


def test_movies_refuse_when_columns_differ_in_length() -> None:
    """Two ids with one title."""
    with pytest.raises(DataError, match="differ in number"):
        make_movies(1, 2, n_titles=1)


def make_columns(*, stars: list[float], days: list[int]) -> Ratings:
    """A table of user 1 and movies 1, 2, ..., whose columns may not fit."""
    return Ratings(
        user_ids=np.array([1, 1]),
        movie_ids=np.array([1, 2]),
        stars=np.array(stars, dtype=np.float32),
        days=np.array(days, dtype=np.int16),
        movies=make_movies(1, 2),
        scale=WHOLE_STARS,
    )


@pytest.mark.parametrize(("stars", "days"), [([3.0], [0, 0]), ([3.0, 4.0], [0])])
def test_ratings_refuse_when_columns_differ_in_length(stars: list[float], days: list[int]) -> None:
    """Two users and movies with one rating or one day."""
    with pytest.raises(DataError, match="differ in length"):
        make_columns(stars=stars, days=days)


def test_ratings_refuse_when_days_descend() -> None:
    """Day 5 after day 6."""
    with pytest.raises(DataError, match="ordered by day"):
        make_columns(stars=[3.0, 4.0], days=[6, 5])


def test_ratings_accept_when_days_repeat() -> None:
    """Two ratings on one day."""
    assert len(make_columns(stars=[3.0, 4.0], days=[6, 6])) == 2


@pytest.mark.parametrize("rows", [np.array([True, False, True]), np.array([0, 2])], ids=["mask", "numbers"])
def test_take_keeps_rows_with_catalogue_and_scale(rows: np.ndarray) -> None:
    """Rows 0 and 2 of three; movie 20, now without ratings, is still listed, and 99, which never had any."""
    whole = make_ratings(
        [Rated(1, 10, 0.5, day=1), Rated(2, 20, 3, day=2), Rated(1, 30, 4.5, day=3)],
        years={99: 1999},
        scale=HALF_STARS,
    )
    part = whole.take(rows)
    assert part.user_ids.tolist() == [1, 1]
    assert part.movie_ids.tolist() == [10, 30]
    assert part.stars.tolist() == [0.5, 4.5]
    assert part.days.tolist() == [1, 3]
    assert part.movies.movie_ids.tolist() == [10, 20, 30, 99]
    assert part.scale is HALF_STARS
