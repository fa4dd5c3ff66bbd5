"""The compiled search finds what the NumPy search and plain loops find, with and without folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from builders import (
    Rated,
    World,
    all_pairs,
    ask,
    compute_all,
    list_neighbours,
    make_history,
    name_columns,
    worlds,
)
from hypothesis import given, settings
from numpy.typing import NDArray
from reference import answer

from model.history import NO_CUT, History, build_history, count_codes
from model.neighbours import Neighbours, find_neighbours
from model.questions import Query, QueryReader
from model.ratings import read_ratings
from model.table import HALF_STARS
from model.training.bulk_neighbours import NO_FOLD, build_bulk_search, build_whole_search
from model.views import Contexts, Queries, build_views


def assert_same(first: Neighbours, second: Neighbours) -> None:
    """The two engines agree to the last bit."""
    for name in Neighbours.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@given(
    world=worlds(),
    as_of=st.sampled_from([None, 100, 101, 103]),
    most=st.sampled_from([1, 2, 3, 5, 2_000]),
    context_cost=st.sampled_from([0.0, 1e9, None]),
)
@settings(deadline=None, max_examples=80)
def test_bulk_search_equals_numpy_search_when_ratings_are_random(
    world: World, as_of: int | None, most: int, context_cost: float | None
) -> None:
    """Every pair of a user and a movie, known or not, gets the same neighbours from both engines.

    However few of a movie's raters are looked at, and from whichever side the gaps are counted.
    """
    history = world.history()
    queries = [Query(user_id=user, movie_id=movie, as_of=as_of) for user, movie in all_pairs(world)]
    visible = QueryReader(history).read(queries)
    no_folds = np.zeros(history.n_ratings, dtype=np.int8)
    search = build_bulk_search(
        history,
        no_folds,
        no_folds,
        np.full(visible.contexts.n_groups, NO_FOLD, dtype=np.int8),
        most_candidates=most,
        context_cost=context_cost,
    )
    question = (visible.views, visible.contexts, visible.queries)
    assert_same(search(*question), find_neighbours(history, *question, most_candidates=most))


def test_bulk_search_equals_numpy_search_when_ratings_are_many() -> None:
    """300 users, 60 movies and 6,000 ratings on half stars: long contexts, many ties, many groups."""
    rng = np.random.default_rng(7)
    places = rng.permutation(300 * 60)[:6_000]
    rows = [
        Rated(int(place) // 60, int(place) % 60, stars=float(code) / 2, day=int(day))
        for place, code, day in zip(
            places, rng.integers(1, 11, size=6_000), rng.integers(0, 50, size=6_000), strict=True
        )
    ]
    history = make_history(rows, scale=HALF_STARS)
    queries = [
        Query(user_id=int(user), movie_id=int(movie), as_of=as_of)
        for user, movie in zip(rng.integers(0, 300, 400), rng.integers(0, 60, 400), strict=True)
        for as_of in (None, 25)
    ]
    visible, table = ask(history, *queries)
    search = build_whole_search(history)
    assert table.neighbours.counts.min() == 4
    assert_same(search(visible.views, visible.contexts, visible.queries), table.neighbours)


@pytest.mark.realdata
def test_bulk_search_equals_numpy_search_when_ratings_are_real(real_data: Path) -> None:
    """500 ratings drawn from movielens-small, each hidden from its own question, uncut and as of its day."""
    ratings = read_ratings(real_data / "movielens-small")
    history = build_history(ratings)
    queries = [
        Query(
            user_id=int(ratings.user_ids[row]),
            movie_id=int(ratings.movie_ids[row]),
            as_of=int(ratings.days[row]) if is_cut else None,
        )
        for row in np.random.default_rng(11).choice(len(ratings), size=500, replace=False)
        for is_cut in (False, True)
    ]
    visible, table = ask(history, *queries)
    search = build_whole_search(history)
    assert_same(search(visible.views, visible.contexts, visible.queries), table.neighbours)


def read_fold_question(
    history: History, fold_of: Mapping[tuple[int, int], int], pairs: Sequence[tuple[int, int]], fold: int
) -> tuple[NDArray[np.int8], Contexts, Queries, NDArray[np.int64]]:
    """Ask for pairs of known ids without the fold's ratings, in one group a user.

    Returns:
        The fold of each by-movie row, contexts, queries, and the histogram of what is left.
    """
    row_movies = np.repeat(np.arange(history.n_movies, dtype=np.int32), np.diff(history.movie_offsets))
    ids = zip(
        history.user_ids[history.movie_users].tolist(), history.movie_ids[row_movies].tolist(), strict=True
    )
    row_folds = np.array([fold_of[pair] for pair in ids], dtype=np.int8)
    left = row_folds != fold
    movies: list[int] = []
    codes: list[int] = []
    days: list[int] = []
    offsets = [0]
    columns = (history.user_movies, history.user_codes, history.user_days)
    for user in range(history.n_users):
        rows = history.user_rows(user)
        for movie, code, day in zip(*(column[rows].tolist() for column in columns), strict=True):
            if fold_of[int(history.user_ids[user]), int(history.movie_ids[movie])] != fold:
                movies.append(movie)
                codes.append(code)
                days.append(day)
        offsets.append(len(movies))
    contexts = Contexts(
        users=np.arange(history.n_users, dtype=np.int32),
        views=np.zeros(history.n_users, dtype=np.int64),
        as_of=np.full(history.n_users, NO_CUT, dtype=np.int32),
        offsets=np.array(offsets, dtype=np.int64),
        movies=np.array(movies, dtype=np.int32),
        codes=np.array(codes, dtype=np.uint8),
        days=np.array(days, dtype=np.int32),
    )
    users = history.find_users(np.array([user for user, _ in pairs]))
    asked = history.find_movies(np.array([movie for _, movie in pairs]))
    own_codes = []
    for user, movie in zip(users, asked, strict=True):
        context = slice(offsets[user], offsets[user + 1])
        own_codes.append(dict(zip(movies[context], codes[context], strict=True)).get(int(movie), 0))
    queries = Queries(
        groups=users.astype(np.int64),
        movies=asked,
        eras=history.movie_eras[asked],
        own_codes=np.array(own_codes, dtype=np.uint8),
        days=np.full(len(pairs), 131, dtype=np.int32),
    )
    histogram = count_codes(row_movies[left], history.movie_codes[left], history.n_movies)
    return row_folds, contexts, queries, histogram[None]


@given(world=worlds(), data=st.data())
@settings(deadline=None, max_examples=60)
def test_bulk_search_equals_plain_loops_without_the_fold_when_a_fold_is_left_out(
    world: World, data: st.DataObject
) -> None:
    """Leaving a fold out is the same as never having had its ratings: neighbours and all features.

    Asked are all pairs of users and movies: the asked movie is in the fold, in the context, or unrated.
    """
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n_folds = data.draw(st.integers(1, 4))
    fold_of = {(row.user, row.movie): int(rng.integers(n_folds)) for row in world.rows}
    fold = data.draw(st.integers(0, 3))
    history = world.history()
    pairs = [(int(user), int(movie)) for user in history.user_ids for movie in history.movie_ids]
    row_folds, contexts, queries, histograms = read_fold_question(history, fold_of, pairs, fold)
    users_of_rows = np.repeat(history.user_ids, np.diff(history.user_offsets)).tolist()
    by_user = zip(users_of_rows, history.movie_ids[history.user_movies].tolist(), strict=True)
    user_row_folds = np.array([fold_of[pair] for pair in by_user], dtype=np.int8)
    search = build_bulk_search(
        history,
        user_row_folds,
        row_folds,
        np.full(contexts.n_groups, fold, dtype=np.int8),
        context_cost=data.draw(st.sampled_from([0.0, 1e9])),
    )
    table = compute_all(history, build_views(histograms), contexts, queries, search=search)
    left = [row for row in world.rows if fold_of[row.user, row.movie] != fold]
    for row, (user, movie) in enumerate(pairs):
        expected = answer(left, world.years, user=user, movie=movie, middle=world.scale.middle, day=131)
        found = list_neighbours(history, table.neighbours, row)
        assert [one[:3] + one[4:] for one in found] == [one[:3] + one[4:] for one in expected.candidates[:4]]
        assert name_columns(table, row) == pytest.approx(expected.features, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("context_cost", [0.0, 1e9], ids=["by context", "by candidates"])
def test_bulk_search_leaves_out_each_groups_own_fold_when_folds_differ(context_cost: float) -> None:
    """Users 2 and 3 rated movie 50 in folds 0 and 1; user 1 asks twice, once without each fold.

    Movie 10 is in fold 2, which is always seen: gap 0 to user 2, gap 1 to user 3.
    """
    rows = [Rated(1, 10, 4), Rated(2, 10, 4), Rated(3, 10, 5), Rated(2, 50, 1), Rated(3, 50, 2)]
    history = make_history(rows)
    # by movie: movie 10 by users 1, 2 and 3, then movie 50 by users 2 and 3
    row_folds = np.array([2, 2, 2, 0, 1], dtype=np.int8)
    contexts = Contexts(
        users=np.array([0, 0], dtype=np.int32),
        views=np.array([0, 0]),
        as_of=np.full(2, NO_CUT, dtype=np.int32),
        offsets=np.array([0, 1, 2]),
        movies=np.array([0, 0], dtype=np.int32),
        codes=np.array([8, 8], dtype=np.uint8),
        days=np.zeros(2, dtype=np.int32),
    )
    queries = Queries(
        groups=np.array([0, 1]),
        movies=np.array([1, 1], dtype=np.int32),
        eras=np.zeros(2, dtype=np.int8),
        own_codes=np.zeros(2, dtype=np.uint8),
        days=np.zeros(2, dtype=np.int32),
    )
    # by user: movie 10 by user 1, then both movies by users 2 and 3
    user_row_folds = np.array([2, 2, 0, 2, 1], dtype=np.int8)
    search = build_bulk_search(
        history, user_row_folds, row_folds, np.array([0, 1], dtype=np.int8), context_cost=context_cost
    )
    found = search(build_views(history.movie_histogram[None]), contexts, queries)
    assert found.counts.tolist() == [1, 1]
    assert history.user_ids[found.users[:, 0]].tolist() == [3, 2]
    assert found.distances[:, 0].tolist() == [8.0, 7.0]


def test_bulk_search_returns_nothing_when_nothing_is_asked() -> None:
    """Groups without queries cost nothing and change nothing."""
    history = make_history([Rated(1, 10, 4), Rated(2, 10, 5)])
    visible = QueryReader(history).read([Query(user_id=1, movie_id=10)])
    none = Queries(
        groups=np.array([], dtype=np.int64),
        movies=np.array([], dtype=np.int32),
        eras=np.array([], dtype=np.int8),
        own_codes=np.array([], dtype=np.uint8),
        days=np.array([], dtype=np.int32),
    )
    search = build_whole_search(history)
    assert search(visible.views, visible.contexts, none).users.shape == (0, 4)
    assert find_neighbours(history, visible.views, visible.contexts, none).users.shape == (0, 4)
