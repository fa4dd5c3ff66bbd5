"""Single predictions to look at: those that gained most on the biases, and those furthest off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import ERA_NAMES, NO_ERA, UNKNOWN, History
from model.table import HALF_STAR, NO_YEAR, Movies, Ratings
from model.training.evaluation import Evaluation

N_EXAMPLES = 6
"""Of each kind."""


@dataclass(frozen=True, slots=True)
class NearUser:
    """One of the four nearest users who rated the movie; nobody's id is told."""

    rating: float
    """Stars."""
    distance: float
    """Sum of the three smallest gaps, stars."""
    common_movies: int


@dataclass(frozen=True, slots=True)
class Example:
    """One test row and what its prediction rests on."""

    title: str
    year: int | None
    actual: float
    """Stars, as all that follow."""
    predicted: float
    low: float
    """Lower bound of the interval."""
    high: float
    """Upper bound of the interval."""
    biases: float
    """What user and movie biases predict."""
    n_user_ratings: int
    """Known of the user."""
    n_movie_ratings: int
    """Known of the movie."""
    era: str | None
    era_mean: float | None
    """The user's mean for movies of that era; None where there is none."""
    neighbours: tuple[NearUser, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """The extremes of the test rows; no user and no movie twice among the best, nor among the worst."""

    best: tuple[Example, ...]
    """Those whose error is smaller than that of the biases by most."""
    worst: tuple[Example, ...]
    """Those with the largest errors."""


def choose_examples(
    history: History,
    movies: Movies,
    test: Ratings,
    evaluation: Evaluation,
    *,
    own: str,
    biases: NDArray[np.floating],
) -> Examples:
    """Choose the extremes of the test rows.

    Args:
        history: the index of the training ratings.
        movies: the catalogue, with titles.
        test: the actual ratings.
        evaluation: what was asked and answered.
        own: the name of the run's own network.
        biases: (n_test,) what user and movie biases predict, stars.
    """
    errors = np.abs(evaluation.predicted[own][:, 0] - test.stars)
    gains = np.abs(biases - test.stars) - errors

    def describe(rows: list[int]) -> tuple[Example, ...]:
        return tuple(_describe(history, movies, test, evaluation, own, biases, row) for row in rows)

    return Examples(
        best=describe([row for row in choose_rows(gains, evaluation, test) if gains[row] > 0]),
        worst=describe(choose_rows(errors, evaluation, test)),
    )


def choose_rows(scores: NDArray[np.floating], evaluation: Evaluation, test: Ratings) -> list[int]:
    """The rows of the highest scores, each user and each movie once; of equal scores the earlier row."""
    chosen: list[int] = []
    users: set[int] = set()
    movies: set[int] = set()
    for row in np.argsort(-scores, kind="stable").tolist():
        user, movie = int(evaluation.queries.groups[row]), int(test.movie_ids[row])
        if user not in users and movie not in movies:
            chosen.append(row)
            users.add(user)
            movies.add(movie)
            if len(chosen) == N_EXAMPLES:
                break
    return chosen


def _describe(
    history: History,
    movies: Movies,
    test: Ratings,
    evaluation: Evaluation,
    own: str,
    biases: NDArray[np.floating],
    row: int,
) -> Example:
    contexts, group = evaluation.contexts, int(evaluation.queries.groups[row])
    movie, era = int(evaluation.queries.movies[row]), int(evaluation.queries.eras[row])
    rated = contexts.movies[contexts.offsets[group] : contexts.offsets[group + 1]]
    has_era_mean = era != NO_ERA and bool((history.movie_eras[rated] == era).any())
    predicted, low, high = evaluation.predicted[own][row].tolist()
    found = evaluation.neighbours
    title, year, n_movie_ratings = "", NO_YEAR, 0
    if movie != UNKNOWN:
        title, year = movies.titles[movie], int(movies.release_years[movie])
        rows = history.movie_rows(movie)
        n_movie_ratings = rows.stop - rows.start
    return Example(
        title=title or f"movie {test.movie_ids[row]}",
        year=None if year == NO_YEAR else year,
        actual=float(test.stars[row]),
        predicted=predicted,
        low=low,
        high=high,
        biases=float(biases[row]),
        n_user_ratings=int(evaluation.history_lengths[row]),
        n_movie_ratings=n_movie_ratings,
        era=None if era == NO_ERA else ERA_NAMES[era],
        era_mean=float(evaluation.era_means[row]) if has_era_mean else None,
        neighbours=tuple(
            NearUser(
                rating=float(found.codes[row, rank] * HALF_STAR),
                distance=float(found.distances[row, rank]),
                common_movies=int(found.common_movies[row, rank]),
            )
            for rank in range(int(found.counts[row]))
        ),
    )
