"""Questions by id, and what of the history each may see."""

import numpy as np
import pytest
from builders import Rated, make_history

from model.errors import PredictionError
from model.history import NO_CUT, NO_ERA, UNKNOWN, History
from model.questions import KnownRating, Query, QueryReader, VisibleQueries
from model.table import HALF_STARS, RatingScale

ROWS = [
    Rated(5, 10, 4, day=100),
    Rated(5, 20, 2, day=101),
    Rated(5, 30, 5, day=102),
    Rated(6, 10, 1, day=103),
]
"""Users 5 and 6 have indexes 0 and 1; movies 10, 20, 30 and 40, the last without ratings, 0 to 3."""
YEARS = {10: 1969, 20: 1975, 40: 1999}


@pytest.fixture
def history() -> History:
    """The rows above; movie 30 has no year."""
    return make_history(ROWS, years=YEARS)


def read(history: History, *queries: Query) -> VisibleQueries:
    """What the queries see."""
    return QueryReader(history).read(queries)


def context_of(visible: VisibleQueries, row: int = 0) -> dict[int, int]:
    """The codes by movie index that one query sees, each movie once."""
    group = int(visible.queries.groups[row])
    rows = slice(visible.contexts.offsets[group], visible.contexts.offsets[group + 1])
    movies = visible.contexts.movies[rows].tolist()
    assert len(set(movies)) == len(movies)
    return dict(zip(movies, visible.contexts.codes[rows].tolist(), strict=True))


def test_read_gives_whole_history_when_user_has_not_rated_the_movie(history: History) -> None:
    """User 5's ratings in half stars; nothing is the user's own rating of movie 40."""
    visible = read(history, Query(movie_id=40, user_id=5))
    assert context_of(visible) == {0: 8, 1: 4, 2: 10}
    assert visible.queries.movies.tolist() == [3]
    assert visible.queries.own_codes.tolist() == [0]
    assert visible.contexts.users.tolist() == [0]
    assert visible.contexts.as_of.tolist() == [NO_CUT]


def test_read_hides_own_rating_when_user_rated_the_movie(history: History) -> None:
    """Movie 20 is not in the context; its 2 stars are named, to be taken out of the view."""
    visible = read(history, Query(movie_id=20, user_id=5))
    assert context_of(visible) == {0: 8, 2: 10}
    assert visible.queries.own_codes.tolist() == [4]


def test_read_names_no_own_rating_when_it_is_not_before_as_of(history: History) -> None:
    """On its own day the rating is not in the view, so there is nothing to take out of it."""
    visible = read(
        history, Query(movie_id=20, user_id=5, as_of=101), Query(movie_id=20, user_id=5, as_of=102)
    )
    assert visible.queries.own_codes.tolist() == [0, 4]
    assert context_of(visible, 0) == context_of(visible, 1) == {0: 8}


def test_read_keeps_queries_apart_when_some_hide_their_movie(history: History) -> None:
    """Of one user's queries each lacks just its own movie, in whatever order they come."""
    movies = [40, 10, 20, 10, 30, 99]
    visible = read(history, *(Query(movie_id=movie, user_id=5) for movie in movies))
    whole = {0: 8, 1: 4, 2: 10}
    contexts = [context_of(visible, row) for row in range(len(movies))]
    assert contexts == [
        whole,
        {1: 4, 2: 10},
        {0: 8, 2: 10},
        {1: 4, 2: 10},
        {0: 8, 1: 4},
        whole,
    ]


def test_read_keeps_queries_apart_when_they_hide_one_movie_from_different_histories(history: History) -> None:
    """User 5 asks about movie 10, rated on day 100: uncut, cut, and with ratings in the request."""
    visible = read(
        history,
        Query(movie_id=10, user_id=5),
        Query(movie_id=10, user_id=5, as_of=102),
        Query(movie_id=10, user_id=5, ratings=(KnownRating(20, 5),)),
    )
    assert [context_of(visible, row) for row in range(3)] == [{1: 4, 2: 10}, {1: 4}, {1: 10, 2: 10}]


def test_read_shares_a_group_when_queries_see_the_same(history: History) -> None:
    """Two movies that user 5 has not rated need one context, not two."""
    visible = read(history, Query(movie_id=40, user_id=5), Query(movie_id=99, user_id=5))
    assert visible.queries.groups.tolist() == [0, 0]
    assert visible.contexts.n_groups == 1


