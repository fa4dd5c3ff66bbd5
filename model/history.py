"""The immutable index of all known ratings: by user, by movie, ordered by day.

Everything that predicts reads ratings through this index. A user's and a movie's rows are in time order,
so that the ratings strictly before a day (`as_of`) are a prefix. Arrays are plain NumPy, small types, and
may be memory-mapped.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.dates import LAST_DAY, Days
from model.errors import DataError
from model.grouping import find_offsets, number_ids, place_by_group
from model.progress import track_step
from model.table import HALF_STAR, NO_YEAR, Ids, Ratings, RatingScale

MovieIndexes = NDArray[np.int32]
"""Dense rows of the catalogue; `UNKNOWN` where the movie is not in it."""
UserIndexes = NDArray[np.int32]
"""Dense rows of the history's users; `UNKNOWN` where the user is not in it."""
Codes = NDArray[np.uint8]
"""Ratings in half stars: 1 is half a star, 10 is five stars, 0 is no rating."""

UNKNOWN = -1
"""The index of a user or movie that the history does not hold."""
NO_CUT = LAST_DAY + 1
"""The `as_of` day that leaves the whole history visible."""
N_CODES = 11
"""Codes 0 to 10: nothing to five stars."""

ERA_NAMES = ("before 1970", "1970-1989", "1990 and later")
_ROWS_AT_ONCE = 1 << 22
"""Rows counted at once: of a hundred million, wider copies would not fit."""
_ERA_STARTS = (1970, 1990)
NO_ERA = -1
"""The era of a movie without a release year."""


def compute_eras(release_years: NDArray[np.int16]) -> NDArray[np.int8]:
    """Compute the era of each release year: < 1970, 1970 to 1989, >= 1990.

    Args:
        release_years: (n,) years; `NO_YEAR` where there is none.

    Returns:
        (n,) positions in `ERA_NAMES`; `NO_ERA` where there is no year.

    Source: DESIGN 3.

    >>> compute_eras(np.array([1969, 1970, 1989, 1990, 0], dtype=np.int16)).tolist()
    [0, 1, 1, 2, -1]
    """
    eras = np.searchsorted(_ERA_STARTS, release_years, side="right").astype(np.int8)
    eras[release_years == NO_YEAR] = NO_ERA
    return eras


def encode_stars(stars: NDArray[np.float32]) -> Codes:
    """Turn stars into half-star codes.

    >>> encode_stars(np.array([0.5, 4.0], dtype=np.float32)).tolist()
    [1, 8]
    """
    codes: Codes = np.rint(stars / HALF_STAR).astype(np.uint8)
    return codes


@dataclass(frozen=True, eq=False)
class History:
    """All known ratings, indexed both ways. Build it with `build_history`."""

    user_ids: NDArray[np.int64]
    """(n_users,) the data set's ids, ascending."""
    movie_ids: NDArray[np.int64]
    """(n_movies,) the catalogue's ids, ascending."""
    release_years: NDArray[np.int16]
    """(n_movies,) years; `NO_YEAR` where there is none."""
    scale: RatingScale
    """The stars that the data set uses."""
    user_offsets: NDArray[np.int64]
    """(n_users + 1,) user i's rows are user_offsets[i] to user_offsets[i + 1]."""
    user_movies: MovieIndexes
    """(n_ratings,) movies of each user's rows, in time order."""
    user_codes: Codes
    """(n_ratings,) ratings of each user's rows."""
    user_days: Days
    """(n_ratings,) days of each user's rows."""
    movie_offsets: NDArray[np.int64]
    """(n_movies + 1,) movie i's rows are movie_offsets[i] to movie_offsets[i + 1]."""
    movie_users: UserIndexes
    """(n_ratings,) users of each movie's rows, in time order."""
    movie_codes: Codes
    """(n_ratings,) ratings of each movie's rows."""
    movie_days: Days
    """(n_ratings,) days of each movie's rows."""
    movie_histogram: NDArray[np.int64]
    """(n_movies, N_CODES) how often each movie got each code."""

    @property
    def n_users(self) -> int:
        """How many users have ratings."""
        return len(self.user_ids)

    @property
    def n_movies(self) -> int:
        """How many movies the catalogue lists, with or without ratings."""
        return len(self.movie_ids)

    @property
    def n_ratings(self) -> int:
        """How many ratings are known."""
        return len(self.user_movies)

    @cached_property
    def last_day(self) -> int:
        """The day of the latest rating; 0 where there is none."""
        # the last row of each movie: a hundred million days are not read for this
        lasts = self.movie_offsets[1:][np.diff(self.movie_offsets) > 0] - 1
        return int(self.movie_days[lasts].max(initial=0))

    @cached_property
    def movie_eras(self) -> NDArray[np.int8]:
        """(n_movies,) positions in `ERA_NAMES`; `NO_ERA` where there is no year."""
        return compute_eras(self.release_years)

    def find_users(self, user_ids: Ids) -> UserIndexes:
        """Look up users: (n,) ids to (n,) indexes, `UNKNOWN` where the history does not hold the user."""
        return find(self.user_ids, user_ids)

    def find_movies(self, movie_ids: Ids) -> MovieIndexes:
        """Look up movies: (n,) ids to (n,) indexes, `UNKNOWN` where the catalogue does not list the movie."""
        return find(self.movie_ids, movie_ids)

    def user_rows(self, user_index: int, as_of: int = NO_CUT) -> slice:
        """The rows of the by-user arrays that hold a user's ratings strictly before `as_of`.

        Args:
            user_index: a row of `user_ids`; `UNKNOWN` has no ratings.
            as_of: days since 1970-01-01.
        """
        if user_index == UNKNOWN:
            return slice(0, 0)
        start, stop = int(self.user_offsets[user_index]), int(self.user_offsets[user_index + 1])
        if as_of <= LAST_DAY:
            stop = start + int(np.searchsorted(self.user_days[start:stop], as_of, side="left"))
        return slice(start, stop)

    def movie_rows(self, movie_index: int, as_of: int = NO_CUT) -> slice:
        """The rows of the by-movie arrays that hold a movie's ratings strictly before `as_of`.

        Args:
            movie_index: a row of `movie_ids`; `UNKNOWN` has no ratings.
            as_of: days since 1970-01-01.
        """
        if movie_index == UNKNOWN:
            return slice(0, 0)
        start, stop = int(self.movie_offsets[movie_index]), int(self.movie_offsets[movie_index + 1])
        if as_of <= LAST_DAY:
            stop = start + int(np.searchsorted(self.movie_days[start:stop], as_of, side="left"))
        return slice(start, stop)


