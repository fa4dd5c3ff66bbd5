"""The root mean squared error and its breakdown by history length."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.errors import DataError

HISTORY_BUCKETS = ((0, 0), (1, 4), (5, 19), (20, 99), (100, None))
"""Numbers of ratings known of the user, first and last of each bucket."""


@dataclass(frozen=True, slots=True)
class BucketScore:
    """The error on the rows of one bucket."""

    label: str
    n_rows: int
    rmse: float | None
    """Stars; None where the bucket is empty."""


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """The root of the mean squared error: √(mean((predicted − actual)²)), stars.

    Args:
        predicted: (n,) stars.
        actual: (n,) stars.

    Raises:
        DataError: if there is nothing to compare, the lengths differ, or a value is not finite.

    >>> rmse([1, 2], [1, 4])
    1.4142135623730951
    """
    ours, truth = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if ours.shape != truth.shape or ours.size == 0:
        raise DataError(
            f"cannot compare {ours.shape} predictions with {truth.shape} ratings: expected as many, 1 or more"
        )
    if not (np.isfinite(ours).all() and np.isfinite(truth).all()):
        raise DataError("predictions and ratings must be finite numbers")
    return float(np.sqrt(np.mean((ours - truth) ** 2)))


def score_by_history(
    predicted: NDArray[np.floating], actual: NDArray[np.floating], history_lengths: NDArray[np.integer]
) -> list[BucketScore]:
    """The RMSE by how many ratings of the user were known.

    Args:
        predicted: (n,) stars.
        actual: (n,) stars.
        history_lengths: (n,) ratings known of each row's user.
    """
    return [
        BucketScore(label, int(rows.sum()), rmse(predicted[rows], actual[rows]) if rows.any() else None)
        for label, rows in bucket_history(history_lengths)
    ]


def bucket_history(history_lengths: NDArray[np.integer]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The rows of each bucket of history lengths.

    Args:
        history_lengths: (n,) ratings known of each row's user.

    Returns:
        The bucket's label, such as 5-19 or 100+, and its mask (n,).
    """
    buckets = []
    for first, last in HISTORY_BUCKETS:
        label = f"{first}+" if last is None else str(first) if first == last else f"{first}-{last}"
        rows = (history_lengths >= first) & (history_lengths <= (np.inf if last is None else last))
        buckets.append((label, rows))
    return buckets
