"""Candidates, distance and order, by hand and against plain loops.

In the examples by hand user 1 asks about movie 50, which user 1 has not rated unless the example says so.
"""

import random

import hypothesis.strategies as st
import numpy as np
import pytest
from builders import Found, Rated, World, all_pairs, ask, list_neighbours, make_history, name_columns, worlds
from hypothesis import given, settings
from reference import answer

from model.history import UNKNOWN
from model.neighbours import CLOSENESS_SHRINKAGE, Neighbours, find_neighbours, measure_gaps
from model.questions import Query, QueryReader
from model.table import HALF_STARS

ASKED = 50
"""The movie that the examples by hand ask about."""


def find_first(rows: list[Rated], *, user: int = 1, as_of: int | None = None) -> list[Found]:
    """The neighbours of user 1 for the asked movie."""
    history = make_history(rows)
    _, table = ask(history, Query(user_id=user, movie_id=ASKED, as_of=as_of))
    return list_neighbours(history, table.neighbours, 0)


def rate(user: int, *stars: float, asked: float | None = 3) -> list[Rated]:
    """A user's ratings of movies 10, 11, 12, ... in order, 0 for none, and of the asked movie."""
    rows = [Rated(user, 10 + place, given) for place, given in enumerate(stars) if given]
    return rows if asked is None else [*rows, Rated(user, ASKED, asked)]


@pytest.mark.parametrize(
    ("mine", "theirs", "distance", "common"),
    [
        # nothing in common: 3 x 3.5
        ((0, 4), (5, 0), 10.5, 0),
        # one gap of 1: 1 + 2 x 3.5
        ((4, 0), (5, 3), 8.0, 1),
        # gaps 1 and 3: 4 + 3.5
        ((4, 1), (5, 4), 7.5, 2),
        # gaps 1, 3 and 0: 4
        ((4, 1, 2), (5, 4, 2), 4.0, 3),
        # gaps 4, 1, 3, 0 and 2: the smallest three are 0, 1 and 2
        ((1, 4, 1, 2, 5), (5, 5, 4, 2, 3), 3.0, 5),
        # five gaps of 0
        ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5), 0.0, 5),
        # the largest distance that three common movies can give is beyond nothing in common: 3 x 4
        ((1, 1, 1), (5, 5, 5), 12.0, 3),
    ],
)
def test_distance_sums_three_smallest_gaps_when_common_movies_vary(
    mine: tuple[float, ...], theirs: tuple[float, ...], distance: float, common: int
) -> None:
    """The distance is the sum of the 3 smallest gaps, plus 3.5 for each of them that is missing."""
    found = find_first([*rate(1, *mine, asked=None), *rate(2, *theirs)])
    assert [(one.user, one.distance, one.common_movies) for one in found] == [(2, distance, common)]


def test_distance_counts_half_stars_when_scale_has_them() -> None:
    """Gaps 0.5, 1.5 and 0: 2.0; with stars 0.5 against 5 alone: 4.5 + 2 x 3.5 = 11.5."""
    history = make_history(
        [
            *rate(1, 4.5, 1.5, 2, 5, asked=None),
            *rate(2, 4, 3, 2),
            *rate(3, 0, 0, 0, 0.5),
        ],
        scale=HALF_STARS,
    )
    _, table = ask(history, Query(user_id=1, movie_id=ASKED))
    found = list_neighbours(history, table.neighbours, 0)
    assert [(one.user, one.distance) for one in found] == [(2, 2.0), (3, 11.5)]


def test_distance_leaves_asked_movie_out_when_user_rated_it() -> None:
    """User 1's own 3 stars for the movie would be a gap of 0 to user 2: it is no common movie.

    Common are movies 10 (gap 1) and 11 (gap 1): distance 2 + 3.5 = 5.5, and not 2 with the movie's own gap.
    """
    found = find_first([*rate(1, 4, 4, asked=3), *rate(2, 5, 3, asked=3)])
    assert [(one.user, one.distance, one.common_movies) for one in found] == [(2, 5.5, 2)]


def test_closeness_is_shrunk_mean_gap_over_all_common_movies() -> None:
    """All four gaps count, not just the three smallest, and the population's mean gap counts five times.

    Gaps of users 1 and 2: 0, 0, 0 and 2. All pairs of ratings of a movie: those four, and users 2 and 3 on
    movie 50 (|3 - 5| = 2), so g0 = 4 / 5 = 0.8. User 2: (2 + 5 x 0.8) / (4 + 5) = 6 / 9. User 3, with nothing
    in common: g0 = 0.8.
    """
    assert CLOSENESS_SHRINKAGE == 5
    found = find_first([*rate(1, 5, 4, 3, 2, asked=None), *rate(2, 5, 4, 3, 4), Rated(3, ASKED, 5)])
    assert [one.user for one in found] == [2, 3]
    assert [one.closeness for one in found] == pytest.approx([6 / 9, 0.8], rel=1e-6)


