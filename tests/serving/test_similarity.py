"""How alike two movies are, computed by hand."""

import numpy as np
import pytest
from builders import Rated, make_history

from model.serving import similarity
from model.serving.similarity import compare_vectors, correlate_ratings
from model.vectors import StoredVectors, prior_type


def store(*movies: list[list[float]]) -> StoredVectors:
    """Vectors of movies, a list of samples each; biases that must not matter."""
    samples, rank = len(movies[0]), len(movies[0][0])
    table = np.full((len(movies) + 1, samples, rank + 2), 9.0, dtype=np.float32)
    table[1:, :, 2:] = movies
    return StoredVectors(
        users=np.zeros((0, samples, rank + 2), dtype=np.float32),
        movies=table,
        links=np.zeros((len(table), samples, rank + 1), dtype=np.float32),
        prior=np.zeros(samples, dtype=prior_type(rank + 1)),
    )


def test_vectors_are_compared_by_angle_when_counts_are_equal() -> None:
    """Along, across, against and half way; 30 ratings leave three quarters of the cosine."""
    vectors = store([[1.0, 0.0]], [[5.0, 0.0]], [[0.0, 2.0]], [[-3.0, 0.0]], [[1.0, 1.0]])
    likeness = compare_vectors(vectors, 0, counts=np.full(5, 30))
    assert likeness.tolist() == pytest.approx([0.75, 0.75, 0, -0.75, 0.75 / 2**0.5], abs=1e-6)


def test_vectors_are_compared_within_samples_when_axes_turn() -> None:
    """Two movies that agree in each sample are alike, though their mean vectors are zero."""
    vectors = store([[1.0, 0.0], [-1.0, 0.0]], [[2.0, 0.0], [-2.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]])
    likeness = compare_vectors(vectors, 0, counts=np.array([10, 10, 10]))
    assert likeness.tolist() == pytest.approx([0.5, 0.5, 0.0], abs=1e-6)


def test_vectors_are_shrunk_when_ratings_are_few() -> None:
    """The same vector with 10, 1 and no ratings: 1/2, 1/11 and 0 of the cosine."""
    vectors = store(*[[[1.0, 0.0]]] * 3)
    likeness = compare_vectors(vectors, 0, counts=np.array([10, 1, 0]))
    assert likeness.tolist() == pytest.approx([1 / 2, 1 / 11, 0])


def test_ratings_are_correlated_over_common_users_when_there_is_no_encoder() -> None:
    """Movie 2 follows movie 1 for three users, 3 goes against it for two, 4 is rated by others."""
    movie_1, movie_2, movie_3 = {1: 1, 2: 3, 3: 5}, {1: 2, 2: 3, 3: 4}, {1: 5, 3: 1}
    rated = enumerate((movie_1, movie_2, movie_3, {4: 4}), start=1)
    history = make_history(
        Rated(user, movie, stars) for movie, given in rated for user, stars in given.items()
    )
    expected = [3 / 13, 3 / 13, -2 / 12, 0]
    assert correlate_ratings(history, 0).tolist() == pytest.approx(expected, abs=1e-6)


def test_ratings_are_sampled_when_raters_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four raters every other one is looked at: users 1 and 3, for whom movie 2 goes along."""
    monkeypatch.setattr(similarity, "MOST_CANDIDATES", 2)
    rows = [Rated(user, 1, stars, day=user) for user, stars in enumerate((1, 5, 5, 1), start=1)]
    rows += [Rated(user, 2, stars) for user, stars in enumerate((2, 2, 4, 4), start=1)]
    assert correlate_ratings(make_history(rows), 0)[1] == pytest.approx(2 / 12)


def test_nothing_is_like_a_movie_when_nobody_rated_it() -> None:
    """No raters, no likeness, and no division by zero."""
    history = make_history([Rated(1, 1, 3), Rated(1, 2, 3)], years={1: 0, 2: 0, 3: 0})
    assert correlate_ratings(history, 2).tolist() == [0, 0, 0]
    assert correlate_ratings(history, 0).tolist() == [0, 0, 0]
