"""The index of ratings by user and by movie."""

import numpy as np
import pytest
from builders import Rated, make_history, make_ratings

from model.errors import DataError
from model.history import (
    N_CODES,
    NO_CUT,
    NO_ERA,
    UNKNOWN,
    History,
    build_history,
    compute_eras,
    count_codes,
    encode_stars,
)
from model.table import HALF_STARS, WHOLE_STARS, Movies, Ratings

ROWS = [
    Rated(70, 900, 5, day=30),
    Rated(70, 200, 3, day=10),
    Rated(8, 900, 1, day=20),
    Rated(8, 200, 2, day=10),
    Rated(8, 500, 4, day=30),
]
"""Two users and three movies, out of order."""


@pytest.fixture
def history() -> History:
    """The rows above and movie 600: users 8 and 70 are 0 and 1, movies 200, 500, 600 and 900 are 0 to 3."""
    return make_history(ROWS, years={600: 1970, 900: 1989})


def read_user(history: History, user: int, as_of: int = NO_CUT) -> list[tuple[int, int, int]]:
    """A user's visible movies, codes and days."""
    rows = history.user_rows(user, as_of)
    columns = (history.user_movies[rows], history.user_codes[rows], history.user_days[rows])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def read_movie(history: History, movie: int, as_of: int = NO_CUT) -> list[tuple[int, int, int]]:
    """A movie's visible users, codes and days."""
    rows = history.movie_rows(movie, as_of)
    columns = (history.movie_users[rows], history.movie_codes[rows], history.movie_days[rows])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_build_history_numbers_users_and_movies_by_ascending_id(history: History) -> None:
    """Indexes follow the ids, so that the lower index is the lower id; the whole catalogue is numbered."""
    assert history.user_ids.tolist() == [8, 70]
    assert history.movie_ids.tolist() == [200, 500, 600, 900]
    assert history.release_years.tolist() == [0, 0, 1970, 1989]
    assert (history.n_users, history.n_movies, history.n_ratings) == (2, 4, 5)
    assert history.scale is WHOLE_STARS


def test_user_rows_hold_all_ratings_by_day_when_not_cut(history: History) -> None:
    """User 8 rated 200 (2 stars, code 4) on day 10, 900 (1 star) on 20 and 500 (4 stars) on 30."""
    assert read_user(history, 0) == [(0, 4, 10), (3, 2, 20), (1, 8, 30)]
    assert read_user(history, 1) == [(0, 6, 10), (3, 10, 30)]


def test_movie_rows_hold_all_ratings_by_day_when_not_cut(history: History) -> None:
    """Movie 900 was rated by user 8 (1 star) on day 20 and by user 70 (5 stars) on day 30; 600 by nobody."""
    assert read_movie(history, 3) == [(0, 2, 20), (1, 10, 30)]
    assert read_movie(history, 2) == []


@pytest.mark.parametrize(("as_of", "n_visible"), [(10, 0), (11, 1), (20, 1), (21, 2), (30, 2), (31, 3)])
def test_user_rows_end_strictly_before_the_day_when_cut(history: History, as_of: int, n_visible: int) -> None:
    """A rating of the day itself is not seen."""
    assert len(read_user(history, 0, as_of)) == n_visible


@pytest.mark.parametrize(("as_of", "n_visible"), [(20, 0), (21, 1), (30, 1), (31, 2), (NO_CUT + 5, 2)])
def test_movie_rows_end_strictly_before_the_day_when_cut(
    history: History, as_of: int, n_visible: int
) -> None:
    """A rating of the day itself is not seen."""
    assert len(read_movie(history, 3, as_of)) == n_visible


def test_rows_are_empty_when_user_or_movie_is_unknown(history: History) -> None:
    """Strangers have no ratings."""
    assert read_user(history, UNKNOWN) == []
    assert read_movie(history, UNKNOWN, as_of=50) == []


