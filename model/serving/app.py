"""The HTTP service: routes to the `Service`, and every error to a problem."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from model.errors import PredictionError
from model.serving import problems
from model.serving.middleware import REQUEST_ID_HEADER, BodyLimitMiddleware, RequestIdMiddleware
from model.serving.schemas import (
    Liveness,
    OriginalAnswer,
    OriginalRequest,
    PredictAnswer,
    PredictRequest,
    Readiness,
)
from model.serving.service import Service

_logger = logging.getLogger(__name__)
_PROBLEM_CONTENT = {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}
_REFUSALS: dict[int | str, dict[str, object]] = {
    400: {"description": "The body is not JSON", "content": _PROBLEM_CONTENT},
    413: {"description": "The body is too large", "content": _PROBLEM_CONTENT},
    415: {"description": "The body does not claim to be JSON", "content": _PROBLEM_CONTENT},
    422: {"description": "The request does not fit the schema or the scale", "content": _PROBLEM_CONTENT},
}


def build_app(service: Service) -> FastAPI:
    """Build the ASGI application around a service that is ready.

    The routes are coroutines without a thread behind them: a prediction takes less time than handing it over.

    Args:
        service: answers the requests.
    """
    app = FastAPI(
        title="Netflix Prize recommender",
        summary="The stars that a user gives a movie on a day.",
        version="1",
        redirect_slashes=False,
    )
    for kind in (RequestValidationError, HTTPException, PredictionError, Exception):
        app.add_exception_handler(kind, _answer_error)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(RequestIdMiddleware)

    @app.post("/", summary="The original request", responses=_REFUSALS)
    async def predict_original(request: OriginalRequest) -> OriginalAnswer:
        return service.predict_original(request)

    @app.post("/v1/predict", summary="Predict one rating and say what it rests on", responses=_REFUSALS)
    async def predict(request: PredictRequest) -> PredictAnswer:
        return service.predict(request)

    @app.get("/v1/model", summary="The card of the model that is served")
    async def read_model_card() -> dict[str, object]:
        return service.card

    @app.get("/health/live", summary="Is the process alive?")
    async def read_liveness() -> Liveness:
        return Liveness()

    @app.get("/health/ready", summary="Was the bundle verified, and does it predict?")
    async def read_readiness() -> Readiness:
        return Readiness(self_test_rating=service.self_test_rating)

    return app


async def _answer_error(request: Request, error: Exception) -> Response:  # ruff: ignore[unused-async] - else a thread
    problem = problems.describe(error)
    if isinstance(error, RequestValidationError) and _has_foreign_body(error):
        problem = problems.Problem(
            415, "the body must be JSON and say so: send the header content-type: application/json"
        )
    request_id = request.state.request_id
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("request %s failed: %r", request_id, error)  # the server logs the traceback
    return Response(
        problem.as_json(request_id=request_id, instance=request.url.path),
        status_code=problem.status,
        headers={**problem.headers, REQUEST_ID_HEADER: request_id},
        media_type=problems.MEDIA_TYPE,
    )


def _has_foreign_body(error: RequestValidationError) -> bool:
    """Whether a body arrived that FastAPI left alone because its content type is not JSON."""
    return isinstance(error.body, bytes) and bool(error.body)
