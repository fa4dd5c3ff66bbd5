"""Which ratings train and which test."""

from collections.abc import Sequence
from operator import itemgetter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from model.dates import format_day, parse_day
from model.errors import ConfigError, DataError
from model.splits import (
    SplitMethod,
    SplitSpec,
    apply_split,
    find_pairs,
    parse_split,
    split_off_pairs,
)
from model.table import WHOLE_STARS, Movies, Ratings

Row = tuple[int, int, str]  # user, movie, date


def _make_ratings(rows: Sequence[Row]) -> Ratings:
    """A table of 3-star ratings; rows of one day keep their order."""
    ordered = sorted(rows, key=itemgetter(2))
    movie_ids = sorted({movie for _, movie, _ in rows})
    return Ratings(
        user_ids=np.array([user for user, _, _ in ordered], dtype=np.int64),
        movie_ids=np.array([movie for _, movie, _ in ordered], dtype=np.int64),
        stars=np.full(len(ordered), 3, dtype=np.float32),
        days=np.array([parse_day(date) for _, _, date in ordered], dtype=np.int16),
        movies=Movies(
            movie_ids=np.array(movie_ids, dtype=np.int64),
            titles=[""] * len(movie_ids),
            release_years=np.zeros(len(movie_ids), dtype=np.int16),
        ),
        scale=WHOLE_STARS,
    )


def _find(ratings: Ratings, user_ids: Sequence[int], movie_ids: Sequence[int]) -> list[int]:
    rows = find_pairs(
        np.array(user_ids, dtype=np.int64),
        np.array(movie_ids, dtype=np.int64),
        among_user_ids=ratings.user_ids,
        among_movie_ids=ratings.movie_ids,
    )
    return [int(row) for row in rows]


def _pairs(ratings: Ratings) -> list[tuple[int, int]]:
    return list(zip(ratings.user_ids.tolist(), ratings.movie_ids.tolist(), strict=True))


def _twenty_ratings_of_one_user() -> list[Row]:
    return [(7, movie, f"2005-01-{movie:02d}") for movie in range(1, 21)]


_TABLES = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(1, 30), st.sampled_from(["2005-01-01", "2005-01-02", "2005-01-03"])
    ),
    min_size=1,
    max_size=60,
    unique_by=itemgetter(0, 1),
).map(_make_ratings)


@pytest.mark.parametrize("text", ["latest", "random", "none", "period:2005-02-03"])
def test_parse_split_returns_what_prints_the_same_when_accepted(text: str) -> None:
    """Every accepted value survives a round trip."""
    assert str(parse_split(text)) == text


def test_parse_split_holds_the_day_when_period() -> None:
    """The day after the colon is the first test day, in days since 1970."""
    assert parse_split("period:1970-01-11") == SplitSpec(SplitMethod.PERIOD, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "lastest",
            "'lastest' is unknown: expected latest, period:YYYY-MM-DD, random or none, did you mean latest",
        ),
        ("Random", "did you mean random"),
        ("peroid:2005-01-01", "did you mean period"),
        ("", "'' is unknown: expected latest, period:YYYY-MM-DD, random or none$"),
        ("latest:2005-01-01", "'latest:2005-01-01' is unknown"),
        ("period", "needs the first day of the test rows: period:YYYY-MM-DD"),
        ("period:", "'' is not a date: expected YYYY-MM-DD"),
        ("period:2005-13-01", "'2005-13-01' is not a date of the calendar"),
    ],
)
def test_parse_split_names_what_is_accepted_when_wrong(text: str, message: str) -> None:
    """A wrong value is one error that says what would be right."""
    with pytest.raises(ConfigError, match=message):
        parse_split(text)


@pytest.mark.parametrize(("method", "day"), [(SplitMethod.PERIOD, None), (SplitMethod.LATEST, 3)])
def test_split_spec_is_refused_when_day_and_method_disagree(method: SplitMethod, day: int | None) -> None:
    """Only `period` has a day, and never goes without."""
    with pytest.raises(ConfigError, match="goes with the split 'period' alone"):
        SplitSpec(method, day)


def test_latest_tests_on_the_last_two_when_a_user_has_twenty() -> None:
    """Rank 18 of 20 is 0.9 and trains; 19 and 20 are above and test."""
    split = apply_split(_make_ratings(_twenty_ratings_of_one_user()), parse_split("latest"), seed=0)
    assert split.test.movie_ids.tolist() == [19, 20]
    assert split.train.movie_ids.tolist() == list(range(1, 19))
    assert split.n_pairs_not_found == 0


