"""What a network has to beat: a constant, the movie's mean, user and movie biases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import N_CODES, UNKNOWN, History
from model.progress import track_items
from model.table import HALF_STAR, Ratings

N_ROUNDS = 10
MOVIE_REGULARISATION = 10.0
USER_REGULARISATION = 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Biases:
    """How far users and movies are from the mean of all ratings, stars."""

    users: NDArray[np.float64]
    """(n_users,)."""
    movies: NDArray[np.float64]
    """(n_movies,); 0 for a movie without ratings."""


def solve_biases(
    users: NDArray[np.integer], movies: NDArray[np.integer], deviations: NDArray[np.floating],
    *, n_users: int, n_movies: int,
) -> Biases:  # fmt: skip
    """Fit user and movie biases by alternating least squares, ten rounds.

    Each user's squared bias is penalised as 15 ratings would be, each movie's as 10.

    Args:
        users: (n,) the user of each rating, from 0.
        movies: (n,) its movie, from 0.
        deviations: (n,) the rating less the mean of all ratings, stars.
        n_users: how many users there are.
        n_movies: how many movies there are, unrated ones too.

    Source: Koren, Factor in the neighbors, ACM TKDD 2010, section 2.1; the constants are scikit-surprise's
        defaults, so that the line can be compared with BaselineOnly.
    """
    user_counts = np.bincount(users, minlength=n_users)
    movie_counts = np.bincount(movies, minlength=n_movies)
    user_biases = np.zeros(n_users)
    movie_biases = np.zeros(n_movies)
    for _ in track_items(range(N_ROUNDS), "solving for biases", unit="rounds"):
        residuals = np.bincount(movies, deviations - user_biases[users], minlength=n_movies)
        movie_biases = residuals / (movie_counts + MOVIE_REGULARISATION)
        residuals = np.bincount(users, deviations - movie_biases[movies], minlength=n_users)
        user_biases = residuals / (user_counts + USER_REGULARISATION)
    return Biases(users=user_biases, movies=movie_biases)


def predict_baselines(history: History, test: Ratings) -> dict[str, NDArray[np.float64]]:
    """Predict test ratings by each baseline, within the scale.

    Args:
        history: the index of the training ratings.
        test: the rows to predict.

    Returns:
        By name, (n_test,) stars: constant, the mean of all ratings; movie_mean, that failing the constant;
        biases, mean + user bias + movie bias (`solve_biases`).
    """
    users = history.find_users(test.user_ids)
    movies = history.find_movies(test.movie_ids)
    movie_counts = np.diff(history.movie_offsets)
    movie_sums = history.movie_histogram @ (np.arange(N_CODES) * HALF_STAR)
    mean = movie_sums.sum() / history.n_ratings
    movie_means = np.where(movie_counts > 0, movie_sums / np.maximum(movie_counts, 1), mean)
    solved = solve_biases(
        np.repeat(np.arange(history.n_users), np.diff(history.user_offsets)),
        history.user_movies,
        history.user_codes * HALF_STAR - mean,
        n_users=history.n_users,
        n_movies=history.n_movies,
    )
    biases = (
        mean
        + np.where(users != UNKNOWN, solved.users[users], 0)
        + np.where(movies != UNKNOWN, solved.movies[movies], 0)
    )
    predictions = {
        "constant": np.full(len(test), mean),
        "movie_mean": np.where(movies != UNKNOWN, movie_means[movies], mean),
        "biases": biases,
    }
    return {name: values.clip(history.scale.low, history.scale.high) for name, values in predictions.items()}
