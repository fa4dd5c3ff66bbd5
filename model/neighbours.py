"""The four nearest users who rated a movie: candidates, distance, order.

Exactly the definitions of DESIGN 3. This is the NumPy search that serving uses; training has a compiled one
(`model.training.bulk_neighbours`) held to the same brute-force reference by tests. Neither builds a
users × users matrix: one pass over the raters of a user's movies counts that user's gaps to everybody.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import N_CODES, NO_CUT, UNKNOWN, Codes, History, UserIndexes
from model.table import HALF_STAR
from model.views import Contexts, Queries, Views, compute_mean_gaps, concatenate_ranges, find_context_rows

N_NEIGHBOURS = 4
"""How many nearest users a prediction looks at."""
N_SMALLEST_GAPS = 3
"""The distance is the sum of this many smallest gaps."""
MISSING_GAP = 3.5
"""What each missing common movie adds to the distance, stars."""
LARGEST_DISTANCE = N_SMALLEST_GAPS * MISSING_GAP
"""The distance of two users with nothing in common, stars."""
CLOSENESS_SHRINKAGE = 5.0
"""How many common movies' worth of the population's mean gap every closeness is shrunk by."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The first four candidates of each query, in order."""

    users: UserIndexes
    """(n_queries, 4) indexes of the users; `UNKNOWN` where there is no such candidate."""
    codes: Codes
    """(n_queries, 4) what they gave the movie; 0 where there is no such candidate."""
    distances: NDArray[np.float32]
    """(n_queries, 4) stars, 0 to 10.5; 10.5 where there is no such candidate."""
    closenesses: NDArray[np.float32]
    """(n_queries, 4) shrunken mean gap, stars; the population's mean gap where there is no such candidate."""
    common_movies: NDArray[np.int32]
    """(n_queries, 4) how many other movies both rated."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n_queries,) how many of the four are real: neighbour_count."""
        counts: NDArray[np.int64] = (self.users != UNKNOWN).sum(axis=1)
        return counts


NeighbourSearch = Callable[[Views, Contexts, Queries], Neighbours]
"""A search engine: the NumPy one of this module or the compiled one of training."""


def empty_neighbours(mean_gaps: NDArray[np.float64]) -> Neighbours:
    """Neighbours that nobody has filled in yet.

    Args:
        mean_gaps: (n_queries,) the population's mean gap, stars.
    """
    shape = (len(mean_gaps), N_NEIGHBOURS)
    return Neighbours(
        users=np.full(shape, UNKNOWN, dtype=np.int32),
        codes=np.zeros(shape, dtype=np.uint8),
        distances=np.full(shape, LARGEST_DISTANCE, dtype=np.float32),
        closenesses=np.repeat(mean_gaps.astype(np.float32)[:, None], N_NEIGHBOURS, axis=1),
        common_movies=np.zeros(shape, dtype=np.int32),
    )


def find_neighbours(history: History, views: Views, contexts: Contexts, queries: Queries) -> Neighbours:
    """Find the four nearest users who rated each query's movie.

    Args:
        history: the index of all known ratings, cut by each group's `as_of`.
        views: the statistics that the groups see.
        contexts: the users' visible ratings.
        queries: who asks for which movie.
    """
    mean_gaps = compute_mean_gaps(views, contexts, queries)
    found = empty_neighbours(mean_gaps)
    own_rows = find_context_rows(contexts, queries)
    order = np.argsort(queries.groups, kind="stable")
    starts = np.searchsorted(queries.groups[order], np.arange(contexts.n_groups + 1))
    for group in range(contexts.n_groups):
        asked = order[starts[group] : starts[group + 1]]
        if len(asked) == 0:
            continue
        gap_counts = _count_gaps(history, contexts, group)
        for query in asked:
            rows = history.movie_rows(int(queries.movies[query]), int(contexts.as_of[group]))
            users, codes = history.movie_users[rows], history.movie_codes[rows]
            candidates = users != contexts.users[group]
            users, codes = users[candidates], codes[candidates]
            counts = gap_counts[users]  # (n_candidates, N_CODES)
            if own_rows[query] >= 0:
                # the movie itself is no common movie
                own_gaps = np.abs(codes.astype(np.int64) - contexts.codes[own_rows[query]])
                counts[np.arange(len(users)), own_gaps] -= 1
            common, distances, closenesses = measure_gaps(counts, float(mean_gaps[query]))
            first = np.lexsort((users, -common, closenesses, distances))[:N_NEIGHBOURS]
            real = len(first)
            found.users[query, :real] = users[first]
            found.codes[query, :real] = codes[first]
            found.distances[query, :real] = distances[first] * HALF_STAR
            found.closenesses[query, :real] = closenesses[first]
            found.common_movies[query, :real] = common[first]
    return found


def _count_gaps(history: History, contexts: Contexts, group: int) -> NDArray[np.int64]:
    """Count the group's gaps to every user: (n_users, N_CODES), by the gap in half stars."""
    context = slice(int(contexts.offsets[group]), int(contexts.offsets[group + 1]))
    movies = contexts.movies[context]
    as_of = int(contexts.as_of[group])
    starts = history.movie_offsets[movies]
    if as_of >= NO_CUT:
        stops = history.movie_offsets[movies.astype(np.int64) + 1]
    else:
        stops = np.array([history.movie_rows(int(movie), as_of).stop for movie in movies], dtype=np.int64)
    rows = concatenate_ranges(starts, stops)
    own = np.repeat(contexts.codes[context].astype(np.int64), stops - starts)
    gaps = np.abs(history.movie_codes[rows] - own)
    flat = np.bincount(history.movie_users[rows] * N_CODES + gaps, minlength=history.n_users * N_CODES)
    return flat.reshape(history.n_users, N_CODES)


def measure_gaps(
    counts: NDArray[np.int64], mean_gap: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Compute common movies, distance and closeness from how often each gap occurs.

    Args:
        counts: (n_candidates, N_CODES) how many common movies have each gap, in half stars.
        mean_gap: g₀, the population's mean gap, stars.

    Returns:
        Common movies (n_candidates,); distances (n_candidates,) in half stars, whole numbers so that ties
        are exact; closenesses (n_candidates,), stars.

    Source: DESIGN 3.
    """
    levels = np.arange(N_CODES)
    common = counts.sum(axis=1)
    smallest = np.diff(np.minimum(counts.cumsum(axis=1), N_SMALLEST_GAPS), axis=1, prepend=0)
    missing = N_SMALLEST_GAPS - np.minimum(common, N_SMALLEST_GAPS)
    distances = smallest @ levels + missing * int(MISSING_GAP / HALF_STAR)
    closenesses = ((counts @ levels) * HALF_STAR + CLOSENESS_SHRINKAGE * mean_gap) / (
        common + CLOSENESS_SHRINKAGE
    )
    return common, distances, closenesses
