"""The feature matrix, by hand and column by column against plain loops."""

from math import log

import hypothesis.strategies as st
import numpy as np
import pytest
from builders import (
    MOVIES,
    Rated,
    World,
    all_pairs,
    ask,
    compute_all,
    make_history,
    name_columns,
    worlds,
)
from hypothesis import given, settings
from reference import answer

from model.errors import ConfigError
from model.features import (
    FULL_FEATURES,
    MOVIE_SHRINKAGE,
    SEED_FEATURES,
    USER_SHRINKAGE,
    compute_features,
    feature_names,
)
from model.history import NO_CUT
from model.neighbours import Neighbours, empty_neighbours
from model.questions import KnownRating, Query
from model.table import HALF_STARS
from model.views import Contexts, Queries, Views, build_user_contexts, view_history

ASKED = 50
"""The movie that the examples by hand ask about."""


def compute_one(rows: list[Rated], query: Query, years: dict[int, int] | None = None) -> dict[str, float]:
    """The features of one query, by name."""
    _, table = ask(make_history(rows, years=years), query)
    return name_columns(table)


def take_seed(features: dict[str, float]) -> list[float]:
    """The five numbers of the original method."""
    return [features[name] for name in SEED_FEATURES]


def test_feature_names_lists_five_numbers_when_set_is_seed() -> None:
    """The seed set is the four neighbours' ratings and the era mean."""
    expected = ("neighbour_1", "neighbour_2", "neighbour_3", "neighbour_4", "era_mean")
    assert feature_names("seed") == SEED_FEATURES == expected


def test_feature_names_starts_with_seed_when_set_is_full() -> None:
    """The full set adds distances, closeness, counts and biases; each name occurs once."""
    names = feature_names("full")
    assert names == FULL_FEATURES
    assert names[:5] == SEED_FEATURES
    assert len(set(names)) == len(names)


def test_feature_names_refuses_when_set_is_unknown() -> None:
    """The error names the offending set and the two that exist."""
    with pytest.raises(ConfigError, match="'all' are unknown: expected one of full, seed"):
        feature_names("all")


def test_compute_features_keeps_only_named_columns_in_order() -> None:
    """The matrix has the asked columns, as float32, in the order asked for."""
    history = make_history([Rated(1, 10, 4), Rated(2, ASKED, 5)], years={10: 1995, ASKED: 1999})
    visible, _ = ask(history, Query(user_id=1, movie_id=ASKED))

    def find_nobody(views: Views, contexts: Contexts, queries: Queries) -> Neighbours:
        return empty_neighbours(np.zeros(len(queries)))

    table = compute_features(
        history,
        visible.views,
        visible.contexts,
        visible.queries,
        search=find_nobody,
        names=("neighbour_count", "era_mean", "neighbour_2"),
    )
    assert table.names == ("neighbour_count", "era_mean", "neighbour_2")
    assert table.matrix.dtype == np.float32
    # the search found nobody, so neighbour_2 is the movie's mean, 5; the era mean is movie 10's 4
    assert table.matrix.tolist() == [[0.0, 4.0, 5.0]]
    assert table.era_means.tolist() == [4.0]


def test_neighbours_give_their_ratings_in_order_when_four_rated_the_movie() -> None:
    """Gaps on movie 10 are 0, 1, 2 and 3 for users 5, 4, 3 and 2, who gave 4, 2, 1 and 5."""
    rows = [
        Rated(1, 10, 5),
        *(Rated(user, 10, user) for user in (2, 3, 4, 5)),
        *(Rated(user, ASKED, stars) for user, stars in ((2, 5), (3, 1), (4, 2), (5, 4))),
    ]
    features = compute_one(rows, Query(user_id=1, movie_id=ASKED))
    assert take_seed(features) == [4, 2, 1, 5, 2.0]
    assert features["neighbour_count"] == 4
    assert [features[f"distance_{rank}"] for rank in (1, 2, 3, 4)] == [7, 8, 9, 10]


def test_missing_neighbours_take_movies_mean_when_fewer_than_four_rated_it() -> None:
    """Two others gave 5 and 2: the missing two are (5 + 2) / 2 = 3.5; user 1's own 1 star does not count."""
    rows = [Rated(1, ASKED, 1), Rated(2, ASKED, 5), Rated(3, ASKED, 2), Rated(2, 10, 1)]
    features = compute_one(rows, Query(user_id=1, movie_id=ASKED))
    assert take_seed(features) == [5, 2, 3.5, 3.5, 2.0]
    assert features["neighbour_count"] == 2