@pytest.mark.parametrize("user_id", [None, 7, -1])
def test_read_gives_empty_context_when_user_is_unknown(history: History, user_id: int | None) -> None:
    """A user whom the history does not hold has no ratings and is nobody to leave out."""
    visible = read(history, Query(movie_id=10, user_id=user_id))
    assert context_of(visible) == {}
    assert visible.contexts.users.tolist() == [UNKNOWN]
    assert visible.queries.own_codes.tolist() == [0]


def test_read_gives_unknown_movie_when_catalogue_does_not_list_it(history: History) -> None:
    """Movie 99 is no movie, and has no era."""
    visible = read(history, Query(movie_id=99, user_id=5))
    assert visible.queries.movies.tolist() == [UNKNOWN]
    assert visible.queries.eras.tolist() == [NO_ERA]


@pytest.mark.parametrize(
    ("movie", "given", "era"),
    [
        # 10 is of 1969 whatever the request says; 30 has no year; 99 is not listed
        (10, None, 0),
        (10, 2000, 0),
        (30, None, NO_ERA),
        (30, 1970, 1),
        (30, 1990, 2),
        (99, 1969, 0),
    ],
)
def test_read_takes_year_from_request_only_when_catalogue_has_none(
    history: History, movie: int, given: int | None, era: int
) -> None:
    """The catalogue's own year wins."""
    visible = read(history, Query(movie_id=movie, release_year=given))
    assert visible.queries.eras.tolist() == [era]


def test_read_takes_day_from_query_then_as_of_then_the_day_after_the_last_rating(history: History) -> None:
    """The last rating is of day 103, so a question without a day is for day 104."""
    visible = read(
        history,
        Query(movie_id=10, day=90, as_of=101),
        Query(movie_id=10, as_of=101),
        Query(movie_id=10),
    )
    assert visible.queries.days.tolist() == [90, 101, 104]


def test_read_does_not_cut_when_only_the_day_is_given(history: History) -> None:
    """The day that a prediction is for hides nothing."""
    visible = read(history, Query(movie_id=40, user_id=5, day=1))
    assert context_of(visible) == {0: 8, 1: 4, 2: 10}
    assert visible.views.n_ratings.tolist() == [4]


def test_read_gives_each_cut_its_own_view_when_they_differ(history: History) -> None:
    """Before day 102 there are two ratings, before 103 three, uncut four; each query points at its own."""
    queries = [Query(movie_id=40, user_id=5, as_of=as_of) for as_of in (103, None, 102, 103)]
    visible = read(history, *queries)
    views = visible.contexts.views[visible.queries.groups]
    assert visible.views.n_ratings[views].tolist() == [3, 4, 2, 3]
    assert [len(context_of(visible, row)) for row in range(4)] == [3, 3, 2, 3]
    assert visible.contexts.as_of[visible.queries.groups].tolist() == [103, NO_CUT, 102, 103]


def test_fold_in_is_the_context_when_there_is_no_user(history: History) -> None:
    """The ratings of the request, in half stars; movie 99 is not in the catalogue and tells nothing."""
    given = (KnownRating(20, 3), KnownRating(99, 5), KnownRating(10, 1))
    visible = read(history, Query(movie_id=40, ratings=given))
    assert context_of(visible) == {1: 6, 0: 2}
    assert visible.contexts.users.tolist() == [UNKNOWN]


def test_fold_in_adds_and_replaces_when_user_is_known(history: History) -> None:
    """User 5's 4 stars for movie 10 become 1 star, movie 40 comes in, the others stay."""
    given = (KnownRating(10, 1), KnownRating(40, 5))
    visible = read(history, Query(movie_id=99, user_id=5, ratings=given))
    assert context_of(visible) == {0: 2, 1: 4, 2: 10, 3: 10}
    assert visible.contexts.users.tolist() == [0]


def test_fold_in_rating_is_hidden_when_it_is_of_the_asked_movie(history: History) -> None:
    """Neither the given rating nor the one it replaces is seen; the known one is still to be taken out."""
    visible = read(history, Query(movie_id=10, user_id=5, ratings=(KnownRating(10, 1),)))
    assert context_of(visible) == {1: 4, 2: 10}
    assert visible.queries.own_codes.tolist() == [8]


