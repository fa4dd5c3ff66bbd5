"""The service as a gateway's stage serves it: every address below /prod, which the service never sees."""

from typing import Any

from handler import app as service

PREFIX = "/prod"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Take the prefix off and pass the request on, as a gateway does."""
    if scope["type"] == "http":
        scope = {**scope, "path": scope["path"].removeprefix(PREFIX) or "/"}
    await service(scope, receive, send)
