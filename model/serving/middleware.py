"""Two pure ASGI middlewares: an id for each request, and a limit on its body."""

import re
import uuid
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER: Final = "x-request-id"

LARGEST_BODY: Final = 256 * 1024
"""Bytes of a request's body that are read before it is refused."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


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
    return getattr(context, "aws_request_id", None) or uuid.uuid4().hex


class RequestIdMiddleware:
    """Gives each request an id, in `scope["state"]["request_id"]` and in the response's header."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(REQUEST_ID_HEADER)
        request_id = choose_request_id(offered, context=scope.get("aws.context"))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)


class BodyLimitMiddleware:
    """Refuses a body beyond `LARGEST_BODY`, counted as it streams, whatever Content-Length claims."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        n_bytes = 0

        async def receive_counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > LARGEST_BODY:
                # An HTTPException raised here surfaces where the body is read and is answered as any other.
                raise HTTPException(
                    413, f"the body is larger than {LARGEST_BODY} bytes, the most that is accepted"
                )
            return message

        await self.app(scope, receive_counted, send)
