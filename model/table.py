"""The tables that everything else reads: ratings and the movies they are about.

Plain NumPy columns, so that the serving side can import them without pandas.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.dates import Days
from model.errors import DataError

Ids = NDArray[np.int64 | np.int32]
"""A data set's ids of users or movies; in half the bytes where they fit."""

HALF_STAR = 0.5
"""Ratings are stored as whole numbers of half stars, in one byte."""

NO_YEAR = 0
"""The release year of a movie that has none; such a movie has no era."""


class Origin(enum.Enum):
    """Whose form the files of a data set have; says which terms of use may hold, and proves nothing."""

    NETFLIX_PRIZE = "Netflix Prize"
    MOVIELENS = "MovieLens"
    OTHER = "other"
    """A CSV of any source, or no file at all."""


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The stars that a data set uses."""

    low: float
    """Lowest rating, stars."""
    high: float
    """Highest rating, stars."""
    step: float
    """Distance between neighbouring ratings, stars."""

    @property
    def middle(self) -> float:
        """The rating halfway up the scale, stars."""
        return (self.low + self.high) / 2


WHOLE_STARS = RatingScale(low=1.0, high=5.0, step=1.0)
HALF_STARS = RatingScale(low=0.5, high=5.0, step=0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Movies:
    """A catalogue: every movie that has ratings, and any other that the source lists."""

    movie_ids: NDArray[np.int64]
    """(n_movies,) the data set's ids, ascending, each once."""
    titles: Sequence[str]
    """n_movies titles; empty where the source gives none."""
    release_years: NDArray[np.int16]
    """(n_movies,) years; `NO_YEAR` where the source gives none."""

    def __post_init__(self) -> None:
        if not len(self.movie_ids) == len(self.titles) == len(self.release_years):
            raise DataError("movie ids, titles and release years differ in number")
        if np.any(np.diff(self.movie_ids) <= 0):
            raise DataError("movie ids must be ascending and each given once")

    def __len__(self) -> int:
        return len(self.movie_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Ratings in the order in which they were given.

    Rows are ordered by day, then by the source's finer time where it has one, then by their place in the
    source. Each pair of user and movie occurs once.
    """

    user_ids: Ids
    """(n,) the data set's ids."""
    movie_ids: Ids
    """(n,) the data set's ids; all of them are in `movies`."""
    stars: NDArray[np.float32]
    """(n,) ratings, stars on `scale`."""
    days: Days
    """(n,) days since 1970-01-01, never descending."""
    movies: Movies
    """The catalogue."""
    scale: RatingScale
    """The stars that the data set uses."""
    n_duplicates: int = 0
    """How many ratings were left out because the same user rated the same movie again later."""
    origin: Origin = Origin.OTHER
    """Whose form the files had."""

    def __post_init__(self) -> None:
        if not len(self.user_ids) == len(self.movie_ids) == len(self.stars) == len(self.days):
            raise DataError("the columns of a ratings table differ in length")
        if np.any(self.days[1:] < self.days[:-1]):
            raise DataError("the rows of a ratings table must be ordered by day")

    def __len__(self) -> int:
        return len(self.user_ids)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Ratings":
        """Keep some rows, in time order; the catalogue and the scale stay whole.

        Args:
            rows: a mask (n,), or ascending row numbers.
        """
        return Ratings(
            user_ids=self.user_ids[rows],
            movie_ids=self.movie_ids[rows],
            stars=self.stars[rows],
            days=self.days[rows],
            movies=self.movies,
            scale=self.scale,
            origin=self.origin,
        )
