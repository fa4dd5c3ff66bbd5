"""Training rows whose features and history come from other folds only.

Leave-one-out features leak the label: with a total known, the rating left out can be solved for. So the
training ratings are divided into folds, and a row sees only the other folds' ratings, its own user's as well
as everybody else's (DESIGN 4). A share of the contexts is thinned out as well, down to nothing, so that
short histories are seen in training.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import NO_CUT, History, MovieIndexes, UserIndexes, count_codes
from model.table import HALF_STAR
from model.views import Contexts, Queries, Views, build_views

THINNED_SHARE = 0.5
"""Share of the contexts that are seen a second time, thinned out."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldRows:
    """The rows of some folds, ready for the feature builder."""

    views: Views
    """One for each of the folds: everything but that fold."""
    contexts: Contexts
    """One group for each user and fold, and one for each thinned copy."""
    group_folds: NDArray[np.int8]
    """(n_groups,) the fold that each group does not see."""
    queries: Queries
    """The rows."""
    stars: NDArray[np.float32]
    """(n_queries,) what to predict."""
    is_thinned: NDArray[np.bool_]
    """(n_queries,) whether the row's context is a thinned copy."""


def assign_folds(users: UserIndexes, movies: MovieIndexes, *, n_folds: int, seed: int) -> NDArray[np.int8]:
    """Give every pair of user and movie a fold at random, whatever the order of the pairs.

    Args:
        users: (n,) user indexes.
        movies: (n,) movie indexes.
        n_folds: how many folds; at most 127.
        seed: another seed gives another division.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) as a hash of the pair.
    """
    key = (users.astype(np.uint64) << np.uint64(32)) + movies.astype(np.uint64)
    key += np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((key ^ (key >> np.uint64(31))) % np.uint64(n_folds)).astype(np.int8)


def build_fold_rows(
    history: History,
    folds: NDArray[np.int8],
    movie_row_folds: NDArray[np.int8],
    *,
    chosen: range,
    rng: np.random.Generator,
) -> FoldRows:
    """Collect the rows of some folds with contexts and views from the other folds.

    Args:
        history: the index of all training ratings.
        folds: (n_ratings,) the fold of each by-user row.
        movie_row_folds: (n_ratings,) the fold of each by-movie row.
        chosen: which folds' rows to collect.
        rng: draws the thinned contexts.
    """
    row_users = np.repeat(np.arange(history.n_users, dtype=np.int32), np.diff(history.user_offsets))
    row_movies = np.repeat(np.arange(history.n_movies, dtype=np.int32), np.diff(history.movie_offsets))
    parts = []
    for view, fold in enumerate(chosen):
        held_out = folds == fold
        group_users = np.unique(row_users[held_out])
        keep = np.ones(len(group_users))
        thinned = np.flatnonzero(rng.random(len(group_users)) < THINNED_SHARE)
        for copy, keep_share in (
            (np.arange(len(group_users)), keep),
            (thinned, _draw_keep_shares(history, group_users[thinned], rng)),
        ):
            parts.append(
                _FoldPart(history, row_users, held_out, group_users[copy], keep_share, rng, view, fold)
            )
    histograms = np.stack([
        count_codes(
            row_movies[movie_row_folds != fold],
            history.movie_codes[movie_row_folds != fold],
            history.n_movies,
        )
        for fold in chosen
    ])
    first_groups = np.cumsum([0, *(len(part.users) for part in parts)])
    lengths = np.concatenate([part.lengths for part in parts])
    context_rows = np.concatenate([part.context_rows for part in parts])
    query_rows = np.concatenate([part.query_rows for part in parts])
    movies = history.user_movies[query_rows]
    return FoldRows(
        views=build_views(histograms),
        contexts=Contexts(
            users=np.concatenate([part.users for part in parts]),
            views=np.concatenate([np.full(len(part.users), part.view, dtype=np.int64) for part in parts]),
            as_of=np.full(first_groups[-1], NO_CUT, dtype=np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            movies=history.user_movies[context_rows],
            codes=history.user_codes[context_rows],
            days=history.user_days[context_rows].astype(np.int32),
        ),
        group_folds=np.concatenate([np.full(len(part.users), part.fold, dtype=np.int8) for part in parts]),
        queries=Queries(
            groups=np.concatenate([
                part.query_groups + first for part, first in zip(parts, first_groups, strict=False)
            ]),
            movies=movies,
            eras=history.movie_eras[movies],
            own_codes=np.zeros(len(query_rows), dtype=np.uint8),
            days=history.user_days[query_rows].astype(np.int32),
        ),
        stars=history.user_codes[query_rows] * np.float32(HALF_STAR),
        is_thinned=np.concatenate([np.full(len(part.query_rows), part.is_thinned) for part in parts]),
    )


def _draw_keep_shares(history: History, users: UserIndexes, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the share of each context to keep: lengths spread evenly on a logarithmic scale, from nothing."""
    lengths = np.diff(history.user_offsets)[users]
    wanted = np.exp(rng.random(len(users)) * np.log1p(lengths)) - 1
    wanted[wanted < 0.5] = 0.0
    return np.minimum(wanted / np.maximum(lengths, 1), 1.0)


class _FoldPart:
    """The groups of one fold, whole or thinned, as rows of the by-user arrays."""

    def __init__(
        self, history: History, row_users: UserIndexes, held_out: NDArray[np.bool_], users: UserIndexes,
        keep_shares: NDArray[np.float64], rng: np.random.Generator, view: int, fold: int,
    ) -> None:  # fmt: skip
        self.users, self.view, self.fold = users, view, fold
        group_of_user = np.full(history.n_users, -1, dtype=np.int64)
        group_of_user[users] = np.arange(len(users))
        row_groups = group_of_user[row_users]
        self.query_rows = np.flatnonzero(held_out & (row_groups >= 0))
        self.query_groups = row_groups[self.query_rows]
        visible = np.flatnonzero(~held_out & (row_groups >= 0))
        self.context_rows = visible[rng.random(len(visible)) < keep_shares[row_groups[visible]]]
        self.lengths = np.bincount(row_groups[self.context_rows], minlength=len(users))
        self.is_thinned = bool((keep_shares < 1).any())
