"""What both ways in call, HTTP and direct invocation: checked requests in, answers out."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

from model.bundle import Bundle
from model.history import ERA_NAMES
from model.serving.catalogue import Catalogue
from model.serving.deadline import check_time, keep_pace
from model.serving.movie_schemas import (
    ModelCard,
    Movie,
    MoviesAnswer,
    MovieSearch,
    RatingSelection,
    RecommendAnswer,
    RecommendBasis,
    RecommendedMovie,
    RecommendRequest,
    SimilarAnswer,
    SimilarSelection,
    UserRatingsAnswer,
    UsersAnswer,
    UserSelection,
)
from model.serving.predictor import KnownRating, Prediction, Predictor, Query, Recommendations
from model.serving.refusals import OffScaleError, UsersHiddenError
from model.serving.schemas import (
    Asker,
    Basis,
    ExplainedNeighbour,
    Explanation,
    Interval,
    OriginalAnswer,
    OriginalRequest,
    PredictAnswer,
    PredictRequest,
)
from model.serving.together import Together
from model.table import RatingScale

TOGETHER = 100
"""Predictions made in one go: enough for the network, few enough to look at the clock in between."""

Observe = Callable[[Sequence[Prediction]], None]


class Predicts(Protocol):
    """What the service needs of a predictor."""

    @property
    def scale(self) -> RatingScale:
        """The stars that the bundle's data set uses."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Predict each query."""

    def recommend(
        self,
        user_id: int | None,
        *,
        ratings: tuple[KnownRating, ...] = (),
        n: int,
        era: str | None = None,
        day: int | None = None,
    ) -> Recommendations:
        """Find the movies with the highest predictions."""

    def self_test(self) -> Prediction:
        """Make one prediction that proves the bundle works."""


