"""The neighbour search for training: every group and query in one compiled pass, folds left out.

Same definitions and same order as `model.neighbours`, for many rows. A group's gaps are counted by way of its
movies' raters, once for all of its queries, or by way of each query's candidates' histories, whichever is
cheaper. Compiled by Numba on first use and cached beside this file.
"""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

from model.history import N_CODES, UNKNOWN, History
from model.neighbours import (
    CLOSENESS_SHRINKAGE,
    MISSING_GAP,
    MOST_CANDIDATES,
    N_NEIGHBOURS,
    N_SMALLEST_GAPS,
    Neighbours,
    NeighbourSearch,
    empty_neighbours,
)
from model.progress import track_step
from model.table import HALF_STAR
from model.views import Contexts, Queries, Views, compute_mean_gaps

NO_FOLD = -1
"""The fold of a group that sees every fold."""

_MISSING_CODE = int(MISSING_GAP / HALF_STAR)
COMMON, GAP_SUM = N_CODES, N_CODES + 1
"""Columns behind the gap counts: how many gaps there are, and their sum in half stars."""
N_COLUMNS = 16
"""A user's counts fill one cache line."""
_CACHE_BYTES = 4 << 20
_GROUPS_AT_ONCE = 16
"""Groups that a thread takes at once; of a hundred million ratings, one may take a second."""
_NEAR_COST, _FAR_COST = 1.5, 12.0
"""How much dearer a rating is that adds to the counts of some user than one of a history read in order: where
the counts of all users fit into the cache, and where they do not."""


def build_bulk_search(
    history: History,
    user_row_folds: NDArray[np.int8],
    movie_row_folds: NDArray[np.int8],
    group_folds: NDArray[np.int8],
    *,
    most_candidates: int = MOST_CANDIDATES,
    context_cost: float | None = None,
) -> NeighbourSearch:
    """Build a search in which each group sees only ratings outside its fold.

    Args:
        history: the index of all training ratings.
        user_row_folds: (n_ratings,) the fold of each of the history's by-user rows.
        movie_row_folds: (n_ratings,) the fold of each of the history's by-movie rows.
        group_folds: (n_groups,) the fold that each group does not see; `NO_FOLD` sees all.
        most_candidates: of a movie with more raters, this many are looked at, evenly spread over its ratings.
        context_cost: how much dearer a rating is that is read by way of the context's movies than one read by
            way of the candidates; None is what was measured.
    """
    if context_cost is None:
        fits = history.n_users * N_COLUMNS * 4 <= _CACHE_BYTES
        context_cost = _NEAR_COST if fits else _FAR_COST

    def search(views: Views, contexts: Contexts, queries: Queries) -> Neighbours:
        mean_gaps = compute_mean_gaps(views, contexts, queries)
        found = empty_neighbours(mean_gaps)
        order = np.argsort(queries.groups, kind="stable")
        starts = np.searchsorted(queries.groups[order], np.arange(contexts.n_groups + 1))
        busy = np.flatnonzero(np.diff(starts) > 0)
        by_movie = (
            history.movie_offsets,
            history.movie_users,
            history.movie_codes,
            history.movie_days,
            movie_row_folds,
        )
        by_user = (
            history.user_offsets,
            history.user_movies,
            history.user_codes,
            history.user_days,
            user_row_folds,
        )
        of_contexts = (
            contexts.users,
            contexts.as_of,
            contexts.offsets,
            contexts.movies,
            contexts.codes,
            group_folds,
        )
        of_queries = (order, starts, queries.movies, mean_gaps)
        results = (found.users, found.codes, found.distances, found.closenesses, found.common_movies)
        n_threads = numba.get_num_threads()
        idle = [
            (
                np.zeros((history.n_users, N_COLUMNS), dtype=np.int32),
                np.zeros(history.n_movies, dtype=np.uint8),
            )
            for _ in range(n_threads)
        ]

        def search_part(part: NDArray[np.int64]) -> int:
            counts, own = idle.pop()
            _search_groups(
                part, counts, own, most_candidates, context_cost, by_movie, by_user, of_contexts, of_queries,
                results,
            )  # fmt: skip
            idle.append((counts, own))
            return len(part)

        # a thread takes the next groups when it is done: none waits, and Ctrl-C is heard between two of them
        parts = [busy[first : first + _GROUPS_AT_ONCE] for first in range(0, len(busy), _GROUPS_AT_ONCE)]
        with (
            ThreadPoolExecutor(n_threads) as pool,
            track_step("finding neighbours", total=len(busy), unit="users") as step,
        ):
            for n_done in pool.map(search_part, parts):
                step.advance(n_done)
        return found

    return search


