"""What both ways in call, HTTP and direct invocation: checked requests in, answers out."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from model.errors import PredictionError
from model.serving.predictor import KnownRating, Prediction, Query
from model.serving.schemas import (
    Basis,
    ExplainedNeighbour,
    Explanation,
    Interval,
    OriginalAnswer,
    OriginalRequest,
    PredictAnswer,
    PredictRequest,
)
from model.table import RatingScale


class Predicts(Protocol):
    """What the service needs of a predictor."""

    @property
    def scale(self) -> RatingScale:
        """The stars that the bundle's data set uses."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Predict each query."""

    def self_test(self) -> Prediction:
        """Make one prediction that proves the bundle works."""


class OffScaleError(PredictionError):
    """A rating of the request that does not exist on the bundle's scale.

    Args:
        where: the field, such as `ratings[3].rating`.
        what: what is wrong with it and what would be accepted.
    """

    def __init__(self, *, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class Service:
    """Answers requests from one loaded bundle; safe to share between threads.

    Args:
        predictor: predicts; its self-test is run once, here, so that whatever exists is ready.
        manifest: the bundle's manifest.

    Raises:
        PredictionError: if the self-test fails.
    """

    def __init__(self, predictor: Predicts, manifest: Mapping[str, object]) -> None:
        self._predictor = predictor
        self.card = {name: value for name, value in manifest.items() if name != "self_test"}
        """What may be told about the model: the manifest without its self-test, which names a user."""
        self.self_test_rating = predictor.self_test().predicted_rating

    def predict_original(self, request: OriginalRequest) -> OriginalAnswer:
        """Answer one request in the fields of the original service."""
        query = Query(
            movie_id=request.movie_id,
            user_id=request.customer_id,
            day=request.rating_date,
            release_year=request.release_year,
        )
        [prediction] = self._predictor.predict([query])
        return OriginalAnswer(predicted_rating=prediction.predicted_rating)

    def predict(self, request: PredictRequest) -> PredictAnswer:
        """Answer one request; `OffScaleError` if it brings a rating that is not on the bundle's scale."""
        [prediction] = self._predictor.predict([self._build_query(request)])
        return _build_answer(prediction, explain=request.explain)

    def predict_many(self, requests: Sequence[PredictRequest]) -> list[PredictAnswer]:
        """Answer many requests with one run of the network; `OffScaleError` as for one."""
        queries = [
            self._build_query(request, where=f"requests[{position}].")
            for position, request in enumerate(requests)
        ]
        predictions = self._predictor.predict(queries)
        return [
            _build_answer(prediction, explain=request.explain)
            for prediction, request in zip(predictions, requests, strict=True)
        ]

    def _build_query(self, request: PredictRequest, *, where: str = "") -> Query:
        scale = self._predictor.scale
        ratings = request.ratings or []
        for position, known in enumerate(ratings):
            if not _is_on(scale, known.rating):
                raise OffScaleError(
                    where=f"{where}ratings[{position}].rating",
                    what=f"{known.rating:g} is not on this model's scale: "
                    f"expected {scale.low:g} to {scale.high:g} in steps of {scale.step:g}",
                )
        return Query(
            movie_id=request.movie_id,
            user_id=request.user_id,
            ratings=tuple(
                KnownRating(movie_id=known.movie_id, rating=known.rating, day=known.date) for known in ratings
            ),
            day=request.date,
            as_of=request.as_of,
        )


def _is_on(scale: RatingScale, rating: float) -> bool:
    # Steps are whole or half stars, which floats hold exactly.
    return scale.low <= rating <= scale.high and math.fmod(rating - scale.low, scale.step) == 0


def _build_answer(prediction: Prediction, *, explain: bool) -> PredictAnswer:
    return PredictAnswer(
        predicted_rating=prediction.predicted_rating,
        interval=Interval(low=prediction.interval[0], high=prediction.interval[1]),
        based_on=Basis(
            user_known=prediction.user_known,
            movie_known=prediction.movie_known,
            n_user_ratings=prediction.n_user_ratings,
            n_movie_ratings=prediction.n_movie_ratings,
            fallback=prediction.fallback,
        ),
        explanation=_build_explanation(prediction) if explain else None,
    )


def _build_explanation(prediction: Prediction) -> Explanation:
    return Explanation(
        neighbours=[
            ExplainedNeighbour(
                rating=neighbour.rating, distance=neighbour.distance, common_movies=neighbour.common_movies
            )
            for neighbour in prediction.neighbours
        ],
        era=prediction.era,
        era_mean=prediction.era_mean,
    )
