"""Rows whose features and history come from other folds only."""

from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from builders import MOVIES, USERS, Rated, World, compute_all, make_history, name_columns, worlds
from hypothesis import given, settings
from numpy.typing import NDArray
from reference import answer

from model.features import FeatureTable
from model.history import NO_CUT, History
from model.table import HALF_STARS
from model.training.bulk_neighbours import build_bulk_search
from model.training.folds import NEXT_RATINGS, FoldRows, assign_folds, build_fold_rows


class Prepared(NamedTuple):
    """Fold rows, and the fold of each by-user and by-movie row of the history."""

    history: History
    folds: NDArray[np.int8]
    movie_row_folds: NDArray[np.int8]
    rows: FoldRows

    def pair(self, query: int) -> tuple[int, int]:
        """The ids of one row."""
        user = self.rows.contexts.users[self.rows.queries.groups[query]]
        return int(self.history.user_ids[user]), int(self.history.movie_ids[self.rows.queries.movies[query]])

    def context(self, group: int) -> dict[int, Rated]:
        """The ratings by movie id that one group sees; each movie once."""
        contexts = self.rows.contexts
        rows = slice(contexts.offsets[group], contexts.offsets[group + 1])
        user = int(self.history.user_ids[contexts.users[group]])
        movies = self.history.movie_ids[contexts.movies[rows]].tolist()
        assert len(set(movies)) == len(movies)
        columns = (movies, (contexts.codes[rows] / 2).tolist(), contexts.days[rows].tolist())
        return {movie: Rated(user, movie, stars, day) for movie, stars, day in zip(*columns, strict=True)}

    def is_shortened(self, group: int) -> bool:
        """Whether a group is a shortened copy, by the rows that it is asked for."""
        [answer] = set(self.rows.is_shortened[self.rows.queries.groups == group].tolist())
        return bool(answer)

    def compute(self) -> FeatureTable:
        """The features of all rows."""
        search = build_bulk_search(self.history, self.folds, self.movie_row_folds, self.rows.group_folds)
        return compute_all(
            self.history, self.rows.views, self.rows.contexts, self.rows.queries, search=search
        )


def prepare(
    history: History,
    *,
    n_folds: int,
    chosen: range,
    seed: int = 5,
    users: NDArray[np.bool_] | None = None,
) -> Prepared:
    """Divide a history into folds and collect the rows of some of them."""
    row_users = np.repeat(np.arange(history.n_users, dtype=np.int32), np.diff(history.user_offsets))
    row_movies = np.repeat(np.arange(history.n_movies, dtype=np.int32), np.diff(history.movie_offsets))
    folds = assign_folds(row_users, history.user_movies, n_folds=n_folds, seed=seed)
    movie_row_folds = assign_folds(history.movie_users, row_movies, n_folds=n_folds, seed=seed)
    rows = build_fold_rows(
        history,
        folds,
        movie_row_folds,
        chosen=chosen,
        users=np.ones(history.n_users, dtype=np.bool_) if users is None else users,
        rng=np.random.default_rng(seed),
    )
    return Prepared(history, folds, movie_row_folds, rows)


def fold_by_pair(prepared: Prepared) -> dict[tuple[int, int], int]:
    """The fold of every rating, by ids, from the by-user rows."""
    history = prepared.history
    users = np.repeat(history.user_ids, np.diff(history.user_offsets)).tolist()
    movies = history.movie_ids[history.user_movies].tolist()
    return dict(zip(zip(users, movies, strict=True), prepared.folds.tolist(), strict=True))


def make_large_history() -> History:
    """150 users who rated about 30 of 40 movies each."""
    rng = np.random.default_rng(3)
    return make_history(
        Rated(user, movie, float(rng.integers(1, 6)), day=int(rng.integers(100)))
        for user in range(150)
        for movie in range(40)
        if rng.random() < 0.75
    )


def test_assign_folds_ignores_order_of_pairs() -> None:
    """A pair's fold is a matter of the pair and the seed alone."""
    rng = np.random.default_rng(1)
    users, movies = (rng.integers(0, 1_000, size=500).astype(np.int32) for _ in range(2))
    order = rng.permutation(500)
    folds = assign_folds(users, movies, n_folds=10, seed=4)
    np.testing.assert_array_equal(assign_folds(users[order], movies[order], n_folds=10, seed=4), folds[order])
    np.testing.assert_array_equal(assign_folds(users[:1], movies[:1], n_folds=10, seed=4), folds[:1])