def test_mean_gap_leaves_own_rating_out_when_user_rated_the_movie() -> None:
    """User 1's rating of the asked movie makes no pair: g0 is the gap of users 2 and 3 alone, |2 - 4| = 2."""
    found = find_first([Rated(1, ASKED, 1), Rated(2, ASKED, 2), Rated(3, ASKED, 4)])
    assert [one.closeness for one in found] == [2.0, 2.0]


def test_order_goes_by_distance_first() -> None:
    """User 9 at distance 1 comes before user 2 at distance 2, though closer on the average.

    User 9: gaps 0, 0, 1 and then 4 and 4. User 2: gaps 1, 1, 0.
    """
    found = find_first([
        *rate(1, 5, 5, 5, 5, 5, asked=None),
        *rate(2, 4, 4, 5),
        *rate(9, 5, 5, 4, 1, 1),
    ])
    assert [(one.user, one.distance) for one in found] == [(9, 1.0), (2, 2.0)]
    assert found[0].closeness > found[1].closeness


def test_order_goes_by_closeness_when_distances_tie() -> None:
    """Users 2, 3 and 4 are all at distance 0; beyond, their gaps are 2, 1 and 0, so 4 comes first."""
    found = find_first([
        *rate(1, 5, 5, 5, 5, asked=None),
        *rate(2, 5, 5, 5, 3),
        *rate(3, 5, 5, 5, 4),
        *rate(4, 5, 5, 5, 5),
    ])
    assert [(one.user, one.distance) for one in found] == [(4, 0.0), (3, 0.0), (2, 0.0)]


def test_order_prefers_more_common_movies_when_all_gaps_are_zero() -> None:
    """With gaps of 0 only, more common movies mean less of g0: 5 g0 / (3 + 5) against 5 g0 / (4 + 5)."""
    found = find_first([*rate(1, 5, 5, 5, 5, asked=None), *rate(2, 5, 5, 5, asked=1), *rate(3, 5, 5, 5, 5)])
    assert [one.user for one in found] == [3, 2]
    assert found[0].closeness < found[1].closeness


def test_order_goes_by_more_common_movies_when_distance_and_closeness_tie() -> None:
    """User 3 with four common movies comes before user 2 with three, at equal distance and closeness.

    All their gaps to user 1 are 1, so both are at distance 3. Pairs: users 1 and 2, three gaps of 1; 1 and 3,
    four gaps of 1; 2 and 3, three gaps of 0 and |5 - 1| = 4 on the asked movie. So g0 = (3 + 4 + 4) / 11 = 1,
    and the closeness is (3 + 5) / (3 + 5) = (4 + 5) / (4 + 5) = 1.
    """
    found = find_first([
        *rate(1, 3, 3, 3, 3, asked=None),
        *rate(2, 4, 4, 4, asked=5),
        *rate(3, 4, 4, 4, 4, asked=1),
    ])
    assert found == [Found(3, 1.0, 3.0, 1.0, 4), Found(2, 5.0, 3.0, 1.0, 3)]


def test_order_goes_by_lower_user_id_when_all_else_ties() -> None:
    """Users alike in every respect come in the order of their ids, wherever they stand in the source."""
    rows = [row for user in (40, 8, 300, 21) for row in rate(user, 4, 4, 4, asked=user % 5 + 1)]
    found = find_first([*rows, *rate(1, 5, 5, 5, asked=None)])
    assert [one.user for one in found] == [8, 21, 40, 300]
    assert [one.stars for one in found] == [4.0, 2.0, 1.0, 1.0]


def test_search_keeps_first_four_when_there_are_more_candidates() -> None:
    """Users at distances 6, 5, 4, 3, 2 and 1: the four nearest, nearest first."""
    far = [*rate(2, 3, 3, 3), *rate(3, 3, 3, 4), *rate(4, 3, 4, 4)]
    near = [*rate(5, 4, 4, 4), *rate(6, 4, 4, 5), *rate(7, 4, 5, 5)]
    found = find_first([*far, *near, *rate(1, 5, 5, 5, asked=None)])
    assert [(one.user, one.distance) for one in found] == [(7, 1.0), (6, 2.0), (5, 3.0), (4, 4.0)]


