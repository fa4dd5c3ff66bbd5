"""From a bundle and queries to predictions: history lookups, features, one onnxruntime session."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import PredictionError


@dataclass(frozen=True, slots=True)
class KnownRating:
    """A rating that comes with the request (fold-in)."""

    movie_id: int
    rating: float
    """Stars on the bundle's scale."""
    day: int | None = None
    """Days since 1970-01-01; None counts as known before any cut."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question: how many stars would this user give this movie?"""

    movie_id: int
    user_id: int | None = None
    """A user of the bundle; an unknown id is a user without history."""
    ratings: tuple[KnownRating, ...] = ()
    """Fold-in: ratings that come with the request. They add to a known user's history and replace its
    ratings of the same movies."""
    day: int | None = None
    """The day the prediction is for, days since 1970-01-01; None is the day after the last rating known."""
    as_of: int | None = None
    """Cuts the history to ratings strictly before this day, days since 1970-01-01."""
    release_year: int | None = None
    """The movie's year, used only where the bundle does not know the movie."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the nearest users who rated the movie."""

    user_id: int
    rating: float
    """Stars."""
    distance: float
    """Sum of the three smallest gaps, DESIGN 3; 0 to 10.5."""
    common_movies: int
    """How many other movies both rated."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted rating and what it rests on."""

    predicted_rating: float
    """Stars, within the scale."""
    user_known: bool
    """Whether any rating of the user was available (history or fold-in)."""
    movie_known: bool
    """Whether any rating of the movie was available."""
    n_user_ratings: int
    """How many ratings of the user were used."""
    n_movie_ratings: int
    """How many ratings of the movie were used."""
    era: str | None
    """'before 1970', '1970-1989', '1990 and later', or None for a movie without a year."""
    era_mean: float
    """The user's mean for movies of that era, stars; 2.0 when there is none."""
    neighbours: tuple[Neighbour, ...]
    """Up to four, nearest first."""

    @property
    def fallback(self) -> str | None:
        """Why the prediction rests on less than it should, or None: 'new_user', 'unknown_movie', 'new_user_and_unknown_movie'."""
        if self.user_known and self.movie_known:
            return None
        if self.movie_known:
            return "new_user"
        return "unknown_movie" if self.user_known else "new_user_and_unknown_movie"


class Predictor:
    """Predicts from a loaded bundle; safe to share between threads."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Predict each query.

        Raises:
            PredictionError: if a fold-in rating is off the scale or given twice.
        """
        raise PredictionError("not written yet")
