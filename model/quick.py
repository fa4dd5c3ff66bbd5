"""The commonest question, looked up quickly: what will a known user give a movie that the user has not rated?

The same numbers as those of `model.features`, which tests hold this to. That module's columns serve thousands
of queries at once; of a single query they are some hundred and fifty arrays of length one, and building those
takes ten times as long as the arithmetic. Here a query is a handful of array calls and plain numbers: what
does not depend on the movie was summed up at export, and the neighbours come from the lists made there.
"""

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.features import (
    DAYS_A_YEAR,
    DEFAULT_ERA_MEAN,
    FULL_FEATURES,
    MOVIE_SHRINKAGE,
    RECENT_DAYS,
    UNKNOWN_AGE,
    USER_SHRINKAGE,
)
from model.history import ERA_NAMES, N_CODES, NO_CUT, NO_ERA, UNKNOWN, Codes, History
from model.nearest import NearestUsers, measure_closeness
from model.neighbours import (
    LARGEST_DISTANCE,
    N_NEIGHBOURS,
    choose_candidates,
    count_gaps_to,
    measure_gaps,
)
from model.table import HALF_STAR, NO_YEAR
from model.views import Views

USER_SUMS: Final = "user_sums.npy"
N_SUMS: Final = 1 + 3 * len(ERA_NAMES)
_N_ERA_COLUMNS: Final = 3
_LOOKED_AT_FIRST: Final = 256
"""Of a user's nearest users; five times of six there are enough among them."""
_BYTES_KEPT: Final = 4_000_000
"""What the movies asked for last got, by user, is kept up to this size: a byte a user each."""

UserSums = NDArray[np.float64]
"""(n_users, N_SUMS) of each user's ratings: the user's bias (stars); then for each era how many are of its
movies, the sum of their stars, and the sum of what they are above their movies' levels (stars)."""


def sum_up_users(history: History, whole: Views) -> UserSums:
    """Sum up every user's ratings.

    Args:
        history: the index of all ratings.
        whole: the view of them.
    """
    _, levels = _measure_levels(whole)
    n_eras, counts = len(ERA_NAMES), np.diff(history.user_offsets)
    users = np.repeat(np.arange(history.n_users), counts)
    stars = history.user_codes * HALF_STAR
    residuals = stars - levels[history.user_movies]
    biases = np.bincount(users, residuals, minlength=history.n_users) / (counts + USER_SHRINKAGE)
    eras = history.movie_eras[history.user_movies]
    has_era = eras != NO_ERA
    cells = users[has_era] * n_eras + eras[has_era]
    by_era = [
        np.bincount(cells, values[has_era], minlength=history.n_users * n_eras).reshape(-1, n_eras)
        for values in (np.ones(len(stars)), stars, residuals)
    ]
    return np.concatenate([biases[:, None], *by_era], axis=1)


def read_user_sums(folder: Path) -> UserSums:
    """Map the sums in a folder."""
    return np.asarray(np.load(folder / USER_SUMS, mmap_mode="r", allow_pickle=False))


def _measure_levels(whole: Views) -> tuple[float, NDArray[np.float64]]:
    """The mean of all ratings, and (n_movies,) the shrunken mean of each movie; stars."""
    overall = float(whole.star_sums[0]) / max(int(whole.n_ratings[0]), 1)
    counts, sums = whole.movie_counts[0], whole.movie_sums[0]
    return overall, (sums + MOVIE_SHRINKAGE * overall) / (counts + MOVIE_SHRINKAGE)


