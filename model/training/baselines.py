"""What a network has to beat: a constant, the movie's mean, user and movie biases."""

import numpy as np
from numpy.typing import NDArray

from model.history import UNKNOWN, History
from model.table import HALF_STAR, Ratings

N_ROUNDS = 10
MOVIE_REGULARISATION = 10.0
USER_REGULARISATION = 15.0


def predict_baselines(history: History, test: Ratings) -> dict[str, NDArray[np.float64]]:
    """Predict test ratings by each baseline, within the scale.

    Args:
        history: the index of the training ratings.
        test: the rows to predict.

    Returns:
        By name, (n_test,) stars: constant, the mean of all ratings; movie_mean, that failing the constant;
        biases, mean + user bias + movie bias fitted by alternating least squares with a penalty of 15 ratings
        a user and 10 a movie, ten rounds.

    Source: Koren, Factor in the neighbors, ACM TKDD 2010, section 2.1; the constants are scikit-surprise's
        defaults, so that the line can be compared with BaselineOnly.
    """
    users = history.find_users(test.user_ids)
    movies = history.find_movies(test.movie_ids)
    stars = history.user_codes * HALF_STAR
    row_users = np.repeat(np.arange(history.n_users), np.diff(history.user_offsets))
    row_movies = history.user_movies
    mean = stars.mean()
    movie_counts = np.bincount(row_movies, minlength=history.n_movies)
    user_counts = np.diff(history.user_offsets)
    movie_sums = np.bincount(row_movies, stars, minlength=history.n_movies)
    movie_means = np.where(movie_counts > 0, movie_sums / np.maximum(movie_counts, 1), mean)
    user_biases = np.zeros(history.n_users)
    movie_biases = np.zeros(history.n_movies)
    for _ in range(N_ROUNDS):
        residuals = np.bincount(row_movies, stars - mean - user_biases[row_users], minlength=history.n_movies)
        movie_biases = residuals / (movie_counts + MOVIE_REGULARISATION)
        residuals = np.bincount(row_users, stars - mean - movie_biases[row_movies], minlength=history.n_users)
        user_biases = residuals / (user_counts + USER_REGULARISATION)
    biases = (
        mean
        + np.where(users != UNKNOWN, user_biases[users], 0)
        + np.where(movies != UNKNOWN, movie_biases[movies], 0)
    )
    predictions = {
        "constant": np.full(len(test), mean),
        "movie_mean": np.where(movies != UNKNOWN, movie_means[movies], mean),
        "biases": biases,
    }
    return {name: values.clip(history.scale.low, history.scale.high) for name, values in predictions.items()}