def test_latest_tests_on_the_only_rating_when_a_user_has_one() -> None:
    """A user's last rating has rank 1.0, so users of one rating are new in the test."""
    rows = [*_twenty_ratings_of_one_user(), (8, 1, "2001-01-01"), (9, 1, "2001-01-01"), (9, 2, "2001-01-02")]
    split = apply_split(_make_ratings(rows), parse_split("latest"), seed=0)
    assert _pairs(split.test) == [(8, 1), (9, 2), (7, 19), (7, 20)]


def test_latest_takes_the_later_place_when_days_tie() -> None:
    """Among ratings of one day the source's order decides."""
    split = apply_split(
        _make_ratings([(1, 5, "2005-01-01"), (1, 3, "2005-01-01"), (1, 4, "2005-01-01")]),
        parse_split("latest"),
        seed=0,
    )
    assert _pairs(split.test) == [(1, 4)]


@given(ratings=_TABLES)
@settings(deadline=None)
def test_latest_marks_what_pandas_marks_when_ranked_by_percentile(ratings: Ratings) -> None:
    """The definition is pandas' percentile rank above 0.9."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": ratings.user_ids, "day": ratings.days})
    expected = (frame.groupby("user")["day"].rank(method="first", pct=True) > 0.9).to_numpy()
    if expected.all():
        with pytest.raises(DataError, match="train on"):
            apply_split(ratings, parse_split("latest"), seed=0)
    else:
        split = apply_split(ratings, parse_split("latest"), seed=0)
        assert _pairs(split.test) == _pairs(ratings.take(expected))


@pytest.mark.parametrize("n", range(1, 101))
def test_latest_tests_on_a_tenth_rounded_up_when_a_user_has_n_ratings(n: int) -> None:
    """Of n ratings those at positions above 0.9 n test, n - floor(9n / 10) in whole numbers."""
    rows = [(1, movie, "2005-01-01") for movie in range(n)] + [(2, movie, "2004-01-01") for movie in range(2)]
    split = apply_split(_make_ratings(rows), parse_split("latest"), seed=0)
    assert np.count_nonzero(split.test.user_ids == 1) == n - 9 * n // 10


def test_period_tests_from_its_day_on_when_ratings_fall_on_it() -> None:
    """The day itself is a test day, the day before trains."""
    ratings = _make_ratings([
        (1, 1, "2005-01-01"),
        (1, 2, "2005-01-02"),
        (2, 1, "2005-01-02"),
        (2, 2, "2005-01-03"),
    ])
    split = apply_split(ratings, parse_split("period:2005-01-02"), seed=0)
    assert _pairs(split.train) == [(1, 1)]
    assert _pairs(split.test) == [(1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize(("n_rows", "n_test"), [(2, 1), (9, 1), (20, 2), (26, 3)])
def test_random_tests_on_a_tenth_when_there_are_enough_rows(n_rows: int, n_test: int) -> None:
    """The share is a tenth, rounded, and at least one row."""
    ratings = _make_ratings([(1, movie, "2005-01-01") for movie in range(n_rows)])
    split = apply_split(ratings, parse_split("random"), seed=3)
    assert len(split.test) == n_test


def test_random_depends_on_the_seed_alone_when_the_source_is_reordered() -> None:
    """The same pairs test whatever the order of equal days; another seed chooses others."""
    rows = [(user, movie, "2005-01-01") for user in range(10) for movie in range(20)]

    def draw(rows: Sequence[Row], seed: int) -> set[tuple[int, int]]:
        return set(_pairs(apply_split(_make_ratings(rows), parse_split("random"), seed=seed).test))

    assert draw(rows, 1) == draw(rows[::-1], 1)
    assert draw(rows, 1) != draw(rows, 2)


def test_none_trains_on_everything_when_applied() -> None:
    """Nothing is held out."""
    ratings = _make_ratings(_twenty_ratings_of_one_user())
    split = apply_split(ratings, parse_split("none"), seed=0)
    assert (_pairs(split.train), len(split.test)) == (_pairs(ratings), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "period:2005-01-01",
            "split period:2005-01-01 leaves no ratings to train on: .*2005-01-01 to 2005-01-20",
        ),
        (
            "period:2005-01-21",
            "split period:2005-01-21 leaves no ratings to test on: .*2005-01-01 to 2005-01-20",
        ),
    ],
)
def test_apply_split_is_refused_when_one_side_is_empty(text: str, message: str) -> None:
    """The error says which side is empty and which days there are."""
    with pytest.raises(DataError, match=message):
        apply_split(_make_ratings(_twenty_ratings_of_one_user()), parse_split(text), seed=0)


@pytest.mark.parametrize("text", ["latest", "random"])
def test_apply_split_is_refused_when_there_is_one_rating(text: str) -> None:
    """One rating cannot be both trained and tested on."""
    with pytest.raises(DataError, match=f"split {text} leaves no ratings to train on"):
        apply_split(_make_ratings([(1, 1, "2005-01-01")]), parse_split(text), seed=0)


@pytest.mark.parametrize("text", ["latest", "random", "none", "period:2005-01-01"])
def test_apply_split_is_refused_when_there_are_no_ratings(text: str) -> None:
    """An empty table cannot be split, nor trained on whole."""
    with pytest.raises(DataError, match="there are no ratings to split"):
        apply_split(_make_ratings([]), parse_split(text), seed=0)


@given(ratings=_TABLES, text=st.sampled_from(["latest", "random", "none", "period:2005-01-02"]))
@settings(deadline=None)
def test_apply_split_divides_without_loss_when_any_split_is_made(ratings: Ratings, text: str) -> None:
    """The parts are disjoint and together everything, each in time order."""
    # One user with 20 ratings over two of the days: whatever the table, neither side is empty.
    extra = [(9, movie, "2005-01-01" if movie < 10 else "2005-01-02") for movie in range(20)]
    rows = zip(_pairs(ratings), map(format_day, ratings.days), strict=True)
    ratings = _make_ratings([(*pair, date) for pair, date in rows] + extra)
    split = apply_split(ratings, parse_split(text), seed=5)
    train, test = _pairs(split.train), _pairs(split.test)
    assert not set(train) & set(test)
    assert sorted(train + test) == sorted(_pairs(ratings))
    places = {pair: place for place, pair in enumerate(_pairs(ratings))}
    for part in (train, test):
        order = [places[pair] for pair in part]
        assert order == sorted(order)


def test_split_off_pairs_tests_on_the_listed_when_some_have_no_rating() -> None:
    """Found pairs test once each, the others are counted once each."""
    ratings = _make_ratings([
        (1, 1, "2005-01-01"),
        (1, 2, "2005-01-02"),
        (2, 1, "2005-01-03"),
        (2, 3, "2005-01-04"),
    ])
    users, movies = (
        np.array([2, 1, 2, 2, 9, 1, 9]),
        np.array([1, 2, 1, 2, 1, 9, 1]),
    )  # (2, 2), (9, 1), (1, 9) are not
    split = split_off_pairs(ratings, users, movies)
    assert _pairs(split.test) == [(1, 2), (2, 1)]
    assert _pairs(split.train) == [(1, 1), (2, 3)]
    assert split.n_pairs_not_found == 3


def test_split_off_pairs_is_refused_when_no_pair_is_found() -> None:
    """The error counts the pairs that have no rating."""
    ratings = _make_ratings([(1, 1, "2005-01-01"), (2, 2, "2005-01-01")])
    with pytest.raises(DataError, match=r"2 pairs, 2 of them without a rating, leaves no ratings to test on"):
        split_off_pairs(ratings, np.array([1, 2]), np.array([2, 1]))


def test_split_off_pairs_is_refused_when_everything_is_listed() -> None:
    """Nothing would be left to train on."""
    with pytest.raises(DataError, match="leaves no ratings to train on"):
        split_off_pairs(_make_ratings([(1, 1, "2005-01-01")]), np.array([1]), np.array([1]))


@given(ratings=_TABLES, wanted=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 31)), max_size=20))
@settings(deadline=None)
def test_find_pairs_finds_what_a_dictionary_finds_when_ids_are_unknown(
    ratings: Ratings, wanted: list[tuple[int, int]]
) -> None:
    """Row numbers are those of a plain lookup, -1 where there is none."""
    places = {pair: place for place, pair in enumerate(_pairs(ratings))}
    users, movies = [user for user, _ in wanted], [movie for _, movie in wanted]
    assert _find(ratings, users, movies) == [places.get(pair, -1) for pair in wanted]


def test_find_pairs_finds_nothing_when_the_table_is_empty() -> None:
    """Every pair is missing from no rows."""
    assert _find(_make_ratings([]), [1, 2], [1, 2]) == [-1, -1]


def test_find_pairs_tells_pairs_apart_when_ids_are_huge() -> None:
    """Ids near the end of an int64 do not overflow."""
    huge = 2**62
    ratings = _make_ratings([(huge, 1, "2005-01-01"), (huge + 1, huge, "2005-01-02")])
    assert _find(ratings, [huge + 1, huge], [huge, huge]) == [1, -1]
