"""Movie vectors by Gibbs sampling of a Bayesian matrix factorisation, the pretraining of the user encoder.

rating = overall mean + user bias + movie bias + user vector · movie vector + noise, with Gaussian priors
whose means and precisions are sampled too (Normal-Wishart), and Gamma noise precision. Nothing has to be
tuned: shrinkage follows from the data. Who rated a movie tells what it is, whatever they gave: the prior mean
of a movie's vector is the overall mean plus the sum of its raters' links over the root of their number.
Only the movie side and the hyperparameters of each kept sample leave this module: given them, a user's vector
has a closed form (`model.training.network.UserEncoder`), so users need no parameters.

Sources: Salakhutdinov and Mnih, Bayesian probabilistic matrix factorization using Markov chain Monte Carlo,
ICML 2008; Rendle, Zhang and Koren, On the difficulty of evaluating baselines, arXiv:1905.01395, for how
strong it is and for links on the movie side ("flipped" SVD++).
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
LINK_VARIANCE = 0.01
"""Prior guess at the variance of the users' links, in each dimension."""
LINK_STRENGTH = 2.0
"""Half the links' worth of belief in that guess."""


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
    links = np.zeros((n_users, width))
    link_sums = np.zeros((n_movies, width))
    link_precisions = np.full(width, 1.0 / LINK_VARIANCE)
    noise_precision = 1.0 / max(float(data.stars.var()), 1e-3)
    kept_movies, kept_movie_means, kept_user_means, kept_precisions, kept_noise = [], [], [], [], []
    n_rounds = n_burn_in + n_samples * thinning
    for done in range(1, n_rounds + 1):
        movie_mean, movie_precision = _sample_hyperparameters(movies - link_sums, variances, rng)
        _sample_vectors(
            data.movie_offsets, data.movie_users, data.movie_stars, overall_mean, users, movies,
            (movie_mean + link_sums) @ movie_precision, movie_precision, noise_precision,
            rng.standard_normal(movies.shape),
        )  # fmt: skip
        _sample_links(
            data.user_offsets, data.user_movies, np.sqrt(np.diff(data.movie_offsets)), movies - movie_mean,
            link_sums, links, movie_precision, link_precisions, rng.standard_normal(links.shape),
        )  # fmt: skip
        link_precisions = rng.gamma(
            LINK_STRENGTH + n_users / 2, 1.0 / (LINK_STRENGTH * LINK_VARIANCE + (links**2).sum(axis=0) / 2)
        )
        user_mean, user_precision = _sample_hyperparameters(users, variances, rng)
        _sample_vectors(
            data.user_offsets, data.user_movies, data.stars, overall_mean, movies, users,
            np.tile(user_precision @ user_mean, (n_users, 1)), user_precision, noise_precision,
            rng.standard_normal(users.shape),
        )  # fmt: skip
        if done > n_burn_in and (done - n_burn_in) % thinning == 0:
            kept_movies.append(movies.astype(np.float32))
            kept_movie_means.append(movie_mean)
            kept_user_means.append(user_mean)
            kept_precisions.append(user_precision)
            kept_noise.append(noise_precision)
        # summed in one fixed order, so that the number of threads changes nothing
        squares = _sum_squared_errors(
            data.user_offsets, data.user_movies, data.stars, overall_mean, movies, users
        ).sum()
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
            right[a] = right[a] * noise + prior_information[i, a]
            for b in range(a + 1):
                matrix[a, b] = matrix[a, b] * noise + precision[a, b]
        _draw_gaussian(matrix, right, normals[i])
        for a in range(width):
            vectors[i, a] = right[a]


@numba.njit(cache=True, fastmath=True)
def _sample_links(  # type: ignore[no-untyped-def]
    offsets, others, roots, residuals, sums, links, precision, link_precisions, normals
):
    """Sample every user's link given the movies' vectors, one after the other, and keep the sums up to date.

    A movie's residual (its vector less the mean) is the sum of its raters' links over the root of their
    number, plus Gaussian noise of the movies' precision.
    """
    width = links.shape[1]
    matrix = np.empty((width, width))
    right = np.empty(width)
    gathered = np.empty(width)
    for i in range(len(offsets) - 1):
        weight = 0.0
        gathered[:] = 0.0
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            share = 1.0 / roots[other]
            weight += share * share
            for a in range(width):
                gathered[a] += share * (residuals[other, a] - sums[other, a] + share * links[i, a])
        for a in range(width):
            right[a] = 0.0
            for b in range(width):
                right[a] += precision[a, b] * gathered[b]
            for b in range(a + 1):
                matrix[a, b] = precision[a, b] * weight
            matrix[a, a] += link_precisions[a]
        _draw_gaussian(matrix, right, normals[i])
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            for a in range(width):
                sums[other, a] += (right[a] - links[i, a]) / roots[other]
        for a in range(width):
            links[i, a] = right[a]


@numba.njit(cache=True, fastmath=True)
def _draw_gaussian(matrix, right, normals):  # type: ignore[no-untyped-def]
    """Draw from the Gaussian of a precision matrix and a precision times mean.

    The lower triangle of the matrix becomes its Cholesky factor L; the right side becomes
    mean + L^-T normals.
    """
    width = len(right)
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
        right[a] += normals[a]
    for a in range(width - 1, -1, -1):
        for c in range(a + 1, width):
            right[a] -= matrix[c, a] * right[c]
        right[a] /= matrix[a, a]


@numba.njit(parallel=True, cache=True, fastmath=True)
def _sum_squared_errors(offsets, others, stars, overall_mean, other_vectors, vectors):  # type: ignore[no-untyped-def]
    """The squared errors of every user's ratings, summed by user: (n_users,) stars squared."""
    squares = np.zeros(len(offsets) - 1)
    for i in numba.prange(len(offsets) - 1):
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            predicted = overall_mean + vectors[i, 0] + other_vectors[other, 0]
            for a in range(1, vectors.shape[1]):
                predicted += vectors[i, a] * other_vectors[other, a]
            squares[i] += (stars[place] - predicted) ** 2
    return squares
