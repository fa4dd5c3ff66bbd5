"""Questions as people ask them, by id, and what of the history each may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.errors import PredictionError
from model.history import NO_CUT, NO_ERA, UNKNOWN, History, UserIndexes, compute_eras
from model.table import HALF_STAR, NO_YEAR, Ids
from model.views import (
    Contexts,
    Queries,
    Views,
    build_user_contexts,
    build_views,
    find_context_rows,
    hide_rows,
    view_history,
)

_CACHED_DAYS = 16
"""How many days' views are kept: a view costs one pass over all ratings."""


class KnownRating(NamedTuple):
    """A rating that comes with the request (fold-in)."""

    movie_id: int
    rating: float
    """Stars on the data set's scale."""
    day: int | None = None
    """Days since 1970-01-01; None is the day of the question, and known before any cut."""


class Query(NamedTuple):  # made for each request, in half a frozen dataclass's time
    """One question: how many stars would this user give this movie?"""

    movie_id: int
    user_id: int | None = None
    """A user of the history; an unknown id is a user without history."""
    ratings: tuple[KnownRating, ...] = ()
    """Fold-in: ratings that come with the request. They add to a known user's history and replace its
    ratings of the same movies; movies that the catalogue does not list tell nothing and are left out."""
    day: int | None = None
    """The day the prediction is for, days since 1970-01-01; None is `as_of`, that failing the day after the
    last rating known."""
    as_of: int | None = None
    """Cuts the history to ratings strictly before this day, days since 1970-01-01."""
    release_year: int | None = None
    """The movie's year, used only where the catalogue has none."""


@dataclass(frozen=True, slots=True, eq=False)
class VisibleQueries:
    """Queries by index, with what each may see."""

    views: Views
    contexts: Contexts
    """One group for each user and cut; no context holds the movie that its query asks for."""
    queries: Queries
    stored_users: UserIndexes
    """(n_queries,) the user whose whole history, and nothing else, the query sees; else `UNKNOWN`."""

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "VisibleQueries":
        """Some of the queries: a mask (n_queries,), or their numbers."""
        return replace(self, queries=self.queries.take(rows), stored_users=self.stored_users[rows])


@dataclass(frozen=True, slots=True, eq=False)
class VisiblePairs:
    """Pairs by index.

    Features take a user's own rating of the asked movie out of a context by themselves; an encoder needs
    contexts that lack it.
    """

    visible: VisibleQueries
    """All pairs; contexts may hold the movie that a query asks for."""
    has_own: NDArray[np.bool_]
    """(n,) whose context does."""
    hidden_contexts: Contexts
    """A group for each of those, without its movie."""
    hidden_queries: Queries
    """Those queries, of the groups of `hidden_contexts`."""


