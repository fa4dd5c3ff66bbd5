"""The commonest question, looked up quickly: what will a known user give a movie that the user has not rated?

The same numbers as those of `model.features`, which tests hold this to. That module's columns serve thousands
of queries at once; of a single query they are some hundred and fifty arrays of length one, and building those
takes ten times as long as the arithmetic. Here a query is a handful of array calls and plain numbers: what
does not depend on the movie was summed up at export, and the neighbours come from the lists made there.
"""

import math
from collections.abc import Sequence
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
from model.history import ERA_NAMES, N_CODES, NO_CUT, NO_ERA, UNKNOWN, History, UserIndexes
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
        # what is asked of one user and of one movie side by side, each for one reach into an array
        ends = history.user_offsets[1:]
        firsts = (history.user_offsets[:-1], ends, history.user_days[ends - 1])
        self._users = np.column_stack([*firsts, sums])
        firsts = (history.movie_offsets[:-1], history.movie_offsets[1:], whole.movie_sums[0])
        self._movies = np.column_stack([*firsts, history.movie_eras, history.release_years])

    def look_up(self, user: int, movie: int, day: int) -> Found | None:
        """Look one query up.

        Args:
            user: a row of the history's users.
            movie: a row of the catalogue.
            day: the day the prediction is for, days since 1970-01-01.

        Returns:
            None where the user has rated the movie, and one rating less counts: that is for `model.features`.
        """
        history, overall = self._history, self._overall
        first, stop, last_day, bias, *sums = self._users[user].tolist()
        rows = slice(int(first), int(stop))
        first, stop, movie_sum, era, year = self._movies[movie].tolist()
        raters = slice(int(first), int(stop))
        candidates, codes = choose_candidates(history, raters, most=self._most_candidates)
        given = np.zeros(history.n_users, dtype=np.uint8)
        given[candidates] = codes
        n_looked_at = len(candidates)
        if given[user] or (n_looked_at == self._most_candidates and movie in history.user_movies[rows]):
            return None
        nearest = self._nearest[user]
        places = given[nearest[0]].nonzero()[0][:N_NEIGHBOURS]
        if len(places) == min(N_NEIGHBOURS, n_looked_at):
            found = nearest[:, places]
        else:
            found = self._search(rows, candidates)
        stars = [code * HALF_STAR for code in given[found[0]].tolist()]
        others, distances, common, gap_sums = found.tolist()
        distances = [distance * HALF_STAR for distance in distances]
        n_missing = N_NEIGHBOURS - len(others)

        n_user_ratings, n_movie_ratings = rows.stop - rows.start, raters.stop - raters.start
        movie_mean = movie_sum / n_movie_ratings if n_movie_ratings else overall
        era, n_eras = int(era), len(ERA_NAMES)
        era_count, era_mean, era_bias = 0, DEFAULT_ERA_MEAN, bias
        if era != NO_ERA and sums[era]:
            era_count = sums[era]
            era_mean = sums[n_eras + era] / era_count
            era_bias = (sums[2 * n_eras + era] + USER_SHRINKAGE * bias) / (era_count + USER_SHRINKAGE)
        recent_count, recent_sum = 0, 0.0
        if last_day >= day - RECENT_DAYS:
            recent_count, recent_sum = self._sum_recent(rows, day)
        age = UNKNOWN_AGE if year == NO_YEAR else max(1970 + day / DAYS_A_YEAR - year, 0.0)
        row = (
            *stars, *([movie_mean] * n_missing),
            era_mean,
            *distances, *([LARGEST_DISTANCE] * n_missing),
            *(measure_closeness(*each, self._mean_gap) for each in zip(gap_sums, common, strict=True)),
            *([self._mean_gap] * n_missing),
            len(others),
            math.log1p(era_count),
            math.log1p(n_user_ratings),
            bias,
            era_bias,
            math.log1p(n_movie_ratings),
            (movie_sum - n_movie_ratings * overall) / (n_movie_ratings + MOVIE_SHRINKAGE),
            math.log1p(age),
            math.log1p(recent_count),
            (recent_sum + USER_SHRINKAGE * bias) / (recent_count + USER_SHRINKAGE),
        )  # fmt: skip
        return Found(
            features=row[: self._n_features],
            neighbours=list(zip(others, stars, distances, common, strict=True)),
            n_user_ratings=n_user_ratings,
            n_movie_ratings=n_movie_ratings,
            era=era,
            era_mean=era_mean,
        )

    def _search(self, rows: slice, candidates: UserIndexes) -> NDArray[np.int64]:
        """The nearest of a movie's raters, as the lists have them, where the lists are too short to tell."""
        history = self._history
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
