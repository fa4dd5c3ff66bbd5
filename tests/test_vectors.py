"""Vectors solved for outside the network are those that it solves for."""

from pathlib import Path

import numpy as np
import pytest

from model.bundle import load_bundle
from model.history import UNKNOWN
from model.table import HALF_STAR
from model.vectors import StoredVectors, prior_type

NOBODY = (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))


def test_solve_gives_what_the_network_gave_when_users_are_known(bundle_path: Path) -> None:
    """For every user of the bundle: the vectors that torch stored at export."""
    bundle = load_bundle(bundle_path)
    history, vectors = bundle.history, bundle.vectors
    assert vectors is not None
    for user in range(history.n_users):
        rows = history.user_rows(user)
        stars = history.user_codes[rows] * np.float32(HALF_STAR)
        np.testing.assert_allclose(
            vectors.solve(history.user_movies[rows], stars), vectors.users[user], atol=1e-5
        )
    assert vectors.users.shape[1:] == vectors.solve(*NOBODY).shape


@pytest.fixture
def by_hand() -> StoredVectors:
    """One sample, one bias and no vector: a user is one number p, of prior precision 2 and mean 0.5 if known
    well, 1 and 0.25 if new."""
    prior = np.zeros(1, dtype=prior_type(1))
    prior["known"]["precision"], prior["known"]["mean"] = 2.0, 0.5
    prior["new"]["precision"], prior["new"]["mean"] = 1.0, 0.25
    prior["noise"], prior["overall_mean"] = 4.0, 3.0
    movies = np.array([[[0.0, 1.0]], [[0.25, 1.0]], [[-0.25, 1.0]]], dtype=np.float32)
    return StoredVectors(
        users=np.zeros((0, 1, 2), dtype=np.float32),
        movies=movies,
        links=np.array([[[0.0]], [[0.5]], [[-2.0]]], dtype=np.float32),
        prior=prior,
    )


def test_solve_is_the_posterior_mean_when_computed_by_hand(by_hand: StoredVectors) -> None:
    """Ratings 4 and 5 lie 0.75 and 2.25 above mean and bias, and their movies' links are 0.5 and -2.

    Two ratings: 50/52 new, so the precision is 54/52 and the mean 27/104 - 1.5 / √22. None: the mean is 1/4.
    """
    solved = by_hand.solve(np.array([0, 1], dtype=np.int32), np.array([4, 5], dtype=np.float32))
    expected = (54 / 52 * (27 / 104 - 1.5 / np.sqrt(22)) + 4 * 3) / (54 / 52 + 4 * 2)
    assert solved.tolist() == [[1.0, pytest.approx(expected)]]
    assert by_hand.solve(*NOBODY).tolist() == [[1.0, 0.25]]


def test_solve_takes_the_unknown_movie_when_index_is_unknown(by_hand: StoredVectors) -> None:
    """Row 0 of the tables stands for it: of one rating, 50/51 new, the precision is 52/51, the mean 13/51."""
    solved = by_hand.solve(np.array([UNKNOWN], dtype=np.int32), np.array([4], dtype=np.float32))
    assert solved.tolist() == [[1.0, pytest.approx((52 / 51 * 13 / 51 + 4 * 1) / (52 / 51 + 4))]]


def test_score_is_bias_and_product_when_computed_by_hand(by_hand: StoredVectors) -> None:
    """Each listed movie's bias plus the user's number; the unknown movie's row is left out."""
    assert by_hand.score(np.array([[1.0, 0.5]], dtype=np.float32)).tolist() == [0.75, 0.25]
