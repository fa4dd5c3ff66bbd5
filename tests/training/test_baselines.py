"""The baselines by hand, and the biases against a direct solution."""

import numpy as np
import pytest
from builders import Rated, make_history, make_ratings

from model.generation import SyntheticConfig, build_synthetic
from model.history import build_history
from model.training.baselines import MOVIE_REGULARISATION, USER_REGULARISATION, predict_baselines

FOUR_ROWS = [Rated(1, 10, 5), Rated(1, 20, 3), Rated(2, 10, 3), Rated(2, 20, 1)]


@pytest.mark.parametrize(
    ("user", "movie", "movie_mean", "biases"),
    [
        # movie 10: (5 - 3 - b) + (3 - 3 + b) = 2 over 2 + 10; user 1 likewise 2 over 2 + 15
        (1, 10, 4.0, 3 + 2 / 12 + 2 / 17),
        (2, 20, 2.0, 3 - 2 / 12 - 2 / 17),
        (99, 10, 4.0, 3 + 2 / 12),
        (1, 77, 3.0, 3 + 2 / 17),
        (99, 77, 3.0, 3.0),
    ],
)
def test_baselines_equal_hand_calculation_when_four_ratings_are_known(
    user: int, movie: int, movie_mean: float, biases: float
) -> None:
    """The mean is 3, movie 10's is 4 and movie 20's 2; unknown users and movies have no bias."""
    predicted = predict_baselines(make_history(FOUR_ROWS), make_ratings([Rated(user, movie, 1)]))
    assert predicted["constant"].tolist() == [3.0]
    assert predicted["movie_mean"].tolist() == [movie_mean]
    assert predicted["biases"] == pytest.approx([biases])


def test_movie_mean_is_the_constant_when_catalogued_movie_has_no_ratings() -> None:
    """A movie may be listed and unrated."""
    history = make_history(FOUR_ROWS, years={30: 1999})
    assert predict_baselines(history, make_ratings([Rated(1, 30, 1)]))["movie_mean"].tolist() == [3.0]


def test_biases_minimise_the_penalised_squares_when_ratings_are_many() -> None:
    """Ten rounds of alternation reach the minimum that a direct solution of the normal equations gives."""
    ratings, _ = build_synthetic(SyntheticConfig(n_users=30, n_movies=20, n_ratings=150, seed=4))
    history = build_history(ratings)
    users, movies = history.find_users(ratings.user_ids), history.find_movies(ratings.movie_ids)
    design = np.hstack([np.eye(history.n_users)[users], np.eye(history.n_movies)[movies]])
    penalty = np.diag([USER_REGULARISATION] * history.n_users + [MOVIE_REGULARISATION] * history.n_movies)
    mean = ratings.stars.mean(dtype=np.float64)
    solved = np.linalg.solve(design.T @ design + penalty, design.T @ (ratings.stars - mean))
    expected = np.clip(mean + design @ solved, 1, 5)
    assert predict_baselines(history, ratings)["biases"] == pytest.approx(expected, abs=1e-3)


def test_biases_stay_on_the_scale_when_user_and_movie_are_both_loved() -> None:
    """User 1 gives 5 to all of 60 movies, everybody gives movie 0 a 5 and the others a 1: 5, not more."""
    rows = [Rated(1, movie, 5) for movie in range(60)]
    rows += [Rated(user, movie, 5 if movie == 0 else 1) for user in range(2, 40) for movie in range(60)]
    predicted = predict_baselines(make_history(rows), make_ratings([Rated(1, 0, 5)]))
    assert predicted["biases"].tolist() == [5.0]
