"""What a prediction may see: contexts (a user's visible ratings), queries, and statistics of what is visible.

Training and serving both state their questions in these types, so that one implementation of neighbours
and features answers both. A training row sees the other folds' ratings; a served query sees everything, or
everything strictly before a day. Each such state of the history is a *view*.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from model.history import N_CODES, NO_CUT, Codes, History, MovieIndexes, UserIndexes, count_codes
from model.table import HALF_STAR

_LEVELS = np.arange(N_CODES)
_GAPS = np.abs(_LEVELS[:, None] - _LEVELS[None, :]) * HALF_STAR
"""(N_CODES, N_CODES) gap between two codes, stars."""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Statistics of one or more states of the history."""

    histograms: NDArray[np.int64]
    """(n_views, n_movies, N_CODES) how often each movie got each code."""
    movie_counts: NDArray[np.int64]
    """(n_views, n_movies) how many ratings each movie has."""
    movie_sums: NDArray[np.float64]
    """(n_views, n_movies) sum of each movie's ratings, stars."""
    n_ratings: NDArray[np.int64]
    """(n_views,) how many ratings there are."""
    star_sums: NDArray[np.float64]
    """(n_views,) sum of all ratings, stars."""
    gap_sums: NDArray[np.float64]
    """(n_views,) sum of the gaps of all pairs of ratings of the same movie, stars."""
    gap_pairs: NDArray[np.int64]
    """(n_views,) how many such pairs there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """For each of n_groups users, the ratings of theirs that predictions may use."""

    users: UserIndexes
    """(n_groups,) whom to leave out of the candidates; `UNKNOWN` for users not in the history."""
    views: NDArray[np.int64]
    """(n_groups,) which of the views this group sees."""
    as_of: NDArray[np.int32]
    """(n_groups,) the day that cuts the others' ratings; `NO_CUT` for none."""
    offsets: NDArray[np.int64]
    """(n_groups + 1,) group i's ratings are offsets[i] to offsets[i + 1]."""
    movies: MovieIndexes
    """(n_context,) rated movies, all in the catalogue, each once a group."""
    codes: Codes
    """(n_context,) their ratings."""
    days: NDArray[np.int32]
    """(n_context,) the ratings' days since 1970-01-01."""

    @property
    def n_groups(self) -> int:
        """How many users' contexts these are."""
        return len(self.users)

    @property
    def groups(self) -> NDArray[np.int64]:
        """(n_context,) the group of each rating."""
        return np.repeat(np.arange(self.n_groups), np.diff(self.offsets))


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """What is asked: for each of n_queries, one group and one movie."""

    groups: NDArray[np.int64]
    """(n_queries,) who is asking: a group of the contexts."""
    movies: MovieIndexes
    """(n_queries,) the movie; `UNKNOWN` where the catalogue does not list it."""
    eras: NDArray[np.int8]
    """(n_queries,) the movie's era, `NO_ERA` where it has none."""
    own_codes: Codes
    """(n_queries,) the user's own rating of the movie where the view holds it, else 0: it is taken out."""
    days: NDArray[np.int32]
    """(n_queries,) the day each prediction is for, days since 1970-01-01."""

    def __len__(self) -> int:
        return len(self.groups)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Queries":
        """Some of the queries: a mask (n_queries,), or their numbers."""
        return Queries(*(getattr(self, field.name)[rows] for field in fields(self)))


