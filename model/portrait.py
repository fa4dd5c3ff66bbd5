"""What a table of ratings is like: how much, whose, when, how good, how uneven. Facts ready for JSON."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.dates import format_day
from model.errors import DataError
from model.history import ERA_NAMES, NO_ERA, build_history
from model.table import HALF_STAR, NO_YEAR, Ratings


def portray_ratings(ratings: Ratings) -> dict[str, Any]:
    """Compute the facts.

    Args:
        ratings: at least one.

    Returns:
        `ratings`, `given_twice`, `users`, `movies` (rated ones), `catalogue` (movies listed, with titles and
        with years), `first_day`, `last_day`, `scale`, `density` (the share of all pairs of a user and a rated
        movie that have a rating), `mean` (stars), `distribution` (the share of each rating), `per_user` and
        `per_movie` (fewest, median, mean and most ratings) and `eras` (the share of the ratings whose movie
        is of each era).

    Raises:
        DataError: if there are no ratings.
    """
    if not len(ratings):
        raise DataError("there are no ratings: expected at least one")
    history = build_history(ratings)
    of_users = np.diff(history.user_offsets)
    of_movies = np.diff(history.movie_offsets)
    n_rated = int(np.count_nonzero(of_movies))
    catalogue, scale = ratings.movies, ratings.scale
    codes = history.movie_histogram.sum(axis=0)  # how often each number of half stars was given
    possible = range(int(scale.low / HALF_STAR), int(scale.high / HALF_STAR) + 1, int(scale.step / HALF_STAR))
    stars = np.arange(len(codes)) * HALF_STAR
    by_era = {
        name: float(of_movies[history.movie_eras == era].sum() / len(ratings))
        for era, name in [*enumerate(ERA_NAMES), (NO_ERA, "no year")]
    }
    return {
        "ratings": len(ratings),
        "given_twice": ratings.n_duplicates,
        "users": history.n_users,
        "movies": n_rated,
        "catalogue": {
            "movies": len(catalogue),
            "with_title": sum(map(bool, catalogue.titles)),
            "with_year": int(np.count_nonzero(catalogue.release_years != NO_YEAR)),
        },
        "first_day": format_day(ratings.days[0]),
        "last_day": format_day(ratings.days[-1]),
        "scale": {"low": scale.low, "high": scale.high, "step": scale.step},
        "density": len(ratings) / (history.n_users * n_rated),
        "mean": float(codes @ stars / len(ratings)),
        "distribution": {f"{code * HALF_STAR:g}": float(codes[code] / len(ratings)) for code in possible},
        "per_user": _spread(of_users),
        "per_movie": _spread(of_movies[of_movies > 0]),
        "eras": by_era,
    }


def _spread(counts: NDArray[np.int64]) -> dict[str, float]:
    """How unevenly the ratings are shared."""
    return {
        "fewest": int(counts.min()),
        "median": float(np.median(counts)),
        "mean": float(counts.mean()),
        "most": int(counts.max()),
    }
