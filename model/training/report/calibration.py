"""Whether predictions mean what they say: their averages, their intervals, and how the errors are spread."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.metrics import bucket_history
from model.training.report.accuracy import NORMAL_95

N_BINS = 10
RESIDUAL_STEP = 0.25
"""Width of a bar of the residuals' histogram, stars."""


@dataclass(frozen=True, slots=True)
class MeanBin:
    """Test rows of about the same prediction."""

    n_rows: int
    predicted: float
    """Mean prediction, stars."""
    actual: float
    """Mean rating, stars."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of some test rows lie inside their intervals."""

    label: str
    n_rows: int
    share: float
    """0 to 1."""
    margin: float
    """Half the width of the share's 95 % confidence interval, rows taken as independent."""
    width: float
    """Mean width of the intervals, stars."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """The errors, actual less predicted."""

    middles: tuple[float, ...]
    """(n,) of bars of `RESIDUAL_STEP` stars."""
    counts: tuple[int, ...]
    """(n,) rows in each."""
    mean: float
    """Stars; above zero: ratings are higher than predicted."""
    deviation: float
    """Standard deviation, stars."""
    within_half: float
    """Share of the predictions that are at most half a star off."""
    within_one: float
    """Share of the predictions that are at most one star off."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Means, intervals and residuals of the run's own predictions."""

    bins: tuple[MeanBin, ...]
    slope: float | None
    """Of the straight line through (predicted, actual): 1 where differences between predictions are as large
    as those between ratings; None where all predictions are the same."""
    coverage: tuple[Coverage, ...]
    """Of all rows, then by how many ratings of the user were known."""
    residuals: Residuals


def calibrate(
    predicted: NDArray[np.floating], stars: NDArray[np.floating], history_lengths: NDArray[np.int64]
) -> Calibration:
    """Compare predictions with the ratings that came.

    Args:
        predicted: (n_test, 3) predicted rating and the bounds of its interval, stars.
        stars: (n_test,) actual ratings.
        history_lengths: (n_test,) ratings known of each row's user.
    """
    means = predicted[:, 0].astype(np.float64)
    everything = ("all", np.ones(len(stars), dtype=np.bool_))
    return Calibration(
        bins=bin_means(means, stars),
        slope=_fit_slope(means, stars),
        coverage=tuple(
            cover(label, predicted[rows, 1:], stars[rows])
            for label, rows in [everything, *bucket_history(history_lengths)]
            if rows.any()
        ),
        residuals=describe_residuals(stars - means),
    )


def bin_means(predicted: NDArray[np.floating], stars: NDArray[np.floating]) -> tuple[MeanBin, ...]:
    """Average predictions and ratings in bins of equally many rows, from the lowest prediction up.

    Args:
        predicted: (n,) stars.
        stars: (n,) actual ratings.
    """
    order = np.argsort(predicted, kind="stable")
    return tuple(
        MeanBin(len(rows), float(predicted[rows].mean()), float(stars[rows].mean(dtype=np.float64)))
        for rows in np.array_split(order, min(N_BINS, len(order)))
    )


def cover(label: str, intervals: NDArray[np.floating], stars: NDArray[np.floating]) -> Coverage:
    """Count the ratings inside their intervals.

    Args:
        label: which rows these are.
        intervals: (n, 2) lower and upper bound, stars.
        stars: (n,) actual ratings; one or more.
    """
    share = float(((intervals[:, 0] <= stars) & (stars <= intervals[:, 1])).mean())
    return Coverage(
        label=label,
        n_rows=len(stars),
        share=share,
        margin=NORMAL_95 * (share * (1 - share) / len(stars)) ** 0.5,
        width=float((intervals[:, 1] - intervals[:, 0]).mean()),
    )


def describe_residuals(errors: NDArray[np.floating]) -> Residuals:
    """Count the errors in bars of a quarter star, one of them around zero.

    Args:
        errors: (n,) actual less predicted, stars; one or more.
    """
    places = np.floor(errors / RESIDUAL_STEP + 0.5).astype(np.int64)
    first, last = int(places.min()), int(places.max())
    absolute = np.abs(errors)
    return Residuals(
        middles=tuple(place * RESIDUAL_STEP for place in range(first, last + 1)),
        counts=tuple(np.bincount(places - first, minlength=last - first + 1).tolist()),
        mean=float(errors.mean()),
        deviation=float(errors.std()),
        within_half=float((absolute <= 0.5).mean()),
        within_one=float((absolute <= 1).mean()),
    )


def _fit_slope(predicted: NDArray[np.floating], stars: NDArray[np.floating]) -> float | None:
    offsets = predicted - predicted.mean()
    spread = float(offsets @ offsets)
    return float(offsets @ stars) / spread if spread > 0 else None
