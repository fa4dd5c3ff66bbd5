"""Small histories for tests, and random ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np

from model.features import FULL_FEATURES, FeatureTable, compute_features
from model.history import History, build_history
from model.neighbours import Neighbours, NeighbourSearch, find_neighbours
from model.questions import Query, QueryReader, VisibleQueries
from model.table import HALF_STARS, NO_YEAR, WHOLE_STARS, Movies, Ratings, RatingScale
from model.views import Contexts, Queries, Views


class Rated(NamedTuple):
    """One rating: who rated what, stars, days since 1970-01-01."""

    user: int
    movie: int
    stars: float
    day: int = 12_000


class Found(NamedTuple):
    """One neighbour as a search found it, by id."""

    user: int
    stars: float
    distance: float
    closeness: float
    common_movies: int


class World(NamedTuple):
    """Ratings in the order of a source, release years of the catalogue, and the scale."""

    rows: tuple[Rated, ...]
    years: dict[int, int]
    scale: RatingScale

    def history(self) -> History:
        return make_history(self.rows, years=self.years, scale=self.scale)


def make_ratings(
    rows: Iterable[Rated],
    *,
    years: Mapping[int, int] | None = None,
    scale: RatingScale = WHOLE_STARS,
) -> Ratings:
    """A table of the rows, ordered by day, those of one day as given.

    Args:
        years: release years; the catalogue lists these movies and the rated ones.
    """
    ordered = sorted(rows, key=lambda row: row.day)
    known_years = years or {}
    movie_ids = sorted(known_years.keys() | {row.movie for row in ordered})
    return Ratings(
        user_ids=np.array([row.user for row in ordered], dtype=np.int64),
        movie_ids=np.array([row.movie for row in ordered], dtype=np.int64),
        stars=np.array([row.stars for row in ordered], dtype=np.float32),
        days=np.array([row.day for row in ordered], dtype=np.int16),
        movies=Movies(
            movie_ids=np.array(movie_ids, dtype=np.int64),
            titles=[f"Movie {movie}" for movie in movie_ids],
            release_years=np.array([known_years.get(movie, NO_YEAR) for movie in movie_ids], dtype=np.int16),
        ),
        scale=scale,
    )


def make_history(
    rows: Iterable[Rated],
    *,
    years: Mapping[int, int] | None = None,
    scale: RatingScale = WHOLE_STARS,
) -> History:
    """The index of the rows."""
    return build_history(make_ratings(rows, years=years, scale=scale))


def ask(history: History, *queries: Query) -> tuple[VisibleQueries, FeatureTable]:
    """Ask as serving does: all features, found with the NumPy search."""
    visible = QueryReader(history).read(queries)
    return visible, compute_all(history, visible.views, visible.contexts, visible.queries)


def compute_all(
    history: History,
    views: Views,
    contexts: Contexts,
    queries: Queries,
    *,
    search: NeighbourSearch | None = None,
) -> FeatureTable:
    """All features, found with the given search or the NumPy one."""

    def numpy_search(views: Views, contexts: Contexts, queries: Queries) -> Neighbours:
        return find_neighbours(history, views, contexts, queries)

    return compute_features(
        history, views, contexts, queries, search=search or numpy_search, names=FULL_FEATURES
    )


def list_neighbours(history: History, neighbours: Neighbours, row: int) -> list[Found]:
    """The real neighbours of one query, by id."""
    return [
        Found(
            user=int(history.user_ids[neighbours.users[row, rank]]),
            stars=float(neighbours.codes[row, rank]) / 2,
            distance=float(neighbours.distances[row, rank]),
            closeness=float(neighbours.closenesses[row, rank]),
            common_movies=int(neighbours.common_movies[row, rank]),
        )
        for rank in range(int(neighbours.counts[row]))
    ]


def name_columns(table: FeatureTable, row: int = 0) -> dict[str, float]:
    """The features of one query, by name."""
    return dict(zip(table.names, table.matrix[row].tolist(), strict=True))


USERS = (3, 10, 17, 24, 31, 38, 45)
MOVIES = (2, 12, 22, 32, 42, 52, 62)
DAYS = (100, 101, 102, 140)
YEARS = (NO_YEAR, 1969, 1970, 1989, 1990)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Random small worlds, dense enough for ties, common movies and missing neighbours alike."""
    scale = draw(st.sampled_from([WHOLE_STARS, HALF_STARS]))
    n_codes = round((scale.high - scale.low) / scale.step) + 1
    pairs = [(user, movie) for user in USERS for movie in MOVIES]
    size = draw(st.integers(1, len(pairs)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # few levels make many ties; all levels make long gaps
    n_levels = draw(st.integers(1, n_codes))
    rows = tuple(
        Rated(
            user=pairs[place][0],
            movie=pairs[place][1],
            stars=scale.low + scale.step * float(rng.integers(n_codes - n_levels, n_codes)),
            day=int(rng.choice(DAYS)),
        )
        for place in rng.permutation(len(pairs))[:size]
    )
    years = dict(zip(MOVIES, rng.choice(YEARS, size=len(MOVIES)).tolist(), strict=True))
    return World(rows, years, scale)


def all_pairs(world: World) -> Sequence[tuple[int, int]]:
    """Every pair of a user and a movie of the world, rated or not, and strangers of both kinds."""
    return [(user, movie) for user in (*USERS, 999) for movie in (*world.years, 888)]
