"""The network for known users, asked for a few queries and for many."""

from concurrent.futures import ThreadPoolExecutor
from itertools import starmap

import numpy as np
import pytest

from model.bundle import Bundle
from model.serving.sessions import MOST_BOUND, KnownUserSession

Asked = tuple[list[tuple[float, ...]], list[int], list[int]]


def open_known(bundle: Bundle) -> KnownUserSession:
    """The bundle's network for known users."""
    assert bundle.vectors is not None
    n_features = len(bundle.manifest["feature_names"])
    return KnownUserSession(bundle.known_users_path, bundle.vectors, n_features=n_features)


def draw(bundle: Bundle, n: int, seed: int) -> Asked:
    """Features, users and movies of some queries, the unknown movie among them."""
    assert bundle.vectors is not None
    rng = np.random.default_rng(seed)
    features = rng.normal(0.5, 0.2, (n, len(bundle.manifest["feature_names"])))
    users, movies = (
        rng.integers(0, len(table), n) for table in (bundle.vectors.users, bundle.vectors.movies)
    )
    return [tuple(row) for row in features.tolist()], users.tolist(), [0, *movies.tolist()[1:]]


@pytest.mark.parametrize("n", [1, 2, MOST_BOUND, MOST_BOUND + 1])
def test_few_are_predicted_as_many_are(bundle: Bundle, n: int) -> None:
    """Twice in turn, so that what one call left behind would show in the next."""
    session = open_known(bundle)
    for seed in (1, 2, 1):
        features, users, movies = draw(bundle, n, seed)
        many = session.predict_many(np.array(features, np.float32), np.array(users), np.array(movies))
        few = session.predict_few(features, users, movies)
        assert np.allclose(few, many, rtol=0, atol=1e-6)
        assert len({rating for rating, _, _ in few}) == n  # none is another's


def test_threads_get_their_own_answers(bundle: Bundle) -> None:
    """Two threads at a time share the arrays of the session."""
    session = open_known(bundle)
    asked = [draw(bundle, 1 + seed % 3, seed) for seed in range(300)]
    expected = list(starmap(session.predict_few, asked))
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda each: session.predict_few(*each), asked)) == expected
