"""What AWS Lambda may call the handler with, and who answers it.

an HTTP event (API Gateway REST and HTTP API, ALB, function URL)   the ASGI app, through Mangum
a body of POST /v1/predict or of POST /, or {"requests": [...]}    the service, without any HTTP
a scheduled or plug-in warm-up event                               answered at once
anything else                                                      a problem that says what is accepted
"""

import asyncio
import logging
import math
import time
import weakref
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from mangum import Mangum
from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from starlette.types import ASGIApp, Receive, Scope, Send

from model.errors import PredictionError
from model.serving import gateways, problems
from model.serving.deadline import due_in
from model.serving.gateways import UnreadableEventError
from model.serving.live import LiveService
from model.serving.middleware import choose_request_id
from model.serving.schemas import (
    BatchAnswer,
    BatchRequest,
    OriginalAnswer,
    OriginalRequest,
    PredictAnswer,
    PredictRequest,
)
from model.serving.telemetry import Answered, Telemetry

WARM_UP_SOURCES: Final = frozenset({"aws.events", "aws.scheduler", "serverless-plugin-warmup"})
"""The `source` of events that only keep an instance warm."""

_TEXT_TYPES: Final = ["text/", "application/json", problems.MEDIA_TYPE]
"""Responses that Mangum hands over as text; the rest goes out in base64."""

_logger = logging.getLogger(__name__)


class InvocationFailedError(Exception):
    """A direct invocation met an error that nobody foresaw.

    Lambda sends an error's text and stack to whoever invoked the function; this one tells no more than the id
    under which the log has the rest.
    """


class LambdaEntry:
    """Answers Lambda events, one at a time, as Lambda sends them.

    Args:
        app: the ASGI application that answers HTTP events.
        live: holds the service that answers direct invocations.
        telemetry: logs and counts what does not reach the application; None: logs only.
        base_path: the prefix that a custom domain's mapping or a load balancer's rule puts before every path,
            such as "/recommender"; none by default. A stage is recognised without it.
    """

    def __init__(
        self, app: ASGIApp, live: LiveService, telemetry: Telemetry | None = None, *, base_path: str = ""
    ) -> None:
        self._app = app
        self._live = live
        self._telemetry = telemetry or Telemetry()
        self._base_path = base_path
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mangum: Mangum | None = None

    def __call__(self, event: object, context: object) -> dict[str, Any]:
        """Answer one event.

        Args:
            event: what Lambda was invoked with.
            context: Lambda's context object; None in a local call.

        Returns:
            An HTTP response as the event's gateway expects it, or for a direct invocation the answer or a
            problem with its `status`.
        """
        with due_in(_read_seconds_left(context)):
            if isinstance(event, dict) and not _is_warm_up(event) and gateways.is_http_event(event):
                return self._answer_http(event, context)
            return self._answer_invocation(event, choose_request_id(None, context=context))

    def _answer_invocation(self, event: object, request_id: str) -> dict[str, Any]:
        """Answer what is no HTTP event, and record it."""
        started = time.perf_counter()
        try:
            route, answer = self._choose_answer(event)
        except Exception:  # whatever it is, the log has it, and Lambda a failed invocation to count
            _logger.exception("request failed", extra={"fields": {"request_id": request_id}})
            self._record("direct", HTTPStatus.INTERNAL_SERVER_ERROR, request_id, started)
            raise InvocationFailedError(f"request {request_id} failed: the log has the error") from None
        if isinstance(answer, problems.Problem):
            self._record(route, answer.status, request_id, started)
            return answer.as_dict(request_id=request_id)
        self._record(route, HTTPStatus.OK, request_id, started)
        return answer

    def _choose_answer(self, event: object) -> tuple[str, dict[str, Any] | problems.Problem]:
        """Answer what is no HTTP event; the route is that of the log and the metrics."""
        if not isinstance(event, dict):
            return "none", _unknown_event(f"an event of type {type(event).__name__}")
        if _is_warm_up(event):
            return "warm-up", {"status": "warm"}
        try:
            answer = self._answer_direct(event)
        except (ValidationError, PredictionError) as error:
            return "direct", problems.describe(error)
        if answer is None:
            return "none", _unknown_event(f"an event with the fields {sorted(map(str, event))}")
        written: dict[str, Any] = to_jsonable_python(answer)
        return "direct", written

    def _record(self, route: str, status: int, request_id: str, started: float) -> None:
        self._telemetry.record_answer(
            Answered(
                request_id=request_id,
                method="INVOKE",
                route=route,
                status=int(status),
                seconds=time.perf_counter() - started,
            )
        )

    def _answer_direct(self, event: dict[str, Any]) -> BatchAnswer | OriginalAnswer | PredictAnswer | None:
        if "requests" in event:
            batch = BatchRequest.model_validate(event)
            return BatchAnswer(predictions=self._live.service.predict_many(batch.requests))
        if "customer_id" in event:
            return self._live.service.predict_original(OriginalRequest.model_validate(event))
        if event.keys() & {"movie_id", "user_id", "ratings"}:
            return self._live.service.predict(PredictRequest.model_validate(event))
        return None

    def _answer_http(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        if self._loop is None:
            # Mangum runs the app on the thread's current event loop; asking for one where there is none is
            # deprecated, so the entry brings its own.
            self._loop = asyncio.new_event_loop()
            weakref.finalize(self, self._loop.close)
        asyncio.set_event_loop(self._loop)
        if self._mangum is None:
            self._mangum = Mangum(self._run_behind_gateway, lifespan="off", text_mime_types=_TEXT_TYPES)
        started = time.perf_counter()
        try:
            checked = gateways.check_http_event(event)
            response: dict[str, Any] = self._mangum(checked, context)  # type: ignore[arg-type]  # any context will do
        except (
            UnreadableEventError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            # The app answers its own errors, so what arrives here is the event's shape.
            request_id = choose_request_id(None, context=context)
            self._record("none", HTTPStatus.BAD_REQUEST, request_id, started)
            _logger.warning("an HTTP event cannot be read", extra={"fields": {"request_id": request_id}})
            if not isinstance(error, UnreadableEventError):
                error = UnreadableEventError(f"its fields are not a gateway's ({error!r})")
            return gateways.refuse_http_event(event, error, request_id=request_id)
        return response

    async def _run_behind_gateway(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateways.set_root_path(scope, base_path=self._base_path)
        gateways.drop_unwelcome_headers(scope)
        await self._app(scope, receive, send)


def _is_warm_up(event: Mapping[str, Any]) -> bool:
    source = event.get("source")
    return isinstance(source, str) and source in WARM_UP_SOURCES


def _read_seconds_left(context: object) -> float:
    """How long Lambda lets the invocation go on, in seconds; without end in a local call."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return math.inf if ask is None else ask() / 1_000


def _unknown_event(seen: str) -> problems.Problem:
    return problems.Problem(
        400,
        f"{problems.shorten(seen)} is not understood; accepted are HTTP events of API Gateway, load "
        "balancers and function URLs, a body of POST /v1/predict or POST /, "
        '{"requests": [bodies of POST /v1/predict]}, and warm-up events',
        name="unknown-event",
    )
