"""Recommendations from a loaded bundle: of which movies, in which order, for whom."""

import numpy as np
import pytest
from bundle_rows import NOTHING, STRANGER, list_best, list_rows, list_stars, rated_by

from model.bundle import Bundle
from model.errors import PredictionError
from model.features import FeatureTable
from model.neighbours import NeighbourSearch
from model.questions import VisibleQueries
from model.serving.predictor import KnownRating, Predictor, Query


@pytest.mark.parametrize("era", [None, "1970-1989"])
def test_recommendations_are_the_highest_predictions_of_unrated_movies(
    bundle: Bundle, predictor: Predictor, era: str | None
) -> None:
    """Asked one by one about every rated movie that the user has not rated, the highest are the same."""
    rows = list_rows(bundle.history)
    user = rows[10].user
    own = {row.movie for row in rows if row.user == user}
    movies = sorted({row.movie for row in rows} - own)
    predictions = [
        predictor.predict([Query(user_id=user, movie_id=movie, day=12_000)])[0] for movie in movies
    ]
    expected = sorted(
        (-prediction.predicted_rating, movie)
        for prediction, movie in zip(predictions, movies, strict=True)
        if era is None or prediction.era == era
    )[:5]
    found = predictor.recommend(user, n=5, era=era, day=12_000)
    assert [each.movie_id for each in found.movies] == [movie for _, movie in expected]
    assert list_best(found) == pytest.approx([-minus for minus, _ in expected], abs=1e-5)
    assert (found.n_user_ratings, found.fallback) == (len(own), None)
    [best] = predictor.predict([Query(user_id=user, movie_id=expected[0][1], day=12_000)])
    assert found.movies[0].interval == pytest.approx(best.interval, abs=1e-5)


def test_recommendations_come_from_a_shortlist_when_movies_are_many(
    bundle: Bundle, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a shortlist of 6 the best 2: the encoder's own best ones, ranked by the whole network."""
    monkeypatch.setattr("model.serving.predictor.MIN_SHORTLIST", 6)
    rows = list_rows(bundle.history)
    user = rows[10].user
    asked: list[int] = []

    def watch(visible: VisibleQueries, search: NeighbourSearch | None = None) -> FeatureTable:
        asked.extend(bundle.history.movie_ids[visible.queries.movies].tolist())
        return compute_features(visible, search)

    compute_features = predictor._compute_features
    monkeypatch.setattr(predictor, "_compute_features", watch)
    found = predictor.recommend(user, n=2)
    vectors = bundle.vectors
    assert vectors is not None
    [index] = bundle.history.find_users(np.array([user])).tolist()
    own = {row.movie for row in rows if row.user == user}
    scores = {
        int(movie): np.mean([
            vectors.movies[place + 1, sample, 0]
            + vectors.movies[place + 1, sample, 1:] @ vectors.users[index, sample, 1:]
            for sample in range(vectors.users.shape[1])
        ])
        for place, movie in enumerate(bundle.history.movie_ids)
        if movie not in own and movie in {row.movie for row in rows}
    }
    assert asked == sorted(sorted(scores, key=lambda movie: -scores[movie])[:6])
    assert {each.movie_id for each in found.movies} <= set(asked)


def test_recommendations_are_the_same_when_a_known_users_ratings_are_sent(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Folded in instead of looked up, or both: the same movies, predictions and count."""
    rows = list_rows(bundle.history)
    user = rows[10].user
    ratings = rated_by(rows, user)
    known = predictor.recommend(user, n=8)
    for same in (
        predictor.recommend(None, ratings=ratings, n=8),
        predictor.recommend(STRANGER, ratings=ratings[::-1], n=8),
        predictor.recommend(user, ratings=ratings, n=8),
        Predictor(bundle.with_history(bundle.history)).recommend(user, n=8),
    ):
        assert [each.movie_id for each in same.movies] == [each.movie_id for each in known.movies]
        assert list_best(same) == pytest.approx(list_best(known), abs=1e-5)
        assert same.n_user_ratings == known.n_user_ratings == len(ratings)


def test_recommendations_leave_out_what_is_sent_when_user_is_known(
    bundle: Bundle, predictor: Predictor
) -> None:
    """A movie that comes with the request is seen, like those of the history; unlisted ones tell nothing."""
    user = list_rows(bundle.history)[10].user
    [best, *_] = predictor.recommend(user, n=1).movies
    sent = (KnownRating(best.movie_id, 1.0), KnownRating(NOTHING, 5.0))
    found = predictor.recommend(user, ratings=sent, n=100)
    assert best.movie_id not in {each.movie_id for each in found.movies}
    assert found.n_user_ratings == predictor.recommend(user, n=1).n_user_ratings + 1


def test_recommendations_say_that_the_user_is_new_when_nothing_is_known(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Strangers all get the same movies, with the prediction that each gets alone."""
    nobody = predictor.recommend(None, n=5)
    assert nobody == predictor.recommend(STRANGER, n=5)
    assert (nobody.fallback, nobody.n_user_ratings, len(nobody.movies)) == ("new_user", 0, 5)
    alone = predictor.predict([Query(movie_id=each.movie_id) for each in nobody.movies])
    assert list_best(nobody) == pytest.approx(list_stars(alone), abs=1e-5)
    assert list_best(nobody) == sorted(list_best(nobody), reverse=True)


def test_recommendations_are_none_when_everything_is_seen(bundle: Bundle, predictor: Predictor) -> None:
    """Whoever has rated all movies gets an empty list."""
    everything = tuple(KnownRating(movie, 3.0) for movie in bundle.history.movie_ids.tolist())
    assert predictor.recommend(None, ratings=everything, n=5).movies == ()


def test_recommendations_are_refused_when_a_rating_is_off_the_scale(
    bundle: Bundle, predictor: Predictor
) -> None:
    """As a prediction would be."""
    movie = int(bundle.history.movie_ids[0])
    with pytest.raises(PredictionError, match="off the scale"):
        predictor.recommend(None, ratings=(KnownRating(movie, 7.0),), n=5)


def test_shortlist_is_of_the_best_rated_when_there_is_no_encoder(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without vectors the movies with the highest shrunken means are ranked by the network."""
    monkeypatch.setattr("model.serving.predictor.MIN_SHORTLIST", 6)
    rows = list_rows(bundle.history)
    overall = sum(row.stars for row in rows) / len(rows)
    levels = {
        movie: sum(row.stars - overall for row in rows if row.movie == movie)
        / (sum(row.movie == movie for row in rows) + 5)
        for movie in {row.movie for row in rows}
    }
    listed = sorted(levels, key=lambda movie: -levels[movie])[:6]
    found = Predictor(bundle.with_history(bundle.history)).recommend(None, n=2)
    assert {each.movie_id for each in found.movies} <= set(listed)


def test_equal_predictions_are_ordered_by_the_encoder_when_the_scale_cuts_them_off(
    bundle: Bundle, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of movies that all get five stars, the encoder's favourites come first."""
    monkeypatch.setattr(
        predictor, "_run", lambda features, _: np.full((len(features), 3), 5.0, dtype=np.float32)
    )
    assert bundle.vectors is not None
    scores = bundle.vectors.score(
        bundle.vectors.solve(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))
    )
    rated = np.diff(bundle.history.movie_offsets) > 0
    order = [place for place in np.argsort(-scores).tolist() if rated[place]]
    found = predictor.recommend(None, n=4)
    assert [each.movie_id for each in found.movies] == bundle.history.movie_ids[order[:4]].tolist()
