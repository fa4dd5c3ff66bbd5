"""What a prediction may see: statistics of states of the history, contexts, and the own rating in them."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from builders import DAYS, Rated, World, ask, make_history, worlds
from hypothesis import given, settings

from model.history import NO_CUT, UNKNOWN
from model.questions import Query
from model.table import HALF_STARS
from model.views import (
    Contexts,
    Queries,
    build_user_contexts,
    build_views,
    compute_mean_gaps,
    concatenate_ranges,
    find_context_rows,
    hide_rows,
    view_history,
)

ROWS = [
    Rated(1, 10, 5, day=100),
    Rated(2, 10, 3, day=101),
    Rated(3, 10, 2, day=102),
    Rated(1, 20, 4, day=103),
]
"""Movies 10, 20 and, without ratings, 30 have indexes 0, 1 and 2."""


def make_contexts(*groups: dict[int, int]) -> Contexts:
    """Contexts from codes by movie index."""
    lengths = [len(group) for group in groups]
    return Contexts(
        users=np.arange(len(groups), dtype=np.int32),
        views=np.zeros(len(groups), dtype=np.int64),
        as_of=np.full(len(groups), NO_CUT, dtype=np.int32),
        offsets=np.cumsum([0, *lengths]),
        movies=np.array([movie for group in groups for movie in group], dtype=np.int32),
        codes=np.array([code for group in groups for code in group.values()], dtype=np.uint8),
        days=np.zeros(sum(lengths), dtype=np.int32),
    )


def make_queries(*asked: tuple[int, int], own_codes: tuple[int, ...] | None = None) -> Queries:
    """Queries from pairs of group and movie index."""
    return Queries(
        groups=np.array([group for group, _ in asked], dtype=np.int64),
        movies=np.array([movie for _, movie in asked], dtype=np.int32),
        eras=np.zeros(len(asked), dtype=np.int8),
        own_codes=np.array(own_codes or [0] * len(asked), dtype=np.uint8),
        days=np.zeros(len(asked), dtype=np.int32),
    )


def test_view_history_counts_and_sums_everything_when_not_cut() -> None:
    """Movie 10: 5 + 3 + 2 = 10 over 3, gaps 2, 3 and 1; movie 20: 4 over 1; movie 30 nothing."""
    views = view_history(make_history(ROWS, years={30: 1999}))
    assert views.movie_counts.tolist() == [[3, 1, 0]]
    assert views.movie_sums.tolist() == [[10.0, 4.0, 0.0]]
    assert views.n_ratings.tolist() == [4]
    assert views.star_sums.tolist() == [14.0]
    assert views.gap_sums.tolist() == [6.0]
    assert views.gap_pairs.tolist() == [3]


def test_view_history_sees_only_earlier_ratings_when_cut() -> None:
    """Before day 102 movie 10 has 5 and 3: sum 8, one pair of gap 2; movie 20 has nothing."""
    views = view_history(make_history(ROWS, years={30: 1999}), as_of=102)
    assert views.movie_counts.tolist() == [[2, 0, 0]]
    assert views.movie_sums.tolist() == [[8.0, 0.0, 0.0]]
    assert (views.gap_sums.tolist(), views.gap_pairs.tolist()) == ([2.0], [1])


@given(world=worlds(), as_of=st.sampled_from([*DAYS, 141, NO_CUT]))
@settings(deadline=None, max_examples=30)
def test_view_history_is_that_of_earlier_ratings_alone_when_cut(world: World, as_of: int) -> None:
    """The view as of a day is the view of a history that never had the later ratings."""
    past = [row for row in world.rows if row.day < as_of]
    # both catalogues list all movies
    cut = view_history(make_history(world.rows, years=world.years, scale=HALF_STARS), as_of)
    alone = view_history(make_history(past, years=world.years, scale=HALF_STARS))
    for name in cut.__slots__:
        np.testing.assert_array_equal(getattr(cut, name), getattr(alone, name))


def test_build_views_keeps_views_apart_when_there_are_two() -> None:
    """The first view has 1 and 5 stars for movie 0 (gap 4), the second 3 and 3 (gap 0) and 2 for movie 1."""
    histograms = np.zeros((2, 2, 11), dtype=np.int64)
    histograms[0, 0, [2, 10]] = 1
    histograms[1, 0, 6] = 2
    histograms[1, 1, 4] = 1
    views = build_views(histograms)
    assert views.movie_sums.tolist() == [[6.0, 0.0], [6.0, 2.0]]
    assert views.star_sums.tolist() == [6.0, 8.0]
    assert views.gap_sums.tolist() == [4.0, 0.0]
    assert views.gap_pairs.tolist() == [1, 1]


def test_compute_mean_gaps_leaves_own_rating_out_when_view_holds_it() -> None:
    """Gaps of movie 10 are 2, 3 and 1. All: 6 / 3 = 2; without user 1's 5 stars 1; movie 20 has no pair."""
    history = make_history(ROWS)
    queries = make_queries((0, 0), (0, 0), (0, 1), own_codes=(0, 10, 8))
    gaps = compute_mean_gaps(view_history(history), make_contexts({}), queries)
    assert gaps.tolist() == [2.0, 1.0, 2.0]


