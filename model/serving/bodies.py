"""Bodies of requests, from the bytes that arrive to a checked model, and answers back to bytes.

pydantic reads and writes the bytes itself. FastAPI would have JSON parsed into Python's objects, check those,
collect dependencies that none of these routes has, and check the answer again: for a prediction that takes
as long as predicting does.
"""

import re
import zlib
from codecs import BOM_UTF8
from typing import Any, Final, get_type_hints

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from model.serving.findings import find_request
from model.serving.middleware import find_header

LARGEST_BODY: Final = 256 * 1024
"""Bytes of a request's body that are read before it is refused, as they arrive and unpacked."""

_PLAIN_JSON: Final = "application/json"
_JSON: Final = re.compile(r"application/([^\s;,]+\+)?json\s*(;|$)", re.IGNORECASE)
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_GZIP_FRAMED: Final = 16 + zlib.MAX_WBITS
"""What zlib calls a stream with the header and checksum of gzip."""
_NOT_WHOLE: Final = "the body says that it is gzip and is not one whole gzip stream"


class JsonRoute(APIRoute):
    """A route whose function takes one `Request`, the body, and returns what its annotation says."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        hints = get_type_hints(self.endpoint)
        request = find_request(list(hints.values()))
        if request is None:
            raise TypeError(f"{self.endpoint} takes no request")
        self._read = request.__pydantic_validator__.validate_json
        self._write = TypeAdapter(hints["return"]).serializer.to_json
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; its errors are for the application's handlers."""
        body = await read_body(scope, receive)
        if not body:
            raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
        content_type = find_header(scope, b"content-type") or ""
        if content_type != _PLAIN_JSON and not _JSON.match(content_type):
            raise HTTPException(
                415, "the body must be JSON and say so: send the header content-type: application/json"
            )
        try:
            request = self._read(body.removeprefix(BOM_UTF8))
        except ValidationError as error:
            findings = error.errors(include_url=False, include_input=False)
            raise RequestValidationError(findings) from error
        written = self._write(await self.endpoint(request))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(written))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": written})


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Read a request's body, unpacked if it comes compressed.

    Bytes are counted as they arrive, whatever Content-Length claims, and as they come out, so that a small
    body cannot unfold into a large one.

    Args:
        scope: the request's.
        receive: gives the body in any number of pieces.

    Raises:
        HTTPException: 413 for a body beyond `LARGEST_BODY`, 415 for a coding other than gzip, 400 for what
            is no gzip stream although it claims to be one, or is cut short by the client leaving.
    """
    inflater = _choose_inflater(scope)
    body, n_received, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise HTTPException(400, "the client left before the whole body had arrived")
        piece = message.get("body", b"")
        n_received += len(piece)
        if n_received > LARGEST_BODY:
            raise HTTPException(
                413, f"the body is larger than {LARGEST_BODY} bytes, the most that is accepted"
            )
        body += piece if inflater is None else _inflate(inflater, piece, LARGEST_BODY + 1 - len(body))
        if len(body) > LARGEST_BODY:
            raise HTTPException(
                413, f"the body is larger than {LARGEST_BODY} bytes unpacked, the most that is accepted"
            )
        more = message.get("more_body", False)
    if inflater is not None and not inflater.eof:
        raise HTTPException(400, _NOT_WHOLE)
    return bytes(body)


def _choose_inflater(scope: Scope) -> Any:
    """What unpacks the body: None for a plain one."""
    if find_header(scope, b"content-encoding") is None:
        return None
    codings = [value for name, value in scope["headers"] if name == b"content-encoding"]
    coding = b", ".join(codings).decode("latin-1").strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding not in _GZIP:
        raise HTTPException(
            415,
            "the body's content-encoding is not understood; accepted are gzip, and none",
            headers={"Accept-Encoding": "gzip"},
        )
    return zlib.decompressobj(wbits=_GZIP_FRAMED)


def _inflate(inflater: Any, piece: bytes, most: int) -> bytes:
    try:
        plain: bytes = inflater.decompress(piece, most)
    except zlib.error as error:
        raise HTTPException(400, f"the body says that it is gzip and is not: {error}") from error
    if inflater.unused_data:
        raise HTTPException(400, _NOT_WHOLE)
    return plain
