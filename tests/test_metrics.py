"""The root mean squared error."""

from math import sqrt

import numpy as np
import pytest

from model.errors import DataError
from model.metrics import BucketScore, rmse, score_by_history


def test_rmse_is_a_root_of_a_mean_when_errors_differ() -> None:
    """Errors 0 and 2: sqrt((0 + 4) / 2) = sqrt(2). Errors 1, 2, 2 and 4: sqrt(25 / 4) = 2.5."""
    assert rmse([0, 0], [0, 2]) == sqrt(2)
    assert rmse([1, 1, 1, 1], [2, 3, -1, 5]) == pytest.approx(2.5)


def test_rmse_is_zero_when_all_is_right() -> None:
    """No error, no root."""
    assert rmse([3.5], [3.5]) == 0


def test_rmse_counts_in_double_precision_when_given_single() -> None:
    """Sums of many single-precision errors of 0.1 stay 0.1 to single precision's own rounding."""
    actual = np.zeros(1_000_000, dtype=np.float32)
    assert rmse(actual + np.float32(0.1), actual) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize(("predicted", "actual"), [([], []), ([1], [1, 2]), ([[1, 2]], [1, 2])])
def test_rmse_refuses_when_there_is_nothing_to_compare(predicted: list[int], actual: list[int]) -> None:
    """Empty columns and columns of unlike shapes make no RMSE."""
    with pytest.raises(DataError, match="cannot compare"):
        rmse(predicted, actual)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("swap", [False, True])
def test_rmse_refuses_when_a_value_is_not_finite(bad: float, *, swap: bool) -> None:
    """A prediction or rating that is no number is an error, not a NaN in a report."""
    pair = ([3.0, bad], [3.0, 3.0])
    with pytest.raises(DataError, match="finite"):
        rmse(*(reversed(pair) if swap else pair))


def test_score_by_history_divides_at_1_5_20_and_100() -> None:
    """Rows at both ends of each bucket, with errors that tell the buckets apart; 0 is a bucket of its own."""
    lengths = np.array([0, 1, 4, 5, 19, 20, 99, 100, 5_000])
    errors = np.array([1.0, 2.0, 2.0, 3.0, 3.0, 0.5, 0.5, 1.0, 1.0])
    assert score_by_history(errors, np.zeros(9), lengths) == [
        BucketScore("0", 1, 1.0),
        BucketScore("1-4", 2, 2.0),
        BucketScore("5-19", 2, 3.0),
        BucketScore("20-99", 2, 0.5),
        BucketScore("100+", 2, 1.0),
    ]


def test_score_by_history_has_no_rmse_when_bucket_is_empty() -> None:
    """All five buckets are reported, the empty ones without a number."""
    scores = score_by_history(np.array([3.0]), np.array([4.0]), np.array([7]))
    assert [(score.n_rows, score.rmse) for score in scores] == [
        (0, None),
        (0, None),
        (1, 1.0),
        (0, None),
        (0, None),
    ]
