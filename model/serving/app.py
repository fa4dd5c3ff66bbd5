"""The HTTP application: routes, middleware, and every error as a problem."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from model.errors import PredictionError
from model.serving import problems
from model.serving.live import LiveService
from model.serving.middleware import REQUEST_ID_HEADER, BodyLimitMiddleware, RequestIdMiddleware
from model.serving.routes import build_router

_logger = logging.getLogger(__name__)


def build_app(live: LiveService) -> FastAPI:
    """Build the ASGI application around a service that is ready.

    Args:
        live: holds the service that answers.
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

    app.include_router(build_router(live))
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
