"""What the training ratings look like: how many, when, how spread over users and movies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.history import ERA_NAMES, NO_ERA, History
from model.table import HALF_STAR, RatingScale

COUNT_STARTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000)
"""Where the buckets of counts start: long tails need steps that grow."""
QUANTILES = (0.1, 0.5, 0.9)
MOST_YEARS_BY_MONTH = 3
"""Ratings of fewer years than this are counted by month."""
_ROWS_AT_ONCE = 1 << 22
"""Days counted at once: of a hundred million, wider copies would not fit."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class CountSpread:
    """How ratings spread over users, or over movies."""

    bars: tuple[Bar, ...]
    """How many users or movies have how many ratings."""
    quantiles: tuple[float, ...]
    """Ratings of the users or movies at `QUANTILES`."""
    largest: int
    """Most ratings that one has."""
    top_share: float
    """Share of all ratings that the tenth with most ratings has, 0 to 1."""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """The training ratings."""

    n_ratings: int
    n_users: int
    n_movies: int
    """Movies with ratings."""
    n_catalogue: int
    """Movies listed, with ratings or without."""
    first_day: int
    """Days since 1970-01-01."""
    last_day: int
    """Days since 1970-01-01."""
    scale: RatingScale
    mean: float
    """Stars."""
    deviation: float
    """Standard deviation, stars."""
    ratings: tuple[Bar, ...]
    """How often each rating was given."""
    time: tuple[Bar, ...]
    """Ratings by year or month."""
    eras: tuple[Bar, ...]
    """Ratings by the era of the movie."""
    users: CountSpread
    movies: CountSpread

    @property
    def density(self) -> float:
        """Share of all pairs of a user and a rated movie that have a rating, 0 to 1."""
        return self.n_ratings / (self.n_users * self.n_movies)


def summarise(history: History) -> DataSummary:
    """Summarise the training ratings in one pass over them.

    Args:
        history: their index; one rating or more.
    """
    by_code = history.movie_histogram.sum(axis=0)
    stars = np.arange(len(by_code)) * HALF_STAR
    mean = float(by_code @ stars) / history.n_ratings
    movie_counts = np.diff(history.movie_offsets)
    first_day, day_counts = _count_days(history)
    return DataSummary(
        n_ratings=history.n_ratings,
        n_users=history.n_users,
        n_movies=int((movie_counts > 0).sum()),
        n_catalogue=history.n_movies,
        first_day=first_day,
        last_day=first_day + len(day_counts) - 1,
        scale=history.scale,
        mean=mean,
        deviation=float(np.sqrt(by_code @ (stars - mean) ** 2 / history.n_ratings)),
        ratings=tuple(
            Bar(f"{rating:g}", int(by_code[round(rating / HALF_STAR)]))
            for rating in list_ratings(history.scale)
        ),
        time=count_periods(first_day, day_counts),
        eras=tuple(
            Bar(name, int(movie_counts[history.movie_eras == era].sum()))
            for era, name in [*enumerate(ERA_NAMES), (NO_ERA, "no year")]
        ),
        users=spread_counts(np.diff(history.user_offsets)),
        movies=spread_counts(movie_counts[movie_counts > 0]),
    )


def list_ratings(scale: RatingScale) -> list[float]:
    """Every rating of a scale, ascending, stars."""
    return [scale.low + step * scale.step for step in range(round((scale.high - scale.low) / scale.step) + 1)]


def spread_counts(counts: NDArray[np.int64]) -> CountSpread:
    """Describe how ratings spread over users or movies.

    Args:
        counts: (n,) ratings of each; one or more.
    """
    places = np.searchsorted(COUNT_STARTS, counts, side="right") - 1
    in_bucket = np.bincount(places, minlength=len(COUNT_STARTS))
    bars = [Bar(label_bucket(place), int(count)) for place, count in enumerate(in_bucket)]
    used = np.flatnonzero(in_bucket)
    descending = np.sort(counts)[::-1]
    n_top = max(1, len(counts) // 10)
    return CountSpread(
        bars=tuple(bars[used[0] : used[-1] + 1]),
        quantiles=tuple(float(value) for value in np.quantile(counts, QUANTILES)),
        largest=int(descending[0]),
        top_share=float(descending[:n_top].sum() / descending.sum()),
    )


def label_bucket(place: int) -> str:
    """Name a bucket of `COUNT_STARTS`.

    >>> [label_bucket(place) for place in (0, 1, 2, 14)]
    ['0', '1', '2-4', '50k+']
    """
    first = COUNT_STARTS[place]
    if place + 1 == len(COUNT_STARTS):
        return f"{_shorten(first)}+"
    last = COUNT_STARTS[place + 1] - 1
    if last == first:
        return str(first)
    return f"{first}-{last}" if last < 1_000 else f"{_shorten(first)}-{_shorten(last + 1)}"


def _shorten(count: int) -> str:
    return f"{count // 1_000}k" if count >= 1_000 else str(count)


def count_periods(first_day: int, day_counts: NDArray[np.int64]) -> tuple[Bar, ...]:
    """Count ratings by year, or by month where there are few years; empty periods in between included.

    Args:
        first_day: days since 1970-01-01.
        day_counts: (n_days,) ratings on that day and on each one after it.
    """
    days = np.datetime64(first_day, "D") + np.arange(len(day_counts))
    unit = "M" if len(day_counts) < MOST_YEARS_BY_MONTH * 365 else "Y"
    periods = days.astype(f"datetime64[{unit}]")
    counts = np.bincount((periods - periods[0]).astype(np.int64), day_counts)
    return tuple(
        Bar(str(periods[0] + step), int(count)) for step, count in enumerate(counts)
    )  # a period's text is 2005 or 2005-02


def _count_days(history: History) -> tuple[int, NDArray[np.int64]]:
    first, last = int(history.user_days.min()), int(history.user_days.max())
    counts = np.zeros(last - first + 1, dtype=np.int64)
    for start in range(0, history.n_ratings, _ROWS_AT_ONCE):
        days = history.user_days[start : start + _ROWS_AT_ONCE].astype(np.int64) - first
        counts += np.bincount(days, minlength=len(counts))
    return first, counts
