"""Run the user encoder, or the whole network, over many contexts.

The encoder runs as the sampler's compiled loops, which leave nothing to pad and no small matrices to
allocate; `model.training.network` says what is solved.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.batches import batch_contexts
from model.history import Codes, History, MovieIndexes
from model.progress import track_step
from model.table import HALF_STAR
from model.training.gibbs_kernels import solve_users
from model.training.network import RatingNetwork, UserEncoder, join_inputs
from model.training.threads import one_thread
from model.vectors import LINK_RATINGS, NEW_RATINGS
from model.views import Contexts, Queries

_USERS_AT_ONCE = 1 << 13
_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One posterior sample of an encoder, as the compiled loops take it."""

    overall_mean: float
    movies: NDArray[np.float64]
    """(n_movies + 1, width) biases and vectors; row 0: the unknown movie."""
    links: NDArray[np.float64]
    """(n_movies + 1, width)."""
    means: NDArray[np.float64]
    """(2, width) of users known well, and of anybody."""
    precisions: NDArray[np.float64]
    """(2, width, width) of both."""
    noise: float

    def solve(self, offsets: NDArray[np.int64], movies: MovieIndexes, codes: Codes) -> NDArray[np.float64]:
        """Solve for users' vectors, (n_users, width).

        Args:
            offsets: (n_users + 1,) where each user's ratings start.
            movies: (n_ratings,) indexes of the catalogue.
            codes: (n_ratings,) what they got.
        """
        counts, width = np.diff(offsets), self.movies.shape[1]
        vectors = np.empty((len(counts), width))
        solve_users(
            offsets, movies, codes * np.float32(HALF_STAR), self.overall_mean, self.movies[1:],
            self.links[1:], 1.0 / np.sqrt(counts + LINK_RATINGS), self.means[0], self.precisions[0],
            NEW_RATINGS / (counts + NEW_RATINGS), self.means[1], self.precisions[1], self.noise, vectors,
            tuple(range(width)),
        )  # fmt: skip
        return vectors


def _take_sample(encoder: UserEncoder, place: int) -> _Sample:
    table = encoder.table[:, place].double().numpy()
    return _Sample(
        overall_mean=float(encoder.overall_mean),
        movies=np.delete(table, 1, axis=1),  # without the 1 between bias and vector
        links=encoder.links[:, place].double().numpy(),
        means=encoder.means[:, place, 0].double().numpy(),
        precisions=encoder.precisions[:, place, 0].double().numpy(),
        noise=float(encoder.noise[place]),
    )


def encode_queries(encoder: UserEncoder, contexts: Contexts, queries: Queries) -> tuple[Tensor, Tensor]:
    """Compute the encoder's mean and spread for every query.

    Args:
        encoder: on the CPU.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        Mean and spread, each float32 (n_queries,), stars.
    """
    busy, groups = np.unique(queries.groups, return_inverse=True)
    starts, stops = contexts.offsets[busy], contexts.offsets[busy + 1]
    offsets = np.concatenate([[0], np.cumsum(stops - starts)])
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], stops - starts)
    movies, codes = contexts.movies[places], contexts.codes[places]
    n_samples = encoder.table.shape[1]
    members = np.empty((n_samples, len(queries)), dtype=np.float32)
    with track_step("encoding histories", total=n_samples, unit="samples") as step:
        for place in range(n_samples):
            sample = _take_sample(encoder, place)
            people = sample.solve(offsets, movies, codes)
            people, asked = people[groups], sample.movies[queries.movies + 1]
            linear = np.einsum("qa,qa->q", people[:, 1:], asked[:, 1:])
            members[place] = people[:, 0] + asked[:, 0] + linear + sample.overall_mean
            step.advance(1)
    means, spreads = members.mean(axis=0, dtype=np.float64), members.std(axis=0, dtype=np.float64)
    return torch.from_numpy(means).float(), torch.from_numpy(spreads).float()


@torch.no_grad()
def encode_strangers(encoder: UserEncoder, movies: MovieIndexes) -> Tensor:
    """Compute the encoder's mean for users without ratings.

    Args:
        encoder: on the CPU.
        movies: (n,) indexes of the catalogue.

    Returns:
        float32 (n,), stars.
    """
    nobody = torch.zeros(1, 1)
    asked, place = np.unique(movies, return_inverse=True)
    rows = torch.from_numpy(asked.astype(np.int64) + 1)
    means, _ = encoder(nobody.long(), nobody, nobody, torch.zeros_like(rows), rows)
    answers: Tensor = means[torch.from_numpy(place)]
    return answers


@torch.no_grad()
def predict_queries(
    network: RatingNetwork, features: NDArray[np.float32], contexts: Contexts, queries: Queries
) -> NDArray[np.float32]:
    """Predict every query with the torch network, which is what is exported, from end to end.

    Args:
        network: on the CPU.
        features: (n_queries, n_features) the network's feature columns.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        (n_queries, 3) predicted rating, lower and upper bound of its interval, stars.
    """
    inputs, predicted = torch.from_numpy(features), torch.empty(len(queries), 3)
    for batch in batch_contexts(contexts, queries):
        arrays = (batch.context_movies, batch.context_stars, batch.context_weights, batch.users, batch.movies)
        outputs = network(inputs[batch.rows], *(torch.from_numpy(array) for array in arrays))
        predicted[batch.rows] = torch.stack(outputs, dim=1)
    return predicted.numpy()


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

    Args:
        encoder: on the CPU.
        history: the index of all ratings.
        vectors: (n_users, n_samples, 1 + width) to be filled with 1, which meets a movie's bias, and the
            vectors; may be a file's mapping.
    """
    samples = [_take_sample(encoder, place) for place in range(encoder.table.shape[1])]
    with track_step("solving for user vectors", total=history.n_users, unit="users") as step:
        for first in range(0, history.n_users, _USERS_AT_ONCE):
            last = min(first + _USERS_AT_ONCE, history.n_users)
            offsets = history.user_offsets[first : last + 1]
            rows = slice(int(offsets[0]), int(offsets[-1]))
            movies, codes = np.array(history.user_movies[rows]), history.user_codes[rows]
            for place, sample in enumerate(samples):
                vectors[first:last, place, 0] = 1.0
                vectors[first:last, place, 1:] = sample.solve(offsets - offsets[0], movies, codes)
            step.advance(last - first)
