"""The sampler as a whole: against one written out slowly, and what it learns."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from model.generation import SyntheticConfig, build_synthetic
from model.history import build_history
from model.metrics import rmse
from model.table import Ratings
from model.training import chain
from model.training.baselines import predict_baselines
from model.training.chain import ChainFile
from model.training.encoding import encode_queries
from model.training.evaluation import build_test_queries
from model.training.gibbs import NOISE_STRENGTH, Observations, Posterior, sample_posterior
from model.training.gibbs_side import (
    BIAS_VARIANCE,
    FACTOR_VARIANCE,
    LINK_STRENGTH,
    LINK_VARIANCE,
    _sample_hyperparameters,
)
from model.training.network import UserEncoder


def observe(ratings: Ratings) -> Observations:
    """All ratings of a table, as the sampler takes them."""
    history = build_history(ratings)
    return Observations(
        stars=history.user_codes * np.float32(0.5),
        user_offsets=history.user_offsets,
        user_movies=history.user_movies,
        movie_offsets=history.movie_offsets,
        movie_users=history.movie_users,
        movie_stars=history.movie_codes * np.float32(0.5),
    )


def sample(ratings: Ratings, *, seed: int) -> Posterior:
    """A few rounds."""
    return sample_posterior(
        observe(ratings), rank=2, n_burn_in=3, n_samples=2, thinning=2, rng=np.random.default_rng(seed)
    )


class Round(NamedTuple):
    """What `sample_slowly` knows after a round; the noise is that of the round."""

    movies: NDArray[np.float64]
    movie_mean: NDArray[np.float64]
    movie_links: NDArray[np.float64]
    known_mean: NDArray[np.float64]
    known_precision: NDArray[np.float64]
    new_mean: NDArray[np.float64]
    new_precision: NDArray[np.float64]
    noise: float


def sample_slowly(stars: NDArray[np.float64], *, n_rounds: int, rng: np.random.Generator) -> list[Round]:
    """The sampler of two tastes, written out with dense matrices; stars (n_users, n_movies), 0 for none."""
    rated = stars > 0
    overall = stars[rated].mean()
    variances = np.array([BIAS_VARIANCE, FACTOR_VARIANCE, FACTOR_VARIANCE])
    users, movies = (rng.normal(0, np.sqrt(variances), (n, 3)) for n in stars.shape)
    user_links, movie_links = np.zeros_like(users), np.zeros_like(movies)
    user_precisions, movie_precisions = np.full((2, 3), 1 / LINK_VARIANCE)
    noise, weights = 1 / stars[rated].var(), np.ones(len(stars))

    def sample_side(
        vectors: NDArray[np.float64], others: NDArray[np.float64], links: NDArray[np.float64],
        link_precisions: NDArray[np.float64], given: NDArray[np.float64], exact: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
        incidence = (given > 0) / np.sqrt((given > 0).sum(axis=1, keepdims=True) + 20)
        mean, precision = _sample_hyperparameters(vectors - incidence @ links, variances, rng)
        normals = rng.standard_normal(vectors.shape)
        for i, row in enumerate(given):
            which = row > 0
            regressors = np.column_stack([np.ones(which.sum()), others[which, 1:]])
            residuals = row[which] - overall - others[which, 0]
            precisions = noise * np.diag(exact[i, which])
            right = precision @ (mean + incidence[i] @ links) + regressors.T @ precisions @ residuals
            matrix = precision + regressors.T @ precisions @ regressors
            random = np.linalg.solve(np.linalg.cholesky(matrix).T, normals[i])
            vectors[i] = np.linalg.solve(matrix, right) + random
        normals = rng.standard_normal(links.shape)
        # a root of every link's covariance has the directions in which both precisions are diagonal
        deviations = np.diag(link_precisions**-0.5)
        values, axes = np.linalg.eigh(deviations @ precision @ deviations)
        for j in range(len(links)):
            links[j] = 0
            unexplained = vectors - mean - incidence @ links
            weight = (incidence[:, j] ** 2).sum()
            covariance = np.linalg.inv(weight * precision + np.diag(link_precisions))
            root = deviations @ axes / np.sqrt(weight * values + 1)
            assert root @ root.T == pytest.approx(covariance)
            links[j] = covariance @ precision @ (incidence[:, j] @ unexplained) + root @ normals[j]
        shape, rate = LINK_STRENGTH + len(links) / 2, LINK_STRENGTH * LINK_VARIANCE + (links**2).sum(0) / 2
        return mean, precision, rng.gamma(shape, 1 / rate)

    rounds = []
    for _ in range(n_rounds):
        exact = np.tile(weights[:, None], len(movies))
        movie_mean, _, user_precisions = sample_side(
            movies, users, user_links, user_precisions, stars.T, exact.T
        )
        user_mean, precision, movie_precisions = sample_side(
            users, movies, movie_links, movie_precisions, stars, exact
        )
        sums = rated / np.sqrt(rated.sum(axis=1, keepdims=True) + 20) @ movie_links
        centred = sums - sums.mean(axis=0)
        whatever = np.linalg.inv(np.linalg.inv(precision) + centred.T @ centred / len(sums))
        rounds.append(
            Round(
                movies.copy(),
                movie_mean,
                movie_links.copy(),
                user_mean,
                precision,
                user_mean + sums.mean(axis=0),
                whatever,
                noise,
            )
        )
        predicted = overall + users[:, :1] + movies[:, 0] + users[:, 1:] @ movies[:, 1:].T
        squares = (np.where(rated, stars - predicted, 0) ** 2).sum(axis=1)
        weights = rng.gamma(
            NOISE_STRENGTH + rated.sum(axis=1) / 2, 1 / (NOISE_STRENGTH + noise * squares / 2)
        )
        noise = rng.gamma(1 + rated.sum() / 2, 1 / (1 + weights @ squares / 2))
    return rounds


def test_sample_posterior_equals_a_slow_sampler_when_random_numbers_are_the_same() -> None:
    """Three rounds, every conditional written out with dense matrices, on five users and four movies.

    One movie has no rating: its vector is the movies' mean, its link nothing.
    """
    given = {
        (0, 0): 4,
        (0, 2): 3,
        (1, 0): 5,
        (1, 1): 2,
        (1, 2): 1,
        (2, 2): 4,
        (3, 1): 3,
        (3, 2): 5,
        (4, 0): 1,
    }
    stars = np.zeros((5, 4))
    for pair, value in given.items():
        stars[pair] = value
    by_movie = [(user, movie) for movie in range(4) for user in range(5) if (user, movie) in given]
    data = Observations(
        stars=np.array(list(given.values()), dtype=np.float32),
        user_offsets=np.array([0, 2, 5, 6, 8, 9]),
        user_movies=np.array([movie for _, movie in given], dtype=np.int32),
        movie_offsets=np.array([0, 3, 5, 9, 9]),
        movie_users=np.array([user for user, _ in by_movie], dtype=np.int32),
        movie_stars=np.array([given[pair] for pair in by_movie], dtype=np.float32),
    )
    posterior = sample_posterior(
        data, rank=2, n_burn_in=1, n_samples=2, thinning=1, rng=np.random.default_rng(3)
    )
    slow = sample_slowly(stars[:, :3], n_rounds=3, rng=np.random.default_rng(3))

    assert posterior.overall_mean == pytest.approx(np.mean(list(given.values())))
    for kept, expected in enumerate(slow[1:]):
        assert posterior.movie_vectors[kept, :3] == pytest.approx(expected.movies, abs=1e-5)
        assert posterior.movie_vectors[kept, 3] == pytest.approx(expected.movie_mean, abs=1e-5)
        assert posterior.movie_means[kept] == pytest.approx(expected.movie_mean, abs=1e-5)
        assert posterior.movie_links[kept, :3] == pytest.approx(expected.movie_links, abs=1e-5)
        assert posterior.movie_links[kept, 3].tolist() == [0.0, 0.0, 0.0]
        assert posterior.known_means[kept] == pytest.approx(expected.known_mean, abs=1e-5)
        assert posterior.known_precisions[kept] == pytest.approx(expected.known_precision, rel=1e-5)
        assert posterior.new_means[kept] == pytest.approx(expected.new_mean, abs=1e-5)
        assert posterior.new_precisions[kept] == pytest.approx(expected.new_precision, rel=1e-5)
        assert posterior.noise_precisions[kept] == pytest.approx(expected.noise, rel=1e-5)


def test_sample_posterior_links_movies_to_their_raters_when_groups_differ(rng: np.random.Generator) -> None:
    """Those who rate the first ten movies give the five that everybody rates a star more than the others do.

    Most of that star is said by what somebody rated: five links of either kind and five that both have.
    """
    n = 200
    group = np.arange(n) % 2
    movies = np.stack([
        np.concatenate([rng.choice(10, 5, replace=False) + 10 * side, np.arange(20, 25)]) for side in group
    ]).astype(np.int32)
    stars = (3.5 - group[:, None] + rng.normal(0, 0.3, (n, 10))).astype(np.float32)
    order = np.argsort(movies.ravel(), kind="stable")
    data = Observations(
        stars=stars.ravel(),
        user_offsets=np.arange(n + 1) * 10,
        user_movies=movies.ravel(),
        movie_offsets=np.concatenate([[0], np.bincount(movies.ravel()).cumsum()]),
        movie_users=(order // 10).astype(np.int32),
        movie_stars=stars.ravel()[order],
    )
    posterior = sample_posterior(data, rank=1, n_burn_in=30, n_samples=20, thinning=2, rng=rng)
    links = posterior.movie_links[..., 0].mean(axis=0)
    assert 0.6 < 5 / np.sqrt(30) * (links[:10].mean() - links[10:20].mean()) < 1.1


def test_sample_posterior_is_the_same_when_seed_is_the_same(tiny_ratings: Ratings) -> None:
    """A seed decides everything, and another seed gives other vectors."""
    first, second, other = (sample(tiny_ratings, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.movie_vectors, second.movie_vectors)
    assert np.array_equal(first.known_precisions, second.known_precisions)
    assert not np.array_equal(first.movie_vectors, other.movie_vectors)


def test_sample_posterior_keeps_every_thinned_sample_when_asked(tiny_ratings: Ratings) -> None:
    """3 rounds of burn-in and 2 samples, 2 rounds apart, are 7 rounds: reported are none done, and each."""
    rounds: list[tuple[int, int]] = []
    posterior = sample_posterior(
        observe(tiny_ratings),
        rank=2,
        n_burn_in=3,
        n_samples=2,
        thinning=2,
        rng=np.random.default_rng(5),
        on_step=lambda done, total: rounds.append((done, total)),
    )
    assert rounds == [(done, 7) for done in range(8)]
    n_movies = len(tiny_ratings.movies)
    assert posterior.movie_vectors.shape == (2, n_movies, 3)
    assert posterior.known_means.shape == posterior.new_means.shape == posterior.movie_means.shape == (2, 3)
    assert posterior.known_precisions.shape == posterior.new_precisions.shape == (2, 3, 3)
    assert posterior.noise_precisions.shape == (2,)
    assert posterior.overall_mean == pytest.approx(float(tiny_ratings.stars.mean()))
    # the samples are different draws
    assert not np.array_equal(posterior.movie_vectors[0], posterior.movie_vectors[1])


def test_sample_posterior_survives_when_every_rating_is_the_same(tiny_ratings: Ratings) -> None:
    """Ratings without any spread give finite vectors."""
    same = dataclasses.replace(tiny_ratings, stars=np.full_like(tiny_ratings.stars, 4.0))
    posterior = sample(same, seed=1)
    assert np.isfinite(posterior.movie_vectors).all()
    assert np.isfinite(posterior.noise_precisions).all()


def test_posterior_beats_biases_when_tastes_are_planted(rng: np.random.Generator) -> None:
    """On held-out ratings made of biases, two planted tastes and noise of 0.5 it is a quarter better."""
    ratings, _ = build_synthetic(SyntheticConfig(n_users=150, n_movies=60, n_ratings=4_500, seed=2))
    users, movies = (np.unique(ids, return_inverse=True)[1] for ids in (ratings.user_ids, ratings.movie_ids))
    tastes = (rng.normal(size=(150, 2))[users] * rng.normal(size=(60, 2))[movies]).sum(axis=1)
    signal = 3.0 + rng.normal(0, 0.4, 150)[users] + rng.normal(0, 0.4, 60)[movies] + 0.7 * tastes
    stars = np.clip(np.rint(2 * (signal + rng.normal(0, 0.5, len(ratings)))) / 2, 0.5, 5)
    planted = dataclasses.replace(ratings, stars=stars.astype(np.float32))
    is_test = rng.random(len(ratings)) < 0.1
    train, test = planted.take(~is_test), planted.take(is_test)
    history = build_history(train)
    posterior = sample_posterior(observe(train), rank=3, n_burn_in=30, n_samples=20, thinning=2, rng=rng)
    means, _ = encode_queries(UserEncoder.from_posterior(posterior), *build_test_queries(history, test))
    biases = rmse(predict_baselines(history, test)["biases"], test.stars)
    assert rmse(means.numpy(), test.stars) < 0.75 * biases


def test_sample_posterior_goes_on_to_the_same_numbers_when_interrupted(
    tiny_ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept after each round, stopped twice, in the burn-in and between two samples: every bit is the same."""
    monkeypatch.setattr(chain, "KEEP_SECONDS", 0.0)
    path, told = tmp_path / "chain.npz", list[str]()
    begun: list[int] = []

    def go_on(*, stop_after: int | None) -> Posterior:
        def stop(done: int, _: int) -> None:
            if done == stop_after:
                raise KeyboardInterrupt

        chain_file = ChainFile(path, told.append)
        begun.append(chain_file.n_rounds)
        return sample_posterior(
            observe(tiny_ratings), rank=2, n_burn_in=3, n_samples=2, thinning=2,
            rng=np.random.default_rng(5), on_step=stop, chain_file=chain_file,
        )  # fmt: skip

    for stop_after in (3, 7):
        with pytest.raises(KeyboardInterrupt):
            go_on(stop_after=stop_after)
    resumed, straight = go_on(stop_after=None), sample(tiny_ratings, seed=5)
    # what the round that was stopped had done is lost
    assert begun == [0, 2, 6]
    assert told == []
    for part in dataclasses.fields(Posterior):
        ours, theirs = (np.asarray(getattr(posterior, part.name)) for posterior in (resumed, straight))
        assert (ours.dtype, ours.tobytes()) == (theirs.dtype, theirs.tobytes())