@pytest.mark.parametrize("movie", [ASKED, 777], ids=["rated by the user alone", "unknown"])
def test_missing_neighbours_take_global_mean_when_nobody_else_rated_the_movie(movie: int) -> None:
    """The other ratings are 4, 5 and 3, mean 4; user 1's own 1 star for the asked movie is left out."""
    rows = [Rated(1, 10, 4), Rated(2, 10, 5), Rated(2, 11, 3)]
    rows += [Rated(1, ASKED, 1)] if movie == ASKED else []
    features = compute_one(rows, Query(user_id=1, movie_id=movie))
    assert take_seed(features) == [4, 4, 4, 4, 2.0]
    assert features["neighbour_count"] == 0


@pytest.mark.parametrize(
    "query",
    [
        Query(user_id=1, movie_id=ASKED),
        Query(user_id=1, movie_id=10, as_of=12_000),
        Query(movie_id=9, as_of=1),
    ],
    ids=["own rating is all there is", "nothing before as_of", "nobody, unknown movie"],
)
def test_features_fall_back_to_middle_of_scale_when_nothing_is_visible(query: Query) -> None:
    """Without any visible rating the movie's and the global mean are (1 + 5) / 2 = 3; all else is zero."""
    features = compute_one([Rated(1, ASKED, 5, day=12_000)], query, years={10: 1999})
    assert take_seed(features) == [3, 3, 3, 3, 2.0]
    others = {name: value for name, value in features.items() if name not in SEED_FEATURES}
    assert others.pop("neighbour_count") == 0
    assert [others.pop(f"distance_{rank}") for rank in (1, 2, 3, 4)] == [10.5] * 4
    del others["movie_age"]  # the calendar needs no rating
    assert set(others.values()) == {0.0}


@pytest.mark.parametrize(
    ("year", "era_mean", "era_count"),
    [
        # movies of 1900 and 1969: (5 + 4) / 2; of 1970 and 1989: (3 + 2) / 2; of 1990 and 2005: (1 + 3) / 2
        (1900, 4.5, 2),
        (1969, 4.5, 2),
        (1970, 2.5, 2),
        (1989, 2.5, 2),
        (1990, 2.0, 2),
        (2005, 2.0, 2),
        # the movie without a year is in no era, not even in one with the other such movie
        (0, 2.0, 0),
    ],
)
def test_era_mean_covers_users_movies_of_that_era_when_year_is_at_a_boundary(
    year: int, era_mean: float, era_count: int
) -> None:
    """Eras begin with 1970 and 1990."""
    years = {11: 1900, 12: 1969, 13: 1970, 14: 1989, 15: 1990, 16: 2005, 17: 0, ASKED: year}
    stars = {11: 5, 12: 4, 13: 3, 14: 2, 15: 1, 16: 3, 17: 5}
    rows = [Rated(1, movie, given) for movie, given in stars.items()]
    features = compute_one(rows, Query(user_id=1, movie_id=ASKED), years)
    assert features["era_mean"] == era_mean
    assert features["era_count"] == pytest.approx(log(1 + era_count))


def test_era_mean_is_two_when_user_rated_nothing_of_the_era() -> None:
    """User 1 rated a movie of 1989 with 5; of the era from 1990 there is nothing: 2.0."""
    features = compute_one([Rated(1, 10, 5)], Query(user_id=1, movie_id=ASKED), {10: 1989, ASKED: 1990})
    assert features["era_mean"] == 2


def test_era_mean_leaves_asked_movie_out_when_user_rated_it() -> None:
    """User 1 gave 5 to the asked movie and 1 to the other of its era: mean 1; without the other, 2.0."""
    years = {10: 1995, ASKED: 1999}
    rows = [Rated(1, ASKED, 5), Rated(1, 10, 1)]
    assert compute_one(rows, Query(user_id=1, movie_id=ASKED), years)["era_mean"] == 1
    assert compute_one(rows[:1], Query(user_id=1, movie_id=ASKED), years)["era_mean"] == 2


@pytest.mark.parametrize(("given", "expected"), [(1995, 4.0), (1969, 2.0), (None, 2.0)])
def test_era_comes_from_the_query_when_catalogue_has_no_year(given: int | None, expected: float) -> None:
    """User 1 gave 4 to a movie of 1999; the asked movie has no year but that of the query."""
    features = compute_one(
        [Rated(1, 10, 4), Rated(1, ASKED, 5)],
        Query(user_id=1, movie_id=ASKED, release_year=given),
        {10: 1999, ASKED: 0},
    )
    assert features["era_mean"] == expected


