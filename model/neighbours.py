"""The four nearest users who rated a movie: candidates, distance, order.

Exactly the definitions of DESIGN 3, up to a bound on how many candidates are looked at. This is the NumPy
search that serving uses; training has a compiled one (`model.training.bulk_neighbours`) held to the same
brute-force reference by tests. Neither builds a users × users matrix: one pass over the raters of a user's
movies counts that user's gaps to everybody, or one over the candidates' histories those to the candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.history import N_CODES, NO_CUT, UNKNOWN, Codes, History, MovieIndexes, UserIndexes
from model.table import HALF_STAR
from model.views import Contexts, Queries, Views, compute_mean_gaps

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
MOST_CANDIDATES = 2_000
"""Of a movie with more raters than this, as many are looked at, evenly spread over its ratings in time: in a
hundred million ratings the most popular movie has 233,000 (docs/decisions/candidates.md)."""

_CANDIDATES_AT_ONCE = 200
"""Histories that are read together: few enough for the processor's cache."""


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


def find_neighbours(
    history: History,
    views: Views,
    contexts: Contexts,
    queries: Queries,
    *,
    most_candidates: int = MOST_CANDIDATES,
) -> Neighbours:
    """Find the four nearest users who rated each query's movie.

    Gaps are counted from whichever side is shorter: the raters of all movies of the context, once for all of
    its queries, or the histories of all candidates.

    Args:
        history: the index of all known ratings, cut by each group's `as_of`.
        views: the statistics that the groups see.
        contexts: the users' visible ratings.
        queries: who asks for which movie.
        most_candidates: of a movie with more raters, this many are looked at, evenly spread over its ratings.
    """
    mean_gaps = compute_mean_gaps(views, contexts, queries)
    found = empty_neighbours(mean_gaps)
    order = np.argsort(queries.groups, kind="stable")
    starts = np.searchsorted(queries.groups[order], np.arange(contexts.n_groups + 1))
    for group in np.flatnonzero(np.diff(starts)).tolist():
        asked = order[starts[group] : starts[group + 1]]
        own = np.zeros(history.n_movies + 1, dtype=np.uint8)  # by movie; the last entry is the unknown one's
        context = slice(int(contexts.offsets[group]), int(contexts.offsets[group + 1]))
        own[contexts.movies[context]] = contexts.codes[context]
        as_of = int(contexts.as_of[group])
        chosen = [
            _choose_others(history, int(movie), as_of, int(contexts.users[group]), most_candidates)
            for movie in queries.movies[asked]
        ]
        gap_counts = None
        if _is_context_shorter(history, contexts.movies[context], [users for users, _ in chosen]):
            gap_counts = _count_gaps_to_all(history, contexts.movies[context], own, as_of)
        for query, (users, codes) in zip(asked.tolist(), chosen, strict=True):
            movie = int(queries.movies[query])
            if gap_counts is None:
                counts = count_gaps_to(history, users, own, movie, as_of)
            else:
                counts = gap_counts[users]  # (n_candidates, N_CODES)
                if own[movie]:
                    # the movie itself is no common movie
                    counts[np.arange(len(users)), np.abs(codes.astype(np.int64) - int(own[movie]))] -= 1
            common, distances, closenesses = measure_gaps(counts, float(mean_gaps[query]))
            first = np.lexsort((users, -common, closenesses, distances))[:N_NEIGHBOURS]
            real = len(first)
            found.users[query, :real] = users[first]
            found.codes[query, :real] = codes[first]
            found.distances[query, :real] = distances[first] * HALF_STAR
            found.closenesses[query, :real] = closenesses[first]
            found.common_movies[query, :real] = common[first]
    return found


def choose_candidates(history: History, raters: slice, *, most: int) -> tuple[UserIndexes, Codes]:
    """The users who are looked at for a movie, and what they gave it; the one who asks may be among them.

    Args:
        history: the index of all known ratings.
        raters: the rows of the by-movie arrays that hold the movie's ratings.
        most: of more raters, this many are looked at, evenly spread over the movie's ratings.
    """
    n = raters.stop - raters.start
    places = raters if n <= most else raters.start + np.arange(most) * n // most
    return history.movie_users[places], history.movie_codes[places]


