"""Movies that came out too late to have been rated."""

import numpy as np
import pytest
from builders import Rated, make_history
from network_builders import draw_posterior

from model.table import NO_YEAR
from model.training.newcomers import find_newcomers, place_newcomers

IN_2004 = 12_500
"""The 23rd of March 2004, in days since 1970-01-01."""


@pytest.mark.parametrize(("year", "expected"), [(2003, False), (2004, True), (2005, True), (NO_YEAR, False)])
def test_find_newcomers_takes_movies_of_the_last_year_when_unrated(year: int, *, expected: bool) -> None:
    """The last rating is of 2004; a movie without a year may be of any."""
    rows = [Rated(1, 1, 3, day=IN_2004), Rated(1, 2, 3, day=10)]
    history = make_history(rows, years={1: 2004, 2: 1990, 3: year})
    assert find_newcomers(history).tolist() == [False, False, expected]


def test_place_newcomers_moves_them_half_way_to_what_is_rated(rng: np.random.Generator) -> None:
    """Of four ratings three are of the first movie; an old unrated movie stays where it was drawn."""
    ratings = [*(Rated(user, 1, 4, day=IN_2004) for user in range(3)), Rated(0, 2, 2)]
    history = make_history(ratings, years={1: 1990, 2: 1990, 3: 1990, 4: 2004})
    posterior = draw_posterior(rng, n_samples=2, n_movies=4, width=3)
    vectors = posterior.movie_vectors
    target = 0.75 * vectors[:, 0] + 0.25 * vectors[:, 1]
    expected = vectors.copy()
    expected[:, 3] += (target - posterior.movie_means) / 2
    placed = place_newcomers(posterior, history)
    np.testing.assert_allclose(placed.movie_vectors, expected, rtol=1e-6)
    assert placed.movie_means is posterior.movie_means


def test_place_newcomers_changes_nothing_when_there_are_none(rng: np.random.Generator) -> None:
    """All movies are rated."""
    posterior = draw_posterior(rng, n_samples=2, n_movies=1, width=3)
    assert place_newcomers(posterior, make_history([Rated(1, 1, 4)], years={1: 2020})) is posterior