@pytest.mark.parametrize("n_folds", [2, 10, 127])
def test_assign_folds_divides_evenly_when_pairs_are_many(n_folds: int) -> None:
    """Of 200 x 300 pairs each fold gets its share, and one user's 300 pairs are in most folds.

    A share of 60,000 / k is binomial with a deviation below its root; five deviations are allowed.
    """
    users = np.repeat(np.arange(200, dtype=np.int32), 300)
    movies = np.tile(np.arange(300, dtype=np.int32), 200)
    folds = assign_folds(users, movies, n_folds=n_folds, seed=1)
    counts = np.bincount(folds, minlength=n_folds)
    assert folds.dtype == np.int8
    assert len(counts) == n_folds
    assert np.abs(counts - 60_000 / n_folds).max() < 5 * np.sqrt(60_000 / n_folds)
    assert len(np.unique(folds[:300])) > min(n_folds, 300) * 0.8


def test_assign_folds_tells_user_from_movie() -> None:
    """The fold of user 3 and movie 8 says nothing about that of user 8 and movie 3: one in ten agrees."""
    users = np.repeat(np.arange(100, dtype=np.int32), 100)
    movies = np.tile(np.arange(100, dtype=np.int32), 100)
    there = assign_folds(users, movies, n_folds=10, seed=1)
    back = assign_folds(movies, users, n_folds=10, seed=1)
    assert 0.07 < (there == back)[users != movies].mean() < 0.13


@pytest.mark.parametrize("seed", [0, 2, 2**32 - 1])
def test_assign_folds_divides_anew_when_seed_differs(seed: int) -> None:
    """Two seeds agree on one pair in ten, about."""
    users = np.repeat(np.arange(100, dtype=np.int32), 100)
    movies = np.tile(np.arange(100, dtype=np.int32), 100)
    first = assign_folds(users, movies, n_folds=10, seed=1)
    assert 0.07 < (assign_folds(users, movies, n_folds=10, seed=seed) == first).mean() < 0.13


def rated_in_order(prepared: Prepared, user: int) -> list[Rated]:
    """All ratings of a user, by index, in time order."""
    history = prepared.history
    rows = history.user_rows(user)
    return [
        Rated(int(history.user_ids[user]), int(history.movie_ids[movie]), code / 2, int(day))
        for movie, code, day in zip(
            history.user_movies[rows], history.user_codes[rows], history.user_days[rows], strict=True
        )
    ]


def test_fold_rows_ask_for_each_rating_of_the_folds_once_with_its_stars() -> None:
    """Rows of whole contexts are the chosen folds' ratings, each once, with their stars and days."""
    prepared = prepare(make_large_history(), n_folds=4, chosen=range(2))
    fold_of = fold_by_pair(prepared)
    rated = {
        (one.user, one.movie): one
        for user in range(prepared.history.n_users)
        for one in rated_in_order(prepared, user)
    }
    rows = prepared.rows
    of_whole_contexts = []
    for query in range(len(rows.stars)):
        pair = prepared.pair(query)
        assert (rows.stars[query], rows.queries.days[query]) == (rated[pair].stars, rated[pair].day)
        assert rows.group_folds[rows.queries.groups[query]] == fold_of[pair]
        if not rows.is_shortened[query]:
            of_whole_contexts.append(pair)
    assert sorted(of_whole_contexts) == sorted(pair for pair, fold in fold_of.items() if fold in {0, 1})


def test_fold_rows_see_all_other_ratings_of_the_user_when_whole() -> None:
    """A whole context is the user's ratings outside the fold."""
    prepared = prepare(make_large_history(), n_folds=4, chosen=range(2))
    fold_of, contexts = fold_by_pair(prepared), prepared.rows.contexts
    n_seen = 0
    for group in np.unique(prepared.rows.queries.groups[~prepared.rows.is_shortened]).tolist():
        fold = prepared.rows.group_folds[group]
        assert list(prepared.context(group).values()) == [
            one
            for one in rated_in_order(prepared, contexts.users[group])
            if fold_of[one.user, one.movie] != fold
        ]
        n_seen += 1
    # every user has ratings in both folds, so there is a whole group for each
    assert n_seen == 2 * prepared.history.n_users


