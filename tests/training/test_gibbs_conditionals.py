"""The sampler's conditionals, each against its closed form."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.training.gibbs_kernels import sample_links, sample_vectors, sum_squared_errors
from model.training.gibbs_side import MEAN_STRENGTH, SPREAD_STRENGTH, _sample_hyperparameters

MEAN = 3.0
NOISE = 2.5
OTHERS = np.array([[0.5, 1.0, -0.4], [-0.2, 0.3, 0.8], [0.1, -0.7, 0.2]])
"""Bias and two tastes of each of three raters."""
ROOTS = np.array([0.5, 2.0, 1.5])
"""Roots of how exact each rater's ratings are."""
STARS = np.array([4.0, 2.0, 5.0])
PRECISION = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])
PRIOR_MEAN = np.array([0.2, -0.1, 0.4])
DIMENSIONS = (0, 0, 0)
"""Its length tells the compiled loops the width of a vector."""


def condition(rated: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of a vector given the first raters: Bayesian linear regression by the book."""
    regressors = np.column_stack([np.ones(rated), OTHERS[:rated, 1:]])
    residuals = STARS[:rated] - MEAN - OTHERS[:rated, 0]
    exactness = NOISE * np.diag(ROOTS[:rated] ** 2)
    covariance = np.linalg.inv(PRECISION + regressors.T @ exactness @ regressors)
    return covariance @ (PRECISION @ PRIOR_MEAN + regressors.T @ exactness @ residuals), covariance


def draw(rated: int, normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """One vector for each row of the normals, all of them rated by the same first raters."""
    n = len(normals)
    vectors = np.empty((n, 3))
    sample_vectors(
        np.arange(n + 1, dtype=np.int64) * rated,
        np.tile(np.arange(rated, dtype=np.int32), n),
        np.tile(STARS[:rated], n),
        MEAN,
        OTHERS,
        ROOTS,
        vectors,
        np.tile(PRECISION @ PRIOR_MEAN, (n, 1)),
        PRECISION,
        np.full(n, NOISE),
        normals,
        DIMENSIONS,
    )
    return vectors


@pytest.mark.parametrize("rated", [0, 1, 3])
def test_sample_vectors_gives_posterior_mean_when_noise_is_zero(rated: int) -> None:
    """Without its random part a draw is the closed-form mean; without ratings that is the prior's."""
    mean, _ = condition(rated)
    assert draw(rated, np.zeros((1, 3)))[0] == pytest.approx(mean, abs=1e-9)
    if rated == 0:
        assert mean == pytest.approx(PRIOR_MEAN)


@pytest.mark.parametrize("rated", [0, 1, 3])
def test_sample_vectors_has_posterior_mean_and_covariance_when_drawn_often(
    rated: int, rng: np.random.Generator
) -> None:
    """100,000 draws have the closed form's mean and covariance, within six standard errors."""
    n = 100_000
    mean, covariance = condition(rated)
    drawn = draw(rated, rng.standard_normal((n, 3)))
    spread = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 6 * spread / np.sqrt(n))
    error = 6 * np.sqrt((np.outer(spread, spread) ** 2 + covariance**2) / n)
    assert np.all(np.abs(np.cov(drawn.T) - covariance) < error)


def test_sample_hyperparameters_has_normal_wishart_moments_when_drawn_often(rng: np.random.Generator) -> None:
    """The precision's mean is degrees of freedom times scale; the mean's mean is the shrunken average."""
    vectors = rng.normal(size=(6, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]]) + np.array([0.5, -1.0])
    n = len(vectors)
    variances = np.array([0.3, 0.1])
    average = vectors.mean(axis=0)
    scatter = sum(np.outer(vector - average, vector - average) for vector in vectors)
    shrunken = MEAN_STRENGTH * n / (MEAN_STRENGTH + n)
    prior_freedom = 2 + SPREAD_STRENGTH
    scale = np.linalg.inv(
        prior_freedom * np.diag(variances) + scatter + shrunken * np.outer(average, average)
    )
    freedom = prior_freedom + n

    drawn = [_sample_hyperparameters(vectors, variances, rng) for _ in range(20_000)]
    means, precisions = (np.stack(column) for column in zip(*drawn, strict=True))

    assert precisions.mean(axis=0) == pytest.approx(freedom * scale, rel=0.03, abs=0.03)
    assert means.mean(axis=0) == pytest.approx(vectors.sum(axis=0) / (MEAN_STRENGTH + n), abs=0.02)
    # Wishart: the variance of a diagonal entry is 2 x freedom x its scale squared
    assert precisions.var(axis=0).diagonal() == pytest.approx(2 * freedom * scale.diagonal() ** 2, rel=0.06)


def test_sample_vectors_gives_each_its_own_prior_when_nobody_rated(rng: np.random.Generator) -> None:
    """Without ratings and without the random part every vector is its own prior mean."""
    means = rng.normal(size=(4, 3))
    vectors = np.empty((4, 3))
    sample_vectors(
        np.zeros(5, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0), MEAN, OTHERS, ROOTS,
        vectors, means @ PRECISION, PRECISION, np.full(4, NOISE), np.zeros((4, 3)), DIMENSIONS,
    )  # fmt: skip
    assert vectors == pytest.approx(means)


def test_sample_links_equals_plain_regression_when_noise_is_zero(rng: np.random.Generator) -> None:
    """One user after the other gets the closed-form mean given the movies and the others' links.

    Three users rated movies {0, 1}, {1, 2} and {1}; a vector is the mean plus its raters' links over the
    root of their number.
    """
    rated = [[0, 1], [1, 2], [1]]
    counts = np.array([1, 3, 1])
    residuals = rng.normal(size=(3, 3))
    links = rng.normal(size=(3, 3))
    precisions = np.array([0.5, 2.0, 7.0])

    def sum_links() -> NDArray[np.float64]:
        sums = np.zeros((3, 3))
        for user, movies in enumerate(rated):
            for movie in movies:
                sums[movie] += links[user] / np.sqrt(counts[movie])
        return sums

    sampled, left = links.copy(), residuals - sum_links()
    sample_links(
        np.array([0, 2, 4, 5]), np.array([0, 1, 1, 2, 1], dtype=np.int32), 1 / np.sqrt(counts), left,
        sampled, precisions, np.zeros((3, 3)), DIMENSIONS,
    )  # fmt: skip

    for user, movies in enumerate(rated):
        links[user] = 0.0
        unexplained = residuals - sum_links()
        weight = sum(1 / counts[movie] for movie in movies)
        pull = sum(unexplained[movie] / np.sqrt(counts[movie]) for movie in movies)
        links[user] = precisions * pull / (weight * precisions + 1)
    assert sampled == pytest.approx(links)
    assert left == pytest.approx(residuals - sum_links())


def test_sum_squared_errors_equals_hand_calculation_when_two_users_rate_two_movies() -> None:
    """User by user: 0.7² + 2.3² and 0.1²."""
    users = np.array([[0.1, 0.5], [-0.4, 1.0]])
    movies = np.array([[0.2, 2.0], [0.0, -1.0]])
    offsets, rated = np.array([0, 2, 3]), np.array([0, 1, 0], dtype=np.int32)
    # predictions: 4.3, 3 + 0.1 - 0.5 = 2.6, 3 - 0.4 + 0.2 + 2 = 4.8
    stars = np.array([5.0, 4.9, 4.9])
    squares = sum_squared_errors(offsets, rated, stars, MEAN, movies, users, (0, 0))
    assert squares == pytest.approx([0.49 + 5.29, 0.01])
