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

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.training.gibbs_kernels import sample_links, sample_vectors, sum_squared_errors

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

    stars: NDArray[np.float32]
    """(n,) in the order of the users' rows."""
    user_offsets: NDArray[np.int64]
    user_movies: NDArray[np.int32]
    movie_offsets: NDArray[np.int64]
    movie_users: NDArray[np.int32]
    movie_stars: NDArray[np.float32]
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
        on_step: called before the first round and after each, with the rounds done and the rounds in all.
    """
    n_all_movies = len(data.movie_offsets) - 1
    rated = np.flatnonzero(np.diff(data.movie_offsets) > 0)
    data = _keep_rated_movies(data, rated)
    n_users, n_movies, width = len(data.user_offsets) - 1, len(rated), rank + 1
    dimensions = tuple(range(width))  # its length is a constant to the compiler
    overall_mean = float(data.stars.mean(dtype=np.float64))
    # Drawn from the prior: from zero, where each side says that the other does not matter, it takes sparse
    # data hundreds of rounds to get away.
    variances = np.array([BIAS_VARIANCE] + [FACTOR_VARIANCE] * rank)
    users = rng.normal(0, np.sqrt(variances), (n_users, width))
    movies = rng.normal(0, np.sqrt(variances), (n_movies, width))
    links = np.zeros((n_users, width))
    link_sums = np.zeros((n_movies, width))
    link_precisions = np.full(width, 1.0 / LINK_VARIANCE)
    noise_precision = 1.0 / max(float(data.stars.var(dtype=np.float64)), 1e-3)
    kept_movies, kept_movie_means, kept_user_means, kept_precisions, kept_noise = [], [], [], [], []
    n_rounds = n_burn_in + n_samples * thinning
    if on_step is not None:
        on_step(0, n_rounds)
    for done in range(1, n_rounds + 1):
        movie_mean, movie_precision = _sample_hyperparameters(movies - link_sums, variances, rng)
        sample_vectors(
            data.movie_offsets, data.movie_users, data.movie_stars, overall_mean, users, movies,
            (movie_mean + link_sums) @ movie_precision, movie_precision, noise_precision,
            rng.standard_normal(movies.shape), dimensions,
        )  # fmt: skip
        sample_links(
            data.user_offsets, data.user_movies, np.sqrt(np.diff(data.movie_offsets)), movies - movie_mean,
            link_sums, links, movie_precision, link_precisions, rng.standard_normal(links.shape),
            dimensions,
        )  # fmt: skip
        link_precisions = rng.gamma(
            LINK_STRENGTH + n_users / 2, 1.0 / (LINK_STRENGTH * LINK_VARIANCE + (links**2).sum(axis=0) / 2)
        )
        user_mean, user_precision = _sample_hyperparameters(users, variances, rng)
        sample_vectors(
            data.user_offsets, data.user_movies, data.stars, overall_mean, movies, users,
            np.tile(user_precision @ user_mean, (n_users, 1)), user_precision, noise_precision,
            rng.standard_normal(users.shape), dimensions,
        )  # fmt: skip
        if done > n_burn_in and (done - n_burn_in) % thinning == 0:
            kept_movies.append(movies.astype(np.float32))
            kept_movie_means.append(movie_mean)
            kept_user_means.append(user_mean)
            kept_precisions.append(user_precision)
            kept_noise.append(noise_precision)
        # summed in one fixed order, so that the number of threads changes nothing
        squares = sum_squared_errors(
            data.user_offsets, data.user_movies, data.stars, overall_mean, movies, users, dimensions
        ).sum()
        noise_precision = rng.gamma(1.0 + len(data.stars) / 2, 1.0 / (1.0 + squares / 2))
        if on_step is not None:
            on_step(done, n_rounds)
    movie_means = np.stack(kept_movie_means).astype(np.float32)
    # nothing is known of an unrated movie but the mean of all movies
    movie_vectors = np.repeat(movie_means[:, None], n_all_movies, axis=1)
    movie_vectors[:, rated] = np.stack(kept_movies)
    return Posterior(
        overall_mean=overall_mean,
        movie_vectors=movie_vectors,
        movie_means=movie_means,
        user_means=np.stack(kept_user_means).astype(np.float32),
        user_precisions=np.stack(kept_precisions).astype(np.float32),
        noise_precisions=np.array(kept_noise, dtype=np.float32),
    )


def _keep_rated_movies(data: Observations, rated: NDArray[np.int64]) -> Observations:
    """Number only the rated movies: the catalogue may list a hundred times as many."""
    places = np.full(len(data.movie_offsets) - 1, -1, dtype=np.int32)
    places[rated] = np.arange(len(rated), dtype=np.int32)
    return dataclasses.replace(
        data,
        user_movies=places[data.user_movies],
        movie_offsets=np.concatenate([data.movie_offsets[rated], data.movie_offsets[-1:]]),
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