def build_history(ratings: Ratings) -> History:
    """Index a ratings table both ways.

    Args:
        ratings: the table; its rows are in time order, which a stable sort by user or movie keeps.

    Raises:
        DataError: if a rated movie is missing from the catalogue.
    """
    movie_ids, n = ratings.movies.movie_ids, len(ratings)
    with track_step("indexing ratings", total=n, unit="ratings") as step:
        user_ids, users = number_ids(ratings.user_ids, step, worth=0.15)
        rated_ids, movies = number_ids(ratings.movie_ids, step, worth=0.15)
        places = find(movie_ids, rated_ids)
        if np.any(places == UNKNOWN):
            raise DataError(
                f"movie {rated_ids[places == UNKNOWN][0]} has ratings but is not in the catalogue"
            )
        movies = places[movies]
        codes, days = encode_stars(ratings.stars), ratings.days
        user_offsets = find_offsets(users, len(user_ids))
        movie_offsets = find_offsets(movies, len(movie_ids))
        movie_users = np.empty(n, dtype=np.int32)
        movie_codes, movie_days = np.empty_like(codes), np.empty_like(days)
        for rows, at in place_by_group(movies, movie_offsets, step, worth=0.3):
            movie_users[at], movie_codes[at], movie_days[at] = users[rows], codes[rows], days[rows]
        user_movies = np.empty(n, dtype=np.int32)
        user_codes, user_days = np.empty_like(codes), np.empty_like(days)
        for rows, at in place_by_group(users, user_offsets, step, worth=0.4):
            user_movies[at], user_codes[at], user_days[at] = movies[rows], codes[rows], days[rows]
    return History(
        user_ids=user_ids,
        movie_ids=movie_ids,
        release_years=ratings.movies.release_years,
        scale=ratings.scale,
        user_offsets=user_offsets,
        user_movies=user_movies,
        user_codes=user_codes,
        user_days=user_days,
        movie_offsets=movie_offsets,
        movie_users=movie_users,
        movie_codes=movie_codes,
        movie_days=movie_days,
        movie_histogram=count_codes(movies, codes, len(movie_ids)),
    )


def count_codes(movies: MovieIndexes, codes: Codes, n_movies: int) -> NDArray[np.int64]:
    """Count how often each movie got each code: (n,) rows to (n_movies, N_CODES)."""
    histogram = np.zeros(n_movies * N_CODES, dtype=np.int64)
    for start in range(0, len(movies), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        histogram += np.bincount(
            movies[rows].astype(np.int64) * N_CODES + codes[rows], minlength=len(histogram)
        )
    return histogram.reshape(n_movies, N_CODES)


def find_one(sorted_ids: NDArray[np.int64], wanted: int | None) -> int:
    """Look up one id among ascending ones: its place, or `UNKNOWN`."""
    if wanted is None:
        return UNKNOWN
    place = int(sorted_ids.searchsorted(wanted))
    return place if place < len(sorted_ids) and sorted_ids[place] == wanted else UNKNOWN


def find(sorted_ids: Ids, ids: Ids) -> NDArray[np.int32]:
    """Look up ids among ascending ones: (n,) places, `UNKNOWN` where an id is not among them."""
    places = np.searchsorted(sorted_ids, ids)
    if len(sorted_ids) == 0:
        return np.full(len(ids), UNKNOWN, dtype=np.int32)
    found = sorted_ids[np.minimum(places, len(sorted_ids) - 1)] == ids
    return np.where(found, places, UNKNOWN).astype(np.int32)
