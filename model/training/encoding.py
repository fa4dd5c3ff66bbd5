"""Run the user encoder, or the whole network, over many contexts."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.batches import batch_contexts
from model.history import History
from model.progress import track_step
from model.table import HALF_STAR
from model.training.gibbs_kernels import solve_users
from model.training.network import RatingNetwork, UserEncoder, join_inputs
from model.training.threads import one_thread
from model.vectors import LINK_RATINGS, NEW_RATINGS
from model.views import Contexts, Queries

_USERS_AT_ONCE = 1 << 13
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


def encode_users(encoder: UserEncoder, history: History, vectors: NDArray[np.float32]) -> None:
    """Solve for every user's vectors given the whole history.

    With the sampler's compiled loops; `model.training.network` says what is solved.

    Args:
        encoder: on the CPU.
        history: the index of all ratings.
        vectors: (n_users, n_samples, 1 + width) to be filled with 1, which meets a movie's bias, and the
            vectors; may be a file's mapping.
    """
    _, n_samples, row = encoder.table.shape
    width = row - 1
    dimensions = tuple(range(width))
    # a movie's bias and vector, without the 1 between them and without the unknown movie
    columns = [0, *range(2, row)]
    movies = [encoder.table[1:, sample, columns].double().contiguous().numpy() for sample in range(n_samples)]
    links = [encoder.links[1:, sample].double().contiguous().numpy() for sample in range(n_samples)]
    known_means, new_means = encoder.means[:, :, 0].double().numpy()
    known_precisions, new_precisions = encoder.precisions[:, :, 0].double().numpy()
    noise = encoder.noise.flatten().double().tolist()
    counts = np.diff(history.user_offsets)
    shares, newness = 1.0 / np.sqrt(counts + LINK_RATINGS), NEW_RATINGS / (counts + NEW_RATINGS)
    with track_step("solving for user vectors", total=history.n_users, unit="users") as step:
        for first in range(0, history.n_users, _USERS_AT_ONCE):
            last = min(first + _USERS_AT_ONCE, history.n_users)
            offsets = history.user_offsets[first : last + 1]
            rows = slice(int(offsets[0]), int(offsets[-1]))
            rated = np.array(history.user_movies[rows])
            stars = history.user_codes[rows] * np.float32(HALF_STAR)
            solved = np.empty((last - first, width))
            for sample in range(n_samples):
                solve_users(
                    offsets - offsets[0], rated, stars, float(encoder.overall_mean), movies[sample],
                    links[sample], shares[first:last], known_means[sample], known_precisions[sample],
                    newness[first:last], new_means[sample], new_precisions[sample], noise[sample], solved,
                    dimensions,
                )  # fmt: skip
                vectors[first:last, sample, 0] = 1.0
                vectors[first:last, sample, 1:] = solved
            step.advance(last - first)


def _batches(contexts: Contexts, queries: Queries) -> Iterator[tuple[Tensor, list[Tensor]]]:
    for batch in batch_contexts(contexts, queries):
        arrays = (batch.context_movies, batch.context_stars, batch.context_weights, batch.users, batch.movies)
        yield torch.from_numpy(batch.rows), [torch.from_numpy(array) for array in arrays]
