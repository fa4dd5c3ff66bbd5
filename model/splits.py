"""Which ratings train and which test: the definitions behind `--split`.

One place, because an RMSE means nothing without the rows it was measured on: reports, benchmarks and the
training command all cut here. Every cut keeps the time order of the rows.
"""

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.dates import format_day, parse_day
from model.errors import ConfigError, DataError
from model.grouping import find_offsets, number_ids, place_by_group
from model.history import UNKNOWN, find
from model.progress import track_rows, track_step
from model.suggestions import suggest
from model.table import Ids, Ratings

TRAIN_SHARE = 0.9
"""`latest` tests on the rows whose percentile rank among their user's ratings is above this."""

RANDOM_TEST_SHARE = 0.1
"""`random` tests on this share of the rows."""


class SplitMethod(enum.StrEnum):
    """How ratings are divided; the values are those of `--split`."""

    LATEST = "latest"
    PERIOD = "period"
    RANDOM = "random"
    NONE = "none"


ACCEPTED = "latest, period:YYYY-MM-DD, random or none"
"""What `parse_split` accepts, for messages and help texts."""


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """A way to divide ratings, as `--split` names it."""

    method: SplitMethod
    """How the test rows are chosen."""
    first_test_day: int | None = None
    """For `period` only: the first day of the test rows, days since 1970-01-01."""

    def __post_init__(self) -> None:
        if (self.method is SplitMethod.PERIOD) != (self.first_test_day is not None):
            raise ConfigError(
                f"a first test day goes with the split 'period' alone, not with {self.method!s}"
            )

    def __str__(self) -> str:
        if self.first_test_day is None:
            return str(self.method)
        return f"{self.method}:{format_day(self.first_test_day)}"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Ratings divided in two; no row is in both."""

    train: Ratings
    """The ratings to learn from."""
    test: Ratings
    """The ratings to measure on; empty under `none`."""
    n_pairs_not_found: int = 0
    """How many of the listed pairs have no rating; only where a list of pairs made the split."""


def parse_split(text: str) -> SplitSpec:
    """Read the value of `--split`.

    Raises:
        ConfigError: if `text` names no split, or `period` comes without a date of the calendar.

    >>> str(parse_split("period:2005-01-01"))
    'period:2005-01-01'
    """
    name, colon, date = text.partition(":")
    if name == SplitMethod.PERIOD and colon:
        try:
            return SplitSpec(SplitMethod.PERIOD, parse_day(date))
        except ValueError as error:
            raise ConfigError(f"split {text!r}: {error}") from error
    if name == SplitMethod.PERIOD:
        raise ConfigError(f"split {text!r} needs the first day of the test rows: period:YYYY-MM-DD")
    if text in set(SplitMethod):
        return SplitSpec(SplitMethod(text))
    raise ConfigError(f"split {text!r} is unknown: expected {ACCEPTED}{suggest(name, list(SplitMethod))}")


def apply_split(ratings: Ratings, spec: SplitSpec, *, seed: int) -> Split:
    """Divide ratings into training and test rows.

    `latest` tests on each user's latest tenth: rows whose position in time order among the user's n ratings
    is above 0.9 n (pandas: `groupby(user)[time].rank(method="first", pct=True) > 0.9`). A user's last rating
    is always a test row, even the only one. `period` tests on everything from its day on; `random` on a
    tenth of all rows, at least one; `none` on nothing. Where no row would be left to train on, or none to
    test on (`none` apart), that is a DataError.

    Args:
        ratings: the rows to divide.
        spec: how.
        seed: chooses the rows of `random`; the others do not use it.
    """
    if spec.first_test_day is not None:
        in_test = ratings.days >= spec.first_test_day
    elif spec.method is SplitMethod.LATEST:
        in_test = _compute_latest(ratings)
    elif spec.method is SplitMethod.RANDOM:
        in_test = _draw_random(ratings, seed)
    else:
        in_test = np.zeros(len(ratings), dtype=np.bool_)
    return _divide(ratings, in_test, name=f"split {spec}", may_test_nothing=spec.method is SplitMethod.NONE)


def split_off_pairs(ratings: Ratings, user_ids: Ids, movie_ids: Ids) -> Split:
    """Test on the ratings of listed pairs, as the Prize's probe.txt asks: its rows lie in the training files.

    Args:
        ratings: the rows to divide.
        user_ids: (n_pairs,) ids.
        movie_ids: (n_pairs,) ids, one for each of `user_ids`.

    Returns:
        The two parts, and how many different pairs of the list have no rating. Where no listed pair has one,
        or no other rating is left to train on, that is a DataError.
    """
    pairs = np.unique(np.stack([user_ids, movie_ids], axis=1), axis=0)  # (n_pairs, 2)
    rows = find_pairs(
        pairs[:, 0], pairs[:, 1], among_user_ids=ratings.user_ids, among_movie_ids=ratings.movie_ids
    )
    found = rows >= 0
    in_test = np.zeros(len(ratings), dtype=np.bool_)
    in_test[rows[found]] = True
    n_not_found = int(np.count_nonzero(~found))
    name = f"a list of {len(pairs)} pairs, {n_not_found} of them without a rating,"
    parts = _divide(ratings, in_test, name=name, may_test_nothing=False)
    return Split(train=parts.train, test=parts.test, n_pairs_not_found=n_not_found)


def find_pairs(
    user_ids: Ids,
    movie_ids: Ids,
    *,
    among_user_ids: Ids,
    among_movie_ids: Ids,
) -> NDArray[np.int64]:
    """Find pairs of user and movie in a table that has each pair at most once.

    Args:
        user_ids: (n_pairs,) ids to look for, known or not.
        movie_ids: (n_pairs,) ids, one for each of `user_ids`.
        among_user_ids: (n,) the table's ids.
        among_movie_ids: (n,) the table's ids.

    Returns:
        (n_pairs,) row numbers of the table; -1 where it does not have the pair.
    """
    if len(user_ids) == 0:
        return np.array([], dtype=np.int64)
    users, movies = np.unique(user_ids), np.unique(movie_ids)

    def compute_keys(of_users: Ids, of_movies: Ids) -> NDArray[np.int64]:
        # dense numbers first: the product of two raw ids may not fit an int64
        numbers, others = find(users, of_users), find(movies, of_movies)
        known = (numbers != UNKNOWN) & (others != UNKNOWN)
        return np.where(known, numbers.astype(np.int64) * len(movies) + others, -1)

    wanted, places = np.unique(compute_keys(user_ids, movie_ids), return_inverse=True)
    found = np.full(len(wanted), -1)
    for block in track_rows(len(among_user_ids), "looking pairs up"):
        keys = compute_keys(among_user_ids[block], among_movie_ids[block])
        at = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        rows = np.flatnonzero(wanted[at] == keys)
        found[at[rows]] = block.start + rows
    return found[places]


def _compute_latest(ratings: Ratings) -> NDArray[np.bool_]:
    """Mark each user's latest tenth."""
    with track_step("splitting", total=len(ratings), unit="ratings") as step:
        user_ids, users = number_ids(ratings.user_ids, step, worth=0.3)
        offsets = find_offsets(users, len(user_ids))
        counts = np.diff(offsets)
        in_test = np.empty(len(ratings), dtype=np.bool_)
        for rows, places in place_by_group(users, offsets, step, worth=0.7):  # within a user by time
            of_rows = users[rows]
            positions = places - offsets[of_rows] + 1  # 1 .. the user's number of ratings
            in_test[rows] = positions / counts[of_rows] > TRAIN_SHARE
    return in_test


