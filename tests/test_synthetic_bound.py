"""How near the lowest RMSE anybody can come who has to learn what the built-in data's users are like."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model import generation
from model.generation import (
    DAYS_PER_YEAR,
    DRIFT,
    LEANING_SPREAD,
    NOISE_SPREAD,
    TASTE_SPREAD,
    USER_SPREAD,
    SyntheticConfig,
    _compute_signal,
    build_synthetic,
    compute_star_moments,
)
from model.splits import apply_split, parse_split
from model.synthetic import best_predictions
from model.table import Ratings

ROUNDING = 1 / 12
"""Variance that rounding to whole stars adds to the noise."""


def test_a_regression_that_knows_all_movies_stays_1_2_percent_above_the_lowest_rmse_when_users_are_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The movies' true parameters, the drift, the noise and how users vary are given; each user's three
    numbers are their posterior mean given the training ratings, and its uncertainty is integrated over.

    So whoever has to learn the movies, too, cannot come within 1 % of the noise's own RMSE.
    """
    drawn = []

    def keep(rows: generation._Rows, characters: generation._Characters) -> NDArray[np.float64]:
        drawn.append((rows, characters))
        return _compute_signal(rows, characters)

    monkeypatch.setattr(generation, "_compute_signal", keep)
    ratings, truth = build_synthetic(SyntheticConfig())
    [(rows, movies)] = drawn
    split = apply_split(ratings, parse_split("latest"), seed=1)
    structure = _compute_signal(rows, movies)
    user_parts = np.column_stack([movies.user_biases, movies.user_tastes, movies.leanings])[rows.users]

    def describe(part: Ratings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        places = part.movie_ids - 1
        regressors = np.column_stack([
            np.ones(len(part)),
            movies.movie_tastes[places],
            movies.charges[places],
        ])
        return regressors, movies.movie_biases[places] + DRIFT / DAYS_PER_YEAR * part.days

    regressors, rest = describe(ratings)
    constant = structure - rest - (user_parts * regressors).sum(axis=1)
    assert constant == pytest.approx(constant[0])  # nothing is missing from the signal
    prior = np.diag(np.array([USER_SPREAD, TASTE_SPREAD, LEANING_SPREAD]) ** -2)
    noise = NOISE_SPREAD**2 + ROUNDING
    points, weights = np.polynomial.hermite_e.hermegauss(15)
    squares, best_squares = [], []
    for user in np.unique(split.test.user_ids):
        train, test = (part.take(part.user_ids == user) for part in (split.train, split.test))
        known, known_rest = describe(train)
        asked, asked_rest = describe(test)
        precision = prior + known.T @ known / noise
        person = np.linalg.solve(precision, known.T @ (train.stars - constant[0] - known_rest) / noise)
        signal = constant[0] + asked_rest + asked @ person
        spread = np.sqrt((asked * np.linalg.solve(precision, asked.T).T).sum(axis=1))
        predicted = sum(
            weight * compute_star_moments(signal + point * spread)[0]
            for point, weight in zip(points, weights / weights.sum(), strict=True)
        )
        squares.append((predicted - test.stars) ** 2)
        best_squares.append((best_predictions(truth, test) - test.stars) ** 2)
    ratio = np.sqrt(np.concatenate(squares).mean() / np.concatenate(best_squares).mean())
    assert 1.012 < ratio < 1.014