class QueryReader:
    """Looks queries up in one history.

    Args:
        history: the index of all known ratings.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self._view = lru_cache(maxsize=_CACHED_DAYS)(lambda as_of: view_history(history, as_of).histograms[0])
        self.whole = view_history(history)
        """The view of all ratings."""
        self._next_day = history.last_day + 1

    def read(self, asked: Sequence[Query]) -> VisibleQueries:
        """Look queries up.

        Args:
            asked: at least one.

        Raises:
            PredictionError: if a fold-in rating is off the scale or its movie is given twice.
        """
        history = self.history
        movies = history.find_movies(np.array([query.movie_id for query in asked], dtype=np.int64))
        user_ids = np.array(
            [UNKNOWN if query.user_id is None else query.user_id for query in asked], dtype=np.int64
        )
        users = history.find_users(user_ids)
        cuts = np.array([NO_CUT if query.as_of is None else query.as_of for query in asked], dtype=np.int32)
        years = history.release_years[movies]
        given = np.array([query.release_year or NO_YEAR for query in asked], dtype=np.int16)
        years = np.where((movies == UNKNOWN) | (years == NO_YEAR), given, years)
        days, order = np.unique(cuts, return_inverse=True)
        asked_days = [self.day_of(query) for query in asked]
        groups = _Groups(history)
        numbers = np.empty(len(asked), dtype=np.int64)
        own_codes = np.zeros(len(asked), dtype=np.uint8)
        for place, query in enumerate(asked):
            user, movie, view = int(users[place]), int(movies[place]), int(order[place])
            rows = history.user_rows(user, int(cuts[place]))
            if movie != UNKNOWN:
                # the sum is the one rating, or nothing
                own_codes[place] = history.user_codes[rows][history.user_movies[rows] == movie].sum()
            numbers[place] = groups.find(
                query.ratings, user, movie, view=view, cut=int(cuts[place]), day=asked_days[place]
            )
        return VisibleQueries(
            views=self._build_views(days.tolist()),
            contexts=groups.build(),
            stored_users=groups.stored_users[numbers],
            queries=Queries(
                groups=numbers,
                movies=movies,
                eras=compute_eras(years),
                own_codes=own_codes,
                days=np.array(asked_days, dtype=np.int32),
            ),
        )

    def read_pairs(
        self,
        user_ids: Ids,
        movie_ids: Ids,
        *,
        cuts: NDArray[np.int32],
        days: NDArray[np.int32] | None,
    ) -> VisiblePairs:
        """Look many pairs of user and movie up at once, without ratings in the request.

        Args:
            user_ids: (n,) ids, known or not.
            movie_ids: (n,) ids, known or not.
            cuts: (n,) each uses ratings strictly before this day; `NO_CUT` uses all.
            days: (n,) the day each prediction is for; None as for a `Query` without one.
        """
        history = self.history
        users, movies = history.find_users(user_ids), history.find_movies(movie_ids)
        if days is None:
            days = np.where(cuts == NO_CUT, self._next_day, cuts).astype(np.int32)
        seen, groups = np.unique(np.stack([cuts, users]), axis=1, return_inverse=True)
        different, views = np.unique(seen[0], return_inverse=True)
        contexts = build_user_contexts(history, seen[1], seen[0], views)
        queries = Queries(
            groups=groups.astype(np.int64),
            movies=movies,
            eras=np.where(movies == UNKNOWN, NO_ERA, history.movie_eras[movies]).astype(np.int8),
            own_codes=np.zeros(len(movies), dtype=np.uint8),
            days=days,
        )
        own_rows = find_context_rows(contexts, queries)
        has_own = own_rows >= 0
        queries.own_codes[has_own] = contexts.codes[own_rows[has_own]]
        hidden, hidden_groups = hide_rows(contexts, queries.groups[has_own], own_rows[has_own])
        hidden_queries = replace(queries.take(has_own), groups=hidden_groups)
        return VisiblePairs(
            visible=VisibleQueries(
                views=self._build_views(different.tolist()),
                contexts=contexts,
                queries=queries,
                stored_users=np.where(has_own | (cuts != NO_CUT), UNKNOWN, users).astype(np.int32),
            ),
            has_own=has_own,
            hidden_contexts=hidden,
            hidden_queries=hidden_queries,
        )

    def read_unseen(
        self, user_id: int | None, ratings: tuple[KnownRating, ...], *, day: int | None
    ) -> VisibleQueries:
        """Look one user up, with a query for each movie that others have rated and the user has not.

        Args:
            user_id: a user of the history; None or an unknown id is a user without history.
            ratings: fold-in, as of a `Query`.
            day: the day the queries are for; None as for a `Query`.

        Raises:
            PredictionError: if a fold-in rating is off the scale or its movie is given twice.
        """
        history = self.history
        day = self._next_day if day is None else day
        [user] = history.find_users(np.array([UNKNOWN if user_id is None else user_id])).tolist()
        groups = _Groups(history)
        groups.find(ratings, user, UNKNOWN, view=0, cut=NO_CUT, day=day)
        contexts = groups.build()
        is_unseen = np.diff(history.movie_offsets) > 0
        is_unseen[contexts.movies] = False
        movies = np.flatnonzero(is_unseen).astype(np.int32)
        return VisibleQueries(
            views=self.whole,
            contexts=contexts,
            queries=Queries(
                groups=np.zeros(len(movies), dtype=np.int64),
                movies=movies,
                eras=history.movie_eras[movies],
                own_codes=np.zeros(len(movies), dtype=np.uint8),
                days=np.full(len(movies), day, dtype=np.int32),
            ),
            stored_users=np.repeat(groups.stored_users, len(movies)),
        )

    def day_of(self, query: Query) -> int:
        """The day that a prediction is for, days since 1970-01-01."""
        if query.day is not None:
            return query.day
        return self._next_day if query.as_of is None else query.as_of

    def _build_views(self, cuts: Sequence[int]) -> Views:
        if list(cuts) == [NO_CUT]:
            return self.whole
        return build_views(np.stack([self._view(cut) for cut in cuts]))


class _Groups:
    """Collects contexts, one for each distinct user, fold-in, cut and movie to hide."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._numbers: dict[object, int] = {}
        self._users: list[int] = []
        self._views: list[int] = []
        self._cuts: list[int] = []
        self._movies: list[np.ndarray] = []
        self._codes: list[np.ndarray] = []
        self._days: list[np.ndarray] = []
        self._stored: list[int] = []

    @property
    def stored_users(self) -> UserIndexes:
        """(n_groups,) the user whose whole history a group is; else `UNKNOWN`."""
        return np.array(self._stored, dtype=np.int32)

    def find(
        self, ratings: tuple[KnownRating, ...], user: int, movie: int, *, view: int, cut: int, day: int
    ) -> int:
        """The number of a query's group, which is built if need be."""
        has_undated = any(known.day is None for known in ratings)
        whole = (user, ratings, cut, day if has_undated else None)
        number = self._numbers.get(whole)
        if number is None:
            is_stored = not ratings and cut == NO_CUT
            number = self._add(whole, user, view, cut, *self._collect(ratings, user, cut, day))
            self._stored[number] = user if is_stored else UNKNOWN
        if movie == UNKNOWN or movie not in self._movies[number]:
            return number
        # the user's own rating of the movie is invisible: a group of its own that lacks it
        hidden = (*whole, movie)
        if hidden not in self._numbers:
            kept = self._movies[number] != movie
            columns = (self._movies[number][kept], self._codes[number][kept], self._days[number][kept])
            self._add(hidden, user, view, cut, *columns)
        return self._numbers[hidden]

    def build(self) -> Contexts:
        lengths = [len(movies) for movies in self._movies]
        return Contexts(
            users=np.array(self._users, dtype=np.int32),
            views=np.array(self._views, dtype=np.int64),
            as_of=np.array(self._cuts, dtype=np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            movies=np.concatenate(self._movies).astype(np.int32),
            codes=np.concatenate(self._codes).astype(np.uint8),
            days=np.concatenate(self._days).astype(np.int32),
        )

    def _add(self, key: object, user: int, view: int, cut: int, *columns: np.ndarray) -> int:
        self._numbers[key] = len(self._users)
        self._users.append(user)
        self._views.append(view)
        self._cuts.append(cut)
        self._stored.append(UNKNOWN)
        for store, column in zip((self._movies, self._codes, self._days), columns, strict=True):
            store.append(column)
        return self._numbers[key]

    def _collect(
        self, ratings: tuple[KnownRating, ...], user: int, cut: int, day: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        history = self._history
        rows = history.user_rows(user, cut)
        movies, codes, days = history.user_movies[rows], history.user_codes[rows], history.user_days[rows]
        if not ratings:
            return movies, codes, days
        given = history.find_movies(np.array([known.movie_id for known in ratings], dtype=np.int64))
        given_codes = np.array([_encode(known, history) for known in ratings], dtype=np.uint8)
        if len({known.movie_id for known in ratings}) < len(ratings):
            raise PredictionError("a movie is rated twice in the request: expected each movie once")
        # undated ratings are as fresh as the question
        given_days = np.array([day if known.day is None else known.day for known in ratings], dtype=np.int32)
        is_undated = np.array([known.day is None for known in ratings])
        usable = (given != UNKNOWN) & (is_undated | (given_days < cut))
        given, given_codes, given_days = given[usable], given_codes[usable], given_days[usable]
        kept = ~np.isin(movies, given)
        return (
            np.concatenate([movies[kept], given]),
            np.concatenate([codes[kept], given_codes]),
            np.concatenate([days[kept], given_days]),
        )


def _encode(known: KnownRating, history: History) -> int:
    scale = history.scale
    steps = (known.rating - scale.low) / scale.step
    if not scale.low <= known.rating <= scale.high or steps != int(steps):
        raise PredictionError(
            f"rating {known.rating} of movie {known.movie_id} is off the scale: "
            f"expected {scale.low:g} to {scale.high:g} in steps of {scale.step:g}"
        )
    return int(known.rating / HALF_STAR)
