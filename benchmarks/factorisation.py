"""Bayesian factorisation machines (myFM), with ids alone and as SVD++ flipped.

Source: Rendle, Zhang and Koren, On the difficulty of evaluating baselines, arXiv:1905.01395; the set-up of
the examples in myFM's repository, whose 512 rounds at most these stay within.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.methods import RatingMethod
from model.history import UNKNOWN, History, build_history
from model.table import Ratings

with warnings.catch_warnings():
    # myFM 0.4 asks pkg_resources for its own version, which warns whoever imports it
    warnings.filterwarnings("ignore", "pkg_resources", UserWarning)
    warnings.filterwarnings("ignore", "pkg_resources", DeprecationWarning)
    from myfm import MyFMRegressor, RelationBlock

RANK = 16
N_ROUNDS = {"myfm": 200, "myfm_flipped": 500}
"""Rounds of the Gibbs sampler; all but the first few are kept and averaged (myFM's default)."""


class FactorisationMachine(RatingMethod):
    """A regression with one-hot ids, optionally with who rated what beside them.

    Args:
        n_rounds: rounds of the sampler.
        has_implicit: whether a user also consists of the movies rated, and a movie of the users who rated it,
            each of the n weighing 1/√n.
        seed: source of the sampler's randomness.
    """

    def __init__(self, *, n_rounds: int, has_implicit: bool, seed: int) -> None:
        self._n_rounds = n_rounds
        self._has_implicit = has_implicit
        self._machine = MyFMRegressor(rank=RANK, random_seed=seed)
        self._history: History
        self._blocks: list[sparse.csr_matrix]

    def fit(self, train: Ratings) -> None:
        """Sample the posterior."""
        history = self._history = build_history(train)
        n_users, n_movies = history.n_users, history.n_movies
        # the last row of each block is somebody or something unknown: no feature at all
        users = sparse.vstack([sparse.identity(n_users), sparse.csr_matrix((1, n_users))])
        movies = sparse.vstack([sparse.identity(n_movies), sparse.csr_matrix((1, n_movies))])
        groups = [n_users, n_movies]
        if self._has_implicit:
            users = sparse.hstack([
                users,
                _share_equally(history.user_offsets, history.user_movies, n_movies),
            ])
            movies = sparse.hstack([
                movies,
                _share_equally(history.movie_offsets, history.movie_users, n_users),
            ])
            groups = [n_users, n_movies, n_movies, n_users]
        self._blocks = [users.tocsr(), movies.tocsr()]
        plain, blocks = self._lay_out(train)
        with _quiet_off_terminal():
            self._machine.fit(plain, train.stars, X_rel=blocks, group_shapes=groups, n_iter=self._n_rounds)

    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        """Average the kept samples' predictions."""
        predicted: NDArray[np.float64] = self._machine.predict(*self._lay_out(asked))
        return predicted

    def _lay_out(self, rows: Ratings) -> tuple[sparse.csr_matrix | None, list[RelationBlock]]:
        """The design matrix: written out for ids alone, as relation blocks where rows are long."""
        users, movies = self._history.find_users(rows.user_ids), self._history.find_movies(rows.movie_ids)
        places = [
            np.where(users == UNKNOWN, self._history.n_users, users),
            np.where(movies == UNKNOWN, self._history.n_movies, movies),
        ]
        if self._has_implicit:
            return None, [
                RelationBlock(place.astype(np.int64), block)
                for place, block in zip(places, self._blocks, strict=True)
            ]
        return (
            sparse.hstack([block[place] for place, block in zip(places, self._blocks, strict=True)]).tocsr(),
            [],
        )


def build_method(name: str, seed: int) -> RatingMethod:
    """Build the machine of that name."""
    return FactorisationMachine(n_rounds=N_ROUNDS[name], has_implicit=name == "myfm_flipped", seed=seed)


def _share_equally(
    offsets: NDArray[np.int64], columns: NDArray[np.int32], n_columns: int
) -> sparse.csr_matrix:
    """1/√n for each of the n things that a user or a movie goes with; an empty row at the end."""
    counts = np.diff(offsets)
    weights = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts)
    bounds = np.append(offsets, offsets[-1])
    return sparse.csr_matrix((weights, columns, bounds), shape=(len(offsets), n_columns))


@contextlib.contextmanager
def _quiet_off_terminal() -> Generator[None]:
    """Keep myFM's own progress bar out of log files.

    Yields:
        Nothing.
    """
    if sys.stderr.isatty():
        yield
    else:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