def _lay_out_users(history: History, sums: UserSums) -> NDArray[np.float64]:
    """What is asked of a user, (n_users, 5 + 3 · (1 + n_eras)).

    Where the user's ratings start and stop, the day of the last, log1p of how many, the bias; then for movies
    without an era, and for those of each, the user's mean, log1p of how many, and bias.
    """
    n_eras, ends = len(ERA_NAMES), history.user_offsets[1:]
    bias, (counts, stars, residuals) = sums[:, :1], sums[:, 1:].reshape(-1, 3, n_eras).transpose(1, 0, 2)
    means = np.where(counts > 0, stars / np.maximum(counts, 1), DEFAULT_ERA_MEAN)
    biases = (residuals + USER_SHRINKAGE * bias) / (counts + USER_SHRINKAGE)
    no_era = np.concatenate([np.full_like(bias, DEFAULT_ERA_MEAN), np.zeros_like(bias), bias], axis=1)
    eras = np.stack([means, np.log1p(counts), biases], axis=2).reshape(len(sums), -1)
    n_ratings = np.diff(history.user_offsets)
    firsts = (history.user_offsets[:-1], ends, history.user_days[ends - 1], np.log1p(n_ratings))
    return np.column_stack([*firsts, bias, no_era, eras])


def _lay_out_movies(history: History, whole: Views, overall: float) -> NDArray[np.float64]:
    """What is asked of a movie, (n_movies, 7).

    Where its ratings start and stop, their mean, log1p of how many, the movie's bias, its era and its year.
    """
    counts, sums = np.diff(history.movie_offsets), whole.movie_sums[0]
    means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    biases = (sums - counts * overall) / (counts + MOVIE_SHRINKAGE)
    firsts = (history.movie_offsets[:-1], history.movie_offsets[1:], means, np.log1p(counts), biases)
    return np.column_stack([*firsts, history.movie_eras, history.release_years])


def _spread_ratings(history: History, most: int, start: int, stop: int) -> tuple[Codes, int]:
    """The ratings of a movie's candidates by user, (n_users,), 0 for no rating; how many candidates."""
    candidates, codes = choose_candidates(history, slice(start, stop), most=most)
    given = np.zeros(history.n_users, dtype=np.uint8)
    given[candidates] = codes
    return given, len(candidates)


class Found(NamedTuple):
    """What was looked up for one query."""

    features: tuple[float, ...]
    """The network's feature columns."""
    neighbours: list[tuple[int, float, float, int]]
    """Up to four, nearest first: user index, stars they gave the movie, distance, common movies."""
    n_user_ratings: int
    n_movie_ratings: int
    era: int
    """A position in `model.history.ERA_NAMES`, or `NO_ERA`."""
    era_mean: float
    """Stars."""


