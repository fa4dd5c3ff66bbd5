"""What the network's encoder knows, stored so that it need not be run for known users or whole catalogues.

The encoder's mathematics is in `model.training.network`: a user's vector is the closed-form posterior mean
over the user's ratings, one for each posterior sample.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.history import MovieIndexes

USER_VECTORS: Final = "user_vectors.npy"
MOVIE_TABLE: Final = "movie_table.npy"
MOVIE_LINKS: Final = "movie_links.npy"
USER_PRIOR: Final = "user_prior.npy"

LINK_RATINGS: Final = 20
"""The links of n ratings add up to their sum over the root of n plus this: a few say little."""
NEW_RATINGS: Final = 50
"""Somebody with n ratings is believed to be anybody by this over this plus n, whatever they rated."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredVectors:
    """Vectors of users and movies, and what is needed to solve for those of others."""

    users: NDArray[np.float32]
    """(n_users, n_samples, 1 + width) 1, which meets the movie's bias, and each user's vector given the whole
    history."""
    movies: NDArray[np.float32]
    """(n_movies + 1, n_samples, 1 + width) each movie's bias, 1 and vector; row 0: the unknown movie."""
    links: NDArray[np.float32]
    """(n_movies + 1, n_samples, width) what having rated each movie says of a user; row 0 says nothing."""
    prior: NDArray[Any]
    """(n_samples,) records, `prior_type`."""

    def solve(self, movies: MovieIndexes, stars: NDArray[np.float32]) -> NDArray[np.float32]:
        """Solve for the vectors of a user with these ratings: (n_samples, 1 + width), as `users` has them.

        Args:
            movies: (n,) indexes of the catalogue.
            stars: (n,) what the user gave them.
        """
        rows = self.movies[movies + 1].transpose(1, 0, 2)  # (n_samples, n, width + 1)
        regressors = rows[..., 1:]
        residuals = stars - self.prior["overall_mean"][:, None].astype(np.float32) - rows[..., 0]
        transposed = regressors.transpose(0, 2, 1)
        noise = self.prior["noise"][:, None, None]
        newness = NEW_RATINGS / (len(movies) + NEW_RATINGS)
        known, new = self.prior["known"], self.prior["new"]
        precision = known["precision"] + newness * (new["precision"] - known["precision"])
        mean = known["mean"] + newness * (new["mean"] - known["mean"])
        mean += self.links[movies + 1].sum(axis=0) / np.sqrt(len(movies) + LINK_RATINGS)
        matrix = precision + noise * (transposed @ regressors).astype(np.float64)
        right = precision @ mean[..., None] + noise * (transposed @ residuals[..., None]).astype(np.float64)
        ones = np.ones((len(matrix), 1, 1))
        return np.concatenate([ones, np.linalg.solve(matrix, right)], axis=1)[..., 0].astype(np.float32)

    def score(self, people: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict one user's rating of every movie with the encoder alone, less the overall mean.

        Args:
            people: (n_samples, 1 + width) 1 and the user's vectors.

        Returns:
            (n_movies,) stars above the overall mean, not clipped.
        """
        scores: NDArray[np.float32] = self.movies.reshape(len(self.movies), -1)[1:] @ people.ravel()
        return scores / np.float32(len(people))


def prior_type(width: int) -> np.dtype[np.void]:
    """One posterior sample's priors of the users' vectors, as stored: of those known well, and of anybody.

    Args:
        width: of a user's vector.
    """
    gaussian = np.dtype([("precision", np.float64, (width, width)), ("mean", np.float64, (width,))])
    return np.dtype([
        ("known", gaussian),
        ("new", gaussian),
        ("noise", np.float64),
        ("overall_mean", np.float64),
    ])


def read_vectors(folder: Path) -> StoredVectors:
    """Map the vectors in a folder; nothing is read until it is used."""
    # plain arrays over the mappings: np.memmap's own methods are slower
    users, movies, links, prior = (
        np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
        for name in (USER_VECTORS, MOVIE_TABLE, MOVIE_LINKS, USER_PRIOR)
    )
    return StoredVectors(users=users, movies=movies, links=links, prior=prior)
