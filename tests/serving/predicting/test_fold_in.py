"""Ratings that come with the request: as good as the history's own, and refused when they make no sense."""

import pytest
from bundle_rows import NOTHING, STRANGER, list_rows, list_stars, rated_by, unrated_pairs

from model.bundle import Bundle
from model.dates import parse_day
from model.errors import PredictionError
from model.serving.predictor import KnownRating, Predictor, Query


def test_fold_in_equals_the_history_when_it_holds_the_same_ratings(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Whoever sends a known user's ratings gets that user's neighbours and prediction, in any order."""
    rows = list_rows(bundle.history)
    for user, movie in unrated_pairs(rows, 40):
        ratings = rated_by(rows, user)
        known, stranger, backwards, both = predictor.predict([
            Query(user_id=user, movie_id=movie),
            Query(movie_id=movie, ratings=ratings),
            Query(user_id=STRANGER, movie_id=movie, ratings=ratings[::-1]),
            Query(user_id=user, movie_id=movie, ratings=ratings),
        ])
        assert known.neighbours == stranger.neighbours == backwards.neighbours == both.neighbours
        assert list_stars([stranger, backwards, both]) == pytest.approx(
            [known.predicted_rating] * 3, abs=1e-5
        )
        assert known.n_user_ratings == stranger.n_user_ratings == len(ratings)
        assert known.era_mean == stranger.era_mean


def test_fold_in_replaces_and_adds_when_user_is_known(bundle: Bundle, predictor: Predictor) -> None:
    """A rating in the request takes the place of the user's own; movies nobody lists tell nothing."""
    rows = list_rows(bundle.history)
    user = rows[0].user
    mine = [row for row in rows if row.user == user]
    asked = next(movie for pair_user, movie in unrated_pairs(rows, 10_000) if pair_user == user)
    changed = [row._replace(stars=6 - row.stars) for row in mine]
    [whole, folded, stranger, odd] = predictor.predict([
        Query(user_id=user, movie_id=asked),
        Query(user_id=user, movie_id=asked, ratings=rated_by(changed, user)),
        Query(movie_id=asked, ratings=rated_by(changed, user)),
        Query(user_id=user, movie_id=asked, ratings=(KnownRating(NOTHING, 5.0),)),
    ])
    assert folded.n_user_ratings == whole.n_user_ratings == len(mine)
    assert folded.predicted_rating == pytest.approx(stranger.predicted_rating, abs=1e-5)
    assert folded.predicted_rating != pytest.approx(whole.predicted_rating, abs=1e-3)
    assert odd.predicted_rating == pytest.approx(whole.predicted_rating, abs=1e-5)
    assert odd.interval == pytest.approx(whole.interval, abs=1e-5)
    assert odd == whole._replace(predicted_rating=odd.predicted_rating, interval=odd.interval)


def test_fold_in_of_the_asked_movie_is_invisible_when_given(bundle: Bundle, predictor: Predictor) -> None:
    """Nobody gets their own answer back."""
    movie, *others = bundle.history.movie_ids.tolist()[:4]
    known = tuple(KnownRating(other, 4.0) for other in others)
    [without, with_answer] = predictor.predict([
        Query(movie_id=movie, ratings=known),
        Query(movie_id=movie, ratings=(*known, KnownRating(movie, 1.0))),
    ])
    assert with_answer == without


def test_fold_in_after_the_cut_is_invisible_when_dated(bundle: Bundle, predictor: Predictor) -> None:
    """A dated rating counts before `as_of` only; one without a date always counts."""
    movie, other = bundle.history.movie_ids.tolist()[:2]
    day = parse_day("2003-06-01")
    counted = [
        predictor.predict([Query(movie_id=movie, ratings=(KnownRating(other, 2.0, given),), as_of=day)])[0]
        for given in (day - 1, day, None)
    ]
    assert [prediction.n_user_ratings for prediction in counted] == [1, 0, 1]


@pytest.mark.parametrize(
    ("stars", "shown"),
    [
        (0.5, "0.5"),
        (5.5, "5.5"),
        (3.5, "3.5"),
        (0.0, "0.0"),
        (-1.0, "-1.0"),
        (float("nan"), "nan"),
        (1e300, "1e\\+300"),
    ],
)
def test_fold_in_is_refused_when_off_the_scale(
    bundle: Bundle, predictor: Predictor, stars: float, shown: str
) -> None:
    """On whole stars from 1 to 5 nothing else is taken; the message says which and what."""
    movie = int(bundle.history.movie_ids[0])
    with pytest.raises(
        PredictionError, match=f"rating {shown} of movie {movie} is off the scale: expected 1 to 5"
    ):
        predictor.predict([Query(movie_id=movie, ratings=(KnownRating(movie, stars),))])


def test_fold_in_is_refused_when_a_movie_is_rated_twice(bundle: Bundle, predictor: Predictor) -> None:
    """Which of two ratings counts is for the sender to say."""
    movie = int(bundle.history.movie_ids[0])
    twice = (KnownRating(movie, 4.0), KnownRating(movie, 5.0))
    with pytest.raises(PredictionError, match="a movie is rated twice in the request"):
        predictor.predict([Query(movie_id=movie, ratings=twice)])
