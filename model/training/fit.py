"""From held-out rows to a trained network: posterior samples, the encoder, heads."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model.config import RunConfig
from model.features import feature_names
from model.history import History
from model.progress import track_items, track_step
from model.table import HALF_STAR
from model.training.base import Base, mix_base
from model.training.chain import ChainFile
from model.training.checkpoint import TrainedNetwork
from model.training.encoding import encode_queries, encode_strangers
from model.training.gibbs import Observations, Posterior, sample_posterior
from model.training.heads import fit_heads, fit_intervals
from model.training.kept import read_kept, write_kept
from model.training.module import HeadRows
from model.training.network import RatingNetwork, UserEncoder, join_inputs
from model.training.newcomers import place_newcomers
from model.training.plain import FEWEST_RATINGS, MOST_DOUBTED, forget_tastes, is_ahead
from model.training.prepare import PreparedRows

MIN_FOLD_SAMPLES = 2
"""A fold's posterior has half the samples of the served one: that is enough to train the heads on, and half
the time (RMSE on validation rows of movielens-small 0.837 and 0.820 either way)."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EncodedRows:
    """What encoders say of the held-out rows, and the encoder that takes their place."""

    means: torch.Tensor
    """float32 (n,) predictions of encoders that have not seen the rows, stars."""
    spreads: torch.Tensor
    """float32 (n,) their standard deviations over the samples, stars."""
    strangers: torch.Tensor
    """float32 (n,) their predictions of the same movies for users without ratings, stars."""
    encoder: UserEncoder
    """The posterior of all rows."""
    is_plain: bool
    """Whether all of it is that of plain biases, which then predict alone."""


def encode_rows(
    history: History,
    prepared: PreparedRows,
    config: RunConfig,
    folder: Path,
    *,
    say: Callable[[str], None] = print,
) -> EncodedRows:
    """Sample one posterior for each held-out fold, without it, and one of all rows.

    Where the ratings are few and do not show that this is better, plain biases take its place.

    Args:
        history: the index of the training ratings.
        prepared: the held-out rows.
        config: the run's configuration.
        folder: where the posteriors are kept, and every few minutes how far the next one is, to resume from.
        say: told where what is kept is damaged.
    """
    rows, is_doubted = prepared.rows, history.n_ratings <= MOST_DOUBTED
    means, spreads, strangers, plain = torch.zeros(4, len(rows.stars))
    query_folds = rows.group_folds[rows.queries.groups]
    for fold in prepared.chosen:
        posterior = _sample(history, prepared, config, folder, fold, say)
        asked = np.flatnonzero(query_folds == fold)
        queries = rows.queries.take(asked)
        encoder = UserEncoder.from_posterior(posterior)
        means[asked], spreads[asked] = encode_queries(encoder, rows.contexts, queries)
        strangers[asked] = encode_strangers(encoder, queries.movies)
        if is_doubted:
            biases = forget_tastes(posterior, _collect_observations(history, prepared, fold))
            plain[asked], _ = encode_queries(UserEncoder.from_posterior(biases), rows.contexts, queries)
    posterior = place_newcomers(_sample(history, prepared, config, folder, None, say), history)
    encoded = EncodedRows(means, spreads, strangers, UserEncoder.from_posterior(posterior), is_plain=False)
    if is_doubted and not _is_proven(history, prepared, encoded, plain):
        biases = forget_tastes(posterior, _collect_observations(history, prepared, None))
        encoder = UserEncoder.from_posterior(biases)
        return EncodedRows(plain, torch.zeros_like(plain), strangers, encoder, is_plain=True)
    return encoded


def _is_proven(history: History, prepared: PreparedRows, encoded: EncodedRows, plain: torch.Tensor) -> bool:
    """Whether the held-out rows show that what the heads would correct is better than plain biases."""
    if history.n_ratings < FEWEST_RATINGS:
        return False
    rows, scale = prepared.rows, history.scale
    inputs = join_inputs(prepared.features, encoded.means, encoded.spreads)
    base = _mix_base(history, prepared, encoded, inputs, feature_names("full"))
    mixed, biased = (predicted.clamp(scale.low, scale.high).numpy() for predicted in (base(inputs), plain))
    return is_ahead(mixed, biased, rows.stars, rows.contexts.users[rows.queries.groups])


