"""Movie vectors by Gibbs sampling of a Bayesian matrix factorisation, the pretraining of the user encoder.

rating = overall mean + user bias + movie bias + user vector · movie vector + noise, with Gaussian priors
whose means and precisions are sampled too (Normal-Wishart), and Gamma noise precision. Nothing has to be
tuned: shrinkage follows from the data. Only the movie side and the hyperparameters of each kept sample
leave this module: given them, a user's vector has a closed form (`model.training.encoder`), so users need no
parameters.

Source: Salakhutdinov and Mnih, Bayesian probabilistic matrix factorization using MCMC, ICML 2008; Rendle,
Zhang and Koren, On the difficulty of evaluating baselines, arXiv:1905.01395, for how strong it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEAN_STRENGTH = 2.0
"""Vectors' worth of belief that the mean of all vectors is zero (β₀)."""
SPREAD_STRENGTH = 50.0
"""Vectors' worth of belief in the prior variances below, beyond the least a Wishart needs. It steadies data
sets of a few hundred users and is nothing to larger ones."""
BIAS_VARIANCE = 0.15
"""Prior variance of the biases, stars squared."""
FACTOR_VARIANCE = 0.04
"""Prior variance of the other dimensions, stars."""


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The kept samples. The first of the rank + 1 dimensions of a vector is the bias."""

    overall_mean: float
    """Stars."""
    movie_vectors: NDArray[np.float32]
    """(n_samples, n_movies, rank + 1); the first entry is the movie's bias, stars."""
    movie_means: NDArray[np.float32]
    """(n_samples, rank + 1) the vector of a movie nobody has rated."""
    user_means: NDArray[np.float32]
    """(n_samples, rank + 1) the vector of a user without history; the first entry is the bias."""
    user_precisions: NDArray[np.float32]
    """(n_samples, rank + 1, rank + 1)."""
    noise_precisions: NDArray[np.float32]
    """(n_samples,) one over stars squared."""


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Training ratings, indexed both ways."""

    stars: Floats
    """(n,) in the order of the users' rows."""
    user_offsets: NDArray[np.int64]
    user_movies: NDArray[np.int32]
    movie_offsets: NDArray[np.int64]
    movie_users: NDArray[np.int32]
    movie_stars: Floats
    """(n,) in the order of the movies' rows."""


