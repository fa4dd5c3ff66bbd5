"""A question that is looked up quickly gets what plain loops and the feature matrix say."""

import hypothesis.strategies as st
import numpy as np
import pytest
from builders import Rated, World, all_pairs, list_neighbours, make_history, worlds
from hypothesis import given, settings
from reference import answer

from model.features import FULL_FEATURES, SEED_FEATURES, compute_features
from model.history import History, find_one
from model.neighbours import find_neighbours
from model.questions import Query, QueryReader
from model.quick import Found, QuickLookup, sum_up_users
from model.training.nearest_users import list_nearest_users
from model.views import view_history


def build_lookup(history: History, *, most_listed: int = 256, most_candidates: int = 2_000) -> QuickLookup:
    """All features, with lists made on the spot."""
    whole = view_history(history)
    return QuickLookup(
        history,
        whole,
        list_nearest_users(history, whole, most_listed=most_listed),
        sum_up_users(history, whole),
        names=FULL_FEATURES,
        most_candidates=most_candidates,
    )


def look_up(history: History, lookup: QuickLookup, *, user: int, movie: int, day: int) -> Found | None:
    """Look a query up by id; both are known."""
    places = find_one(history.user_ids, user), find_one(history.movie_ids, movie)
    return lookup.look_up(*places, day)


def list_found(history: History, found: Found) -> list[tuple[int, float, float, int]]:
    """The neighbours by id: user, stars, distance, common movies."""
    return [
        (int(history.user_ids[user]), stars, distance, common)
        for user, stars, distance, common in found.neighbours
    ]


@given(
    world=worlds().filter(lambda world: len({row.user for row in world.rows}) > 1),
    day=st.sampled_from([99, 101, 120, 141, 200]),
    most_listed=st.sampled_from([1, 3, 256]),
)
@settings(deadline=None, max_examples=60)
def test_look_up_equals_plain_loops_when_ratings_are_random(world: World, day: int, most_listed: int) -> None:
    """Every pair of a known user and a movie the user has not rated, however short the lists."""
    history = world.history()
    lookup = build_lookup(history, most_listed=most_listed)
    rated = {(row.user, row.movie) for row in world.rows}
    for user, movie in all_pairs(world):
        if user not in history.user_ids or movie not in history.movie_ids:
            continue
        found = look_up(history, lookup, user=user, movie=movie, day=day)
        if (user, movie) in rated:
            assert found is None
            continue
        assert found is not None
        expected = answer(world.rows, world.years, user=user, movie=movie, middle=world.scale.middle, day=day)
        assert list_found(history, found) == [
            (one.user, one.stars, one.distance, one.common_movies) for one in expected.candidates[:4]
        ]
        assert dict(zip(FULL_FEATURES, found.features, strict=True)) == pytest.approx(
            expected.features, rel=1e-5, abs=1e-5
        )
        assert found.n_user_ratings == sum(row.user == user for row in world.rows)
        assert found.n_movie_ratings == sum(row.movie == movie for row in world.rows)
        assert found.era_mean == pytest.approx(expected.features["era_mean"])


@pytest.mark.parametrize(
    ("most_candidates", "looked_at_first"), [(5, 256), (40, 256), (2_000, 256), (40, 5), (2_000, 5)]
)
def test_look_up_equals_feature_matrix_when_ratings_are_many(
    monkeypatch: pytest.MonkeyPatch, most_candidates: int, looked_at_first: int
) -> None:
    """200 users and 3,000 ratings, also where only some of a movie's raters or of a list are looked at."""
    monkeypatch.setattr("model.quick._LOOKED_AT_FIRST", looked_at_first)
    rng = np.random.default_rng(3)
    places = rng.permutation(200 * 40)[:3_000].tolist()
    rows = [Rated(1 + place // 40, 1 + place % 40, float(rng.integers(1, 6)), place % 97) for place in places]
    history = make_history(rows, years={movie: 1950 + movie for movie in range(1, 41)})
    lookup = build_lookup(history, most_listed=20, most_candidates=most_candidates)
    rated = {(row.user, row.movie) for row in rows}
    queries = [
        Query(user_id=user, movie_id=movie, day=90)
        for user in range(1, 201, 7)
        for movie in range(1, 41)
        if (user, movie) not in rated
    ]
    visible = QueryReader(history).read(queries)
    table = compute_features(
        history,
        visible.views,
        visible.contexts,
        visible.queries,
        search=lambda *question: find_neighbours(history, *question, most_candidates=most_candidates),
        names=FULL_FEATURES,
    )
    for row, query in enumerate(queries):
        assert query.user_id is not None
        found = look_up(history, lookup, user=query.user_id, movie=query.movie_id, day=90)
        assert found is not None
        np.testing.assert_allclose(found.features, table.matrix[row], rtol=1e-6, atol=1e-6)
        assert list_found(history, found) == [
            (one.user, one.stars, one.distance, one.common_movies)
            for one in list_neighbours(history, table.neighbours, row)
        ]


def test_look_up_gives_first_columns_when_features_are_seed() -> None:
    """User 2 gave movie 7 four stars, user 1's mean for its era is 3: 4, 4, 4, 4 (the movie's mean), 3."""
    history = make_history([Rated(1, 5, 3), Rated(2, 5, 3), Rated(2, 7, 4)], years={5: 1995, 7: 1996})
    whole = view_history(history)
    lookup = QuickLookup(
        history,
        whole,
        list_nearest_users(history, whole),
        sum_up_users(history, whole),
        names=SEED_FEATURES,
        most_candidates=10,
    )
    found = look_up(history, lookup, user=1, movie=7, day=12_001)
    assert found is not None
    assert found.features == (4, 4, 4, 4, 3)


def test_look_up_sees_own_rating_when_it_is_not_among_those_looked_at() -> None:
    """Of the movie's three raters only the first is looked at; the user is the third."""
    history = make_history([Rated(1, 7, 4, 10), Rated(2, 7, 4, 11), Rated(3, 7, 4, 12), Rated(3, 8, 2, 12)])
    lookup = build_lookup(history, most_candidates=1)
    assert look_up(history, lookup, user=3, movie=7, day=20) is None


def test_quick_lookup_refuses_other_columns_when_built() -> None:
    """A bundle whose features come in another order must not be answered with the wrong numbers."""
    history = make_history([Rated(1, 5, 3), Rated(2, 5, 3)])
    whole = view_history(history)
    with pytest.raises(ValueError, match="era_mean"):
        QuickLookup(
            history,
            whole,
            list_nearest_users(history, whole),
            sum_up_users(history, whole),
            names=["era_mean"],
            most_candidates=10,
        )
