"""Ratings of a bundle as rows, and the same bundle with others, for the tests of its predictor."""

import itertools

import numpy as np
from builders import Rated

from model.bundle import Bundle
from model.history import History, build_history
from model.serving.predictor import KnownRating, Prediction, Predictor, Recommendations
from model.table import Movies, Ratings

STRANGER, NOTHING = 2_649_430, 9_999
"""A user and a movie that the made-up data cannot have."""


def list_rows(history: History) -> list[Rated]:
    """All ratings of a history, each user's in time order."""
    users = np.repeat(history.user_ids, np.diff(history.user_offsets))
    movies = history.movie_ids[history.user_movies]
    columns = (users, movies, history.user_codes / 2, history.user_days)
    return list(itertools.starmap(Rated, zip(*(column.tolist() for column in columns), strict=True)))


def with_rows(bundle: Bundle, rows: list[Rated]) -> Predictor:
    """The same network and catalogue with other ratings."""
    ordered = sorted(rows, key=lambda row: row.day)
    ratings = Ratings(
        user_ids=np.array([row.user for row in ordered], dtype=np.int64),
        movie_ids=np.array([row.movie for row in ordered], dtype=np.int64),
        stars=np.array([row.stars for row in ordered], dtype=np.float32),
        days=np.array([row.day for row in ordered], dtype=np.int16),
        movies=Movies(
            movie_ids=bundle.history.movie_ids,
            titles=[""] * bundle.history.n_movies,
            release_years=bundle.history.release_years,
        ),
        scale=bundle.history.scale,
    )
    return Predictor(bundle.with_history(build_history(ratings)))


def rated_by(rows: list[Rated], user: int) -> tuple[KnownRating, ...]:
    """A user's ratings as they would come with a request."""
    return tuple(KnownRating(row.movie, row.stars, row.day) for row in rows if row.user == user)


def unrated_pairs(rows: list[Rated], n: int) -> list[tuple[int, int]]:
    """Some pairs of known users and movies without a rating."""
    rated = {(row.user, row.movie) for row in rows}
    users, movies = sorted({row.user for row in rows}), sorted({row.movie for row in rows})
    pairs = [(user, movie) for user in users for movie in movies if (user, movie) not in rated]
    return pairs[:: max(1, len(pairs) // n)]


def list_stars(predictions: list[Prediction]) -> list[float]:
    """The predicted ratings."""
    return [prediction.predicted_rating for prediction in predictions]


def list_best(found: Recommendations) -> list[float]:
    """The predicted ratings, as they are ordered."""
    return [each.predicted_rating for each in found.movies]