class Service:
    """Answers requests from one loaded bundle; safe to share between threads.

    Args:
        predictor: predicts; its self-test is run once, here, so that whatever exists is ready.
        manifest: the bundle's manifest.
        catalogue: of the same bundle.
        show_user_ids: whether clients may see ids and ratings of the bundle's users.
        observe: is told of each prediction that was asked for.

    Raises:
        PredictionError: if the self-test fails.
    """

    def __init__(
        self,
        predictor: Predicts,
        manifest: Mapping[str, object],
        catalogue: Catalogue,
        *,
        show_user_ids: bool = False,
        observe: Observe | None = None,
    ) -> None:
        self._predictor = predictor

        def predict(queries: Sequence[Query]) -> list[Prediction]:
            predictions = predictor.predict(queries)
            if observe is not None:
                observe(predictions)
            return predictions

        self._predict = predict  # no method: whoever is handed it would keep this service from going
        self._together = Together(predict, most=TOGETHER)
        self._catalogue = catalogue
        self._show_user_ids = show_user_ids
        self.card = ModelCard.model_validate({
            **{name: value for name, value in manifest.items() if name != "self_test"},
            "n_users": catalogue.n_users,
            "n_movies": catalogue.n_movies,
            "n_ratings": catalogue.n_ratings,
            "eras": ERA_NAMES,
            "shows_users": show_user_ids,
        })
        """What may be told about the model: the manifest without its self-test, which names a user."""
        self.self_test_rating = predictor.self_test().predicted_rating

    @property
    def identity(self) -> dict[str, str]:
        """Which bundle this is: the fingerprint of its ratings, and when it was exported."""
        return {"data_fingerprint": self.card.data_fingerprint, "created": self.card.created}

    @classmethod
    def from_bundle(
        cls, bundle: Bundle, *, show_user_ids: bool = False, observe: Observe | None = None
    ) -> Self:
        """Serve a bundle.

        Args:
            bundle: a verified bundle.
            show_user_ids: whether clients may see ids and ratings of the bundle's users.
            observe: is told of each prediction that was asked for.

        Raises:
            ArtifactIncompatibleError: if onnxruntime refuses a network.
            PredictionError: if the self-test fails.
        """
        return cls(
            Predictor(bundle),
            bundle.manifest,
            Catalogue(bundle),
            show_user_ids=show_user_ids,
            observe=observe,
        )

    def predict_original(self, request: OriginalRequest) -> OriginalAnswer:
        """Answer one request in the fields of the original service."""
        query = Query(
            movie_id=request.movie_id,
            user_id=request.customer_id,
            day=request.rating_date,
            release_year=request.release_year,
        )
        [prediction] = self._predict([query])
        return OriginalAnswer(predicted_rating=prediction.predicted_rating)

    def predict(self, request: PredictRequest) -> PredictAnswer:
        """Answer one request; `OffScaleError` if it brings a rating that is not on the bundle's scale."""
        [prediction] = self._predict([self._build_query(request)])
        return self._build_answer(prediction, explain=request.explain)

    async def predict_in_company(self, request: PredictRequest) -> PredictAnswer:
        """Answer one request together with others of the same event loop; `OffScaleError` as for one."""
        prediction = await self._together.predict(self._build_query(request))
        return self._build_answer(prediction, explain=request.explain)

    def predict_many(self, requests: Sequence[PredictRequest]) -> list[PredictAnswer]:
        """Answer many requests, some together at a time.

        Raises:
            OffScaleError: as for one.
            OutOfTimeError: if the platform would end the process before all are answered.
        """
        queries = [
            self._build_query(request, where=f"requests[{position}].")
            for position, request in enumerate(requests)
        ]
        predictions = [
            prediction
            for first in keep_pace(range(0, len(queries), TOGETHER))
            for prediction in self._predict(queries[first : first + TOGETHER])
        ]
        return [
            self._build_answer(prediction, explain=request.explain)
            for prediction, request in zip(predictions, requests, strict=True)
        ]

    def recommend(self, request: RecommendRequest) -> RecommendAnswer:
        """Recommend movies; `OffScaleError` as for a prediction, `OutOfTimeError` as for many."""
        check_time()
        found = self._predictor.recommend(
            request.user_id,
            ratings=self._read_ratings(request),
            n=request.n,
            era=request.era,
            day=request.date,
        )
        movies = self._catalogue.describe([
            self._catalogue.find_movie(each.movie_id) for each in found.movies
        ])
        return RecommendAnswer(
            recommendations=[
                RecommendedMovie(
                    movie_id=movie.movie_id,
                    title=movie.title,
                    release_year=movie.release_year,
                    predicted_rating=each.predicted_rating,
                    interval=Interval(low=each.interval[0], high=each.interval[1]),
                )
                for movie, each in zip(movies, found.movies, strict=True)
            ],
            based_on=RecommendBasis(
                user_known=found.n_user_ratings > 0,
                n_user_ratings=found.n_user_ratings,
                fallback=found.fallback,
            ),
        )

    def search_movies(self, search: MovieSearch) -> MoviesAnswer:
        """Find movies by title."""
        return MoviesAnswer(movies=self._catalogue.search(search.query, limit=search.limit))

    def read_movie(self, movie_id: int) -> Movie:
        """Say what is known of one movie; `UnknownIdError` if it is not listed."""
        [movie] = self._catalogue.describe([self._catalogue.find_movie(movie_id)])
        return movie

    def list_similar(self, movie_id: int, selection: SimilarSelection) -> SimilarAnswer:
        """List the movies most like one; `UnknownIdError` if it is not listed."""
        return SimilarAnswer(movies=self._catalogue.list_similar(movie_id, selection.n))

    def list_users(self, selection: UserSelection) -> UsersAnswer:
        """Name a few users of the bundle; `UsersHiddenError` unless the operator shows them."""
        self._check_users_are_shown()
        return UsersAnswer(users=self._catalogue.list_users(selection.n))

    def list_ratings(self, user_id: int, selection: RatingSelection) -> UserRatingsAnswer:
        """List a user's ratings; `UsersHiddenError` unless the operator shows them, `UnknownIdError`."""
        self._check_users_are_shown()
        return UserRatingsAnswer(ratings=self._catalogue.list_ratings(user_id, limit=selection.limit))

    def _check_users_are_shown(self) -> None:
        if not self._show_user_ids:
            raise UsersHiddenError

    def _build_query(self, request: PredictRequest, *, where: str = "") -> Query:
        return Query(
            movie_id=request.movie_id,
            user_id=request.user_id,
            ratings=self._read_ratings(request, where=where),
            day=request.date,
            as_of=request.as_of,
        )

    def _read_ratings(self, asker: Asker, *, where: str = "") -> tuple[KnownRating, ...]:
        scale, ratings = self._predictor.scale, asker.ratings
        if not ratings:
            return ()
        for position, known in enumerate(ratings):
            if not _is_on(scale, known.rating):
                raise OffScaleError(
                    where=f"{where}ratings[{position}].rating",
                    what=f"{known.rating:g} is not on this model's scale: "
                    f"expected {scale.low:g} to {scale.high:g} in steps of {scale.step:g}",
                )
        return tuple(
            KnownRating(movie_id=known.movie_id, rating=known.rating, day=known.date) for known in ratings
        )

    def _build_answer(self, prediction: Prediction, *, explain: bool) -> PredictAnswer:
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
            explanation=self._build_explanation(prediction) if explain else None,
        )

    def _build_explanation(self, prediction: Prediction) -> Explanation:
        return Explanation(
            neighbours=[
                ExplainedNeighbour(
                    user_id=neighbour.user_id if self._show_user_ids else None,
                    rating=neighbour.rating,
                    distance=neighbour.distance,
                    common_movies=neighbour.common_movies,
                )
                for neighbour in prediction.neighbours
            ],
            era=prediction.era,
            era_mean=prediction.era_mean,
        )


def _is_on(scale: RatingScale, rating: float) -> bool:
    # Steps are whole or half stars, which floats hold exactly.
    return scale.low <= rating <= scale.high and math.fmod(rating - scale.low, scale.step) == 0
