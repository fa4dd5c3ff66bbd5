"""Training rows whose features and history come from other folds only.

Leave-one-out features leak the label: with a total known, the rating left out can be solved for. So the
training ratings are divided into folds, and a row sees only the other folds' ratings, its own user's as well
as everybody else's (DESIGN 4). Every context is seen a second time, cut down to its first ratings or to
nothing, to predict the next ones: so the heads meet people as a service does, when they are new.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import NO_CUT, History, MovieIndexes, UserIndexes, count_codes
from model.progress import track_rows, track_step
from model.table import HALF_STAR
from model.views import Contexts, Queries, Views, build_views

NEW_SHARE = 0.2
"""Share of the shortened contexts that are emptied, beside those whose drawn length is zero."""
NEXT_RATINGS = 100
"""How many of a user's next ratings a shortened context is asked for, beside as many as it keeps, and an
empty one in any case: the heaviest raters would outweigh everybody else where little is known."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldRows:
    """The rows of some folds, ready for the feature builder."""

    views: Views
    """One for each of the folds: everything but that fold."""
    contexts: Contexts
    """One group for each user and fold, and one for each shortened copy."""
    group_folds: NDArray[np.int8]
    """(n_groups,) the fold that each group does not see."""
    queries: Queries
    """The rows."""
    stars: NDArray[np.float32]
    """(n_queries,) what to predict."""
    is_shortened: NDArray[np.bool_]
    """(n_queries,) whether the row's context is a shortened copy."""
    is_early: NDArray[np.bool_]
    """(n_queries,) whether the context is whole and the row one of its user's first `NEXT_RATINGS`."""


def assign_folds(users: UserIndexes, movies: MovieIndexes, *, n_folds: int, seed: int) -> NDArray[np.int8]:
    """Give every pair of user and movie a fold at random, whatever the order of the pairs.

    Args:
        users: (n,) user indexes.
        movies: (n,) movie indexes.
        n_folds: how many folds; at most 127.
        seed: another seed gives another division.
    """
    folds = np.empty(len(users), dtype=np.int8)
    for rows in track_rows(len(users), "dividing into folds"):
        key = (users[rows].astype(np.uint64) << np.uint64(32)) + movies[rows].astype(np.uint64)
        key += np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
        folds[rows] = mix_bits(key) % np.uint64(n_folds)
    return folds


def mix_bits(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Turn numbers into others that look random, each into another.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def build_fold_rows(
    history: History,
    folds: NDArray[np.int8],
    movie_row_folds: NDArray[np.int8],
    *,
    chosen: range,
    users: NDArray[np.bool_],
    rng: np.random.Generator,
) -> FoldRows:
    """Collect the rows of some folds with contexts and views from the other folds.

    Args:
        history: the index of all training ratings.
        folds: (n_ratings,) the fold of each by-user row.
        movie_row_folds: (n_ratings,) the fold of each by-movie row.
        chosen: which folds' rows to collect.
        users: (n_users,) whose rows to collect; everybody's ratings are seen all the same.
        rng: draws the lengths of the shortened contexts.
    """
    row_users = np.repeat(np.arange(history.n_users, dtype=np.int32), np.diff(history.user_offsets))
    row_movies = np.repeat(np.arange(history.n_movies, dtype=np.int32), np.diff(history.movie_offsets))
    parts, histograms = [], []
    with track_step("collecting held-out rows", total=3 * len(chosen), unit="parts") as step:
        for view, fold in enumerate(chosen):
            held_out = folds == fold
            group_users = np.unique(row_users[held_out])
            group_users = group_users[users[group_users]]
            parts.append(_FoldPart(row_users, held_out, group_users, None, view, fold))
            step.advance()
            lengths = _draw_lengths(history, group_users, rng)
            parts.append(_FoldPart(row_users, held_out, group_users, lengths, view, fold))
            step.advance()
            seen = movie_row_folds != fold
            histograms.append(count_codes(row_movies[seen], history.movie_codes[seen], history.n_movies))
            step.advance()
    first_groups = np.cumsum([0, *(len(part.users) for part in parts)])
    lengths = np.concatenate([part.lengths for part in parts])
    context_rows = np.concatenate([part.context_rows for part in parts])
    query_rows = np.concatenate([part.query_rows for part in parts])
    movies = history.user_movies[query_rows]
    is_shortened = np.concatenate([np.full(len(part.query_rows), part.is_shortened) for part in parts])
    places = query_rows - history.user_offsets[row_users[query_rows]]
    return FoldRows(
        views=build_views(np.stack(histograms)),
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
        is_shortened=is_shortened,
        is_early=~is_shortened & (places < NEXT_RATINGS),
    )


def _draw_lengths(history: History, users: UserIndexes, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw how many ratings of each user to keep: none, or evenly on a logarithmic scale up to all."""
    longest = np.diff(history.user_offsets)[users]
    drawn: NDArray[np.int64] = (np.exp(rng.random(len(users)) * np.log1p(longest)) - 0.5).astype(np.int64)
    return np.where(rng.random(len(users)) < NEW_SHARE, 0, drawn)


class _FoldPart:
    """The groups of one fold, as rows of the by-user arrays.

    Args:
        row_users: (n_ratings,) the user of each row.
        held_out: (n_ratings,) the fold's rows.
        users: (n_groups,) whose contexts.
        lengths: (n_groups,) how many of the first ratings each context keeps, to predict later ones; None for
            whole contexts, to predict any.
        view: number of the fold's view.
        fold: the fold.
    """

    def __init__(
        self, row_users: UserIndexes, held_out: NDArray[np.bool_], users: UserIndexes,
        lengths: NDArray[np.int64] | None, view: int, fold: int,
    ) -> None:  # fmt: skip
        self.users, self.view, self.fold = users, view, fold
        self.is_shortened = lengths is not None
        group_of_user = np.full(int(row_users.max(initial=-1)) + 1, -1, dtype=np.int32)
        group_of_user[users] = np.arange(len(users))
        row_groups = group_of_user[row_users]
        visible = np.flatnonzero(~held_out & (row_groups >= 0))
        self.query_rows = np.flatnonzero(held_out & (row_groups >= 0))
        if lengths is not None:
            groups = row_groups[visible]
            # a user's rows are together, in time order
            firsts = np.searchsorted(groups, np.arange(len(users)))
            visible = visible[np.arange(len(visible)) - firsts[groups] < lengths[groups]]
            starts = np.searchsorted(row_users, users)  # first row of each group
            ends = starts.copy()  # the row after the last one kept
            ends[row_groups[visible]] = visible + 1
            ahead = self.query_rows - ends[row_groups[self.query_rows]]
            reach = NEXT_RATINGS + (ends - starts)[row_groups[self.query_rows]]
            self.query_rows = self.query_rows[(ahead >= 0) & (ahead < reach)]
        self.query_groups = row_groups[self.query_rows]
        self.context_rows = visible
        self.lengths = np.bincount(row_groups[visible], minlength=len(users))
