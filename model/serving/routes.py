"""The routes of the service: what is asked by HTTP, answered by the service that is live at the time.

A prediction takes less time than handing it to a thread, so most routes are coroutines that answer at once.
Calls that take long go to a few threads of their own and leave the event loop to the short ones.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from model.serving import problems
from model.serving.bodies import JsonRoute
from model.serving.live import LiveService
from model.serving.movie_schemas import (
    ModelCard,
    Movie,
    MovieId,
    MoviesAnswer,
    MovieSearch,
    RatingSelection,
    RecommendAnswer,
    RecommendRequest,
    SimilarAnswer,
    SimilarSelection,
    UserId,
    UserRatingsAnswer,
    UsersAnswer,
    UserSelection,
)
from model.serving.schemas import (
    BatchAnswer,
    BatchRequest,
    Liveness,
    OriginalAnswer,
    OriginalRequest,
    PredictAnswer,
    PredictRequest,
    Readiness,
)

LONG_CALLS: Final = 2
"""How many calls that take long run at the same time; others wait for their turn."""

Answer = TypeVar("Answer")
Responses = dict[int | str, dict[str, Any]]

_ANY_PROBLEM: Final[Responses] = {
    "default": {"description": "Whatever else goes wrong", "content": problems.CONTENT},
}
_BAD_FIELDS: Final[Responses] = {
    422: {"description": "The request does not fit the schema or the scale", "content": problems.CONTENT},
}
_BAD_BODY: Final[Responses] = {
    400: {"description": "The body is not JSON", "content": problems.CONTENT},
    413: {"description": "The body is too large", "content": problems.CONTENT},
    415: {"description": "The body does not claim to be JSON", "content": problems.CONTENT},
    **_BAD_FIELDS,
}
_UNKNOWN: Final[Responses] = {
    404: {"description": "The model's data does not hold it", "content": problems.CONTENT},
}
_HIDDEN: Final[Responses] = {
    403: {"description": "The operator does not show users", "content": problems.CONTENT},
}


_long_calls: Final = ThreadPoolExecutor(LONG_CALLS, thread_name_prefix="long-call")


def build_routes(live: LiveService) -> list[BaseRoute]:
    """Build the routes, those that are asked for most first.

    They are for an application's own list: a router included in another is searched as a whole for every
    request, which takes longer than all the rest of finding a route.

    Args:
        live: holds the service that answers.
    """
    builders = (_build_predictions, _build_movies, _build_users, _build_operation)
    return [route for build in builders for route in build(live).routes]


def _name_operation(route: APIRoute) -> str:
    """Its function's name is an operation's id: stable, and a good name in generated clients."""
    return route.name


def _build_predictions(live: LiveService) -> APIRouter:
    router = APIRouter(
        route_class=JsonRoute,
        tags=["predictions"],
        responses=_ANY_PROBLEM | _BAD_BODY,
        generate_unique_id_function=_name_operation,
    )

    @router.post("/v1/predict", summary="Predict one rating and say what it rests on")
    async def predict(request: PredictRequest) -> PredictAnswer:
        if live.has_company:
            return await live.service.predict_in_company(request)
        return live.service.predict(request)

    @router.post("/", summary="The original request")
    async def predict_original(request: OriginalRequest) -> OriginalAnswer:
        return live.service.predict_original(request)

    @router.post("/v1/predict/batch", summary="Predict up to 1,000 ratings, in the order of the requests")
    async def predict_batch(batch: BatchRequest) -> BatchAnswer:
        predictions = await _run_aside(lambda: live.service.predict_many(batch.requests))
        return BatchAnswer(predictions=predictions)

    @router.post("/v1/recommend", summary="The movies with the highest predictions for a user")
    async def recommend(request: RecommendRequest) -> RecommendAnswer:
        return await _run_aside(lambda: live.service.recommend(request))

    return router


def _build_movies(live: LiveService) -> APIRouter:
    router = APIRouter(
        tags=["movies"], responses=_ANY_PROBLEM | _BAD_FIELDS, generate_unique_id_function=_name_operation
    )

    @router.get("/v1/movies", summary="Find movies by title")
    async def search_movies(search: Annotated[MovieSearch, Query()]) -> MoviesAnswer:
        return live.service.search_movies(search)

    @router.get("/v1/movies/{movie_id}", summary="One movie", responses=_UNKNOWN)
    async def read_movie(movie_id: Annotated[MovieId, Path()]) -> Movie:
        return live.service.read_movie(movie_id)

    @router.get("/v1/movies/{movie_id}/similar", summary="The movies most like one", responses=_UNKNOWN)
    async def list_similar_movies(
        movie_id: Annotated[MovieId, Path()], selection: Annotated[SimilarSelection, Query()]
    ) -> SimilarAnswer:
        return await _run_aside(lambda: live.service.list_similar(movie_id, selection))

    return router


def _build_users(live: LiveService) -> APIRouter:
    router = APIRouter(
        tags=["users"],
        responses=_ANY_PROBLEM | _HIDDEN | _BAD_FIELDS,
        generate_unique_id_function=_name_operation,
    )

    @router.get("/v1/users", summary="A few users of the bundle")
    async def list_users(selection: Annotated[UserSelection, Query()]) -> UsersAnswer:
        return live.service.list_users(selection)

    @router.get(
        "/v1/users/{user_id}/ratings",
        summary="What a user of the bundle rated, the newest first",
        responses=_UNKNOWN,
    )
    async def list_user_ratings(
        user_id: Annotated[UserId, Path()], selection: Annotated[RatingSelection, Query()]
    ) -> UserRatingsAnswer:
        return live.service.list_ratings(user_id, selection)

    return router


def _build_operation(live: LiveService) -> APIRouter:
    router = APIRouter(
        tags=["operation"], responses=_ANY_PROBLEM, generate_unique_id_function=_name_operation
    )

    @router.get("/v1/model", summary="The card of the model that is served")
    async def read_model_card() -> ModelCard:
        return live.service.card

    @router.get("/health/live", summary="Is the process alive?")
    async def read_liveness() -> Liveness:
        return Liveness()

    @router.get("/health/ready", summary="Was the bundle verified, and does it predict?")
    async def read_readiness() -> Readiness:
        service = live.service
        return Readiness(self_test_rating=service.self_test_rating, **service.identity)

    return router


async def _run_aside(call: Callable[[], Answer]) -> Answer:
    """Run what takes long in a thread, where it still sees by when it is due."""
    return await asyncio.get_running_loop().run_in_executor(_long_calls, copy_context().run, call)
