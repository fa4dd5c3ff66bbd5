"""A predictor whose answers are known by heart: it stands in for the real one where the service is tested."""

from collections.abc import Sequence

from model.errors import PredictionError
from model.serving.predictor import (
    KnownRating,
    Neighbour,
    Prediction,
    Query,
    Recommendation,
    Recommendations,
)
from model.table import WHOLE_STARS, RatingScale

KNOWN_USER = 7
KNOWN_MOVIE = 30
CURSED_MOVIE = 13
"""Predicting this movie fails as a bug would, with an error that nobody foresaw."""
REFUSED_MOVIE = 14
"""Predicting this movie fails with a `PredictionError`."""

STRANGER = 987_654_321
"""A neighbour's user id, which no answer may contain."""


class FakePredictor:
    """Knows user 7 and movie 30, and predicts 3.25 for them; records what it was asked."""

    def __init__(self, scale: RatingScale = WHOLE_STARS) -> None:
        self.scale = scale
        self.queries: list[Query] = []
        self.recommended: list[dict[str, object]] = []

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        self.queries.extend(queries)
        return [self._predict_one(query) for query in queries]

    def recommend(
        self,
        user_id: int | None,
        *,
        ratings: tuple[KnownRating, ...] = (),
        n: int,
        era: str | None = None,
        day: int | None = None,
    ) -> Recommendations:
        self.recommended.append({"user_id": user_id, "ratings": ratings, "n": n, "era": era, "day": day})
        best = Recommendation(movie_id=KNOWN_MOVIE, predicted_rating=4.5, interval=(3.5, 5.0))
        second = Recommendation(movie_id=60, predicted_rating=4.25, interval=(3.0, 5.0))
        return Recommendations(
            movies=(best, second)[:n], n_user_ratings=12 if user_id == KNOWN_USER else len(ratings)
        )

    def self_test(self) -> Prediction:
        return self._predict_one(Query(movie_id=KNOWN_MOVIE, user_id=KNOWN_USER))

    @staticmethod
    def _predict_one(query: Query) -> Prediction:
        if query.movie_id == CURSED_MOVIE:
            raise ZeroDivisionError("a secret of the code")
        if query.movie_id == REFUSED_MOVIE:
            raise PredictionError("movie 14 is refused")
        n_user_ratings = len(query.ratings) + (12 if query.user_id == KNOWN_USER else 0)
        movie_known = query.movie_id == KNOWN_MOVIE
        return Prediction(
            predicted_rating=3.25 if movie_known else 3.5,
            interval=(2.25, 4.25) if movie_known else (2.0, 5.0),
            user_known=n_user_ratings > 0,
            movie_known=movie_known,
            n_user_ratings=n_user_ratings,
            n_movie_ratings=40 if movie_known else 0,
            era="1990 and later" if movie_known else None,
            era_mean=3.75 if movie_known else 2.0,
            neighbours=(
                (Neighbour(user_id=STRANGER, rating=4.0, distance=1.0, common_movies=5),)
                if movie_known
                else ()
            ),
        )