class QuickLookup:
    """Looks up the features of single queries that see the whole history.

    Args:
        history: the index of all known ratings.
        whole: the view of all of them.
        nearest: each user's nearest users in that history.
        sums: of the users' ratings in that history.
        names: the network's feature columns: the first of `FULL_FEATURES`.
        most_candidates: of a movie with more raters, this many are looked at.
    """

    def __init__(
        self,
        history: History,
        whole: Views,
        nearest: NearestUsers,
        sums: UserSums,
        *,
        names: Sequence[str],
        most_candidates: int,
    ) -> None:
        if tuple(names) != FULL_FEATURES[: len(names)]:
            raise ValueError(f"{names} are not the first of the features")
        self._history = history
        self._nearest = nearest
        self._n_features = len(names)
        self._most_candidates = most_candidates
        self._mean_gap = float(whole.gap_sums[0]) / max(int(whole.gap_pairs[0]), 1)
        self._overall, self._levels = _measure_levels(whole)
        self._users = _lay_out_users(history, sums)
        self._movies = _lay_out_movies(history, whole, self._overall)
        # no method: what is kept would keep this from going
        self._spread_out = lru_cache(_BYTES_KEPT // max(history.n_users, 1))(
            partial(_spread_ratings, history, most_candidates)
        )

    def look_up(self, user: int, movie: int, day: int) -> Found | None:
        """Look one query up.

        Args:
            user: a row of the history's users.
            movie: a row of the catalogue.
            day: the day the prediction is for, days since 1970-01-01.

        Returns:
            None where the user has rated the movie, and one rating less counts: that is for `model.features`.
        """
        first, stop, last_day, log_count, bias, *eras = self._users[user].tolist()
        rows = slice(int(first), int(stop))
        first, stop, movie_mean, movie_log_count, movie_bias, era, year = self._movies[movie].tolist()
        raters, era = slice(int(first), int(stop)), int(era)
        given, n_looked_at = self._spread_out(raters.start, raters.stop)
        if given.item(user) or (
            n_looked_at == self._most_candidates and movie in self._history.user_movies[rows]
        ):
            return None
        nearest, n_wanted = self._nearest[user], min(N_NEIGHBOURS, n_looked_at)
        places = given.take(nearest[0, :_LOOKED_AT_FIRST]).nonzero()[0]
        if len(places) < n_wanted:
            places = given.take(nearest[0]).nonzero()[0]
        if len(places) < n_wanted:
            found = self._search(rows, raters)
        else:
            found = nearest.take(places[:N_NEIGHBOURS], axis=1)
        others, distances, common, gap_sums = found.tolist()
        stars = [given.item(other) * HALF_STAR for other in others]
        distances = [distance * HALF_STAR for distance in distances]
        n_missing = N_NEIGHBOURS - len(others)

        place = _N_ERA_COLUMNS * (era - NO_ERA)
        era_mean, era_log_count, era_bias = eras[place : place + _N_ERA_COLUMNS]
        recent_count, recent_sum = 0, 0.0
        if last_day >= day - RECENT_DAYS:
            recent_count, recent_sum = self._sum_recent(rows, day)
        age = UNKNOWN_AGE if year == NO_YEAR else max(1970 + day / DAYS_A_YEAR - year, 0.0)
        row = (
            *stars, *([movie_mean] * n_missing),
            era_mean,
            *distances, *([LARGEST_DISTANCE] * n_missing),
            *map(measure_closeness, gap_sums, common, repeat(self._mean_gap)),
            *([self._mean_gap] * n_missing),
            len(others),
            era_log_count,
            log_count,
            bias,
            era_bias,
            movie_log_count,
            movie_bias,
            math.log1p(age),
            math.log1p(recent_count),
            (recent_sum + USER_SHRINKAGE * bias) / (recent_count + USER_SHRINKAGE),
        )  # fmt: skip
        return Found(
            row[: self._n_features],
            list(zip(others, stars, distances, common, strict=True)),
            rows.stop - rows.start,
            raters.stop - raters.start,
            era,
            era_mean,
        )

    def _search(self, rows: slice, raters: slice) -> NDArray[np.int64]:
        """The nearest of a movie's raters, as the lists have them, where the lists are too short to tell."""
        history = self._history
        candidates, _ = choose_candidates(history, raters, most=self._most_candidates)
        own = np.zeros(history.n_movies + 1, dtype=np.uint8)  # the last entry is the unknown movie's
        own[history.user_movies[rows]] = history.user_codes[rows]
        counts = count_gaps_to(history, candidates, own, UNKNOWN, NO_CUT)
        common, distances, closenesses = measure_gaps(counts, self._mean_gap)
        first = np.lexsort((candidates, -common, closenesses, distances))[:N_NEIGHBOURS]
        gap_sums = counts[first] @ np.arange(N_CODES)
        return np.array([candidates[first], distances[first], common[first], gap_sums])

    def _sum_recent(self, rows: slice, day: int) -> tuple[int, float]:
        """How many ratings of a user's are recent, and how far they are above their movies' levels in sum."""
        history = self._history
        days = history.user_days[rows]
        start = rows.start + int(days.searchsorted(day - RECENT_DAYS))
        stop = rows.start + int(days.searchsorted(day, side="right"))
        stars = history.user_codes[start:stop] * HALF_STAR
        return stop - start, float((stars - self._levels[history.user_movies[start:stop]]).sum())
