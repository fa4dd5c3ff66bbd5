"""Plain biases in the encoder's place, where the data are too few to show that it predicts better.

The biases are an encoder, too: its users have no tastes, only a bias with a fixed prior. So nothing that
serves needs to know which of the two a network has.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from model.training.baselines import USER_REGULARISATION, solve_biases
from model.training.gibbs import Observations, Posterior

FEWEST_RATINGS = 500
"""With fewer ratings the biases are preferred unseen: the held-out rows of some eighty users do not even give
a standard error worth the name."""
MOST_DOUBTED = 30_000
"""With more ratings than this nobody asks: the encoder is ahead by many standard errors."""
_NO_TASTE = 1e6
"""Precision of the users' tastes around zero: whatever somebody rates, they have none."""


def forget_tastes(posterior: Posterior, data: Observations) -> Posterior:
    """Turn samples into the same prediction by plain biases, each of them.

    Given them, the closed form of a user's bias is the shrunken mean residual of the user's ratings, that of
    `solve_biases`. The movies keep their vectors, which say what is like what.

    Args:
        posterior: samples given the ratings.
        data: the ratings.
    """
    counts = np.diff(data.user_offsets)
    n_samples, n_movies, width = posterior.movie_vectors.shape
    biases = solve_biases(
        np.repeat(np.arange(len(counts)), counts),
        data.user_movies,
        data.stars.astype(np.float64) - posterior.overall_mean,
        n_users=len(counts),
        n_movies=n_movies,
    )
    vectors, unknown = posterior.movie_vectors.copy(), posterior.movie_means.copy()
    vectors[..., 0], unknown[..., 0] = biases.movies, 0.0
    precision = np.diag([USER_REGULARISATION] + [_NO_TASTE] * (width - 1)).astype(np.float32)
    return dataclasses.replace(
        posterior,
        movie_vectors=vectors,
        movie_means=unknown,
        movie_links=np.zeros_like(posterior.movie_links),
        known_means=np.zeros_like(posterior.known_means),
        known_precisions=np.tile(precision, (n_samples, 1, 1)),
        new_means=np.zeros_like(posterior.new_means),
        new_precisions=np.tile(precision, (n_samples, 1, 1)),
        noise_precisions=np.ones_like(posterior.noise_precisions),
    )


def is_ahead(
    predicted: NDArray[np.floating],
    plain: NDArray[np.floating],
    stars: NDArray[np.floating],
    users: NDArray[np.integer],
) -> bool:
    """Whether predictions beat plainer ones on held-out ratings by more than a standard error.

    Compared are squared errors. A user's ratings are not independent of each other, so the standard error is
    that of sums over users; of one user alone there is none, and nothing is proven.

    Args:
        predicted: (n,) stars.
        plain: (n,) stars.
        stars: (n,) actual ratings.
        users: (n,) whose ratings they are, from 0.

    Source: Breiman, Friedman, Olshen and Stone, Classification and regression trees, 1984, section 3.4.3:
        the simplest model within one standard error of the best.
    """
    gains = (plain - stars) ** 2 - (predicted - stars) ** 2
    gain = gains.mean()
    n_users = len(np.unique(users))
    if n_users < 2:
        return False
    by_user = np.bincount(users, gains - gain)
    return bool(gain * len(gains) > np.sqrt((by_user**2).sum() * n_users / (n_users - 1)))