def _draw_random(ratings: Ratings, seed: int) -> NDArray[np.bool_]:
    """Mark a tenth of the rows, the same pairs whatever the order of the source."""
    n = len(ratings)
    in_test = np.zeros(n, dtype=np.bool_)
    if n > 0:
        n_test = max(1, round(RANDOM_TEST_SHARE * n))
        drawn = np.random.default_rng(seed).choice(n, n_test, replace=False)
        in_test[_order_by_pair(ratings)[drawn]] = True
    return in_test


def _order_by_pair(ratings: Ratings) -> NDArray[np.int64]:
    """The rows by user, and by movie within a user."""
    order = np.arange(len(ratings))
    with track_step("splitting", total=len(ratings), unit="ratings") as step:
        for ids in (ratings.movie_ids, ratings.user_ids):  # stable: what comes last counts most
            different, numbers = number_ids(ids, step, worth=0.1)
            numbers, before, order = numbers[order], order, np.empty_like(order)
            for rows, places in place_by_group(
                numbers, find_offsets(numbers, len(different)), step, worth=0.4
            ):
                order[places] = before[rows]
    return order


def _divide(ratings: Ratings, in_test: NDArray[np.bool_], *, name: str, may_test_nothing: bool) -> Split:
    """Divide by a mask, unless one side would be empty."""
    if len(ratings) == 0:
        raise DataError("there are no ratings to split")
    n_test = int(np.count_nonzero(in_test))
    if n_test == len(ratings) or (n_test == 0 and not may_test_nothing):
        purpose = "test on" if n_test == 0 else "train on"
        span = f"{format_day(ratings.days[0])} to {format_day(ratings.days[-1])}"
        raise DataError(f"{name} leaves no ratings to {purpose}: all {len(ratings)} are dated {span}")
    return Split(train=ratings.take(~in_test), test=ratings.take(in_test))