def test_search_leaves_slots_empty_when_fewer_than_four_rated_the_movie() -> None:
    """Two candidates: the other two slots hold no user, 10.5, g0 and nothing in common; the count is 2.

    The only pair is that of users 2 and 3 on the movie: g0 = |5 - 2| = 3.
    """
    history = make_history([*rate(1, 4, asked=None), Rated(2, ASKED, 5), Rated(3, ASKED, 2)])
    _, table = ask(history, Query(user_id=1, movie_id=ASKED))
    neighbours = table.neighbours
    assert neighbours.counts.tolist() == [2]
    assert neighbours.users[0, 2:].tolist() == [UNKNOWN, UNKNOWN]
    assert neighbours.codes[0].tolist() == [10, 4, 0, 0]
    assert neighbours.distances[0].tolist() == [10.5] * 4
    assert neighbours.closenesses[0].tolist() == [3.0] * 4
    assert neighbours.common_movies[0].tolist() == [0] * 4


@pytest.mark.parametrize("movie", [60, 61], ids=["in the catalogue only", "nowhere"])
def test_search_finds_nobody_when_nobody_rated_the_movie(movie: int) -> None:
    """A movie without ratings has no candidates, whether the catalogue lists it or not."""
    history = make_history(rate(2, 4, 4), years={60: 1999})
    _, table = ask(history, Query(user_id=2, movie_id=movie))
    assert table.neighbours.counts.tolist() == [0]
    assert list_neighbours(history, table.neighbours, 0) == []


def test_search_measures_strangers_at_nothing_in_common_when_user_is_not_in_history() -> None:
    """A user without ratings gets the lowest ids, each at 10.5."""
    found = find_first([Rated(user, ASKED, 4) for user in (9, 8, 7, 6, 5)], user=77)
    assert [(one.user, one.distance, one.common_movies) for one in found] == [
        (5, 10.5, 0),
        (6, 10.5, 0),
        (7, 10.5, 0),
        (8, 10.5, 0),
    ]


def test_search_never_takes_the_user_for_a_neighbour() -> None:
    """User 1, who rated the movie, is no candidate of user 1."""
    found = find_first([*rate(1, 5, 5, 5), *rate(2, 1, 1, 1)])
    assert [one.user for one in found] == [2]


def test_search_sees_only_ratings_before_as_of() -> None:
    """Cut at day 200: user 3 rated the movie on day 200, and user 2 the common movie 11 on day 201.

    So user 2 alone is a candidate, with movie 10 alone in common (gap 1): 1 + 2 x 3.5 = 8.
    """
    rows = [
        Rated(1, 10, 4, day=100),
        Rated(1, 11, 4, day=100),
        Rated(2, 10, 5, day=199),
        Rated(2, 11, 4, day=201),
        Rated(2, ASKED, 2, day=199),
        Rated(3, 10, 4, day=100),
        Rated(3, ASKED, 5, day=200),
    ]
    assert [(one.user, one.distance) for one in find_first(rows, as_of=200)] == [(2, 8.0)]
    # one day later user 3 is seen (gap 0 and two missing: 7), and first
    assert [(one.user, one.distance) for one in find_first(rows, as_of=201)] == [(3, 7.0), (2, 8.0)]


def test_measure_gaps_agrees_with_hand_when_gaps_repeat() -> None:
    """Gaps 0.5 twice and 2.0 twice with g0 = 1: distance 0.5 + 0.5 + 2, closeness (5 + 5) / (4 + 5).

    Nobody's gaps: 3 x 3.5 = 10.5, that is 21 half stars, and g0.
    """
    counts = np.zeros((2, 11), dtype=np.int64)
    counts[0, 1] = counts[0, 4] = 2
    common, distances, closenesses = measure_gaps(counts, 1.0)
    assert common.tolist() == [4, 0]
    assert distances.tolist() == [6, 21]
    assert closenesses.tolist() == pytest.approx([10 / 9, 1.0])


@given(world=worlds(), as_of=st.sampled_from([None, 100, 102]))
@settings(deadline=None, max_examples=60)
def test_search_equals_plain_loops_when_ratings_are_random(world: World, as_of: int | None) -> None:
    """Every pair of a user and a movie gets the neighbours that the definitions give, in their order."""
    history = world.history()
    pairs = all_pairs(world)
    queries = [Query(user_id=user, movie_id=movie, as_of=as_of) for user, movie in pairs]
    _, table = ask(history, *queries)
    for row, (user, movie) in enumerate(pairs):
        expected = answer(
            world.rows, world.years, user=user, movie=movie, middle=world.scale.middle, as_of=as_of
        ).candidates[:4]
        found = list_neighbours(history, table.neighbours, row)
        assert [one[:3] + one[4:] for one in found] == [one[:3] + one[4:] for one in expected]
        assert [one.closeness for one in found] == pytest.approx(
            [one.closeness for one in expected], rel=1e-6
        )


