"""Small networks and parts of them; apart from `builders`, because they need torch."""

import numpy as np
import torch
from numpy.typing import NDArray

from model.training.base import Base
from model.training.gibbs import Posterior
from model.training.network import Heads, Intervals, RatingNetwork, UserEncoder

OVERALL_MEAN = 3.5
"""Of every posterior drawn here, stars."""


def build_intervals(heads: Heads) -> Intervals:
    """Intervals of one star to either side, on the same inputs as some heads."""
    spread = Heads(
        heads.means, heads.deviations, hidden_size=heads.weights[0].shape[-1], n_heads=len(heads.weights[0])
    )
    return Intervals(spread, torch.tensor([-1.0, 1.0]))


def build_network(
    heads: Heads,
    *,
    encoder: UserEncoder | None = None,
    base: Base | None = None,
    low: float = 1.0,
    high: float = 5.0,
) -> RatingNetwork:
    """A network with intervals of one star to either side; it corrects 3 stars where no base is given."""
    return RatingNetwork(
        encoder=encoder,
        heads=heads,
        intervals=build_intervals(heads),
        base=Base.constant(3.0, len(heads.means)) if base is None else base,
        low=low,
        high=high,
    )


def draw_precision(rng: np.random.Generator, *shape: int, width: int) -> NDArray[np.float32]:
    """Symmetric positive definite matrices, (*shape, width, width)."""
    root = rng.normal(size=(*shape, width, width))
    return (root @ root.swapaxes(-1, -2) + np.eye(width)).astype(np.float32)


def draw_posterior(rng: np.random.Generator, *, n_samples: int, n_movies: int, width: int) -> Posterior:
    """Random samples of some movies' vectors; the noise shrinks from sample to sample."""
    return Posterior(
        overall_mean=OVERALL_MEAN,
        movie_vectors=rng.normal(0, 0.5, (n_samples, n_movies, width)).astype(np.float32),
        movie_means=rng.normal(0, 0.5, (n_samples, width)).astype(np.float32),
        movie_links=rng.normal(0, 0.5, (n_samples, n_movies, width)).astype(np.float32),
        known_means=rng.normal(0, 0.5, (n_samples, width)).astype(np.float32),
        known_precisions=draw_precision(rng, n_samples, width=width),
        new_means=rng.normal(0, 0.5, (n_samples, width)).astype(np.float32),
        new_precisions=draw_precision(rng, n_samples, width=width),
        noise_precisions=2.0 ** np.arange(-1, n_samples - 1, dtype=np.float32),
    )
