"""Large answers are compressed for those who ask; compressed requests are read as if they had come plain."""

import zlib
from collections.abc import Awaitable
from typing import Final

from fastapi import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.serving.middleware import LARGEST_BODY, find_header

SMALLEST_COMPRESSED: Final = 4 * 1024
"""Bytes from which on an answer is compressed for those who ask: below that it costs more than it saves."""

COMPRESSION_LEVEL: Final = 5
"""zlib's level for answers: on JSON nearly as small as at 9, in a fraction of the time."""

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_ABOUT_THE_CODED_BODY: Final = frozenset({b"content-encoding", b"content-length"})
_GZIP_FRAMED: Final = 16 + zlib.MAX_WBITS
"""What zlib calls a stream with the header and checksum of gzip."""


class GzipMiddleware(GZipMiddleware):
    """Compresses large answers for those who ask; all others are not even looked at."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=SMALLEST_COMPRESSED, compresslevel=COMPRESSION_LEVEL)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """Handle one request."""
        asks = scope["type"] == "http" and "gzip" in (find_header(scope, b"accept-encoding") or "")
        return super().__call__(scope, receive, send) if asks else self.app(scope, receive, send)


class GunzipMiddleware:
    """Hands the application the plain body of a gzip request; refuses other codings with 415.

    Plain bytes are counted as they come out, so that a small body cannot unfold into a large one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one request."""
        coding = ""
        if scope["type"] == "http":
            codings = [value for name, value in scope["headers"] if name == b"content-encoding"]
            coding = b", ".join(codings).decode("latin-1").strip().lower()
        if coding not in {"", "identity"}:
            scope["headers"] = [
                (name, value) for name, value in scope["headers"] if name not in _ABOUT_THE_CODED_BODY
            ]
            receive = _gunzip(receive) if coding in _GZIP else _refuse_coding
        return self.app(scope, receive, send)


async def _refuse_coding() -> Message:  # ruff: ignore[unused-async] - stands in for a `receive`
    raise HTTPException(
        415,
        "the body's content-encoding is not understood; accepted are gzip, and none",
        headers={"Accept-Encoding": "gzip"},
    )


def _gunzip(receive: Receive) -> Receive:
    """Wrap what gives a gzip body, in any number of pieces, into what gives the plain one.

    An HTTPException raised in it surfaces where the body is read and is answered as any other.
    """
    inflater = zlib.decompressobj(wbits=_GZIP_FRAMED)
    n_bytes = 0

    async def receive_plain() -> Message:
        nonlocal n_bytes
        message = await receive()
        if message["type"] != "http.request":
            return message
        try:
            plain = inflater.decompress(message.get("body", b""), LARGEST_BODY + 1 - n_bytes)
        except zlib.error as error:
            raise HTTPException(400, f"the body says that it is gzip and is not: {error}") from error
        n_bytes += len(plain)
        if n_bytes > LARGEST_BODY:
            raise HTTPException(
                413, f"the body is larger than {LARGEST_BODY} bytes unpacked, the most that is accepted"
            )
        ends = not message.get("more_body", False)
        if inflater.unused_data or (ends and not inflater.eof):
            raise HTTPException(400, "the body says that it is gzip and is not one whole gzip stream")
        return {**message, "body": plain}

    return receive_plain
