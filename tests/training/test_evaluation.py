"""The RMSE table: the same rows and the same predictions as serving, roots by hand."""

from pathlib import Path

import numpy as np
import pytest
from builders import Rated, ask, make_history, make_ratings

from model.history import build_history
from model.questions import Query
from model.splits import apply_split, parse_split
from model.store import read_history
from model.table import Ratings
from model.training.checkpoint import read_checkpoint
from model.training.encoding import predict_queries
from model.training.evaluation import build_test_queries, count_unknown, format_table, predict_test, tabulate
from model.training.run import HISTORY

TRAIN = make_history([Rated(1, 10, 5), Rated(1, 20, 4), Rated(2, 10, 3)], years={10: 1960, 30: 1995})
TEST = make_ratings([Rated(1, 30, 4), Rated(9, 10, 2), Rated(2, 20, 1), Rated(9, 77, 3)])


def test_build_test_queries_sees_the_whole_training_history_when_asked() -> None:
    """One group for each test user, with all that is known; a stranger's is empty."""
    contexts, queries = build_test_queries(TRAIN, TEST)
    lengths = np.diff(contexts.offsets)
    assert contexts.users.tolist() == [0, 1, -1]
    assert lengths.tolist() == [2, 1, 0]
    assert lengths[queries.groups].tolist() == [2, 0, 1, 0]
    assert queries.movies.tolist() == [2, 0, 1, -1]
    assert queries.own_codes.tolist() == [0, 0, 0, 0]


def test_build_test_queries_gives_no_era_when_movie_is_not_catalogued() -> None:
    """Movie 30 is of 1995, movie 10 of 1960, movie 20 has no year, and movie 77 is unknown."""
    _, queries = build_test_queries(TRAIN, TEST)
    assert queries.eras.tolist() == [2, 0, -1, -1]


def test_predict_test_equals_serving_when_rows_are_the_same(tiny_ratings: Ratings, run_path: Path) -> None:
    """The compiled search in bulk and the NumPy one query by query give the same predictions."""
    split = apply_split(tiny_ratings, parse_split("latest"), seed=1)
    history = build_history(split.train)
    trained = read_checkpoint(run_path)
    evaluation = predict_test(history, split.test, {"full": trained})
    test = split.test
    rows = zip(test.user_ids.tolist(), test.movie_ids.tolist(), test.days.tolist(), strict=True)
    visible, table = ask(
        read_history(run_path / HISTORY),
        *(Query(user_id=user, movie_id=movie, day=day) for user, movie, day in rows),
    )
    served = predict_queries(trained.network, table.matrix, visible.contexts, visible.queries)
    assert evaluation.predicted["full"] == pytest.approx(served, abs=1e-4)
    known = [int((split.train.user_ids == user).sum()) for user in split.test.user_ids]
    assert evaluation.history_lengths.tolist() == known


def test_tabulate_computes_roots_by_history_length_when_lines_are_given() -> None:
    """Errors 0 and 2 without history are √2, errors 3 and 1 with one rating √5, all together √3.5."""
    predicted = {"full": np.array([4.0, 4.0, 4.0, 4.0]), "constant": np.array([3.0, 3.0, 3.0, 3.0])}
    metrics = tabulate(predicted, TEST, np.array([0, 0, 1, 1]))
    assert list(metrics["rmse"]) == ["constant", "full"]
    assert metrics["rmse"]["full"] == pytest.approx(np.sqrt(14 / 4))
    assert metrics["rmse"]["constant"] == pytest.approx(np.sqrt(6 / 4))
    assert metrics["rmse_by_history_length"]["full"][:3] == [
        {"ratings_known": "0", "rows": 2, "rmse": pytest.approx(np.sqrt(2))},
        {"ratings_known": "1-4", "rows": 2, "rmse": pytest.approx(np.sqrt(5))},
        {"ratings_known": "5-19", "rows": 0, "rmse": None},
    ]


def test_format_table_shows_a_line_for_each_prediction_when_measured() -> None:
    """Four digits, a dash for an empty bucket, and the lowest RMSE where it is known."""
    metrics = {
        "test_rows": 4,
        **tabulate({"full": np.array([4.0, 4.0, 4.0, 4.0])}, TEST, np.array([0, 0, 1, 1])),
    }
    head, rows, full = format_table(metrics).splitlines()
    assert head.split()[-6:] == ["all", "0", "1-4", "5-19", "20-99", "100+"]
    assert rows.split()[-6:] == ["4", "2", "2", "0", "0", "0"]
    assert full.split() == ["the", "full", "model", "(full)", "1.8708", "1.4142", "2.2361", "-", "-", "-"]
    known = {"lowest_rmse": 0.8, "best_predictions_rmse": 0.81}
    lowest = format_table({**metrics, **known}).splitlines()[-1]
    assert lowest.startswith("  lowest that anybody could expect")
    assert "0.8000" in lowest
    assert "0.8100" in lowest


def test_count_unknown_counts_rows_when_users_or_movies_are_new() -> None:
    """User 9 asks twice; movie 30 is listed without ratings and movie 77 not even listed."""
    assert count_unknown(TRAIN, TEST) == {"new_users": 2, "unrated_movies": 2}