def build_whole_search(history: History, *, most_candidates: int = MOST_CANDIDATES) -> NeighbourSearch:
    """Build a search in which every group sees all ratings.

    Args:
        history: the index of all known ratings.
        most_candidates: as for `build_bulk_search`.
    """
    no_folds = np.broadcast_to(np.int8(0), history.n_ratings)

    def search(views: Views, contexts: Contexts, queries: Queries) -> Neighbours:
        group_folds = np.full(contexts.n_groups, NO_FOLD, dtype=np.int8)
        bulk = build_bulk_search(history, no_folds, no_folds, group_folds, most_candidates=most_candidates)
        return bulk(views, contexts, queries)

    return search


@numba.njit(nogil=True, cache=True)
def _search_groups(  # type: ignore[no-untyped-def]
    part, counts, own, most, context_cost, by_movie, by_user, contexts, queries, found
):
    """Search for some groups; `counts`, of gaps to every user, and `own` are zeros before and after."""
    for group in part:
        _search_group(group, counts, own, most, context_cost, by_movie, by_user, contexts, queries, found)


@numba.njit(cache=True)
def _search_group(  # type: ignore[no-untyped-def]
    group, counts, own, most, context_cost, by_movie, by_user, contexts, queries, found
):
    movie_offsets, movie_users, _movie_codes, _movie_days, _movie_folds = by_movie
    users, as_of, offsets, context_movies, context_codes, group_folds = contexts
    order, starts, query_movies, mean_gaps = queries
    cut, fold = as_of[group], group_folds[group]
    n_of_movies = 0
    for place in range(offsets[group], offsets[group + 1]):
        movie = context_movies[place]
        own[movie] = context_codes[place]
        n_of_movies += movie_offsets[movie + 1] - movie_offsets[movie]
    n_of_candidates = 0
    for asked in range(starts[group], starts[group + 1]):
        movie = query_movies[order[asked]]
        if movie != UNKNOWN:
            n_of_candidates += _count_histories(movie, most, by_movie, by_user[0])
        if n_of_candidates >= context_cost * n_of_movies:
            break
    by_context = n_of_candidates >= context_cost * n_of_movies
    if by_context:
        count_gaps_to_all(group, counts, by_movie, contexts)
    for asked in range(starts[group], starts[group + 1]):
        query = order[asked]
        movie = query_movies[query]
        if movie != UNKNOWN:
            own_code = own[movie]
            own[movie] = 0  # the movie itself is no common movie
            _rank_candidates(
                query, movie, np.int64(own_code), users[group], cut, fold, counts, own, by_context, most,
                by_movie, by_user, mean_gaps[query], found,
            )  # fmt: skip
            own[movie] = own_code
    for place in range(offsets[group], offsets[group + 1]):
        own[context_movies[place]] = 0
    if not by_context:
        return
    if n_of_movies > len(counts):
        counts[:] = 0
        return
    for place in range(offsets[group], offsets[group + 1]):
        movie = context_movies[place]
        for row in range(movie_offsets[movie], movie_offsets[movie + 1]):
            counts[movie_users[row]] = 0


