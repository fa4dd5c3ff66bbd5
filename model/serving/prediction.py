"""What a prediction says: the stars, how sure that is, and what it rests on."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.features import FeatureTable
from model.history import ERA_NAMES, NO_ERA, UNKNOWN, History
from model.questions import VisibleQueries
from model.table import HALF_STAR


class Neighbour(NamedTuple):  # made four times a prediction, in a third of a frozen dataclass's time
    """One of the nearest users who rated the movie."""

    user_id: int
    rating: float
    """Stars."""
    distance: float
    """Sum of the three smallest gaps, DESIGN 3; 0 to 10.5."""
    common_movies: int
    """How many other movies both rated."""


class Prediction(NamedTuple):
    """A predicted rating and what it rests on."""

    predicted_rating: float
    """Stars, within the scale."""
    interval: tuple[float, float]
    """Where the actual rating lies in 80 cases of 100: lower and upper bound, stars, within the scale."""
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
        """Why the prediction rests on less than it should: new_user, unknown_movie, both joined, or None."""
        if self.user_known and self.movie_known:
            return None
        if self.movie_known:
            return "new_user"
        return "unknown_movie" if self.user_known else "new_user_and_unknown_movie"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A movie that the user has not rated, and what the user is expected to give it."""

    movie_id: int
    predicted_rating: float
    """Stars, within the scale."""
    interval: tuple[float, float]
    """As a `Prediction` has it."""


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Movies for one user, and what the choice rests on."""

    movies: tuple[Recommendation, ...]
    """Highest first."""
    n_user_ratings: int
    """How many ratings of the user were used."""

    @property
    def fallback(self) -> str | None:
        """Why they rest on less than they should: new_user, or None."""
        return None if self.n_user_ratings else "new_user"


def explain(
    history: History, visible: VisibleQueries, table: FeatureTable, predicted: NDArray[np.float32]
) -> list[Prediction]:
    """Put together what is known of each prediction.

    Args:
        history: names the neighbours.
        visible: the queries.
        table: their features and neighbours.
        predicted: (n_queries, 3) predicted rating, lower and upper bound of its interval, stars.
    """
    queries, contexts, found = visible.queries, visible.contexts, table.neighbours
    lengths = np.diff(contexts.offsets)
    predictions = []
    for row, (rating, lowest, highest) in enumerate(predicted.tolist()):
        group, movie, era = queries.groups[row], queries.movies[row], queries.eras[row]
        n_movie_ratings = 0
        if movie != UNKNOWN:
            n_movie_ratings = int(visible.views.movie_counts[contexts.views[group], movie])
            n_movie_ratings -= int(queries.own_codes[row] > 0)
        predictions.append(
            Prediction(
                predicted_rating=rating,
                interval=(lowest, highest),
                user_known=bool(lengths[group]),
                movie_known=n_movie_ratings > 0,
                n_user_ratings=int(lengths[group]),
                n_movie_ratings=n_movie_ratings,
                era=None if era == NO_ERA else ERA_NAMES[era],
                era_mean=float(table.era_means[row]),
                neighbours=tuple(
                    Neighbour(
                        user_id=int(history.user_ids[found.users[row, rank]]),
                        rating=float(found.codes[row, rank] * HALF_STAR),
                        distance=float(found.distances[row, rank]),
                        common_movies=int(found.common_movies[row, rank]),
                    )
                    for rank in range(int(found.counts[row]))
                ),
            )
        )
    return predictions
