"""Errors and their margins: roots by hand, intervals against a bootstrap."""

import numpy as np
import pytest
from builders import Rated, make_history

from model.dates import parse_day
from model.table import HALF_STARS
from model.training.report.accuracy import (
    break_down,
    compare_rmse,
    group_by_day,
    group_by_rating,
    group_rows,
    measure_accuracy,
)
from model.views import Queries

STARS = np.array([1.0, 3.0, 5.0])
USERS = np.array([0, 0, 1])
LINES = {"biases": np.array([2.0, 4.0, 3.0]), "full": np.array([1.0, 3.0, 4.0])}
NOTHING: dict[str, list[tuple[str, np.ndarray]]] = {
    name: [] for name in ("by_history", "by_popularity", "by_era", "by_rating", "by_day")
}


def test_measure_accuracy_computes_roots_by_hand_when_lines_are_given() -> None:
    """Errors 1, 1 and 2 are √2 and 4/3 on average, errors 0, 0 and 1 are √(1/3) and 1/3."""
    accuracy = measure_accuracy(LINES, STARS, own="full", users=USERS, groups=NOTHING)
    biases, full = accuracy.lines
    assert (biases.name, full.name) == ("biases", "full")
    assert biases.rmse == pytest.approx(2**0.5)
    assert biases.mae == pytest.approx(4 / 3)
    assert full.rmse == pytest.approx((1 / 3) ** 0.5)
    assert accuracy.gain == pytest.approx(2**0.5 - (1 / 3) ** 0.5)


def test_margin_is_computed_by_hand_when_there_are_two_users() -> None:
    """Squares (1, 1) and (4): the users' sums lie 2 below and above what the mean of 2 gives their rows.

    Each moves the RMSE by 2 / (2 √2 · 3); the variance is the sum of the two squares times 2 / (2 - 1).
    """
    difference, margin = compare_rmse(np.array([1.0, 1.0, 4.0]), np.zeros(3), USERS)
    influence = 2 / (2 * 2**0.5 * 3)
    assert difference == pytest.approx(2**0.5)
    assert margin == pytest.approx(1.96 * (2 * influence**2 * 2) ** 0.5)


def test_margin_agrees_with_a_bootstrap_when_users_are_many(rng: np.random.Generator) -> None:
    """Users drawn again and again with all their rows: the spread of the difference, within a tenth."""
    users = rng.integers(0, 300, 4_000)
    levels = rng.gamma(2, 0.5, 300)[users]
    first, second = levels * rng.gamma(1, 1, 4_000), levels * rng.gamma(1, 0.8, 4_000)
    _, margin = compare_rmse(first, second, users)
    counts, sums = np.bincount(users), [np.bincount(users, squares) for squares in (first, second)]
    differences = []
    for _ in range(2_000):
        drawn = rng.integers(0, 300, 300)
        roots = [(total[drawn].sum() / counts[drawn].sum()) ** 0.5 for total in sums]
        differences.append(roots[0] - roots[1])
    assert margin == pytest.approx(1.96 * np.std(differences), rel=0.1)


def test_margin_is_none_when_all_rows_are_of_one_user() -> None:
    """Nothing tells how users differ."""
    assert compare_rmse(np.ones(3), np.zeros(3), np.zeros(3, dtype=np.int64))[1] is None


def test_difference_is_certain_when_both_are_the_same() -> None:
    """Neither a difference nor a margin, also where every error is zero."""
    squares = np.array([1.0, 2.0, 3.0])
    assert compare_rmse(squares, squares, USERS) == (0, 0)
    assert compare_rmse(np.zeros(3), np.zeros(3), USERS) == (0, 0)


def test_break_down_leaves_empty_groups_out_when_there_are_any() -> None:
    """Errors 1 and 1 in the first group, 2 in the last."""
    rows = np.array([True, True, False])
    parts = break_down(LINES, STARS, [("few", rows), ("none", np.zeros(3, dtype=np.bool_)), ("many", ~rows)])
    assert (parts.labels, parts.n_rows) == (("few", "many"), (2, 1))
    assert parts.rmse["biases"] == pytest.approx((1, 2))


def test_group_rows_divides_five_ways_when_asked() -> None:
    """Movie 10 has two ratings and is of 1960, movie 20 none and no year; the last movie is unknown."""
    history = make_history([Rated(1, 10, 5), Rated(2, 10, 4)], years={10: 1960, 20: 0})
    queries = Queries(
        groups=np.array([0, 1, 2]),
        movies=np.array([0, 1, -1], dtype=np.int32),
        eras=np.array([0, -1, -1], dtype=np.int8),
        own_codes=np.zeros(3, dtype=np.uint8),
        days=np.array([5, 6, 7], dtype=np.int32),
    )
    groups = group_rows(history, queries, STARS, np.array([1, 1, 0]))
    found = {
        name: {label: np.flatnonzero(rows).tolist() for label, rows in parts if rows.any()}
        for name, parts in groups.items()
    }
    assert found == {
        "by_history": {"0": [2], "1-4": [0, 1]},
        "by_popularity": {"0": [1, 2], "1-9": [0]},
        "by_era": {"before 1970": [0], "no year": [1, 2]},
        "by_rating": {"1": [0], "3": [1], "5": [2]},
        "by_day": {"1970-01-06": [0], "1970-01-07": [1], "1970-01-08": [2]},
    }


def test_group_by_rating_tells_halves_apart_when_the_scale_has_them() -> None:
    """Float32 stars match their own group alone."""
    groups = dict(group_by_rating(np.array([0.5, 1.0, 4.5], dtype=np.float32), HALF_STARS))
    assert [label for label, rows in groups.items() if rows.any()] == ["0.5", "1", "4.5"]


def test_group_by_day_has_one_group_when_all_rows_are_of_one_day() -> None:
    """A quarter cannot be cut out of a day."""
    day = parse_day("2005-02-03")
    [(label, rows)] = group_by_day(np.full(8, day, dtype=np.int32))
    assert label == "2005-02-03"
    assert rows.all()
