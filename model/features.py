"""History and queries to the feature matrix: the one implementation behind training and serving.

`SEED_FEATURES` are the five numbers of the method as its author first described it; `FULL_FEATURES` add what
else the visible history tells. Every number is computed from what the query's view holds, with the user's
own rating of the movie taken out. (`model.quick` looks the same numbers up for single queries.)
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from model.errors import ConfigError
from model.history import ERA_NAMES, NO_ERA, UNKNOWN, History
from model.neighbours import N_NEIGHBOURS, Neighbours, NeighbourSearch
from model.table import HALF_STAR, NO_YEAR
from model.views import Contexts, Queries, Views, find_context_rows

FeatureSet = Literal["full", "seed"]

DEFAULT_ERA_MEAN = 2.0
"""The era mean of a user without ratings of that era, stars."""
MOVIE_SHRINKAGE = 5.0
"""How many ratings' worth of the overall mean a movie's bias is shrunk by."""
USER_SHRINKAGE = 5.0
"""How many ratings' worth of zero a user's bias is shrunk by."""

RECENT_DAYS = 30
"""How far back a user's recent ratings reach: moods and sessions pass."""
_DAY_SPAN = 1 << 18
"""Keys that a group takes among those of (group, day): more than there are days."""
DAYS_A_YEAR = 365.2425
UNKNOWN_AGE = 10.0
"""The age of a movie without a release year, years."""

SEED_FEATURES = (*(f"neighbour_{rank}" for rank in range(1, N_NEIGHBOURS + 1)), "era_mean")
FULL_FEATURES = (
    *SEED_FEATURES,
    *(f"distance_{rank}" for rank in range(1, N_NEIGHBOURS + 1)),
    *(f"closeness_{rank}" for rank in range(1, N_NEIGHBOURS + 1)),
    "neighbour_count",
    "era_count",
    "user_count",
    "user_bias",
    "user_era_bias",
    "movie_count",
    "movie_bias",
    "movie_age",
    "recent_count",
    "recent_bias",
)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """The features of some queries, and the neighbours they were computed from."""

    names: tuple[str, ...]
    """The columns."""
    matrix: NDArray[np.float32]
    """(n_queries, n_features)."""
    neighbours: Neighbours
    """The first four candidates, for explanations."""
    era_means: NDArray[np.float64]
    """(n_queries,) the user's mean for the movie's era, stars, for explanations."""


def feature_names(feature_set: str) -> tuple[str, ...]:
    """The columns of a feature set, in order.

    Raises:
        ConfigError: if there is no such set.
    """
    if feature_set not in get_args(FeatureSet):
        raise ConfigError(
            f"features {feature_set!r} are unknown: expected one of {', '.join(get_args(FeatureSet))}"
        )
    return SEED_FEATURES if feature_set == "seed" else FULL_FEATURES


def compute_features(
    history: History,
    views: Views,
    contexts: Contexts,
    queries: Queries,
    *,
    search: NeighbourSearch,
    names: tuple[str, ...],
) -> FeatureTable:
    """Compute the features of every query.

    Args:
        history: the index of all known ratings; gives the movies' eras.
        views: the statistics that the groups see.
        contexts: the users' visible ratings.
        queries: who asks for which movie, and when.
        search: finds the neighbours.
        names: which columns, in order.
    """
    neighbours = search(views, contexts, queries)
    movies = _movie_statistics(history, views, contexts, queries)
    users = _user_statistics(history, views, contexts, queries, movies)
    stars = neighbours.codes * np.float32(HALF_STAR)
    # a missing neighbour is taken for the movie's mean, that failing the overall mean
    stars = np.where(neighbours.users == UNKNOWN, movies.means[:, None], stars)
    columns: dict[str, NDArray[np.floating]] = {
        **{f"neighbour_{rank + 1}": stars[:, rank] for rank in range(N_NEIGHBOURS)},
        **{f"distance_{rank + 1}": neighbours.distances[:, rank] for rank in range(N_NEIGHBOURS)},
        **{f"closeness_{rank + 1}": neighbours.closenesses[:, rank] for rank in range(N_NEIGHBOURS)},
        "neighbour_count": neighbours.counts.astype(np.float64),
        "era_mean": users.era_means,
        "era_count": np.log1p(users.era_counts),
        "user_count": np.log1p(users.counts),
        "user_bias": users.biases,
        "user_era_bias": users.era_biases,
        "movie_count": np.log1p(movies.counts),
        "movie_bias": movies.biases,
        "movie_age": np.log1p(_movie_ages(history, queries)),
        "recent_count": np.log1p(users.recent_counts),
        "recent_bias": users.recent_biases,
    }
    matrix = np.stack([columns[name].astype(np.float32) for name in names], axis=1)
    return FeatureTable(names=names, matrix=matrix, neighbours=neighbours, era_means=users.era_means)


@dataclass(frozen=True, slots=True, eq=False)
class _MovieStatistics:
    """Columns of n_queries numbers: what the others say of the movie."""

    counts: NDArray[np.int64]
    """Ratings of the movie."""
    overall: NDArray[np.float64]
    """The mean of all ratings, else the middle of the scale, stars."""
    means: NDArray[np.float64]
    """The movie's mean, else the overall mean, stars."""
    biases: NDArray[np.float64]
    """The movie's mean less the overall mean, shrunk towards zero, stars."""