def _mix_base(
    history: History,
    prepared: PreparedRows,
    encoded: EncodedRows,
    inputs: torch.Tensor,
    names: tuple[str, ...],
) -> Base:
    rows = prepared.rows
    return mix_base(
        inputs,
        encoded.strangers,
        torch.from_numpy(rows.is_early),
        torch.from_numpy(rows.stars),
        _compute_mean(history),
        names,
    )


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
    inputs, base = features, Base.constant(_compute_mean(history), len(names))
    if encoded is not None:
        inputs = join_inputs(features, encoded.means, encoded.spreads)
        if encoded.is_plain:
            base = Base.encoder_alone(inputs.shape[1])
        else:
            base = _mix_base(history, prepared, encoded, inputs, names)
    rows = HeadRows(inputs, base(inputs), stars)
    heads = fit_heads(rows, prepared.is_validation, history.scale, config, folder / "heads")
    if encoded is not None and encoded.is_plain:
        heads.shrink(0.0)
    with torch.no_grad():
        predicted = base.correct(inputs, heads(inputs).mean(0)).clamp(history.scale.low, history.scale.high)
    intervals = fit_intervals(
        HeadRows(inputs, predicted, stars),
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


def _compute_mean(history: History) -> float:
    """The mean of all ratings, stars."""
    return float(history.user_codes.mean() * HALF_STAR)


def _sample(
    history: History,
    prepared: PreparedRows,
    config: RunConfig,
    folder: Path,
    held_out: int | None,
    say: Callable[[str], None],
) -> Posterior:
    """The posterior of all rows, or of all but one fold's; kept in the folder once sampled."""
    name = "all" if held_out is None else f"fold-{held_out}"
    path = folder / f"posterior-{name}.npz"
    if (kept := read_kept(path, say)) is not None:
        return Posterior(**{field.name: kept[field.name] for field in dataclasses.fields(Posterior)})
    training, n_samples = config.training, config.network.n_samples
    if held_out is not None:
        n_samples = max(MIN_FOLD_SAMPLES, n_samples // 2)
    stream = 0 if held_out is None else held_out + 1
    observed = _collect_observations(history, prepared, held_out, users=_draw_users(history, config))
    chain_file = ChainFile(folder / f"chain-{name}.npz", say)
    with (
        # idle BLAS threads spin for a while and take the cores from the compiled loops
        threadpool_limits(limits=1, user_api="blas"),
        track_step(f"sampling movie vectors ({name})", unit="rounds", done=chain_file.n_rounds) as step,
    ):
        posterior = sample_posterior(
            observed,
            rank=config.network.rank,
            n_burn_in=training.burn_in,
            n_samples=n_samples,
            thinning=training.thinning,
            rng=np.random.default_rng([training.seed, 2, stream]),
            on_step=step.reach,
            chain_file=chain_file,
        )
    write_kept(path, {field.name: getattr(posterior, field.name) for field in dataclasses.fields(Posterior)})
    chain_file.remove()
    return posterior


def _draw_users(history: History, config: RunConfig) -> NDArray[np.bool_] | None:
    """(n_users,) whose ratings the sampler is given; None where it is given everybody's."""
    most = config.training.sampler_ratings
    if history.n_ratings <= most:
        return None
    order = np.random.default_rng([config.training.seed, 5]).permutation(history.n_users)
    n_ratings = np.cumsum(np.diff(history.user_offsets)[order])
    drawn = np.zeros(history.n_users, dtype=np.bool_)
    drawn[order[: max(1, int(np.searchsorted(n_ratings, most, side="right")))]] = True
    return drawn


def _collect_observations(
    history: History, prepared: PreparedRows, held_out: int | None, *, users: NDArray[np.bool_] | None = None
) -> Observations:
    """The ratings of all rows, or of all but one fold's, by user and by movie; only of these users, if given.

    The users are numbered anew: only those that are there have vectors.
    """
    (user_offsets, user_movies, stars), (movie_offsets, movie_users, movie_stars) = (
        _keep_rows(*side, held_out)
        for side in track_items(
            (
                (
                    history.user_offsets, history.user_movies, history.user_codes, prepared.folds,
                    None if users is None else np.repeat(users, np.diff(history.user_offsets)),
                ),
                (
                    history.movie_offsets, history.movie_users, history.movie_codes, prepared.movie_row_folds,
                    None if users is None else users[history.movie_users],
                ),
            ),
            "collecting ratings",
            unit="sides",
        )
    )  # fmt: skip
    if users is not None:
        user_offsets = np.append(user_offsets[:-1][users], user_offsets[-1:])
        movie_users = (np.cumsum(users, dtype=np.int32) - 1)[movie_users]
    return Observations(
        stars=stars,
        user_offsets=user_offsets,
        user_movies=user_movies,
        movie_offsets=movie_offsets,
        movie_users=movie_users,
        movie_stars=movie_stars,
    )


def _keep_rows(
    offsets: NDArray[np.int64],
    others: NDArray[np.int32],
    codes: NDArray[np.uint8],
    folds: NDArray[np.int8],
    kept: NDArray[np.bool_] | None,
    held_out: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Where each user's or movie's rows start, whom they are about, and their stars.

    Of the rows that are kept, or all; not those of a fold.
    """
    if held_out is not None:
        kept = folds != held_out if kept is None else kept & (folds != held_out)
    if kept is not None:
        offsets = np.concatenate([[0], np.cumsum(kept)])[offsets]
        others, codes = others[kept], codes[kept]
    return offsets, others, codes * np.float32(HALF_STAR)
