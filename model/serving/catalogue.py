"""What the bundle holds, for people to look at: movies, titles, and where the operator allows it, users."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from model.bundle import Bundle
from model.dates import format_day
from model.history import ERA_NAMES, NO_ERA, UNKNOWN
from model.serving.movie_schemas import ExampleUser, Movie, SimilarMovie, UserRating
from model.serving.refusals import UnknownIdError
from model.serving.similarity import compare_vectors, correlate_ratings
from model.table import HALF_STAR, NO_YEAR

FEWEST_RATINGS: Final = 20
"""What an example user has rated, where the bundle has such users: enough to cut in the middle."""


class Catalogue:
    """Looks movies and users up; safe to share between threads.

    Args:
        bundle: a verified bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._history = bundle.history
        self._titles = bundle.titles
        self._vectors = bundle.vectors

    @property
    def n_users(self) -> int:
        """How many users have ratings."""
        return self._history.n_users

    @property
    def n_movies(self) -> int:
        """How many movies are listed, with or without ratings."""
        return self._history.n_movies

    @property
    def n_ratings(self) -> int:
        """How many ratings are known."""
        return self._history.n_ratings

    def find_movie(self, movie_id: int) -> int:
        """Look a movie's index up.

        Raises:
            UnknownIdError: if it is not listed.
        """
        [movie] = self._history.find_movies(np.array([movie_id])).tolist()
        if movie == UNKNOWN:
            raise UnknownIdError("movie", movie_id)
        return int(movie)

    def describe(self, movies: Sequence[int]) -> list[Movie]:
        """Say what is known of some movies.

        Args:
            movies: indexes of the catalogue.
        """
        histogram = self._history.movie_histogram[np.array(movies, dtype=np.int64)]
        counts = histogram.sum(axis=1)
        stars = histogram @ (np.arange(histogram.shape[1]) * HALF_STAR)
        return [
            Movie(
                movie_id=int(self._history.movie_ids[movie]),
                title=title,
                release_year=_year(int(self._history.release_years[movie])),
                era=_name_era(int(self._history.movie_eras[movie])),
                n_ratings=count,
                mean_rating=total / count if count else None,
            )
            for movie, title, count, total in zip(
                movies, self._titles.find(movies), counts.tolist(), stars.tolist(), strict=True
            )
        ]

    def search(self, text: str, *, limit: int) -> list[Movie]:
        """Find movies by title; see `model.titles.Titles.search`."""
        return self.describe(self._titles.search(text, limit=limit))

    def list_similar(self, movie_id: int, n: int) -> list[SimilarMovie]:
        """List the movies most like one, of those that anybody has rated; see `model.serving.similarity`.

        Args:
            movie_id: the data set's id.
            n: how many at most; movies that are not alike at all are left out.

        Raises:
            UnknownIdError: if it is not listed.
        """
        movie = self.find_movie(movie_id)
        counts = np.diff(self._history.movie_offsets)
        if self._vectors is None:
            likeness = correlate_ratings(self._history, movie)
        else:
            likeness = compare_vectors(self._vectors, movie, counts=counts)
        likeness[movie] = 0
        nearest = np.argsort(-likeness, kind="stable")[:n]
        nearest = nearest[likeness[nearest] > 0]
        return [
            SimilarMovie(**vars(described), similarity=similarity)
            for described, similarity in zip(
                self.describe(nearest.tolist()), likeness[nearest].tolist(), strict=True
            )
        ]

    def list_users(self, n: int) -> list[ExampleUser]:
        """Choose example users, evenly spread over the ids of those with enough ratings.

        Args:
            n: how many at most.
        """
        history = self._history
        counts = np.diff(history.user_offsets)
        chosen = np.flatnonzero(counts >= min(FEWEST_RATINGS, counts.max(initial=0)))
        n = min(n, len(chosen))
        users = []
        for user in chosen[np.arange(n) * len(chosen) // max(n, 1)].tolist():
            days = history.user_days[history.user_rows(user)]
            users.append(
                ExampleUser(
                    user_id=int(history.user_ids[user]),
                    n_ratings=len(days),
                    first_date=format_day(days[0]),
                    last_date=format_day(days[-1]),
                )
            )
        return users

    def list_ratings(self, user_id: int, *, limit: int) -> list[UserRating]:
        """List a user's ratings, the newest first.

        Args:
            user_id: the data set's id.
            limit: how many at most.

        Raises:
            UnknownIdError: if the bundle has no ratings of the user.
        """
        history = self._history
        [user] = history.find_users(np.array([user_id])).tolist()
        if user == UNKNOWN:
            raise UnknownIdError("user", user_id)
        movies, codes, days = (
            column[history.user_rows(user)][::-1][:limit].tolist()
            for column in (history.user_movies, history.user_codes, history.user_days)
        )
        return [
            UserRating(
                movie_id=int(history.movie_ids[movie]),
                title=title,
                release_year=_year(int(history.release_years[movie])),
                rating=code * HALF_STAR,
                date=format_day(day),
            )
            for movie, title, code, day in zip(movies, self._titles.find(movies), codes, days, strict=True)
        ]


def _name_era(era: int) -> str | None:
    return None if era == NO_ERA else ERA_NAMES[era]


def _year(release_year: int) -> int | None:
    return None if release_year == NO_YEAR else release_year
