"""Movie vectors by Gibbs sampling of a Bayesian matrix factorisation, the pretraining of the user encoder.

rating = overall mean + user bias + movie bias + user vector · movie vector + noise, with Gaussian priors
whose means and precisions are sampled too (Normal-Wishart), and a Gamma noise precision, which each user has
times a Gamma weight: some rate more haphazardly than others. Shrinkage follows from the
data. Who rated a movie tells what it is, whatever they gave, and what
somebody rated tells who they are: the prior mean of a movie's vector is the mean of all plus the sum of its
n raters' links over √(n + 20), and that of a user's the same with the links of the rated movies. Of somebody
with few ratings that tells little; so each sample has a second prior, of a user whatever they rated.
Only the movie side and the hyperparameters of each kept sample leave this module: given them, a user's vector
has a closed form (`model.training.network.UserEncoder`), so users need no parameters.

Sources: Salakhutdinov and Mnih, Bayesian probabilistic matrix factorization using Markov chain Monte Carlo,
ICML 2008; Rendle, Zhang and Koren, On the difficulty of evaluating baselines, arXiv:1905.01395, for how
strong it is and for links on both sides (SVD++ and "flipped" SVD++); Lakshminarayanan, Bouchard and
Archambeau, Robust Bayesian matrix factorisation, AISTATS 2011, for noise that differs by user.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.training.chain import Chain, ChainFile
from model.training.gibbs_kernels import sum_squared_errors
from model.training.gibbs_side import (
    BIAS_VARIANCE,
    FACTOR_VARIANCE,
    draw_side,
    forget_links,
    sample_side,
)

NOISE_STRENGTH = 10.0
"""Half the ratings' worth of belief that a user's ratings are as noisy as anybody's."""


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The kept samples. The first of the rank + 1 dimensions of a vector is the bias."""

    overall_mean: float
    """Stars."""
    movie_vectors: NDArray[np.float32]
    """(n_samples, n_movies, rank + 1); the first entry is the movie's bias, stars."""
    movie_means: NDArray[np.float32]
    """(n_samples, rank + 1) the prior mean: the vector of a movie that the catalogue does not list."""
    movie_links: NDArray[np.float32]
    """(n_samples, n_movies, rank + 1) what having rated each movie says of a user; 0 for a movie nobody has
    rated."""
    known_means: NDArray[np.float32]
    """(n_samples, rank + 1) the users' mean vector, less their links; the first entry is the bias."""
    known_precisions: NDArray[np.float32]
    """(n_samples, rank + 1, rank + 1) of the users' vectors, given their links."""
    new_means: NDArray[np.float32]
    """(n_samples, rank + 1) the users' mean vector, links included."""
    new_precisions: NDArray[np.float32]
    """(n_samples, rank + 1, rank + 1) of the users' vectors, whatever they rated."""
    noise_precisions: NDArray[np.float32]
    """(n_samples,) of anybody's ratings, one over stars squared."""


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Training ratings, indexed both ways."""

    stars: NDArray[np.float32]
    """(n,) in the order of the users' rows."""
    user_offsets: NDArray[np.int64]
    user_movies: NDArray[np.int32]
    movie_offsets: NDArray[np.int64]
    movie_users: NDArray[np.int32]
    movie_stars: NDArray[np.float32]
    """(n,) in the order of the movies' rows."""


def sample_posterior(
    data: Observations,
    *,
    rank: int,
    n_burn_in: int,
    n_samples: int,
    thinning: int,
    rng: np.random.Generator,
    on_step: Callable[[int, int], None] | None = None,
    chain_file: ChainFile | None = None,
) -> Posterior:
    """Run the sampler.

    Args:
        data: the ratings.
        rank: dimensions beside the bias.
        n_burn_in: rounds before the first kept sample.
        n_samples: samples kept.
        thinning: rounds from one kept sample to the next.
        rng: source of all randomness.
        on_step: called before the first round and after each, with the rounds done and the rounds in all.
        chain_file: where the chain is kept, to resume from; None keeps nothing.
    """
    n_all_movies = len(data.movie_offsets) - 1
    rated = np.flatnonzero(np.diff(data.movie_offsets) > 0)
    data = _keep_rated_movies(data, rated)
    overall_mean = float(data.stars.mean(dtype=np.float64))
    # Drawn from the prior: from zero, where each side says that the other does not matter, it takes sparse
    # data hundreds of rounds to get away.
    variances = np.array([BIAS_VARIANCE] + [FACTOR_VARIANCE] * rank)
    users = draw_side(data.user_offsets, data.user_movies, data.stars, variances, rng)
    movies = draw_side(data.movie_offsets, data.movie_users, data.movie_stars, variances, rng)
    counts = np.diff(users.offsets)
    chain = Chain(users, movies, 1.0 / max(float(data.stars.var(dtype=np.float64)), 1e-3), rng)
    if chain_file is not None:
        chain_file.resume(chain)
    n_rounds = n_burn_in + n_samples * thinning
    if on_step is not None:
        on_step(chain.n_rounds, n_rounds)
    while chain.n_rounds < n_rounds:
        noise_precision, done = chain.noise_precision, chain.n_rounds + 1
        movie_mean, _ = sample_side(movies, users, overall_mean, noise_precision, variances, rng)
        known = sample_side(users, movies, overall_mean, noise_precision, variances, rng)
        if done > n_burn_in and (done - n_burn_in) % thinning == 0:
            new = forget_links(users, *known)
            sample = (movies.vectors, movie_mean, movies.links, *known, *new, noise_precision)
            chain.samples.append([np.array(values, dtype=np.float32) for values in sample])
        squares = sum_squared_errors(
            users.offsets, users.others, users.stars, overall_mean, movies.vectors, users.vectors,
            tuple(range(rank + 1)),
        )  # fmt: skip
        users.weights = rng.gamma(
            NOISE_STRENGTH + counts / 2, 1.0 / (NOISE_STRENGTH + noise_precision * squares / 2)
        )
        # summed in one fixed order, so that the number of threads changes nothing
        weighted = (users.weights * squares).sum()
        chain.noise_precision = rng.gamma(1.0 + len(data.stars) / 2, 1.0 / (1.0 + weighted / 2))
        chain.n_rounds = done
        if on_step is not None:
            on_step(done, n_rounds)
        if chain_file is not None:
            chain_file.keep(chain)
    vectors, means, links, *of_users, noise_precisions = (
        np.stack(values) for values in zip(*chain.samples, strict=True)
    )
    known_means, known_precisions, new_means, new_precisions = of_users
    # nothing is known of an unrated movie but the mean of all movies
    movie_vectors = np.repeat(means[:, None], n_all_movies, axis=1)
    movie_links = np.zeros_like(movie_vectors)
    movie_vectors[:, rated], movie_links[:, rated] = vectors, links
    return Posterior(
        overall_mean=overall_mean,
        movie_vectors=movie_vectors,
        movie_means=means,
        movie_links=movie_links,
        known_means=known_means,
        known_precisions=known_precisions,
        new_means=new_means,
        new_precisions=new_precisions,
        noise_precisions=noise_precisions,
    )


def _keep_rated_movies(data: Observations, rated: NDArray[np.int64]) -> Observations:
    """Number only the rated movies: the catalogue may list a hundred times as many."""
    places = np.full(len(data.movie_offsets) - 1, -1, dtype=np.int32)
    places[rated] = np.arange(len(rated), dtype=np.int32)
    return dataclasses.replace(
        data,
        user_movies=places[data.user_movies],
        movie_offsets=np.concatenate([data.movie_offsets[rated], data.movie_offsets[-1:]]),
    )
