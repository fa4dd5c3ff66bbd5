"""From ratings to a trained network: posterior samples, fold features, heads."""

import dataclasses
from math import ceil
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from model.config import RunConfig
from model.errors import DataError
from model.features import compute_features, feature_names
from model.history import History
from model.progress import track_step
from model.table import HALF_STAR
from model.training.base import Base, mix_base
from model.training.bulk_neighbours import build_bulk_search
from model.training.checkpoint import TrainedNetwork
from model.training.encoding import encode_queries
from model.training.folds import FoldRows, assign_folds, build_fold_rows
from model.training.gibbs import Observations, Posterior, sample_posterior
from model.training.heads import fit_heads, fit_intervals
from model.training.module import HeadRows
from model.training.network import RatingNetwork, UserEncoder, join_inputs

MIN_FOLD_SAMPLES = 2
"""A fold's posterior has half the samples of the served one: that is enough to train the heads on, and half
the time (RMSE on validation rows of movielens-small 0.837 and 0.820 either way)."""
VALIDATION_SHARE = 0.1
"""Share of the users whose rows decide when the heads stop."""
MIN_HEAD_FOLDS = 3
MOST_SAMPLED = 300_000
"""Each fold that the heads are trained on takes a run of the sampler without it, a second or two for each
100,000 ratings: so there are three, or as many as together have this many ratings to be sampled."""
MOST_HEAD_ROWS = 2
"""A fold of a large data set has more rows than the heads need: the rows of as many users are drawn as have
this many times `head_rows`."""
MIN_RATINGS = 20
"""Fewer training ratings than this leave folds without rows."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
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


def prepare_rows(history: History, config: RunConfig) -> PreparedRows:
    """Hold out enough folds to train the heads on and compute their features.

    Args:
        history: the index of the training ratings.
        config: the run's configuration.

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
    search = build_bulk_search(
        history, folds, movie_row_folds, rows.group_folds, most_candidates=training.most_candidates
    )
    table = compute_features(
        history, rows.views, rows.contexts, rows.queries, search=search, names=feature_names("full")
    )
    validation_users = rng.random(history.n_users) < VALIDATION_SHARE
    is_validation = validation_users[rows.contexts.users[rows.queries.groups]]
    if is_validation.all() or not is_validation.any():
        # so few users that chance gave one side nothing
        is_validation = np.arange(len(rows.stars)) % round(1 / VALIDATION_SHARE) == 0
    return PreparedRows(
        rows=rows,
        features=torch.from_numpy(table.matrix),
        is_validation=torch.from_numpy(is_validation),
        folds=folds,
        movie_row_folds=movie_row_folds,
        chosen=chosen,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EncodedRows:
    """What encoders say of the held-out rows, and the encoder that takes their place."""

    means: torch.Tensor
    """float32 (n,) predictions of encoders that have not seen the rows, stars."""
    spreads: torch.Tensor
    """float32 (n,) their standard deviations over the samples, stars."""
    encoder: UserEncoder
    """The posterior of all rows."""


def encode_rows(history: History, prepared: PreparedRows, config: RunConfig, folder: Path) -> EncodedRows:
    """Sample one posterior for each held-out fold, without it, and one of all rows.

    Args:
        history: the index of the training ratings.
        prepared: the held-out rows.
        config: the run's configuration.
        folder: where the posteriors are kept, to resume from.
    """
    rows = prepared.rows
    means, spreads = torch.empty(len(rows.stars)), torch.empty(len(rows.stars))
    query_folds = rows.group_folds[rows.queries.groups]
    for fold in prepared.chosen:
        posterior = _sample(history, prepared, config, folder, fold)
        asked = np.flatnonzero(query_folds == fold)
        means[asked], spreads[asked] = encode_queries(
            UserEncoder.from_posterior(posterior), rows.contexts, rows.queries.take(asked)
        )
    encoder = UserEncoder.from_posterior(_sample(history, prepared, config, folder, None))
    return EncodedRows(means, spreads, encoder)


def fit_network(
    history: History,
    prepared: PreparedRows,
    config: RunConfig,
    folder: Path,
    *,
    names: tuple[str, ...],
    encoded: EncodedRows | None = None,
) -> TrainedNetwork:
    """Train the heads and intervals of a network.

    Args:
        history: the index of the training ratings.
        prepared: the held-out rows.
        config: the run's configuration.
        folder: where progress is kept, to resume from.
        names: the features it takes.
        encoded: what the heads correct; None for heads that correct the mean of all ratings.
    """
    columns = [feature_names("full").index(name) for name in names]
    features, stars = prepared.features[:, columns], torch.from_numpy(prepared.rows.stars)
    overall_mean = float(history.user_codes.mean() * HALF_STAR)
    inputs, base = features, Base.constant(overall_mean, len(names))
    if encoded is not None:
        inputs = join_inputs(features, encoded.means, encoded.spreads)
        base = mix_base(inputs, stars, overall_mean, names)
    rows = HeadRows(inputs, base(inputs), stars)
    heads = fit_heads(rows, prepared.is_validation, history.scale, config, folder / "heads")
    intervals = fit_intervals(
        rows,
        heads,
        prepared.is_validation,
        torch.from_numpy(prepared.rows.is_shortened),
        history.scale,
        config,
        folder / "intervals",
    )
    network = RatingNetwork(
        encoder=None if encoded is None else encoded.encoder,
        heads=heads,
        intervals=intervals,
        base=base,
        low=history.scale.low,
        high=history.scale.high,
    )
    return TrainedNetwork(network.eval(), config, names)


def _sample(
    history: History, prepared: PreparedRows, config: RunConfig, folder: Path, held_out: int | None
) -> Posterior:
    """The posterior of all rows, or of all but one fold's; kept in the folder once sampled."""
    name = "all" if held_out is None else f"fold-{held_out}"
    path = folder / f"posterior-{name}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return Posterior(**{field.name: stored[field.name] for field in dataclasses.fields(Posterior)})
    training, n_samples = config.training, config.network.n_samples
    if held_out is not None:
        n_samples = max(MIN_FOLD_SAMPLES, n_samples // 2)
    stream = 0 if held_out is None else held_out + 1
    with (
        # idle BLAS threads spin for a while and take the cores from the compiled loops
        threadpool_limits(limits=1, user_api="blas"),
        track_step(f"sampling movie vectors ({name})", unit="rounds") as step,
    ):
        posterior = sample_posterior(
            _collect_observations(history, prepared, held_out),
            rank=config.network.rank,
            n_burn_in=training.burn_in,
            n_samples=n_samples,
            thinning=training.thinning,
            rng=np.random.default_rng([training.seed, 2, stream]),
            on_step=step.reach,
        )
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez(
        unfinished, **{field.name: getattr(posterior, field.name) for field in dataclasses.fields(Posterior)}
    )
    unfinished.rename(path)
    return posterior


def _collect_observations(history: History, prepared: PreparedRows, held_out: int | None) -> Observations:
    kept = prepared.folds != held_out if held_out is not None else np.ones(history.n_ratings, dtype=np.bool_)
    movie_kept = prepared.movie_row_folds != held_out if held_out is not None else kept
    kept_before = np.concatenate([[0], np.cumsum(kept)])
    movie_kept_before = np.concatenate([[0], np.cumsum(movie_kept)])
    return Observations(
        stars=history.user_codes[kept] * np.float32(HALF_STAR),
        user_offsets=kept_before[history.user_offsets],
        user_movies=history.user_movies[kept],
        movie_offsets=movie_kept_before[history.movie_offsets],
        movie_users=history.movie_users[movie_kept],
        movie_stars=history.movie_codes[movie_kept] * np.float32(HALF_STAR),
    )
