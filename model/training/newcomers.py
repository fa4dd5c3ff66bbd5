"""Movies that came out too late to have been rated."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from model.history import History
from model.table import NO_YEAR
from model.training.gibbs import Posterior

FAME = 0.5
"""How far a new movie is taken for one as often rated as others: a movie that nobody rated is an obscure one,
and people give those less; a new one may be obscure or famous."""


def find_newcomers(history: History) -> NDArray[np.bool_]:
    """(n_movies,) who has no rating and came out in the year of the last rating or after it."""
    last = np.datetime64(int(history.user_days.max()), "D").astype("datetime64[Y]").astype(int) + 1970
    years = history.release_years
    is_new: NDArray[np.bool_] = (np.diff(history.movie_offsets) == 0) & (years != NO_YEAR) & (years >= last)
    return is_new


def place_newcomers(posterior: Posterior, history: History) -> Posterior:
    """Move new movies from the mean of all movies half-way to the mean over ratings.

    Args:
        posterior: samples given the ratings.
        history: the index of the ratings.
    """
    is_new = find_newcomers(history)
    if not is_new.any():
        return posterior
    weights = np.diff(history.movie_offsets) / history.n_ratings
    rated = np.einsum("smw,m->sw", posterior.movie_vectors, weights)
    vectors = posterior.movie_vectors.copy()
    vectors[:, is_new] += (FAME * (rated - posterior.movie_means))[:, None].astype(np.float32)
    return dataclasses.replace(posterior, movie_vectors=vectors)