def test_sample_posterior_reports_the_rounds_of_before_when_resumed(
    tiny_ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept last after five of seven rounds, it begins with five done."""
    monkeypatch.setattr(chain, "KEEP_SECONDS", 0.0)
    for n_samples in (1, 2):  # the same first five rounds
        rounds: list[tuple[int, int]] = []
        sample_posterior(
            observe(tiny_ratings),
            rank=2,
            n_burn_in=3,
            n_samples=n_samples,
            thinning=2,
            rng=np.random.default_rng(5),
            on_step=lambda done, total: rounds.append((done, total)),  # ruff: ignore[function-uses-loop-variable] - called within its own round
            chain_file=ChainFile(tmp_path / "chain.npz", pytest.fail),
        )
    assert rounds == [(5, 7), (6, 7), (7, 7)]


def test_chain_file_is_written_only_when_it_is_time(
    tiny_ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain that takes less than the time between two keepings leaves no file."""
    monkeypatch.setattr(chain, "KEEP_SECONDS", 3_600.0)
    chain_file = ChainFile(tmp_path / "chain.npz", pytest.fail)
    sample_posterior(
        observe(tiny_ratings), rank=2, n_burn_in=1, n_samples=2, thinning=1,
        rng=np.random.default_rng(5), chain_file=chain_file,
    )  # fmt: skip
    chain_file.remove()  # nothing to remove is no error
    assert list(tmp_path.iterdir()) == []