def test_movie_features_agree_with_hand_when_user_rated_the_movie_too() -> None:
    """The movie's others gave 5, 5 and 2; user 1's own 1 star is in none of the numbers.

    All others: 5 + 5 + 2 + 3 + 5 = 20 over 5 ratings, mean 4. Bias: (1 + 1 - 2) / (3 + 5) = 0.
    With 5, 5 and 4 instead: 22 / 5 = 4.4, bias (0.6 + 0.6 - 0.4) / 8 = 0.1.
    """
    assert MOVIE_SHRINKAGE == 5
    rows = [Rated(1, ASKED, 1), Rated(1, 10, 3), Rated(2, 10, 5), Rated(2, ASKED, 5), Rated(3, ASKED, 5)]
    first = compute_one([*rows, Rated(4, ASKED, 2)], Query(user_id=1, movie_id=ASKED))
    assert first["movie_count"] == pytest.approx(log(4))
    assert first["movie_bias"] == pytest.approx(0.0, abs=1e-7)
    second = compute_one([*rows, Rated(4, ASKED, 4)], Query(user_id=1, movie_id=ASKED))
    assert second["movie_bias"] == pytest.approx(0.1)


def test_user_features_agree_with_hand_when_eras_differ() -> None:
    """User 1 gave 5 to movie 10 (of 1995) and 1 to movie 11 (of 1960); the asked movie is of 1999.

    Ratings: 5, 1 by user 1; 3 by user 2 on each of movies 10 and 11; overall mean 12 / 4 = 3.
    Levels: movie 10 (8 + 5 x 3) / (2 + 5) = 23 / 7; movie 11 (4 + 15) / 7 = 19 / 7.
    Residuals: 5 - 23 / 7 = 12 / 7; 1 - 19 / 7 = -12 / 7. Bias: 0 / (2 + 5) = 0.
    In the era: (12 / 7 + 5 x 0) / (1 + 5) = 2 / 7.
    """
    assert USER_SHRINKAGE == 5
    rows = [Rated(1, 10, 5), Rated(1, 11, 1), Rated(2, 10, 3), Rated(2, 11, 3)]
    features = compute_one(rows, Query(user_id=1, movie_id=ASKED), {10: 1995, 11: 1960, ASKED: 1999})
    assert features["user_count"] == pytest.approx(log(3))
    assert features["era_count"] == pytest.approx(log(2))
    assert features["user_bias"] == pytest.approx(0.0, abs=1e-7)
    assert features["user_era_bias"] == pytest.approx(2 / 7)


def test_user_bias_is_shrunk_when_user_has_one_rating() -> None:
    """User 1 gave movie 10 five stars, user 2 gave 3 to it and 4 to movie 11.

    Overall mean 12 / 3 = 4; level (8 + 20) / 7 = 4; residual 1; bias 1 / (1 + 5). No era: the same bias.
    """
    rows = [Rated(1, 10, 5), Rated(2, 10, 3), Rated(2, 11, 4)]
    features = compute_one(rows, Query(user_id=1, movie_id=ASKED))
    assert features["user_bias"] == features["user_era_bias"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("year", "day", "age"),
    [
        (1970, 0, 0.0),
        (1970, 365, 365 / 365.2425),
        (1996, 12_784, 9.0),
        (2001, 11_000, 0.0),
        (0, 11_000, 10.0),
    ],
    ids=["new", "a year", "nine years", "not released yet", "no year"],
)
def test_movie_age_is_years_since_release_when_day_is_known(year: int, day: int, age: float) -> None:
    """2005-01-01 is day 12,784, 35.0014 years after 1970: a movie of 1996 is 9 years old."""
    features = compute_one(
        [Rated(1, 10, 5)], Query(user_id=1, movie_id=ASKED, day=day), {10: 1970, ASKED: year}
    )
    assert features["movie_age"] == pytest.approx(log(1 + age), abs=2e-4)


@pytest.mark.parametrize(
    ("day", "recent"),
    [(999, 0), (1_000, 1), (1_020, 2), (1_030, 2), (1_031, 1), (1_050, 1), (1_051, 0)],
)
def test_recent_features_cover_thirty_days_when_day_moves(day: int, recent: int) -> None:
    """User 1 gave 5 on day 1,000 and 5 on day 1,020, each to a movie of its own; both ends are counted.

    With user 2's 2 stars the overall mean is (5 + 5 + 2) / 3 = 4. Levels: (5 + 5 x 4) / 6 = 25 / 6,
    residuals 5 / 6 each. Bias: (10 / 6) / (2 + 5) = 5 / 21. Recent: (n x 5 / 6 + 5 x 5 / 21) / (n + 5).
    """
    rows = [Rated(1, 10, 5, day=1_000), Rated(1, 11, 5, day=1_020), Rated(2, 12, 2, day=5)]
    features = compute_one(rows, Query(user_id=1, movie_id=ASKED, day=day))
    assert features["recent_count"] == pytest.approx(log(1 + recent))
    assert features["user_bias"] == pytest.approx(5 / 21)
    assert features["recent_bias"] == pytest.approx((recent * 5 / 6 + 25 / 21) / (recent + 5))