def test_rows_keep_order_of_source_when_days_are_equal() -> None:
    """Ratings of one day stay as the source gave them, by user and by movie."""
    history = make_history([Rated(2, 30, 1), Rated(2, 10, 2), Rated(1, 30, 3), Rated(2, 20, 4)])
    assert [movie for movie, _, _ in read_user(history, 1)] == [2, 0, 1]
    assert [user for user, _, _ in read_movie(history, 2)] == [1, 0]


def test_find_returns_indexes_when_ids_are_known_and_unknown_when_not(history: History) -> None:
    """Ids below, between and above the known ones are unknown."""
    assert history.find_users(np.array([70, 7, 8, 9, 71])).tolist() == [1, UNKNOWN, 0, UNKNOWN, UNKNOWN]
    assert history.find_movies(np.array([900, 199, 600, 901])).tolist() == [3, UNKNOWN, 2, UNKNOWN]


def test_find_returns_unknown_when_history_is_empty() -> None:
    """An empty history holds nobody and nothing."""
    history = make_history([])
    assert history.n_ratings == 0
    assert history.find_users(np.array([1])).tolist() == [UNKNOWN]
    assert history.find_movies(np.array([1, 2])).tolist() == [UNKNOWN, UNKNOWN]


def test_movie_histogram_counts_each_code_when_movies_repeat(history: History) -> None:
    """Movie 200 got 2 and 3 stars (codes 4 and 6), 500 four (8), 600 none, 900 one and five (2 and 10)."""
    expected = np.zeros((4, 11), dtype=np.int64)
    for movie, code in ((0, 4), (0, 6), (1, 8), (3, 2), (3, 10)):
        expected[movie, code] = 1
    assert N_CODES == 11
    np.testing.assert_array_equal(history.movie_histogram, expected)


def test_count_codes_adds_up_when_a_code_repeats() -> None:
    """Movie 1 got code 8 three times and code 1 once; movies 0 and 2 nothing."""
    counts = count_codes(np.array([1, 1, 1, 1], dtype=np.int32), np.array([8, 8, 1, 8], dtype=np.uint8), 3)
    assert counts.shape == (3, 11)
    assert (counts[1, 8], counts[1, 1], counts.sum()) == (3, 1, 4)


def test_compute_eras_divides_at_1970_and_1990() -> None:
    """1969 is the last year of the first era, 1989 of the second; no year is no era."""
    years = np.array([1900, 1969, 1970, 1989, 1990, 2059, 0], dtype=np.int16)
    assert compute_eras(years).tolist() == [0, 0, 1, 1, 2, 2, NO_ERA]


def test_movie_eras_follow_the_catalogue(history: History) -> None:
    """1970 and 1989 are in the second era; the others have no year."""
    assert history.movie_eras.tolist() == [NO_ERA, NO_ERA, 1, 1]


def test_encode_stars_gives_whole_numbers_of_half_stars() -> None:
    """0.5 is 1, 3.5 is 7, 5 is 10."""
    codes = encode_stars(np.array([0.5, 1, 3.5, 5], dtype=np.float32))
    assert codes.dtype == np.uint8
    assert codes.tolist() == [1, 2, 7, 10]


def test_build_history_keeps_half_stars_when_scale_has_them() -> None:
    """Nothing is rounded to whole stars."""
    history = make_history([Rated(1, 1, 0.5), Rated(1, 2, 4.5)], scale=HALF_STARS)
    assert history.user_codes.tolist() == [1, 9]


def test_build_history_refuses_when_a_rated_movie_is_not_in_the_catalogue() -> None:
    """The error names the movie."""
    ratings = make_ratings([Rated(1, 10, 3), Rated(1, 11, 3)])
    catalogue = Movies(np.array([10]), [""], np.array([0], dtype=np.int16))
    broken = Ratings(
        ratings.user_ids, ratings.movie_ids, ratings.stars, ratings.days, catalogue, ratings.scale
    )
    with pytest.raises(DataError, match="movie 11 has ratings but is not in the catalogue"):
        build_history(broken)
