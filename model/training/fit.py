"""From ratings to a trained network: posterior samples, fold features, heads."""

import dataclasses
import logging
import sys
import warnings
from math import ceil
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from tqdm import tqdm

from model.config import RunConfig
from model.errors import DataError
from model.features import compute_features, feature_names
from model.history import History
from model.table import HALF_STAR
from model.training.bulk_neighbours import build_bulk_search
from model.training.checkpoint import TrainedNetwork
from model.training.encoding import encode_queries
from model.training.folds import FoldRows, assign_folds, build_fold_rows
from model.training.gibbs import Observations, Posterior, sample_posterior
from model.training.module import VALIDATION_RMSE, HeadDataModule, HeadModule, HeadRows
from model.training.network import Heads, RatingNetwork, UserEncoder, compute_trust, join_inputs, standardise

VALIDATION_SHARE = 0.1
"""Share of the users whose rows decide when the heads stop."""
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
    n_chosen = min(training.n_folds, ceil(training.head_rows * training.n_folds / history.n_ratings))
    chosen = range(n_chosen)
    rows = build_fold_rows(history, folds, movie_row_folds, chosen=chosen, rng=rng)
    search = build_bulk_search(history, movie_row_folds, rows.group_folds)
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


def fit_seed(history: History, prepared: PreparedRows, config: RunConfig, folder: Path) -> TrainedNetwork:
    """Train the network of the five seed features.

    Args:
        history: the index of the training ratings.
        prepared: the held-out rows.
        config: the run's configuration.
        folder: where progress is kept, to resume from.
    """
    names = feature_names("seed")
    columns = [feature_names("full").index(name) for name in names]
    base = float(history.user_codes.mean() * HALF_STAR)
    inputs = prepared.features[:, columns]
    bases, trusts = torch.full((len(inputs),), base), torch.ones(len(inputs))
    heads = _fit_heads(
        HeadRows(inputs, bases, trusts, torch.from_numpy(prepared.rows.stars)),
        history,
        prepared,
        config,
        folder / "seed",
    )
    network = RatingNetwork(
        encoder=None, heads=heads, base=base, low=history.scale.low, high=history.scale.high
    )
    return TrainedNetwork(network.eval(), config, names)


def fit_full(history: History, prepared: PreparedRows, config: RunConfig, folder: Path) -> TrainedNetwork:
    """Train the full network: the encoder on all rows, the heads on held-out ones.

    The heads see encoders that have not seen their rows: one posterior for each held-out fold. Then the
    posterior of all rows takes their place.

    Args:
        history: the index of the training ratings.
        prepared: the held-out rows.
        config: the run's configuration.
        folder: where progress is kept, to resume from.
    """
    rows = prepared.rows
    means, spreads = torch.empty(len(rows.stars)), torch.empty(len(rows.stars))
    query_folds = rows.group_folds[rows.queries.groups]
    for fold in prepared.chosen:
        posterior = _sample(history, prepared, config, folder, fold)
        asked = np.flatnonzero(query_folds == fold)
        queries = dataclasses.replace(
            rows.queries,
            **{
                field.name: getattr(rows.queries, field.name)[asked]
                for field in dataclasses.fields(rows.queries)
            },
        )
        means[asked], spreads[asked] = encode_queries(
            UserEncoder.from_posterior(posterior), rows.contexts, queries
        )
    inputs = join_inputs(prepared.features, means, spreads)
    lengths = torch.from_numpy(np.diff(rows.contexts.offsets)[rows.queries.groups])
    heads = _fit_heads(
        HeadRows(inputs, means, compute_trust(lengths), torch.from_numpy(rows.stars)),
        history,
        prepared,
        config,
        folder / "full",
    )
    encoder = UserEncoder.from_posterior(_sample(history, prepared, config, folder, None))
    network = RatingNetwork(
        encoder=encoder, heads=heads, base=0.0, low=history.scale.low, high=history.scale.high
    )
    return TrainedNetwork(network.eval(), config, feature_names("full"))


def _sample(
    history: History, prepared: PreparedRows, config: RunConfig, folder: Path, held_out: int | None
) -> Posterior:
    """The posterior of all rows, or of all but one fold's; kept in the folder once sampled."""
    name = "all" if held_out is None else f"fold-{held_out}"
    path = folder / f"posterior-{name}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return Posterior(**{field.name: stored[field.name] for field in dataclasses.fields(Posterior)})
    training, network = config.training, config.network
    stream = 0 if held_out is None else held_out + 1
    with tqdm(desc=f"movie vectors ({name})", unit="round", disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        posterior = sample_posterior(
            _collect_observations(history, prepared, held_out),
            rank=network.rank,
            n_burn_in=training.burn_in,
            n_samples=network.n_samples,
            thinning=training.thinning,
            rng=np.random.default_rng([training.seed, 2, stream]),
            on_step=show,
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
        stars=history.user_codes[kept] * HALF_STAR,
        user_offsets=kept_before[history.user_offsets],
        user_movies=history.user_movies[kept],
        movie_offsets=movie_kept_before[history.movie_offsets],
        movie_users=history.movie_users[movie_kept],
        movie_stars=history.movie_codes[movie_kept] * HALF_STAR,
    )


def _fit_heads(
    rows: HeadRows,
    history: History,
    prepared: PreparedRows,
    config: RunConfig,
    folder: Path,
) -> Heads:
    """Train heads with Lightning and return those of the best epoch."""
    torch.manual_seed(config.training.seed)
    training, validation = rows.take(~prepared.is_validation), rows.take(prepared.is_validation)
    heads = Heads(
        *standardise(training.inputs), hidden_size=config.network.hidden_size, n_heads=config.network.n_heads
    )
    module = HeadModule(heads, config, low=history.scale.low, high=history.scale.high)
    best = ModelCheckpoint(
        dirpath=folder, filename="best", monitor=VALIDATION_RMSE, save_last=True, enable_version_counter=False
    )
    on_terminal = sys.stderr.isatty()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # the rows are in memory: worker processes would only copy them
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # Lightning 2.6 flattens its data loaders through a class that torch 2.13 deprecates
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
        trainer = pl.Trainer(
            accelerator=config.training.accelerator,
            devices=1,
            max_epochs=config.training.epochs,
            callbacks=[
                best,
                EarlyStopping(VALIDATION_RMSE, patience=config.training.patience),
                *([TQDMProgressBar()] if on_terminal else []),
            ],
            logger=False,
            enable_progress_bar=on_terminal,
            enable_model_summary=False,
        )
        data = HeadDataModule(training, validation, batch_size=config.training.batch_size)
        last = folder / "last.ckpt"
        trainer.fit(module, data, ckpt_path=last if last.exists() else None, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    return module.heads.cpu()