def test_fold_in_does_not_change_the_views_when_it_replaces(history: History) -> None:
    """What others are known to have rated stays as the history has it: 4 + 2 + 5 + 1 = 12 stars."""
    visible = read(history, Query(movie_id=40, user_id=5, ratings=(KnownRating(10, 1),)))
    assert visible.views.star_sums.tolist() == [12.0]


@pytest.mark.parametrize(("day", "expected"), [(None, 2), (101, 2), (102, 8), (200, 8)])
def test_fold_in_rating_is_cut_when_its_day_is_not_before_as_of(
    history: History, day: int | None, expected: int
) -> None:
    """As of day 102 a 1-star rating given on day 102 is not known yet; one without a day is."""
    visible = read(history, Query(movie_id=40, user_id=5, ratings=(KnownRating(10, 1, day),), as_of=102))
    assert context_of(visible) == {0: expected, 1: 4}


def test_fold_in_days_are_kept_and_the_questions_when_absent(history: History) -> None:
    """A rating without a day is as fresh as the question; two days make two contexts."""
    given = (KnownRating(10, 1, 50), KnownRating(20, 1))
    days = (None, 170, 102)
    visible = read(history, *(Query(movie_id=40, ratings=given, as_of=102, day=day) for day in days))
    assert visible.contexts.days.tolist() == [50, 102, 50, 170]
    assert visible.queries.groups.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("scale", "rating"),
    [
        ((1, 5, 1), 0),
        ((1, 5, 1), 5.5),
        ((1, 5, 1), 3.5),
        ((1, 5, 1), float("nan")),
        ((0.5, 5, 0.5), 0.0),
        ((0.5, 5, 0.5), 3.25),
        ((0.5, 5, 0.5), float("inf")),
    ],
)
def test_fold_in_refuses_when_a_rating_is_off_the_scale(
    scale: tuple[float, float, float], rating: float
) -> None:
    """The error names the rating, the movie and what would be accepted."""
    low, high, step = scale
    history = make_history(ROWS, scale=RatingScale(low=low, high=high, step=step))
    query = Query(movie_id=10, ratings=(KnownRating(20, rating),))
    with pytest.raises(
        PredictionError,
        match=rf"rating {rating} of movie 20 is off the scale: expected {low:g} to 5 in steps of {step:g}",
    ):
        read(history, query)


@pytest.mark.parametrize(("rating", "code"), [(0.5, 1), (2.5, 5), (5.0, 10)])
def test_fold_in_accepts_half_stars_when_scale_has_them(rating: float, code: int) -> None:
    """Each step of the scale is a rating."""
    history = make_history(ROWS, scale=HALF_STARS)
    assert context_of(read(history, Query(movie_id=10, ratings=(KnownRating(20, rating),)))) == {1: code}


def test_fold_in_refuses_when_a_movie_is_given_twice(history: History) -> None:
    """Which of the two counts, nobody can say."""
    given = (KnownRating(20, 3), KnownRating(20, 4))
    with pytest.raises(PredictionError, match="expected each movie once"):
        read(history, Query(movie_id=10, ratings=given))


def test_fold_in_keeps_queries_apart_when_their_ratings_differ(history: History) -> None:
    """The same user with and without ratings in the request."""
    known = (KnownRating(40, 1),)
    visible = read(history, Query(movie_id=99, user_id=5), Query(movie_id=99, user_id=5, ratings=known))
    assert [len(context_of(visible, row)) for row in (0, 1)] == [3, 4]


def test_read_again_gives_the_same_when_the_view_was_kept(history: History) -> None:
    """A reader answers a day's second question as it answered the first."""
    reader = QueryReader(history)
    query = Query(movie_id=10, user_id=6, as_of=103)
    first, second = reader.read([query]), reader.read([query])
    np.testing.assert_array_equal(first.views.histograms, second.views.histograms)
    # before day 103 movies 10, 20 and 30 have one rating each
    assert second.views.movie_counts.tolist() == [[1, 1, 1, 0]]


def test_read_answers_when_history_is_empty() -> None:
    """Nobody and nothing is known, and day 1 follows on an empty history's day 0."""
    visible = read(make_history([], years={10: 1999}), Query(movie_id=10, user_id=1))
    assert context_of(visible) == {}
    assert visible.queries.movies.tolist() == [0]
    assert visible.queries.days.tolist() == [1]
