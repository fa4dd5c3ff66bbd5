"""How alike two movies are, for `GET /v1/movies/{movie_id}/similar`.

Where the network has an encoder: the cosine of the movies' vectors without bias, averaged over the posterior
samples. They are compared sample by sample because nothing keeps the axes of one those of the next. The
vector of a movie with few ratings is mostly the prior's, so the cosine is shrunk by the number of ratings.

Without an encoder: the correlation of the ratings of users who rated both, shrunk by their number.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.history import History
from model.neighbours import MOST_CANDIDATES
from model.table import HALF_STAR
from model.vectors import StoredVectors
from model.views import concatenate_ranges

SHRINKAGE: Final = 10.0
"""How many ratings' worth of no likeness at all every likeness is shrunk by."""
_NOTHING: Final = 1e-12
"""Keeps a movie without spread from dividing by zero; its likeness to any other is zero."""


def compare_vectors(
    vectors: StoredVectors, movie: int, *, counts: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Compare one movie with all by their vectors: (n_movies,) -1 to 1.

    Args:
        vectors: of the bundle.
        movie: an index of the catalogue.
        counts: (n_movies,) how many ratings each movie has.
    """
    table = vectors.movies[1:, :, 2:]  # (n_movies, n_samples, rank)
    own = table[movie]
    products = np.einsum("msr,sr->ms", table, own)
    squares = np.einsum("msr,msr->ms", table, table) * np.einsum("sr,sr->s", own, own)
    cosines = (products / np.sqrt(squares + _NOTHING)).mean(axis=1)
    likeness: NDArray[np.float64] = cosines * (counts / (counts + SHRINKAGE))
    return likeness


def correlate_ratings(history: History, movie: int) -> NDArray[np.float64]:
    """Compare one movie with all by what users gave both: (n_movies,) -1 to 1.

    Args:
        history: all ratings.
        movie: an index of the catalogue; of a movie with more raters than `MOST_CANDIDATES`, as many are
            looked at, evenly spread over its ratings in time.
    """
    histogram = history.movie_histogram
    counts = np.maximum(histogram.sum(axis=1), 1)
    means = histogram @ (np.arange(histogram.shape[1]) * HALF_STAR) / counts
    rows = history.movie_rows(movie)
    n = rows.stop - rows.start
    looked_at = rows.start + np.arange(min(n, MOST_CANDIDATES)) * n // max(min(n, MOST_CANDIDATES), 1)
    users = history.movie_users[looked_at]
    starts, stops = history.user_offsets[users], history.user_offsets[users + 1]
    places = concatenate_ranges(starts, stops)
    others = history.user_movies[places]
    theirs = history.user_codes[places] * HALF_STAR - means[others]
    own = np.repeat(history.movie_codes[looked_at] * HALF_STAR - means[movie], stops - starts)

    def add_up(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(others, values, minlength=history.n_movies).astype(np.float64, copy=False)

    common = np.bincount(others, minlength=history.n_movies)
    spread = np.sqrt(add_up(own**2) * add_up(theirs**2) + _NOTHING)
    likeness: NDArray[np.float64] = add_up(own * theirs) / spread * common / (common + SHRINKAGE)
    return likeness
