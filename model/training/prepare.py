"""Training ratings to held-out rows with their features, as whoever trains on them needs them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch

from model.config import RunConfig
from model.errors import DataError
from model.features import compute_features, feature_names
from model.history import History
from model.training.bulk_neighbours import build_bulk_search
from model.training.folds import FoldRows, assign_folds, build_fold_rows
from model.training.kept import read_kept, write_kept

VALIDATION_SHARE = 0.1
"""Share of the users whose rows decide when the heads stop."""
MIN_HEAD_FOLDS = 3
MOST_SAMPLED = 300_000
"""Each fold that the heads are trained on takes a run of the sampler without it, a second or two for each
100,000 ratings: so there are three, or as many as together have this many ratings to be sampled."""
MOST_HEAD_ROWS = 2
"""A fold of a large data set has more rows than the heads need: the rows of as many users are drawn as have
this many times `head_rows`."""
_KEPT = "features.npz"
MIN_RATINGS = 20
"""Fewer training ratings than this leave folds without rows."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRows:
    """Held-out rows with their features: the raw material of both networks."""

    rows: FoldRows
    features: torch.Tensor
    """float32 (n, n_full_features)."""
    is_validation: torch.Tensor
    """bool (n,)."""
    folds: np.ndarray
    """(n_ratings,) fold of each by-user row."""
    movie_row_folds: np.ndarray
    """(n_ratings,) fold of each by-movie row."""
    chosen: range
    """The folds whose rows these are."""


def prepare_rows(
    history: History,
    config: RunConfig,
    folder: Path | None = None,
    *,
    say: Callable[[str], None] = print,
) -> PreparedRows:
    """Hold out enough folds to train the heads on and compute their features.

    Args:
        history: the index of the training ratings.
        config: the run's configuration.
        folder: where the features are kept, to resume from; None keeps nothing.
        say: told where they are damaged.

    Raises:
        DataError: if there are too few ratings.
    """
    training = config.training
    if history.n_ratings < MIN_RATINGS:
        raise DataError(f"there are {history.n_ratings} training ratings: expected {MIN_RATINGS} or more")
    rng = np.random.default_rng([training.seed, 1])
    row_users = np.repeat(np.arange(history.n_users, dtype=np.int32), np.diff(history.user_offsets))
    row_movies = np.repeat(np.arange(history.n_movies, dtype=np.int32), np.diff(history.movie_offsets))
    folds = assign_folds(row_users, history.user_movies, n_folds=training.n_folds, seed=training.seed)
    movie_row_folds = assign_folds(
        history.movie_users, row_movies, n_folds=training.n_folds, seed=training.seed
    )
    wanted = ceil(training.head_rows * training.n_folds / history.n_ratings)
    n_chosen = min(training.n_folds, wanted, max(MIN_HEAD_FOLDS, MOST_SAMPLED // history.n_ratings))
    chosen = range(n_chosen)
    users = np.ones(history.n_users, dtype=np.bool_)
    share = MOST_HEAD_ROWS * training.head_rows * training.n_folds / (n_chosen * history.n_ratings)
    if share < 1:
        users = rng.random(history.n_users) < share
    rows = build_fold_rows(history, folds, movie_row_folds, chosen=chosen, users=users, rng=rng)
    kept = None if folder is None else read_kept(folder / _KEPT, say)
    if kept is None:
        search = build_bulk_search(
            history, folds, movie_row_folds, rows.group_folds, most_candidates=training.most_candidates
        )
        table = compute_features(
            history, rows.views, rows.contexts, rows.queries, search=search, names=feature_names("full")
        )
        kept = {"matrix": table.matrix}
        if folder is not None:
            write_kept(folder / _KEPT, kept)
    validation_users = rng.random(history.n_users) < VALIDATION_SHARE
    is_validation = validation_users[rows.contexts.users[rows.queries.groups]]
    if is_validation.all() or not is_validation.any():
        # so few users that chance gave one side nothing
        is_validation = np.arange(len(rows.stars)) % round(1 / VALIDATION_SHARE) == 0
    return PreparedRows(
        rows=rows,
        features=torch.from_numpy(kept["matrix"]),
        is_validation=torch.from_numpy(is_validation),
        folds=folds,
        movie_row_folds=movie_row_folds,
        chosen=chosen,
    )