def _choose_others(
    history: History, movie: int, as_of: int, asking: int, most: int
) -> tuple[UserIndexes, Codes]:
    """The candidates: whoever is looked at, but for the one who asks."""
    users, codes = choose_candidates(history, history.movie_rows(movie, as_of), most=most)
    others = users != asking
    return users[others], codes[others]


def _is_context_shorter(history: History, rated: MovieIndexes, candidates: list[UserIndexes]) -> bool:
    """Whether fewer ratings are read by way of the context's movies than by way of the candidates."""
    n_of_movies = int((history.movie_offsets[rated + 1] - history.movie_offsets[rated]).sum())
    n_of_candidates = sum(
        int((history.user_offsets[users + 1] - history.user_offsets[users]).sum()) for users in candidates
    )
    return n_of_movies + history.n_users * N_CODES < n_of_candidates


def _count_gaps_to_all(history: History, rated: MovieIndexes, own: Codes, as_of: int) -> NDArray[np.int64]:
    """Count a context's gaps to every user: (n_users, N_CODES), by the gap in half stars."""
    starts = history.movie_offsets[rated]
    if as_of >= NO_CUT:
        stops = history.movie_offsets[rated + 1]
    else:
        stops = np.array([history.movie_rows(int(movie), as_of).stop for movie in rated], dtype=np.int64)
    users, codes = (_join(column, starts, stops) for column in (history.movie_users, history.movie_codes))
    gaps = _subtract(codes, np.repeat(own[rated], stops - starts))
    flat = np.bincount(users * np.int64(N_CODES) + gaps, minlength=history.n_users * N_CODES)
    return flat.reshape(history.n_users, N_CODES)


def count_gaps_to(
    history: History, users: UserIndexes, own: Codes, movie: int, as_of: int
) -> NDArray[np.int64]:
    """Count a context's gaps to some users, one movie left out: (n_candidates, N_CODES), by half stars.

    Args:
        history: the index of all known ratings.
        users: (n_candidates,) to whom.
        own: (n_movies + 1,) the context's ratings by movie; 0 where there is none, and for the unknown movie,
            which is the last.
        movie: left out; `UNKNOWN` for none.
        as_of: days since 1970-01-01; their ratings from this day on do not count.
    """
    own = own.copy()
    own[movie] = 0
    counts = np.empty((len(users), N_CODES), dtype=np.int64)
    for first in range(0, len(users), _CANDIDATES_AT_ONCE):
        part = users[first : first + _CANDIDATES_AT_ONCE]
        starts, stops = history.user_offsets[part], history.user_offsets[part + 1]
        # `take` takes half the time of indexing by 32-bit integers
        own_codes = own.take(_join(history.user_movies, starts, stops))
        is_common = own_codes != 0
        if as_of < NO_CUT:
            is_common &= _join(history.user_days, starts, stops) < as_of
        common = np.flatnonzero(is_common)
        ends = np.cumsum(stops - starts)
        n_common = np.diff(np.searchsorted(common, ends), prepend=0)
        candidates = np.repeat(np.arange(len(part)), n_common)
        codes = history.user_codes.take(common + np.repeat(stops - ends, n_common))
        gaps = _subtract(codes, own_codes.take(common))
        flat = np.bincount(candidates * N_CODES + gaps, minlength=len(part) * N_CODES)
        counts[first : first + len(part)] = flat.reshape(-1, N_CODES)
    return counts


def _join(column: NDArray[Any], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[Any]:
    """The ranges of a column one after the other; faster than gathering their rows one by one."""
    parts = [column[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    return np.concatenate(parts) if parts else column[:0]


def _subtract(codes: Codes, others: Codes) -> NDArray[np.uint8]:
    """Absolute differences, in a byte each."""
    gaps: NDArray[np.uint8] = np.where(codes > others, codes - others, others - codes)
    return gaps


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
    running = counts.cumsum(axis=1)
    common = running[:, -1]
    # A gap is as many half stars as there are levels below it, so at each level those of the smallest gaps
    # that are larger are counted.
    within = np.minimum(running, N_SMALLEST_GAPS)
    found = within[:, -1]
    distances = (N_CODES - 1) * found - within[:, :-1].sum(axis=1)
    distances += (N_SMALLEST_GAPS - found) * int(MISSING_GAP / HALF_STAR)
    closenesses = ((counts @ levels) * HALF_STAR + CLOSENESS_SHRINKAGE * mean_gap) / (
        common + CLOSENESS_SHRINKAGE
    )
    return common, distances, closenesses