def test_early_rows_are_first_ratings_when_context_is_whole() -> None:
    """The first 100 of each user's 150 ratings in time, other folds' counted, and no shortened row."""
    history = make_history(
        Rated(user, movie, 1 + (user + movie) % 5, day=200 - movie)
        for user in range(6)
        for movie in range(150)
    )
    prepared = prepare(history, n_folds=4, chosen=range(2))
    fold_of, rows = fold_by_pair(prepared), prepared.rows
    found = sorted(prepared.pair(query) for query in np.flatnonzero(rows.is_early).tolist())
    # the latest movies come first
    expected = [
        (user, movie) for user in range(6) for movie in range(50, 150) if fold_of[user, movie] in {0, 1}
    ]
    assert found == expected
    assert not (rows.is_early & rows.is_shortened).any()


def test_shortened_contexts_are_first_ratings_and_ask_for_the_next_ones() -> None:
    """Of ratings outside the fold the first k, to ask for the fold's among the next 100 + k after them."""
    history = make_history(
        Rated(user, movie, 1 + (user + movie) % 5, day=movie) for user in range(40) for movie in range(200)
    )
    prepared = prepare(history, n_folds=4, chosen=range(2))
    fold_of, rows = fold_by_pair(prepared), prepared.rows
    n_kept = []
    for group in np.unique(rows.queries.groups[rows.is_shortened]).tolist():
        fold = rows.group_folds[group]
        own = rated_in_order(prepared, rows.contexts.users[group])
        context = list(prepared.context(group).values())
        visible = [one for one in own if fold_of[one.user, one.movie] != fold]
        assert context == visible[: len(context)]
        # the next ones are counted after the last rating kept, in the whole of the user's history
        after = own.index(context[-1]) + 1 if context else 0
        reach = NEXT_RATINGS + after
        expected = [one.movie for one in own[after : after + reach] if fold_of[one.user, one.movie] == fold]
        asked = np.flatnonzero(rows.queries.groups == group).tolist()
        assert [prepared.pair(query)[1] for query in asked] == expected
        n_kept.append(len(context))
    # a fifth and those drawn so are empty, and half of the others are below the root of 200
    assert 0.2 < np.mean(np.array(n_kept) == 0) < 0.5
    assert 2 < np.median([n for n in n_kept if n > 0]) < 30
    assert max(n_kept) > 50


def test_fold_rows_are_of_the_drawn_users_and_see_everybody() -> None:
    """Of three users' rows whole contexts and statistics are what they are among everybody's."""
    history = make_large_history()
    drawn = np.isin(np.arange(history.n_users), [3, 70, 149])
    few = prepare(history, n_folds=4, chosen=range(2), users=drawn)
    everybody = prepare(history, n_folds=4, chosen=range(2))
    np.testing.assert_array_equal(few.rows.views.histograms, everybody.rows.views.histograms)
    expected = {}
    for group in np.unique(everybody.rows.queries.groups[~everybody.rows.is_shortened]).tolist():
        user, fold = everybody.rows.contexts.users[group], everybody.rows.group_folds[group]
        if drawn[user]:
            expected[int(user), int(fold)] = everybody.context(group)
    found = {
        (int(few.rows.contexts.users[group]), int(few.rows.group_folds[group])): few.context(group)
        for group in np.unique(few.rows.queries.groups[~few.rows.is_shortened]).tolist()
    }
    assert found == expected
    assert len(found) == 6


def test_fold_rows_hide_nothing_by_day_and_name_no_own_rating() -> None:
    """The fold hides the own rating, so there is none to take out; days do not cut."""
    rows = prepare(make_large_history(), n_folds=4, chosen=range(2)).rows
    assert set(rows.contexts.as_of.tolist()) == {NO_CUT}
    assert not rows.queries.own_codes.any()


def test_fold_rows_carry_eras_and_days_when_catalogue_has_years() -> None:
    """Movies of 1969 and 1990 are in the first and third era; a row's day is its rating's."""
    history = make_history(
        [Rated(user, movie, 3, day=user) for user in range(20) for movie in (1, 2)], years={1: 1969, 2: 1990}
    )
    prepared = prepare(history, n_folds=2, chosen=range(2))
    queries = prepared.rows.queries
    for query in range(len(queries)):
        user, movie = prepared.pair(query)
        assert queries.eras[query] == {1: 0, 2: 2}[movie]
        assert queries.days[query] == user


