"""The commonest question, looked up quickly: what will a known user give a movie that the user has not rated?

The same numbers as those of `model.features`, which tests hold this to. That module's columns serve thousands
of queries at once; of a single query they are some hundred and fifty arrays of length one, and building those
takes ten times as long as the arithmetic. Here a query is a few passes over the user's own ratings and plain
numbers, and its neighbours come from the lists that were made at export.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
from model.history import NO_CUT, NO_ERA, History
from model.nearest import NearestUsers, measure_closeness
from model.neighbours import LARGEST_DISTANCE, N_NEIGHBOURS, choose_candidates
from model.table import HALF_STAR, NO_YEAR
from model.views import Views


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was looked up for one query."""

    features: NDArray[np.float32]
    """(1, n_features) the network's feature columns."""
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
        names: the network's feature columns: the first of `FULL_FEATURES`.
        most_candidates: of a movie with more raters, this many are looked at.
    """

    def __init__(
        self,
        history: History,
        whole: Views,
        nearest: NearestUsers,
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
        self._overall = float(whole.star_sums[0]) / max(int(whole.n_ratings[0]), 1)
        self._counts = whole.movie_counts[0]
        self._sums = whole.movie_sums[0]
        self._levels = (self._sums + MOVIE_SHRINKAGE * self._overall) / (self._counts + MOVIE_SHRINKAGE)

    def look_up(self, user: int, movie: int, day: int) -> Found | None:
        """Look one query up.

        Args:
            user: a row of the history's users.
            movie: a row of the catalogue.
            day: the day the prediction is for, days since 1970-01-01.

        Returns:
            None where the user has rated the movie, or where too few of the user's nearest users have: such
            a query is for `model.features`.
        """
        history = self._history
        rows = history.user_rows(user)
        movies = history.user_movies[rows]
        if (movies == movie).any():
            return None
        candidates, codes = choose_candidates(history, movie, NO_CUT, user, self._most_candidates)
        given = np.zeros(history.n_users, dtype=np.uint8)
        given[candidates] = codes
        nearest = self._nearest[user]
        given = given[nearest["user"]]
        places = given.nonzero()[0][:N_NEIGHBOURS]
        if len(places) < min(N_NEIGHBOURS, len(candidates)):
            return None
        entries = nearest[places].tolist()
        neighbours = [
            (other, code * HALF_STAR, distance * HALF_STAR, common)
            for (other, distance, common, _), code in zip(entries, given[places].tolist(), strict=True)
        ]
        closenesses = [
            measure_closeness(gap_sum, common, self._mean_gap) for _, _, common, gap_sum in entries
        ]
        n_movie_ratings, overall = int(self._counts[movie]), self._overall
        movie_sum = float(self._sums[movie])
        movie_mean = movie_sum / n_movie_ratings if n_movie_ratings else overall
        n_missing = N_NEIGHBOURS - len(neighbours)

        n = len(movies)
        stars = history.user_codes[rows] * HALF_STAR
        residuals = stars - self._levels[movies]
        bias = float(residuals.sum()) / (n + USER_SHRINKAGE)
        era = int(history.movie_eras[movie])
        era_count, era_mean, era_bias = 0, DEFAULT_ERA_MEAN, bias
        if era != NO_ERA:
            in_era = history.movie_eras[movies] == era
            era_count = int(np.count_nonzero(in_era))
            if era_count:
                era_mean = float(stars @ in_era) / era_count
                era_bias = (float(residuals @ in_era) + USER_SHRINKAGE * bias) / (era_count + USER_SHRINKAGE)
        days = history.user_days[rows]
        start, stop = days.searchsorted(day - RECENT_DAYS), days.searchsorted(day, side="right")
        recent_count = int(stop - start)
        recent_bias = (float(residuals[start:stop].sum()) + USER_SHRINKAGE * bias) / (
            recent_count + USER_SHRINKAGE
        )
        year = int(history.release_years[movie])
        age = UNKNOWN_AGE if year == NO_YEAR else max(1970 + day / DAYS_A_YEAR - year, 0.0)
        row = (
            *(stars for _, stars, _, _ in neighbours), *([movie_mean] * n_missing),
            era_mean,
            *(distance for _, _, distance, _ in neighbours), *([LARGEST_DISTANCE] * n_missing),
            *closenesses, *([self._mean_gap] * n_missing),
            len(neighbours),
            math.log1p(era_count),
            math.log1p(n),
            bias,
            era_bias,
            math.log1p(n_movie_ratings),
            (movie_sum - n_movie_ratings * overall) / (n_movie_ratings + MOVIE_SHRINKAGE),
            math.log1p(age),
            math.log1p(recent_count),
            recent_bias,
        )  # fmt: skip
        return Found(
            features=np.array([row[: self._n_features]], dtype=np.float32),
            neighbours=neighbours,
            n_user_ratings=n,
            n_movie_ratings=n_movie_ratings,
            era=era,
            era_mean=era_mean,
        )