def sample_posterior(
    data: Observations,
    *,
    rank: int,
    n_burn_in: int,
    n_samples: int,
    thinning: int,
    rng: np.random.Generator,
    on_step: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Run the sampler.

    Args:
        data: the ratings.
        rank: dimensions beside the bias.
        n_burn_in: rounds before the first kept sample.
        n_samples: samples kept.
        thinning: rounds from one kept sample to the next.
        rng: source of all randomness.
        on_step: called after each round with the rounds done and the rounds in all.
    """
    n_users, n_movies = len(data.user_offsets) - 1, len(data.movie_offsets) - 1
    width = rank + 1
    overall_mean = float(data.stars.mean())
    # Drawn from the prior: from zero, where each side says that the other does not matter, it takes sparse
    # data hundreds of rounds to get away.
    variances = np.array([BIAS_VARIANCE] + [FACTOR_VARIANCE] * rank)
    users = rng.normal(0, np.sqrt(variances), (n_users, width))
    movies = rng.normal(0, np.sqrt(variances), (n_movies, width))
    noise_precision = 1.0 / max(float(data.stars.var()), 1e-3)
    kept_movies, kept_movie_means, kept_user_means, kept_precisions, kept_noise = [], [], [], [], []
    n_rounds = n_burn_in + n_samples * thinning
    for done in range(1, n_rounds + 1):
        movie_mean, movie_precision = _sample_hyperparameters(movies, variances, rng)
        _sample_vectors(
            data.movie_offsets, data.movie_users, data.movie_stars, overall_mean, users, movies,
            movie_precision @ movie_mean, movie_precision, noise_precision, rng.standard_normal(movies.shape),
        )  # fmt: skip
        user_mean, user_precision = _sample_hyperparameters(users, variances, rng)
        _sample_vectors(
            data.user_offsets, data.user_movies, data.stars, overall_mean, movies, users,
            user_precision @ user_mean, user_precision, noise_precision, rng.standard_normal(users.shape),
        )  # fmt: skip
        if done > n_burn_in and (done - n_burn_in) % thinning == 0:
            kept_movies.append(movies.astype(np.float32))
            kept_movie_means.append(movie_mean)
            kept_user_means.append(user_mean)
            kept_precisions.append(user_precision)
            kept_noise.append(noise_precision)
        squares = _sum_squared_errors(
            data.user_offsets, data.user_movies, data.stars, overall_mean, movies, users
        )
        noise_precision = rng.gamma(1.0 + len(data.stars) / 2, 1.0 / (1.0 + squares / 2))
        if on_step is not None:
            on_step(done, n_rounds)
    return Posterior(
        overall_mean=overall_mean,
        movie_vectors=np.stack(kept_movies),
        movie_means=np.stack(kept_movie_means).astype(np.float32),
        user_means=np.stack(kept_user_means).astype(np.float32),
        user_precisions=np.stack(kept_precisions).astype(np.float32),
        noise_precisions=np.array(kept_noise, dtype=np.float32),
    )


def _sample_hyperparameters(
    vectors: Floats, variances: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Sample mean (width,) and precision (width, width) of the vectors' Gaussian from its Normal-Wishart."""
    n, width = vectors.shape
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    strength = MEAN_STRENGTH + n
    prior_freedom = width + SPREAD_STRENGTH
    freedom = prior_freedom + n
    inverse_scale = (
        prior_freedom * np.diag(variances)
        + centred.T @ centred
        + np.outer(mean, mean) * (MEAN_STRENGTH * n / strength)
    )
    # Bartlett: a Wishart sample is (L A)(L A)^T with L the Cholesky factor of the scale matrix
    factor = np.linalg.cholesky(np.linalg.inv(inverse_scale))
    triangle = np.tril(rng.standard_normal((width, width)), -1)
    triangle[np.diag_indices(width)] = np.sqrt(rng.chisquare(freedom - np.arange(width)))
    root = factor @ triangle
    precision = root @ root.T
    centre = n * mean / strength
    sampled = centre + np.linalg.solve(root.T, rng.standard_normal(width)) / np.sqrt(strength)
    return sampled, precision


@numba.njit(parallel=True, cache=True, fastmath=True)
def _sample_vectors(  # type: ignore[no-untyped-def]
    offsets, others, stars, overall_mean, other_vectors, vectors, prior_information, precision, noise, normals
):
    """Sample every vector of one side given the other side: a Bayesian linear regression each."""
    width = vectors.shape[1]
    for i in numba.prange(len(offsets) - 1):
        matrix = np.zeros((width, width))
        right = np.zeros(width)
        row = np.empty(width)
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            row[0] = 1.0
            for a in range(1, width):
                row[a] = other_vectors[other, a]
            residual = stars[place] - overall_mean - other_vectors[other, 0]
            for a in range(width):
                right[a] += row[a] * residual
                value = row[a]
                for b in range(a + 1):
                    matrix[a, b] += value * row[b]
        for a in range(width):
            right[a] = right[a] * noise + prior_information[a]
            for b in range(a + 1):
                matrix[a, b] = matrix[a, b] * noise + precision[a, b]
        # Cholesky in place, then mean + L^-T z
        for a in range(width):
            for b in range(a + 1):
                total = matrix[a, b]
                for c in range(b):
                    total -= matrix[a, c] * matrix[b, c]
                matrix[a, b] = np.sqrt(total) if a == b else total / matrix[b, b]
        for a in range(width):
            for c in range(a):
                right[a] -= matrix[a, c] * right[c]
            right[a] /= matrix[a, a]
        for a in range(width):
            right[a] += normals[i, a]
        for a in range(width - 1, -1, -1):
            for c in range(a + 1, width):
                right[a] -= matrix[c, a] * right[c]
            right[a] /= matrix[a, a]
        for a in range(width):
            vectors[i, a] = right[a]


@numba.njit(parallel=True, cache=True, fastmath=True)
def _sum_squared_errors(offsets, others, stars, overall_mean, other_vectors, vectors):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in numba.prange(len(offsets) - 1):
        squares = 0.0
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            predicted = overall_mean + vectors[i, 0] + other_vectors[other, 0]
            for a in range(1, vectors.shape[1]):
                predicted += vectors[i, a] * other_vectors[other, a]
            squares += (stars[place] - predicted) ** 2
        total += squares
    return total