@numba.njit(cache=True)
def _count_histories(movie, most, by_movie, user_offsets):  # type: ignore[no-untyped-def]
    """How many ratings the candidates of a movie have, about."""
    movie_offsets, movie_users = by_movie[0], by_movie[1]
    first, n = movie_offsets[movie], movie_offsets[movie + 1] - movie_offsets[movie]
    n_looked_at = min(n, most)
    step = max(1, n_looked_at // 50)  # some of them are enough to guess
    total, n_counted = 0, 0
    for looked_at in range(0, n_looked_at, step):
        user = movie_users[first + looked_at * n // n_looked_at]
        total += user_offsets[user + 1] - user_offsets[user]
        n_counted += 1
    return total * n_looked_at // max(n_counted, 1)


@numba.njit(cache=True)
def count_gaps_to_all(group, counts, by_movie, contexts):  # type: ignore[no-untyped-def]
    """One pass over the raters of the context's movies."""
    movie_offsets, movie_users, movie_codes, movie_days, movie_folds = by_movie
    _, as_of, offsets, context_movies, context_codes, group_folds = contexts
    cut, fold = as_of[group], group_folds[group]
    for place in range(offsets[group], offsets[group + 1]):
        movie, own = context_movies[place], np.int64(context_codes[place])
        first = movie_offsets[movie]
        stop = first + np.searchsorted(movie_days[first : movie_offsets[movie + 1]], cut)
        for row in range(first, stop):
            if movie_folds[row] != fold:
                of_user = counts[movie_users[row]]
                gap = abs(np.int64(movie_codes[row]) - own)
                of_user[gap] += 1
                of_user[COMMON] += 1
                of_user[GAP_SUM] += gap


@numba.njit(cache=True)
def _count_gaps_to_one(candidate, own, cut, fold, by_user, of_user):  # type: ignore[no-untyped-def]
    """One pass over a candidate's own history."""
    user_offsets, user_movies, user_codes, user_days, user_folds = by_user
    of_user[:] = 0
    for row in range(user_offsets[candidate], user_offsets[candidate + 1]):
        if user_days[row] >= cut:
            break
        code = np.int64(own[user_movies[row]])
        if code > 0 and user_folds[row] != fold:
            gap = abs(np.int64(user_codes[row]) - code)
            of_user[gap] += 1
            of_user[COMMON] += 1
            of_user[GAP_SUM] += gap


@numba.njit(cache=True)
def measure_distance(of_user, own_gap):  # type: ignore[no-untyped-def]
    """The distance in half stars, from how often each gap occurs; one occurrence of the own gap left out."""
    if of_user[0] - (own_gap == 0) >= N_SMALLEST_GAPS:
        return 0
    distance, common = 0, 0
    for gap in range(N_CODES):
        count = of_user[gap] - (gap == own_gap)
        distance += gap * max(0, min(count, N_SMALLEST_GAPS - common))
        common += count
        if common >= N_SMALLEST_GAPS:
            return distance
    return distance + _MISSING_CODE * (N_SMALLEST_GAPS - common)


@numba.njit(cache=True)
def _rank_candidates(  # type: ignore[no-untyped-def]
    query, movie, own_code, user, cut, fold, counts, own, by_context, most, by_movie, by_user, mean_gap, found
):
    movie_offsets, movie_users, movie_codes, movie_days, movie_folds = by_movie
    best_users, best_codes, best_distances, best_closenesses, best_common = found
    distances = np.empty(N_NEIGHBOURS, dtype=np.int64)
    closenesses = np.empty(N_NEIGHBOURS, dtype=np.float64)
    of_candidate = np.empty(N_COLUMNS, dtype=np.int32)
    n_found = 0
    first = movie_offsets[movie]
    n = np.searchsorted(movie_days[first : movie_offsets[movie + 1]], cut)
    for looked_at in range(min(n, most)):
        row = first + (looked_at if n <= most else looked_at * n // most)
        candidate = movie_users[row]
        if candidate == user or movie_folds[row] == fold:
            continue
        code = np.int64(movie_codes[row])
        own_gap = -1
        if by_context:
            of_user = counts[candidate]
            if own_code > 0:
                own_gap = abs(code - own_code)  # counted, but the movie itself is no common movie
        else:
            _count_gaps_to_one(candidate, own, cut, fold, by_user, of_candidate)
            of_user = of_candidate
        distance = measure_distance(of_user, own_gap)
        if n_found == N_NEIGHBOURS and distance > distances[N_NEIGHBOURS - 1]:
            continue
        common = of_user[COMMON] - (own_gap >= 0)
        gap_sum = of_user[GAP_SUM] - max(own_gap, 0)
        closeness = (gap_sum * HALF_STAR + CLOSENESS_SHRINKAGE * mean_gap) / (common + CLOSENESS_SHRINKAGE)
        place = n_found
        while place > 0:
            before = place - 1
            if distance != distances[before]:
                nearer = distance < distances[before]
            elif closeness != closenesses[before]:
                nearer = closeness < closenesses[before]
            elif common != best_common[query, before]:
                nearer = common > best_common[query, before]
            else:
                nearer = candidate < best_users[query, before]
            if not nearer:
                break
            place = before
        if place == N_NEIGHBOURS:
            continue
        n_found = min(n_found + 1, N_NEIGHBOURS)
        for later in range(n_found - 1, place, -1):
            distances[later] = distances[later - 1]
            closenesses[later] = closenesses[later - 1]
            best_users[query, later] = best_users[query, later - 1]
            best_codes[query, later] = best_codes[query, later - 1]
            best_common[query, later] = best_common[query, later - 1]
        distances[place] = distance
        closenesses[place] = closeness
        best_users[query, place] = candidate
        best_codes[query, place] = code
        best_common[query, place] = common
    for place in range(n_found):
        best_distances[query, place] = distances[place] * HALF_STAR
        best_closenesses[query, place] = closenesses[place]