def test_compute_mean_gaps_is_zero_when_no_two_ratings_share_a_movie() -> None:
    """One pair, which the own rating makes: without it there is none."""
    history = make_history([Rated(1, 10, 5), Rated(2, 10, 1)])
    gaps = compute_mean_gaps(
        view_history(history), make_contexts({}), make_queries((0, 0), (0, 0), own_codes=(10, 0))
    )
    assert gaps.tolist() == [0.0, 4.0]


def test_compute_mean_gaps_uses_each_groups_own_view_when_there_are_two() -> None:
    """View 0 has gap 4, view 1 gap 0; the group says which one counts."""
    histograms = np.zeros((2, 1, 11), dtype=np.int64)
    histograms[0, 0, [2, 10]] = 1
    histograms[1, 0, 6] = 2
    contexts = replace(make_contexts({}, {}), views=np.array([1, 0]))
    gaps = compute_mean_gaps(build_views(histograms), contexts, make_queries((0, 0), (1, 0)))
    assert gaps.tolist() == [0.0, 4.0]


def test_find_context_rows_points_at_the_asked_movie_when_context_holds_it() -> None:
    """Group 0 holds movies 3 and 1 in rows 0 and 1, group 1 nothing, group 2 movie 3 in row 2."""
    contexts = make_contexts({3: 8, 1: 6}, {}, {3: 2})
    asked = [(2, 3), (0, 1), (1, 3), (0, 3), (0, 2), (2, 1), (0, UNKNOWN), (1, UNKNOWN), (2, 9)]
    assert find_context_rows(contexts, make_queries(*asked)).tolist() == [2, 1, -1, 0, -1, -1, -1, -1, -1]


def test_find_context_rows_finds_nothing_when_contexts_are_empty() -> None:
    """There is no row to point at."""
    assert find_context_rows(make_contexts({}), make_queries((0, 0), (0, UNKNOWN))).tolist() == [-1, -1]


def test_build_user_contexts_collects_each_users_earlier_ratings() -> None:
    """User 1 as of day 103 has movie 10 alone, uncut both; a stranger has nothing; user 3 has movie 10."""
    history = make_history(ROWS)
    contexts = build_user_contexts(
        history,
        users=np.array([0, UNKNOWN, 2, 0], dtype=np.int32),
        as_of=np.array([103, NO_CUT, 103, NO_CUT], dtype=np.int32),
        views=np.array([0, 1, 0, 1]),
    )
    assert contexts.n_groups == 4
    assert contexts.offsets.tolist() == [0, 1, 1, 2, 4]
    assert contexts.groups.tolist() == [0, 2, 3, 3]
    assert contexts.movies.tolist() == [0, 0, 0, 1]
    assert contexts.codes.tolist() == [10, 4, 10, 8]
    assert contexts.days.tolist() == [100, 102, 100, 103]
    assert contexts.views.tolist() == [0, 1, 0, 1]
    assert contexts.as_of.tolist() == [103, NO_CUT, 103, NO_CUT]


@pytest.mark.parametrize(
    ("starts", "stops", "expected"),
    [([], [], []), ([4], [4], []), ([5, 9, 0], [7, 9, 3], [5, 6, 0, 1, 2]), ([2, 1], [4, 3], [2, 3, 1, 2])],
)
def test_concatenate_ranges_lists_all_integers_when_ranges_are_empty_or_overlap(
    starts: list[int], stops: list[int], expected: list[int]
) -> None:
    """Range after range, each from its start to before its stop."""
    found = concatenate_ranges(np.array(starts, dtype=np.int64), np.array(stops, dtype=np.int64))
    assert found.tolist() == expected


def test_queries_count_themselves() -> None:
    """Three questions are three."""
    visible, _ = ask(make_history(ROWS), *(Query(user_id=user, movie_id=10) for user in (1, 2, 3)))
    assert len(visible.queries) == 3


def test_hide_rows_copies_groups_without_one_rating_each() -> None:
    """Group 1 twice, without its first and without its last rating, and group 0 without its only one."""
    contexts = Contexts(
        users=np.array([7, 8], dtype=np.int32),
        views=np.array([0, 1]),
        as_of=np.array([5, 6], dtype=np.int32),
        offsets=np.array([0, 1, 4]),
        movies=np.array([9, 1, 2, 3], dtype=np.int32),
        codes=np.array([8, 2, 4, 6], dtype=np.uint8),
        days=np.array([0, 1, 2, 3], dtype=np.int32),
    )
    hidden, groups = hide_rows(contexts, np.array([1, 1, 0]), np.array([1, 3, 0]))
    assert groups.tolist() == [0, 1, 2]
    assert hidden.users.tolist() == [8, 8, 7]
    assert hidden.views.tolist() == [1, 1, 0]
    assert hidden.as_of.tolist() == [6, 6, 5]
    assert hidden.offsets.tolist() == [0, 2, 4, 4]
    assert hidden.movies.tolist() == [2, 3, 1, 2]
    assert hidden.codes.tolist() == [4, 6, 2, 4]
    assert hidden.days.tolist() == [2, 3, 1, 2]
