"""What every request and answer gets, as a pure ASGI middleware."""

import logging
import os
import re
import time
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.serving import problems
from model.serving.telemetry import Answered, Telemetry

REQUEST_ID_HEADER: Final = "x-request-id"

SECURITY_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""What every answer gets unless it has its own: nothing runs, frames, sniffs or keeps it."""

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods that are told apart: a client may make up any number of others."""

_REQUEST_ID_HEADER = REQUEST_ID_HEADER.encode()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)

_logger = logging.getLogger(__name__)


def find_header(scope: Scope, name: bytes) -> str | None:
    """Find a request's header; of several with the name the first, as text.

    Args:
        scope: of the request.
        name: in lower case.
    """
    for present, value in scope["headers"]:
        if present == name:
            text: str = value.decode("latin-1")
            return text
    return None


def choose_request_id(offered: str | None, *, context: object = None) -> str:
    """Choose the id under which a request is answered and logged.

    Args:
        offered: the client's id; taken if it is 1 to 128 letters, digits, dots, dashes and underscores.
        context: AWS Lambda's context, which has an id of its own; None outside Lambda.

    Returns:
        The client's id, else Lambda's, else a fresh one.
    """
    if offered is not None and _REQUEST_ID.fullmatch(offered):
        return offered
    given = getattr(context, "aws_request_id", None)
    # whoever calls the handler by hand may bring an id of any type
    return str(given) if given else os.urandom(16).hex()


class RequestMiddleware:
    """Gives each request an id, each answer its headers, and an error that nobody foresaw an answer.

    The id is in `scope["state"]["request_id"]` and in a header of the response. A header that the response
    has already is left alone: a page brings a Content-Security-Policy of its own. Each request is recorded.
    """

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry) -> None:
        self.app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        offered = find_header(scope, _REQUEST_ID_HEADER)
        request_id = choose_request_id(offered, context=scope.get("aws.context"))
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        async def send_with_headers(message: Message) -> None:
            nonlocal begun, status
            if message["type"] == "http.response.start":
                begun = True
                status = message["status"]
                headers = message.setdefault("headers", [])
                present = [name for name, _ in headers]
                headers.append((_REQUEST_ID_HEADER, request_id.encode()))
                headers += [header for header in SECURITY_HEADERS if header[0] not in present]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:  # whatever it is, the client gets an answer and the log the error
            _logger.exception("request failed", extra={"fields": {"request_id": request_id}})
            if begun:
                status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
                raise  # the server cuts the connection, so that the client sees that the answer is not whole
            await problems.build_response(problems.describe(error), scope)(scope, receive, send_with_headers)
        finally:
            self._telemetry.record_answer(
                Answered(
                    request_id=request_id,
                    method=scope["method"] if scope["method"] in METHODS else "other",
                    route=getattr(scope.get("route"), "path", "none"),
                    status=status,
                    seconds=time.perf_counter() - started,
                )
            )