def test_fold_rows_are_the_same_when_seed_is() -> None:
    """Lengths are drawn from the generator given, and from nothing else."""
    first, second = (prepare(make_large_history(), n_folds=4, chosen=range(3)).rows for _ in range(2))
    np.testing.assert_array_equal(first.contexts.movies, second.contexts.movies)
    np.testing.assert_array_equal(first.contexts.offsets, second.contexts.offsets)
    np.testing.assert_array_equal(first.queries.groups, second.queries.groups)


def test_fold_rows_are_empty_when_fold_has_no_ratings() -> None:
    """One rating is in one fold: the others have no rows, and it has one with nothing to go by."""
    history = make_history([Rated(1, 10, 4)])
    prepared = prepare(history, n_folds=5, chosen=range(5))
    assert set(prepared.rows.stars.tolist()) == {4.0}
    assert {prepared.pair(query) for query in range(len(prepared.rows.stars))} == {(1, 10)}
    assert len(prepared.rows.contexts.movies) == 0
    assert prepared.rows.views.n_ratings.sum() == 4


@given(world=worlds(), n_folds=st.integers(2, 4), seed=st.integers(0, 1_000))
@settings(deadline=None, max_examples=60)
def test_fold_rows_get_features_of_a_history_without_their_fold_when_random(
    world: World, n_folds: int, seed: int
) -> None:
    """Each row's features are what plain loops give on the other folds' ratings and the row's own context.

    So no rating of its own fold can matter.
    """
    prepared = prepare(world.history(), n_folds=n_folds, chosen=range(n_folds), seed=seed)
    fold_of = fold_by_pair(prepared)
    table = prepared.compute()
    for query, group in enumerate(prepared.rows.queries.groups):
        user, movie = prepared.pair(query)
        expected = answer(
            [row for row in world.rows if fold_of[row.user, row.movie] != fold_of[user, movie]],
            world.years,
            user=user,
            movie=movie,
            middle=world.scale.middle,
            day=int(prepared.rows.queries.days[query]),
            context=prepared.context(int(group)),
        ).features
        assert name_columns(table, query) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(world=worlds(), seed=st.integers(0, 1_000), chosen=st.integers(0, 2))
@settings(deadline=None, max_examples=60)
def test_fold_rows_never_change_when_ratings_of_their_fold_do(world: World, seed: int, chosen: int) -> None:
    """All ratings of a fold get other stars: its rows keep features, contexts and neighbours exactly."""
    before = World(world.rows, world.years, HALF_STARS)
    fold_of = fold_by_pair(prepare(before.history(), n_folds=3, chosen=range(3), seed=seed))
    after = before._replace(
        rows=tuple(
            row._replace(stars=5.5 - row.stars) if fold_of[row.user, row.movie] == chosen else row
            for row in world.rows
        )
    )
    chosen_folds = range(chosen, chosen + 1)
    first, second = (
        prepare(one.history(), n_folds=3, chosen=chosen_folds, seed=seed) for one in (before, after)
    )
    np.testing.assert_array_equal(first.rows.contexts.codes, second.rows.contexts.codes)
    ours, theirs = first.compute(), second.compute()
    np.testing.assert_array_equal(ours.matrix, theirs.matrix)
    np.testing.assert_array_equal(ours.neighbours.users, theirs.neighbours.users)
    # the labels alone are what changed
    np.testing.assert_array_equal(first.rows.stars, 5.5 - second.rows.stars)


def test_fold_rows_never_see_a_rating_of_their_own_fold() -> None:
    """Where everybody rated everything, no context holds a rating of its row's fold."""
    world = World(tuple(Rated(user, movie, 3) for user in USERS for movie in MOVIES), {}, HALF_STARS)
    prepared = prepare(world.history(), n_folds=3, chosen=range(3))
    fold_of = fold_by_pair(prepared)
    for query, group in enumerate(prepared.rows.queries.groups):
        user, movie = prepared.pair(query)
        own_fold = fold_of[user, movie]
        assert all(fold_of[user, seen] != own_fold for seen in prepared.context(int(group)))
