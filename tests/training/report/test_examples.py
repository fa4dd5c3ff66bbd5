"""Single predictions: which are chosen, and what is told of them."""

import dataclasses

import numpy as np
import pytest
import torch
from builders import Rated, make_history, make_ratings

from model.history import History
from model.table import Movies, Ratings
from model.training.bulk_neighbours import build_whole_search
from model.training.evaluation import Evaluation, build_test_queries
from model.training.module import HeadRows
from model.training.report import examples
from model.training.report.examples import NearUser, choose_examples, choose_rows
from model.views import view_history

YEARS = {10: 1960, 20: 1965, 30: 1995, 40: 0}
HISTORY = make_history(
    [
        *(Rated(1, movie, stars) for movie, stars in ((10, 5), (20, 3))),
        *(Rated(2, movie, stars) for movie, stars in ((10, 4), (20, 3), (30, 2))),
        *(Rated(3, movie, stars) for movie, stars in ((10, 1), (30, 5))),
    ],
    years=YEARS,
)
TEST = make_ratings([Rated(1, 30, 4), Rated(2, 40, 2), Rated(9, 10, 3)], years=YEARS)
PREDICTED = np.array([[3.5, 2.5, 4.5], [4.0, 3.0, 5.0], [3.1, 2.0, 4.0]], dtype=np.float32)
BIASES = np.array([3.0, 3.0, 3.0])


def evaluate(history: History, test: Ratings) -> Evaluation:
    """The rows as they are asked, with predictions made up here."""
    contexts, queries = build_test_queries(history, test)
    stars = torch.from_numpy(test.stars)
    return Evaluation(
        contexts=contexts,
        queries=queries,
        neighbours=build_whole_search(history, most_candidates=4)(view_history(history), contexts, queries),
        era_means=np.array([2.0, 2.0, 2.0]),
        rows={"full": HeadRows(torch.zeros(len(stars), 1), stars, stars)},
        predicted={"full": PREDICTED},
    )


@pytest.fixture
def chosen() -> examples.Examples:
    """Of three rows."""
    movies = dataclasses.replace(TEST.movies, titles=["Ten", "Twenty", "Thirty", ""])
    return choose_examples(HISTORY, movies, TEST, evaluate(HISTORY, TEST), own="full", biases=BIASES)


def test_worst_are_ordered_by_error_when_chosen(chosen: examples.Examples) -> None:
    """Errors of 0.5, 2 and 0.1 stars."""
    assert [example.actual for example in chosen.worst] == [2, 4, 3]


def test_best_gain_on_the_biases_when_chosen(chosen: examples.Examples) -> None:
    """The biases are 1, 1 and 0 stars off: only the first row's prediction is closer."""
    [best] = chosen.best
    assert (best.actual, best.predicted, best.low, best.high, best.biases) == (4, 3.5, 2.5, 4.5, 3)


def test_example_tells_what_it_rests_on_when_described(chosen: examples.Examples) -> None:
    """User 2 shares movies 10 and 20 (gaps 1 and 0), user 3 only movie 10 (gap 4)."""
    [best] = chosen.best
    assert (best.title, best.year, best.era) == ("Thirty", 1995, "1990 and later")
    assert (best.n_user_ratings, best.n_movie_ratings) == (2, 2)
    assert best.neighbours == (NearUser(2, 0 + 1 + 3.5, 2), NearUser(5, 4 + 2 * 3.5, 1))


def test_example_has_no_era_mean_when_the_user_rated_none_of_that_era(chosen: examples.Examples) -> None:
    """User 1 rated movies of 1960 and 1965 alone; a stranger rated nothing."""
    assert [example.era_mean for example in chosen.worst] == [None, None, None]


def test_movie_is_named_by_its_id_when_it_has_no_title(chosen: examples.Examples) -> None:
    """Movie 40 has neither title nor year."""
    worst = chosen.worst[0]
    assert (worst.title, worst.year, worst.era, worst.n_movie_ratings) == ("movie 40", None, None, 0)
    assert worst.neighbours == ()


def test_rows_of_one_user_or_movie_are_taken_once_when_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """User 1 has the two highest scores, the second of them of a movie that user 2 shares."""
    test = make_ratings([Rated(1, 10, 1), Rated(1, 20, 1), Rated(2, 20, 1), Rated(3, 10, 1), Rated(3, 40, 1)])
    evaluation = dataclasses.replace(evaluate(HISTORY, TEST), queries=build_test_queries(HISTORY, test)[1])
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    assert choose_rows(scores, evaluation, test) == [0, 2, 4]
    monkeypatch.setattr(examples, "N_EXAMPLES", 2)
    assert choose_rows(scores, evaluation, test) == [0, 2]


def test_unlisted_movie_is_named_by_its_id_when_the_catalogue_lacks_it() -> None:
    """A test row's movie need not be known to the history."""
    test = make_ratings([Rated(1, 77, 4), Rated(2, 77, 4), Rated(3, 88, 4)])
    movies = Movies(HISTORY.movie_ids, ["", "", "", ""], HISTORY.release_years)
    chosen = choose_examples(HISTORY, movies, test, evaluate(HISTORY, test), own="full", biases=BIASES)
    assert {example.title for example in chosen.worst} == {"movie 77", "movie 88"}
