"""List each user's nearest other users, for the bundle.

The work is a pass over the raters of each user's movies, and a look at every other user. That is seconds for
a few thousand users and far too long for the whole Prize, so beyond a bound no lists are made, and serving
searches for each prediction.
"""

import numba
import numpy as np

from model.history import NO_CUT, History
from model.nearest import MOST_LISTED, NearestUsers
from model.neighbours import CLOSENESS_SHRINKAGE
from model.progress import track_step
from model.table import HALF_STAR
from model.training.bulk_neighbours import (
    COMMON,
    GAP_SUM,
    N_COLUMNS,
    NO_FOLD,
    count_gaps_to_all,
    measure_distance,
)
from model.views import Views

MOST_WORK = 5_000_000_000
"""Gaps that are counted at most."""
_USER_COST = 8
"""Gaps' worth of work that ranking one user costs."""
_USERS_AT_ONCE = 256
"""Users from one sign of progress to the next."""
_SIXTEEN_BITS = 1 << 16
_DISTANCE_STEP = 16.0
"""More than any closeness, stars: a key of distance and closeness sorts by distance first."""


def is_worth_listing(history: History, *, most_work: int = MOST_WORK) -> bool:
    """Whether lists can be made in reasonable time.

    Args:
        history: the index of all ratings.
        most_work: gaps that may be counted.
    """
    raters = np.diff(history.movie_offsets).astype(np.float64)
    work = float((raters**2).sum()) + _USER_COST * float(history.n_users) ** 2
    return history.n_users > 1 and work <= most_work


def list_nearest_users(history: History, views: Views, *, most_listed: int = MOST_LISTED) -> NearestUsers:
    """List each user's nearest other users, in the order of DESIGN 3.

    Args:
        history: the index of all ratings; two users or more.
        views: the view of the whole history.
        most_listed: how long a list may be.

    Returns:
        The lists, in 16 bits a number unless one of them needs more: a sum of gaps of many movies.
    """
    n_listed = min(most_listed, history.n_users - 1)
    listed = np.empty((history.n_users, 4, n_listed), dtype=np.int32)
    mean_gap = float(views.gap_sums[0]) / max(int(views.gap_pairs[0]), 1)
    no_folds = np.broadcast_to(np.int8(0), history.n_ratings)
    by_movie = (
        history.movie_offsets,
        history.movie_users,
        history.movie_codes,
        history.movie_days,
        no_folds,
    )
    contexts = (
        np.arange(history.n_users, dtype=np.int32),
        np.full(history.n_users, NO_CUT, dtype=np.int32),
        history.user_offsets,
        history.user_movies,
        history.user_codes,
        np.full(history.n_users, NO_FOLD, dtype=np.int8),
    )
    with track_step("listing nearest users", total=history.n_users, unit="users") as step:
        for first in range(0, history.n_users, _USERS_AT_ONCE):
            last = min(first + _USERS_AT_ONCE, history.n_users)
            _list_for_users(first, last, numba.get_num_threads(), mean_gap, by_movie, contexts, listed)
            step.advance(last - first)
    return listed.astype(np.uint16) if listed.max() < _SIXTEEN_BITS else listed


@numba.njit(parallel=True, cache=True)
def _list_for_users(first, last, n_threads, mean_gap, by_movie, contexts, listed):  # type: ignore[no-untyped-def]
    """Share the users among threads; each has its own counts of gaps to every user."""
    n_users = len(contexts[0])
    for thread in numba.prange(n_threads):
        counts = np.zeros((n_users, N_COLUMNS), dtype=np.int32)
        for user in range(first + thread, last, n_threads):
            count_gaps_to_all(user, counts, by_movie, contexts)
            _list_for_user(user, counts, mean_gap, listed)
            counts[:] = 0


@numba.njit(cache=True)
def _list_for_user(user, counts, mean_gap, listed):  # type: ignore[no-untyped-def]
    n_users, n_listed = len(counts), listed.shape[2]
    distances = np.empty(n_users, dtype=np.int64)
    closenesses = np.empty(n_users, dtype=np.float64)
    keys = np.empty(n_users, dtype=np.float64)
    for other in range(n_users):
        of_other = counts[other]
        distances[other] = measure_distance(of_other, -1)
        closenesses[other] = (of_other[GAP_SUM] * HALF_STAR + CLOSENESS_SHRINKAGE * mean_gap) / (
            of_other[COMMON] + CLOSENESS_SHRINKAGE
        )
        keys[other] = distances[other] * _DISTANCE_STEP + closenesses[other]
    keys[user] = np.inf
    # the keys' rounding may make a near tie of closenesses an exact one, never the other way round: whoever
    # might be listed is kept, and put into the exact order
    limit = np.partition(keys, n_listed - 1)[n_listed - 1]
    near = np.flatnonzero(keys <= limit)
    near = near[np.argsort(-counts[near, COMMON], kind="mergesort")]
    near = near[np.argsort(closenesses[near], kind="mergesort")]
    near = near[np.argsort(distances[near], kind="mergesort")]
    for rank in range(n_listed):
        other = near[rank]
        listed[user, 0, rank] = other
        listed[user, 1, rank] = distances[other]
        listed[user, 2, rank] = counts[other, COMMON]
        listed[user, 3, rank] = counts[other, GAP_SUM]
