"""Run the user encoder, or the whole network, over many contexts."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.batches import batch_contexts
from model.history import NO_CUT, History
from model.progress import track_step
from model.training.network import RatingNetwork, UserEncoder, join_inputs
from model.training.threads import one_thread
from model.views import Contexts, Queries, build_user_contexts

_USERS_AT_ONCE = 4_096
_ROWS_AT_ONCE = 1 << 14


@torch.no_grad()
def encode_queries(encoder: UserEncoder, contexts: Contexts, queries: Queries) -> tuple[Tensor, Tensor]:
    """Compute the encoder's mean and spread for every query.

    Args:
        encoder: on the CPU.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        Mean and spread, each float32 (n_queries,), stars.
    """
    means, spreads = torch.empty(len(queries)), torch.empty(len(queries))
    with track_step("encoding histories", total=len(queries), unit="ratings") as step:
        for rows, batch in _batches(contexts, queries):
            means[rows], spreads[rows] = encoder(*batch)
            step.advance(len(rows))
    return means, spreads


def predict_queries(
    network: RatingNetwork, features: NDArray[np.float32], contexts: Contexts, queries: Queries
) -> NDArray[np.float32]:
    """Predict every query with the torch network.

    Args:
        network: on the CPU.
        features: (n_queries, n_features) the network's feature columns.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        (n_queries, 3) predicted rating, lower and upper bound of its interval, stars.
    """
    return run_heads(network, compute_head_inputs(network, features, contexts, queries))


def compute_head_inputs(
    network: RatingNetwork, features: NDArray[np.float32], contexts: Contexts, queries: Queries
) -> Tensor:
    """Compute what the network's heads take.

    Args:
        network: on the CPU.
        features: (n_queries, n_features) the network's feature columns.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        float32 (n_queries, n_inputs): the features and, with an encoder, its mean and spread.
    """
    inputs = torch.from_numpy(features)
    if network.encoder is not None:
        inputs = join_inputs(inputs, *encode_queries(network.encoder, contexts, queries))
    return inputs


@torch.no_grad()
def run_heads(network: RatingNetwork, inputs: Tensor) -> NDArray[np.float32]:
    """Run a network's heads and intervals.

    Args:
        network: on the CPU.
        inputs: float32 (n_queries, n_inputs).

    Returns:
        (n_queries, 3) predicted rating, lower and upper bound of its interval, stars.
    """
    predicted = torch.empty(len(inputs), 3)
    with one_thread():
        for first in range(0, len(inputs), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            predicted[rows] = torch.stack(network.correct(inputs[rows]), dim=1)
    return predicted.numpy()


@torch.no_grad()
def encode_users(encoder: UserEncoder, history: History, vectors: NDArray[np.float32]) -> None:
    """Solve for every user's vectors given the whole history.

    Args:
        encoder: on the CPU.
        history: the index of all ratings.
        vectors: (n_users, n_samples, width) to be filled; may be a file's mapping.
    """
    n_users = history.n_users
    with track_step("solving for user vectors", total=n_users, unit="users") as step:
        for first in range(0, n_users, _USERS_AT_ONCE):
            users = np.arange(first, min(first + _USERS_AT_ONCE, n_users), dtype=np.int32)
            n = len(users)
            contexts = build_user_contexts(
                history, users, np.full(n, NO_CUT, dtype=np.int32), np.zeros(n, dtype=np.int64)
            )
            nothing = np.zeros(n, dtype=np.uint8)
            asked = Queries(
                groups=np.arange(n),
                movies=np.zeros(n, dtype=np.int32),
                eras=nothing.astype(np.int8),
                own_codes=nothing,
                days=np.zeros(n, dtype=np.int32),
            )
            for batch in batch_contexts(contexts, asked):
                arrays = (batch.context_movies, batch.context_stars, batch.context_weights)
                solved = encoder.solve(*(torch.from_numpy(array) for array in arrays))
                vectors[first + batch.rows] = solved.transpose(0, 1).numpy()
            step.advance(n)


def _batches(contexts: Contexts, queries: Queries) -> Iterator[tuple[Tensor, list[Tensor]]]:
    for batch in batch_contexts(contexts, queries):
        arrays = (batch.context_movies, batch.context_stars, batch.context_weights, batch.users, batch.movies)
        yield torch.from_numpy(batch.rows), [torch.from_numpy(array) for array in arrays]
