"""The network for known users, asked one query and many."""

import numpy as np

from model.bundle import Bundle
from model.serving.sessions import KnownUserSession


def test_one_is_predicted_as_many_are(bundle: Bundle) -> None:
    """NumPy and onnxruntime agree on random features, users and movies, the unknown movie among them."""
    assert bundle.vectors is not None
    rng = np.random.default_rng(1)
    n = 50
    features = rng.normal(0.5, 0.2, (n, len(bundle.manifest["feature_names"]))).astype(np.float32)
    users = rng.integers(0, len(bundle.vectors.users), n)
    movies = rng.integers(0, len(bundle.vectors.movies), n)
    movies[0] = 0
    session = KnownUserSession(bundle)
    many = session.predict_many(features, users, movies)
    one_by_one = [
        session.predict_one(tuple(row), user, movie)
        for row, user, movie in zip(features.tolist(), users.tolist(), movies.tolist(), strict=True)
    ]
    assert np.allclose(one_by_one, many, rtol=0, atol=1e-6)
    assert len({rating for rating, _, _ in one_by_one}) == n  # none is another's
