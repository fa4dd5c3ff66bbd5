"""The routes of the service: what is asked by HTTP, answered by the service that is live at the time.

A prediction takes less time than handing it to a thread, so most routes are coroutines that answer at once.
Calls that take long go to a few threads of their own and leave the event loop to the short ones.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Path, Query

from model.serving import problems
from model.serving.live import LiveService
from model.serving.movie_schemas import (
    ModelCard,
    Movie,
    MovieId,
    MoviesAnswer,
    MovieSearch,
    RatingSelection,
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

_PROBLEM_CONTENT: Final = {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}
_BAD_FIELDS: Final[Responses] = {
    422: {"description": "The request does not fit the schema or the scale", "content": _PROBLEM_CONTENT},
}
_BAD_BODY: Final[Responses] = {
    400: {"description": "The body is not JSON", "content": _PROBLEM_CONTENT},
    413: {"description": "The body is too large", "content": _PROBLEM_CONTENT},
    415: {"description": "The body does not claim to be JSON", "content": _PROBLEM_CONTENT},
    **_BAD_FIELDS,
}
_UNKNOWN: Final[Responses] = {
    404: {"description": "The model's data does not hold it", "content": _PROBLEM_CONTENT},
}
_HIDDEN: Final[Responses] = {
    403: {"description": "The operator does not show users", "content": _PROBLEM_CONTENT},
}


_long_calls: Final = ThreadPoolExecutor(LONG_CALLS, thread_name_prefix="long-call")


def build_router(live: LiveService) -> APIRouter:
    """Build the routes.

    Args:
        live: holds the service that answers.
    """
    router = APIRouter(generate_unique_id_function=lambda route: route.name)
    _add_predictions(router, live)
    _add_movies(router, live)
    _add_users(router, live)
    _add_operation(router, live)
    return router


def _add_predictions(router: APIRouter, live: LiveService) -> None:
    post = partial(router.post, tags=["predictions"], responses=_BAD_BODY)

    @post("/", summary="The original request")
    async def predict_original(request: OriginalRequest) -> OriginalAnswer:
        return live.service.predict_original(request)

    @post("/v1/predict", summary="Predict one rating and say what it rests on")
    async def predict(request: PredictRequest) -> PredictAnswer:
        return live.service.predict(request)

    @post("/v1/predict/batch", summary="Predict up to 1,000 ratings, in the order of the requests")
    async def predict_batch(batch: BatchRequest) -> BatchAnswer:
        predictions = await _run_aside(lambda: live.service.predict_many(batch.requests))
        return BatchAnswer(predictions=predictions)


def _add_movies(router: APIRouter, live: LiveService) -> None:
    get = partial(router.get, tags=["movies"])

    @get("/v1/movies", summary="Find movies by title", responses=_BAD_FIELDS)
    async def search_movies(search: Annotated[MovieSearch, Query()]) -> MoviesAnswer:
        return live.service.search_movies(search)

    @get("/v1/movies/{movie_id}", summary="One movie", responses=_UNKNOWN | _BAD_FIELDS)
    async def read_movie(movie_id: Annotated[MovieId, Path()]) -> Movie:
        return live.service.read_movie(movie_id)


def _add_users(router: APIRouter, live: LiveService) -> None:
    get = partial(router.get, tags=["users"])

    @get("/v1/users", summary="A few users of the bundle", responses=_HIDDEN | _BAD_FIELDS)
    async def list_users(selection: Annotated[UserSelection, Query()]) -> UsersAnswer:
        return live.service.list_users(selection)

    @get(
        "/v1/users/{user_id}/ratings",
        summary="What a user of the bundle rated, the newest first",
        responses=_HIDDEN | _UNKNOWN | _BAD_FIELDS,
    )
    async def list_user_ratings(
        user_id: Annotated[UserId, Path()], selection: Annotated[RatingSelection, Query()]
    ) -> UserRatingsAnswer:
        return live.service.list_ratings(user_id, selection)


def _add_operation(router: APIRouter, live: LiveService) -> None:
    get = partial(router.get, tags=["operation"])

    @get("/v1/model", summary="The card of the model that is served")
    async def read_model_card() -> ModelCard:
        return live.service.card

    @get("/health/live", summary="Is the process alive?")
    async def read_liveness() -> Liveness:
        return Liveness()

    @get("/health/ready", summary="Was the bundle verified, and does it predict?")
    async def read_readiness() -> Readiness:
        return Readiness(self_test_rating=live.service.self_test_rating)


async def _run_aside(call: Callable[[], Answer]) -> Answer:
    return await asyncio.get_running_loop().run_in_executor(_long_calls, call)
