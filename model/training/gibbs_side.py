"""One side of the Gibbs sampler, users or movies: its vectors, their prior, and the links to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.training.gibbs_kernels import sample_links, sample_vectors
from model.vectors import LINK_RATINGS

Floats = NDArray[np.float64]

MEAN_STRENGTH = 2.0
"""Vectors' worth of belief that the mean of all vectors is zero (β₀)."""
SPREAD_STRENGTH = 50.0
"""Vectors' worth of belief in the prior variances below, beyond the least a Wishart needs. It steadies data
sets of a few hundred users and is nothing to larger ones."""
BIAS_VARIANCE = 0.15
"""Prior variance of the biases, stars squared."""
FACTOR_VARIANCE = 0.04
"""Prior variance of the other dimensions, stars."""
LINK_VARIANCE = 0.01
"""Prior guess at the variance of a side's links, in each dimension."""
LINK_STRENGTH = 2.0
"""Half the links' worth of belief in that guess."""


@dataclass(slots=True, eq=False)
class Side:
    """Users or movies, and what the sampler believes of them at the moment."""

    offsets: NDArray[np.int64]
    others: NDArray[np.int32]
    """Who of the other side each rating is about."""
    stars: NDArray[np.float32]
    weights: Floats
    """(n,) how exact each one's ratings are: the precision of their noise over that of anybody's."""
    shares: Floats
    """(n,) how much of the sum of the other side's links each one gets, which is more for few ratings."""
    vectors: Floats
    """(n, width)."""
    links: Floats
    """(n, width) what each adds to the prior means on the other side."""
    link_precisions: Floats
    """(width,) of the links' Gaussian, whose mean is zero."""
    link_sums: Floats
    """(n, width) the other side's links in each one's prior mean: their sum times the share."""


def draw_side(
    offsets: NDArray[np.int64],
    others: NDArray[np.int32],
    stars: NDArray[np.float32],
    variances: Floats,
    rng: np.random.Generator,
) -> Side:
    """Start a side: vectors from their prior, and no links yet.

    Args:
        offsets: (n + 1,) where each one's ratings start.
        others: (n_ratings,) who of the other side each rating is about.
        stars: (n_ratings,) the ratings.
        variances: (width,) prior guess at the vectors' variances.
        rng: source of all randomness.
    """
    shape = (len(offsets) - 1, len(variances))
    return Side(
        offsets=offsets,
        others=others,
        stars=stars,
        weights=np.ones(len(offsets) - 1),
        shares=1.0 / np.sqrt(np.diff(offsets) + LINK_RATINGS),
        vectors=rng.normal(0, np.sqrt(variances), shape),
        links=np.zeros(shape),
        link_precisions=np.full(len(variances), 1.0 / LINK_VARIANCE),
        link_sums=np.zeros(shape),
    )


def sample_side(
    side: Side,
    other: Side,
    overall_mean: float,
    noise_precision: float,
    variances: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Sample a side's prior, its vectors, and the other side's links in them.

    Args:
        side: whose vectors, sampled in place.
        other: the other side, whose links are sampled in place.
        overall_mean: stars.
        noise_precision: of ratings of weight one, one over stars squared.
        variances: (width,) prior guess at the vectors' variances.
        rng: source of all randomness.

    Returns:
        Mean (width,) and precision (width, width) of the side's vectors, less the links.
    """
    dimensions = tuple(range(len(variances)))  # its length is a constant to the compiler
    mean, precision = _sample_hyperparameters(side.vectors - side.link_sums, variances, rng)
    sample_vectors(
        side.offsets, side.others, side.stars, overall_mean, other.vectors, np.sqrt(other.weights),
        side.vectors, (mean + side.link_sums) @ precision, precision, noise_precision * side.weights,
        rng.standard_normal(side.vectors.shape), dimensions,
    )  # fmt: skip
    _sample_links(side, other, mean, precision, rng)
    other.link_precisions = rng.gamma(
        LINK_STRENGTH + len(other.links) / 2,
        1.0 / (LINK_STRENGTH * LINK_VARIANCE + (other.links**2).sum(axis=0) / 2),
    )
    return mean, precision


def _sample_links(side: Side, other: Side, mean: Floats, precision: Floats, rng: np.random.Generator) -> None:
    """Sample the other side's links given one side's vectors, their mean and precision.

    In coordinates where the links' own precision is one in every dimension and the vectors' is diagonal:
    there the dimensions are independent, whatever the number of ratings, and no link needs a matrix.
    """
    scales = np.sqrt(other.link_precisions)
    precisions, axes = np.linalg.eigh(precision / np.outer(scales, scales))
    there, back = scales[:, None] * axes, axes.T / scales
    unexplained = (side.vectors - mean - side.link_sums) @ there
    links = other.links @ there
    sample_links(
        other.offsets, other.others, side.shares, unexplained, links, precisions,
        rng.standard_normal(links.shape), tuple(range(len(mean))),
    )  # fmt: skip
    other.links = links @ back
    side.link_sums = side.vectors - mean - unexplained @ back


def forget_links(side: Side, mean: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Mean (width,) and precision (width, width) of a side's vectors whatever they are linked to.

    Args:
        side: the links vary from one to the next as they do among these.
        mean: (width,) of the vectors, less the links.
        precision: (width, width) of the vectors, less the links.
    """
    mean_sum = side.link_sums.mean(axis=0)
    centred = side.link_sums - mean_sum
    covariance = np.linalg.inv(precision) + centred.T @ centred / len(centred)
    return mean + mean_sum, np.linalg.inv(covariance)


def _sample_hyperparameters(
    vectors: Floats, variances: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Sample mean (width,) and precision (width, width) of the vectors' Gaussian from its Normal-Wishart."""
    n, width = vectors.shape
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    strength = MEAN_STRENGTH + n
    prior_freedom = width + SPREAD_STRENGTH
    freedom = prior_freedom + n
    inverse_scale = (
        prior_freedom * np.diag(variances)
        + centred.T @ centred
        + np.outer(mean, mean) * (MEAN_STRENGTH * n / strength)
    )
    # Bartlett: a Wishart sample is (L A)(L A)^T with L the Cholesky factor of the scale matrix
    factor = np.linalg.cholesky(np.linalg.inv(inverse_scale))
    triangle = np.tril(rng.standard_normal((width, width)), -1)
    triangle[np.diag_indices(width)] = np.sqrt(rng.chisquare(freedom - np.arange(width)))
    root = factor @ triangle
    precision = root @ root.T
    centre = n * mean / strength
    sampled = centre + np.linalg.solve(root.T, rng.standard_normal(width)) / np.sqrt(strength)
    return sampled, precision