def build_views(histograms: NDArray[np.int64]) -> Views:
    """Compute the statistics of some states of the history from how often each movie got each code.

    Args:
        histograms: (n_views, n_movies, N_CODES).
    """
    movie_counts = histograms.sum(axis=2)
    movie_sums = histograms @ (_LEVELS * HALF_STAR)
    # each unordered pair of a movie's ratings is counted twice by the quadratic form
    gap_sums = np.einsum("vmk,kl,vml->v", histograms, _GAPS, histograms, optimize=True) / 2
    return Views(
        histograms=histograms,
        movie_counts=movie_counts,
        movie_sums=movie_sums,
        n_ratings=movie_counts.sum(axis=1),
        star_sums=movie_sums.sum(axis=1),
        gap_sums=gap_sums,
        gap_pairs=(movie_counts * (movie_counts - 1) // 2).sum(axis=1),
    )


def view_history(history: History, as_of: int = NO_CUT) -> Views:
    """The view of a whole history, or of its ratings strictly before a day.

    Args:
        history: the index of all known ratings.
        as_of: days since 1970-01-01.
    """
    if as_of >= NO_CUT:
        return build_views(history.movie_histogram[None])
    visible = history.movie_days < as_of
    movies = np.repeat(np.arange(history.n_movies, dtype=np.int32), np.diff(history.movie_offsets))
    histogram = count_codes(movies[visible], history.movie_codes[visible], history.n_movies)
    return build_views(histogram[None])


def find_context_rows(contexts: Contexts, queries: Queries) -> NDArray[np.int64]:
    """Find the context rating of each query's own movie, which the query must not see.

    Returns:
        (n_queries,) rows of the contexts' columns; -1 where the context does not hold the movie.
    """
    n_keys = int(max(contexts.movies.max(initial=0), queries.movies.max(initial=0))) + 1
    keys = contexts.groups * n_keys + contexts.movies
    order = np.argsort(keys, kind="stable")
    wanted = queries.groups * n_keys + queries.movies
    places = np.searchsorted(keys[order], wanted)
    rows = np.full(len(queries), -1, dtype=np.int64)
    inside = places < len(keys)
    rows[inside] = order[places[inside]]
    found = (rows >= 0) & (queries.movies >= 0)
    found[found] = keys[rows[found]] == wanted[found]
    rows[~found] = -1
    return rows


def compute_mean_gaps(views: Views, contexts: Contexts, queries: Queries) -> NDArray[np.float64]:
    """Compute the population's mean gap as each query sees it, its own user's rating of the movie left out.

    Returns:
        (n_queries,) stars; 0.0 where no two ratings share a movie.

    Source: DESIGN 3, g₀ of the closeness.
    """
    view = contexts.views[queries.groups]
    own = queries.own_codes > 0
    # own rating: its gaps to all ratings of the movie, itself included at gap 0
    own_histograms = views.histograms[view, queries.movies]  # (n_queries, N_CODES)
    own_gaps = np.where(own, (own_histograms * _GAPS[queries.own_codes]).sum(axis=1), 0.0)
    own_pairs = np.where(own, views.movie_counts[view, queries.movies] - 1, 0)
    pairs = views.gap_pairs[view] - own_pairs
    return np.where(pairs > 0, (views.gap_sums[view] - own_gaps) / np.maximum(pairs, 1), 0.0)


def build_user_contexts(
    history: History, users: UserIndexes, as_of: NDArray[np.int32], views: NDArray[np.int64]
) -> Contexts:
    """The contexts of users whose whole visible history may be used.

    Args:
        history: the index of all known ratings.
        users: (n_groups,) indexes; `UNKNOWN` gives an empty context.
        as_of: (n_groups,) days that cut each history.
        views: (n_groups,) which view each group sees.
    """
    slices = [history.user_rows(int(user), int(day)) for user, day in zip(users, as_of, strict=True)]
    lengths = [rows.stop - rows.start for rows in slices]
    rows = concatenate_ranges(
        np.array([rows.start for rows in slices], dtype=np.int64),
        np.array([rows.stop for rows in slices], dtype=np.int64),
    )
    return Contexts(
        users=users,
        views=views,
        as_of=as_of,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        movies=history.user_movies[rows],
        codes=history.user_codes[rows],
        days=history.user_days[rows].astype(np.int32),
    )


def hide_rows(
    contexts: Contexts, groups: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[Contexts, NDArray[np.int64]]:
    """Copy groups, each without one of its ratings.

    Args:
        contexts: to copy from.
        groups: (n,) which group to copy; one may be copied several times.
        rows: (n,) which row of the contexts' columns each copy lacks; in its group.

    Returns:
        n groups, and their numbers.
    """
    starts, stops = contexts.offsets[groups], contexts.offsets[groups + 1]
    kept = concatenate_ranges(starts, stops)
    lengths = stops - starts
    kept = kept[kept != np.repeat(rows, lengths)]
    hidden = Contexts(
        users=contexts.users[groups],
        views=contexts.views[groups],
        as_of=contexts.as_of[groups],
        offsets=np.concatenate([[0], np.cumsum(lengths - 1)]).astype(np.int64),
        movies=contexts.movies[kept],
        codes=contexts.codes[kept],
        days=contexts.days[kept],
    )
    return hidden, np.arange(len(groups))


def concatenate_ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """All integers of the ranges starts[i] to stops[i], one range after the other.

    >>> concatenate_ranges(np.array([0, 7]), np.array([2, 9])).tolist()
    [0, 1, 7, 8]
    """
    lengths = stops - starts
    ends = np.cumsum(lengths)
    places: NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0)
    places += np.repeat(starts - (ends - lengths), lengths)
    return places
