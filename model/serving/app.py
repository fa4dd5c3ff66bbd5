"""The HTTP application: routes, middleware, and every error as a problem."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final, get_type_hints

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Lifespan

from model.errors import RatingModelError
from model.serving import access, problems
from model.serving.compression import GzipMiddleware
from model.serving.docs_page import add_docs_page
from model.serving.findings import find_request
from model.serving.live import LiveService
from model.serving.middleware import REQUEST_ID_HEADER, RequestMiddleware
from model.serving.openapi import build_openapi
from model.serving.page import add_page
from model.serving.routes import build_routes
from model.serving.settings import Settings
from model.serving.telemetry import Telemetry
from model.suggestions import suggest

_DEFAULTS = Settings()
_NO_OPENTELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own would hand on paths and queries, what users look for among them; the log holds neither."""


def build_app(
    live: LiveService,
    settings: Settings = _DEFAULTS,
    telemetry: Telemetry | None = None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Build the ASGI application around a service that is ready.

    Args:
        live: holds the service that answers.
        settings: who may come in, and what is shown to whom.
        telemetry: logs and counts requests; None: logs only.
        lifespan: what goes on for as long as a server runs the application; Lambda runs none.
    """
    telemetry = telemetry or Telemetry()
    app = FastAPI(
        title="Netflix Prize recommender",
        summary="The stars that a user gives a movie on a day.",
        version="1",
        redirect_slashes=False,
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=_NO_OPENTELEMETRY,
    )
    for kind in (RequestValidationError, HTTPException, RatingModelError):
        app.add_exception_handler(kind, _answer_error)
    # the last one added is the first to see a request
    app.add_middleware(GzipMiddleware)
    app.add_middleware(access.AccessMiddleware, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("authorization", "content-type", "x-api-key", REQUEST_ID_HEADER),
            expose_headers=(REQUEST_ID_HEADER,),
        )
    app.add_middleware(RequestMiddleware, telemetry=telemetry)

    app.router.routes[:0] = build_routes(live)
    add_page(app, links_docs=settings.docs and not settings.key_hashes)
    describe = partial(build_openapi, app, asks_for_keys=bool(settings.key_hashes))
    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's own way to change it
    if settings.docs:
        add_docs_page(app)
    if telemetry.render is not None:
        _add_metrics(app, telemetry.render)
    return app


def _add_metrics(app: FastAPI, render: Callable[[], bytes]) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def read_metrics() -> Response:
        return Response(render(), media_type="text/plain; version=1.0.0; charset=utf-8")


async def _answer_error(request: Request, error: Exception) -> Response:  # ruff: ignore[unused-async] - else a thread
    return problems.build_response(_describe(request, error), request.scope)


def _describe(request: Request, error: Exception) -> problems.Problem:
    """Say which problem an error is, with what only the application knows: its routes."""
    if isinstance(error, RequestValidationError):
        return problems.describe(
            error, find_request(list(get_type_hints(request["route"].endpoint).values()))
        )
    problem = problems.describe(error)
    if problem.status == HTTPStatus.NOT_FOUND and "route" not in request.scope:
        paths = sorted({
            route.path for route in request.app.routes if getattr(route, "include_in_schema", False)
        })
        return replace(
            problem,
            detail=f"nothing is at this path: expected {', '.join(paths)}{suggest(request['path'], paths)}",
        )
    if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_list_methods(request))
        detail = f"the method is not one of this path's: expected {allowed}"
        return replace(problem, detail=detail, headers={"Allow": allowed})
    return problem


def _list_methods(request: Request) -> list[str]:
    """The methods of a request's path; the router's own refusal names those of the first route alone."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods
    return sorted(found)