@given(
    world=worlds(),
    as_of=st.sampled_from([None, 100, 101, 103]),
    day=st.sampled_from([None, 99, 101, 130, 131, 132, 170, 171]),
)
@settings(deadline=None, max_examples=80)
def test_features_equal_plain_loops_when_ratings_are_random(
    world: World, as_of: int | None, day: int | None
) -> None:
    """Every column of every pair of a user and a movie is what the definitions give, on any day."""
    history = world.history()
    pairs = all_pairs(world)
    queries = [Query(user_id=user, movie_id=movie, as_of=as_of, day=day) for user, movie in pairs]
    _, table = ask(history, *queries)
    for row, (user, movie) in enumerate(pairs):
        expected = answer(
            world.rows, world.years, user=user, movie=movie, middle=world.scale.middle, as_of=as_of, day=day
        ).features
        assert name_columns(table, row) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(
    world=worlds(),
    folded=worlds(),
    undated=st.sets(st.sampled_from(MOVIES)),
    as_of=st.sampled_from([None, 102]),
    day=st.sampled_from([None, 131, 160]),
)
@settings(deadline=None, max_examples=60)
def test_features_equal_plain_loops_when_ratings_come_with_the_request(
    world: World, folded: World, undated: set[int], as_of: int | None, day: int | None
) -> None:
    """Fold-in ratings add to the context and replace in it; the others' ratings stay as they are.

    One without a day is of the day of the question, and no cut hides it.
    """
    history = make_history(world.rows, years=world.years, scale=HALF_STARS)
    given_rows = {row.movie: row for row in folded.rows}
    known = tuple(
        KnownRating(row.movie, row.stars, None if row.movie in undated else row.day)
        for row in given_rows.values()
    )
    last_day = max(row.day for row in world.rows)
    asked_day = day or as_of or last_day + 1
    pairs = all_pairs(world)
    queries = [
        Query(user_id=user, movie_id=movie, ratings=known, as_of=as_of, day=day) for user, movie in pairs
    ]
    _, table = ask(history, *queries)
    for row, (user, movie) in enumerate(pairs):
        context = {
            one.movie: one for one in world.rows if one.user == user and (as_of is None or one.day < as_of)
        }
        context |= {
            one.movie: one._replace(day=asked_day) if one.movie in undated else one
            for one in given_rows.values()
            if one.movie in undated or as_of is None or one.day < as_of
        }
        expected = answer(
            world.rows,
            world.years,
            user=user,
            movie=movie,
            middle=HALF_STARS.middle,
            as_of=as_of,
            day=day,
            context=context,
        ).features
        assert name_columns(table, row) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(world=worlds(), change=st.sampled_from(["another rating", "removed"]))
@settings(deadline=None, max_examples=60)
def test_features_never_change_when_own_rating_of_the_movie_does(world: World, change: str) -> None:
    """u's rating of m is invisible to all that predicts (u, m): changed or removed, nothing else changes."""
    own = world.rows[0]
    # the user or the movie may have no other rating: then the id is unknown once it is removed
    changed = [own._replace(stars=5.5 - own.stars)] if change == "another rating" else []
    query = Query(user_id=own.user, movie_id=own.movie, day=120)
    before = make_history(world.rows, years=world.years, scale=HALF_STARS)
    after = make_history([*changed, *world.rows[1:]], years=world.years, scale=HALF_STARS)
    (_, first), (_, second) = ask(before, query), ask(after, query)
    assert name_columns(first) == pytest.approx(name_columns(second), rel=1e-5, abs=1e-5)
    np.testing.assert_array_equal(first.neighbours.codes, second.neighbours.codes)


@given(world=worlds())
@settings(deadline=None, max_examples=40)
def test_features_are_the_same_when_context_still_holds_the_own_rating(world: World) -> None:
    """A context from which the asked movie was not taken gives what a context without it gives."""
    history = world.history()
    rows = world.rows
    users = history.find_users(np.array([row.user for row in rows]))
    movies = history.find_movies(np.array([row.movie for row in rows]))
    n_groups = history.n_users
    contexts = build_user_contexts(
        history,
        np.arange(n_groups, dtype=np.int32),
        np.full(n_groups, NO_CUT, dtype=np.int32),
        np.zeros(n_groups, dtype=np.int64),
    )
    queries = Queries(
        groups=users.astype(np.int64),
        movies=movies,
        eras=history.movie_eras[movies],
        own_codes=np.array([round(row.stars * 2) for row in rows], dtype=np.uint8),
        days=np.full(len(rows), 120, dtype=np.int32),
    )
    whole = compute_all(history, view_history(history), contexts, queries)
    _, hidden = ask(history, *(Query(user_id=row.user, movie_id=row.movie, day=120) for row in rows))
    np.testing.assert_allclose(whole.matrix, hidden.matrix, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(whole.neighbours.users, hidden.neighbours.users)
