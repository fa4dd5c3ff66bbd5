"""How far off the predictions are: the RMSE of every line with its margin, and by groups of test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.dates import format_day
from model.history import ERA_NAMES, NO_ERA, UNKNOWN, History
from model.metrics import bucket_history, rmse
from model.table import RatingScale
from model.training.report.summary import list_ratings
from model.views import Queries

NORMAL_95 = 1.96
"""Standard errors on either side of an estimate that hold the true value in 95 cases of 100."""
N_DAY_GROUPS = 4
POPULARITY_STARTS = (0, 1, 10, 100, 1_000, 10_000)
"""Where the buckets of ratings of a movie start."""

Group = tuple[str, NDArray[np.bool_]]
"""A label and the mask of the test rows that it names."""


@dataclass(frozen=True, slots=True)
class LineScore:
    """The error of one line of the table."""

    name: str
    rmse: float
    """Stars."""
    margin: float | None
    """Half the width of the RMSE's 95 % confidence interval; None where there is one user alone."""
    mae: float
    """Mean absolute error, stars."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The RMSE by groups of test rows."""

    labels: tuple[str, ...]
    """The groups that have rows."""
    n_rows: tuple[int, ...]
    rmse: dict[str, tuple[float, ...]]
    """By the name of the line: one number a group, stars."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The errors on the test rows."""

    lines: tuple[LineScore, ...]
    gain: float
    """How much lower the run's own RMSE is than that of the biases, stars."""
    gain_margin: float | None
    """Half the width of its 95 % confidence interval."""
    by_history: Breakdown
    by_popularity: Breakdown
    by_era: Breakdown
    by_rating: Breakdown
    by_day: Breakdown


def measure_accuracy(
    lines: Mapping[str, NDArray[np.floating]],
    stars: NDArray[np.floating],
    *,
    own: str,
    users: NDArray[np.int64],
    groups: Mapping[str, Sequence[Group]],
) -> Accuracy:
    """Measure every line on the test rows.

    Args:
        lines: (n_test,) predictions by the name of the line, stars.
        stars: (n_test,) actual ratings.
        own: the name of the run's own line; `biases` is the one it is compared with.
        users: (n_test,) a number for each row's user, from 0.
        groups: by_history, by_popularity, by_era, by_rating and by_day.
    """
    squares = {name: (values - stars) ** 2.0 for name, values in lines.items()}
    gain, gain_margin = compare_rmse(squares["biases"], squares[own], users)
    return Accuracy(
        lines=tuple(
            LineScore(
                name,
                rmse(values, stars),
                compare_rmse(squares[name], np.zeros(len(stars)), users)[1],
                float(np.abs(values - stars).mean()),
            )
            for name, values in lines.items()
        ),
        gain=gain,
        gain_margin=gain_margin,
        **{name: break_down(lines, stars, of_rows) for name, of_rows in groups.items()},
    )


def break_down(
    lines: Mapping[str, NDArray[np.floating]], stars: NDArray[np.floating], groups: Sequence[Group]
) -> Breakdown:
    """Compute the RMSE of every line on each group of rows that is not empty."""
    filled = [(label, rows) for label, rows in groups if rows.any()]
    return Breakdown(
        labels=tuple(label for label, _ in filled),
        n_rows=tuple(int(rows.sum()) for _, rows in filled),
        rmse={
            name: tuple(rmse(values[rows], stars[rows]) for _, rows in filled)
            for name, values in lines.items()
        },
    )


def compare_rmse(
    first: NDArray[np.floating], second: NDArray[np.floating], users: NDArray[np.int64]
) -> tuple[float, float | None]:
    """The first RMSE less the second on the same rows, with half the width of its 95 % confidence interval.

    A user's errors resemble each other, so that users, not rows, are taken as drawn at random.

    Args:
        first: (n,) squared errors.
        second: (n,) squared errors; zeros leave the first RMSE itself.
        users: (n,) a number for each row's user, from 0.

    Returns:
        The difference, stars, and the margin; None where all rows are of one user.

    Source: linearised variance of a ratio by clusters; Wolter, Introduction to Variance Estimation, 2007,
        chapter 6.
    """
    counts = np.bincount(users)
    influence = np.zeros(len(counts))
    roots = []
    for squares, sign in ((first, 1.0), (second, -1.0)):
        mean = float(squares.mean())
        roots.append(mean**0.5)
        if mean > 0:
            # d √m = dm / 2√m, and a user moves m by the sum of what its rows lie off m
            sums = np.bincount(users, squares)
            influence += sign * (sums - mean * counts) / (2 * mean**0.5 * len(users))
    n_users = int((counts > 0).sum())
    difference = roots[0] - roots[1]
    if n_users < 2:
        return difference, None
    variance = float((influence**2).sum()) * n_users / (n_users - 1)
    return difference, NORMAL_95 * variance**0.5


def group_rows(
    history: History, queries: Queries, stars: NDArray[np.floating], history_lengths: NDArray[np.int64]
) -> dict[str, list[Group]]:
    """Divide the test rows five ways, as `measure_accuracy` takes them.

    Args:
        history: the index of the training ratings.
        queries: the test rows.
        stars: (n_test,) actual ratings.
        history_lengths: (n_test,) ratings known of each row's user.
    """
    counts = np.where(queries.movies == UNKNOWN, 0, np.diff(history.movie_offsets)[queries.movies])
    return {
        "by_history": bucket_history(history_lengths),
        "by_popularity": _group_by_popularity(counts),
        "by_era": [(name, queries.eras == era) for era, name in [*enumerate(ERA_NAMES), (NO_ERA, "no year")]],
        "by_rating": group_by_rating(stars, history.scale),
        "by_day": group_by_day(queries.days),
    }


def group_by_rating(stars: NDArray[np.floating], scale: RatingScale) -> list[Group]:
    """One group for each rating of the scale."""
    return [(f"{rating:g}", np.isclose(stars, rating)) for rating in list_ratings(scale)]


def group_by_day(days: NDArray[np.int32]) -> list[Group]:
    """Groups of equally many rows by day, as far as days allow, each named by its first day.

    Args:
        days: (n,) days since 1970-01-01; one or more.
    """
    starts = np.unique(np.quantile(days, np.arange(N_DAY_GROUPS) / N_DAY_GROUPS, method="nearest"))
    places = np.searchsorted(starts, days, side="right") - 1
    return [(format_day(int(start)), places == place) for place, start in enumerate(starts)]


def _group_by_popularity(counts: NDArray[np.int64]) -> list[Group]:
    ends = (*(start - 1 for start in POPULARITY_STARTS[1:]), None)
    return [
        (
            f"{first}+" if last is None else str(first) if first == last else f"{first}-{last}",
            (counts >= first) & (counts <= (np.inf if last is None else last)),
        )
        for first, last in zip(POPULARITY_STARTS, ends, strict=True)
    ]