@dataclass(frozen=True, slots=True, eq=False)
class _UserStatistics:
    """Columns of n_queries numbers: what the user's other ratings say of the user."""

    counts: NDArray[np.int64]
    """The user's ratings."""
    biases: NDArray[np.float64]
    """The mean of the user's ratings less their movies' levels, shrunk towards zero, stars."""
    era_counts: NDArray[np.int64]
    """The user's ratings of movies of the queried movie's era."""
    era_means: NDArray[np.float64]
    """Their mean, else `DEFAULT_ERA_MEAN`, stars."""
    era_biases: NDArray[np.float64]
    """As `biases`, of that era's movies only and shrunk towards `biases`, stars."""
    recent_counts: NDArray[np.float64]
    """The user's ratings of the last `RECENT_DAYS` up to the query's day."""
    recent_biases: NDArray[np.float64]
    """As `biases`, of those ratings only and shrunk towards `biases`, stars."""


def _movie_statistics(
    history: History, views: Views, contexts: Contexts, queries: Queries
) -> _MovieStatistics:
    view = contexts.views[queries.groups]
    own_stars = queries.own_codes * HALF_STAR
    own = (queries.own_codes > 0).astype(np.int64)
    known = queries.movies != UNKNOWN
    counts = np.where(known, views.movie_counts[view, queries.movies] - own, 0)
    sums = np.where(known, views.movie_sums[view, queries.movies] - own_stars, 0.0)
    n_others = views.n_ratings[view] - own
    others_mean = (views.star_sums[view] - own_stars) / np.maximum(n_others, 1)
    overall = np.where(n_others > 0, others_mean, history.scale.middle)
    return _MovieStatistics(
        counts=counts,
        overall=overall,
        means=np.where(counts > 0, sums / np.maximum(counts, 1), overall),
        biases=(sums - counts * overall) / (counts + MOVIE_SHRINKAGE),
    )


def _user_statistics(
    history: History, views: Views, contexts: Contexts, queries: Queries, movies: _MovieStatistics
) -> _UserStatistics:
    # A movie's level is (sum + shrinkage x overall mean) / (count + shrinkage). The overall mean differs by
    # query (the own rating is left out), so the two addends are summed apart.
    context_view = contexts.views[contexts.groups]
    weights = 1.0 / (views.movie_counts[context_view, contexts.movies] + MOVIE_SHRINKAGE)
    stars = contexts.codes * HALF_STAR
    above = stars - views.movie_sums[context_view, contexts.movies] * weights
    shares = MOVIE_SHRINKAGE * weights
    # one column an era, the last for movies without one
    n_columns = len(ERA_NAMES) + 1
    context_eras = history.movie_eras[contexts.movies].astype(np.int64) % n_columns
    cells = contexts.groups * n_columns + context_eras
    own_rows = find_context_rows(contexts, queries)
    has_own = own_rows >= 0
    asked = queries.eras.astype(np.int64) % n_columns

    def sum_by_era(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sum a column over each query's context, all of it and of its era; the movie itself left out."""
        n_cells = contexts.n_groups * n_columns
        table = np.bincount(cells, values, minlength=n_cells).reshape(-1, n_columns)
        own = np.where(has_own, values[own_rows], 0.0) if len(values) else np.zeros(len(queries))
        return table.sum(axis=1)[queries.groups] - own, table[queries.groups, asked] - own

    counts, era_counts = sum_by_era(np.ones(len(contexts.codes)))
    _, era_stars = sum_by_era(stars)
    above_sums, era_above_sums = sum_by_era(above)
    share_sums, era_share_sums = sum_by_era(shares)
    biases = (above_sums - share_sums * movies.overall) / (counts + USER_SHRINKAGE)

    # rows by group and day: a user's recent ratings stand together, their sum a difference of running sums
    keys = contexts.groups * _DAY_SPAN + contexts.days
    order = np.argsort(keys, kind="stable")
    asked_keys = queries.groups * _DAY_SPAN + queries.days
    starts = np.searchsorted(keys[order], asked_keys - RECENT_DAYS, side="left")
    stops = np.searchsorted(keys[order], asked_keys, side="right")
    own_ages = queries.days - contexts.days[own_rows] if len(keys) else np.zeros(len(queries))
    own_is_recent = has_own & (own_ages >= 0) & (own_ages <= RECENT_DAYS)

    def sum_recent(values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sum a column over each query's recent context; the movie itself left out."""
        running = np.concatenate([[0.0], np.cumsum(values[order], dtype=np.float64)])
        own = np.where(own_is_recent, values[own_rows], 0.0) if len(values) else np.zeros(len(queries))
        total: NDArray[np.float64] = running[stops] - running[starts] - own
        return total

    recent_counts = sum_recent(np.ones(len(contexts.codes)))
    recent_residuals = sum_recent(above) - sum_recent(shares) * movies.overall
    era_residuals = era_above_sums - era_share_sums * movies.overall
    in_era = (queries.eras != NO_ERA) & (era_counts > 0)
    return _UserStatistics(
        counts=counts.astype(np.int64),
        biases=biases,
        era_counts=np.where(in_era, era_counts, 0).astype(np.int64),
        era_means=np.where(in_era, era_stars / np.maximum(era_counts, 1), DEFAULT_ERA_MEAN),
        era_biases=np.where(
            in_era, (era_residuals + USER_SHRINKAGE * biases) / (era_counts + USER_SHRINKAGE), biases
        ),
        recent_counts=recent_counts,
        recent_biases=(recent_residuals + USER_SHRINKAGE * biases) / (recent_counts + USER_SHRINKAGE),
    )


def _movie_ages(history: History, queries: Queries) -> NDArray[np.float64]:
    """(n_queries,) years from each movie's release to the day it is rated, not below zero."""
    years = history.release_years[queries.movies]
    known = (queries.movies != UNKNOWN) & (years != NO_YEAR)
    return np.where(known, np.maximum(1970 + queries.days / DAYS_A_YEAR - years, 0.0), UNKNOWN_AGE)