@given(world=worlds(), as_of=st.sampled_from([None, 100, 102]), way=st.sampled_from(["context", "raters"]))
@settings(deadline=None, max_examples=40)
def test_search_finds_the_same_when_gaps_are_counted_from_either_side(
    world: World, as_of: int | None, way: str
) -> None:
    """Through the context's movies or through the candidates' histories: the same to the last bit."""
    history = world.history()
    queries = [Query(user_id=user, movie_id=movie, as_of=as_of) for user, movie in all_pairs(world)]
    _, chosen = ask(history, *queries)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("model.neighbours._is_context_shorter", lambda *_: way == "context")
        _, forced = ask(history, *queries)
    for name in Neighbours.__slots__:
        np.testing.assert_array_equal(getattr(forced.neighbours, name), getattr(chosen.neighbours, name))


def test_candidates_are_spread_over_time_when_there_are_too_many() -> None:
    """Of ten raters on ten days the 1st, 3rd, 6th and 8th are looked at; with a cut, of those before it."""
    rows = [Rated(user, 50, 3, day=user) for user in range(1, 11)]
    history = make_history([*rows, Rated(99, 10, 3)])

    def look(as_of: int | None) -> list[int]:
        visible = QueryReader(history).read([Query(user_id=99, movie_id=50, as_of=as_of)])
        found = find_neighbours(history, visible.views, visible.contexts, visible.queries, most_candidates=4)
        return sorted(neighbour.user for neighbour in list_neighbours(history, found, 0))

    # places 0, 10 / 4, 20 / 4 and 30 / 4, rounded down
    assert look(None) == [1, 3, 6, 8]
    # 0, 5 / 4, 10 / 4 and 15 / 4
    assert look(6) == [1, 2, 3, 4]
    # four or fewer are all looked at
    assert look(5) == [1, 2, 3, 4]


@given(world=worlds(), shuffle=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_search_ignores_order_of_input_when_rows_are_shuffled(world: World, shuffle: random.Random) -> None:
    """The same ratings in another order give the same neighbours and the same features."""
    rows = list(world.rows)
    shuffle.shuffle(rows)
    queries = [Query(user_id=user, movie_id=movie) for user, movie in all_pairs(world)]
    histories = world.history(), World(tuple(rows), world.years, world.scale).history()
    (_, first), (_, second) = (ask(history, *queries) for history in histories)
    for row in range(len(queries)):
        assert list_neighbours(histories[0], first.neighbours, row) == list_neighbours(
            histories[1], second.neighbours, row
        )
        assert name_columns(first, row) == pytest.approx(name_columns(second, row), rel=1e-6, abs=1e-6)


@given(world=worlds(), other=worlds(), as_of=st.sampled_from([100, 101, 103]))
@settings(deadline=None, max_examples=60)
def test_search_ignores_the_future_when_it_is_added_changed_or_removed(
    world: World, other: World, as_of: int
) -> None:
    """Whatever is rated on or after `as_of`, neighbours and all features stay exactly the same.

    The future of one world is replaced by that of another: pairs added, changed and removed at once, with
    movies and users that only the future knows.
    """
    past = [row for row in world.rows if row.day < as_of]
    taken = {(row.user, row.movie) for row in past}
    future = [
        row._replace(user=row.user + 1) if row.movie == 2 else row._replace(movie=row.movie + row.user % 2)
        for row in other.rows
        if row.day >= as_of
    ]
    kept = [row for row in future if (row.user, row.movie) not in taken]
    before = make_history(world.rows, years=world.years, scale=HALF_STARS)
    after = make_history([*kept, *past], years=world.years, scale=HALF_STARS)
    queries = [Query(user_id=user, movie_id=movie, as_of=as_of) for user, movie in all_pairs(world)]
    (_, first), (_, second) = ask(before, *queries), ask(after, *queries)
    for row in range(len(queries)):
        assert list_neighbours(before, first.neighbours, row) == list_neighbours(
            after, second.neighbours, row
        )
    np.testing.assert_array_equal(first.matrix, second.matrix)
