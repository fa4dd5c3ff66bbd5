"""A blocking HTTP client that calls an ASGI application in this process, without a socket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp

JSON = {"content-type": "application/json"}


class AsgiClient:
    """Calls an application; leaves an exception that follows an answer unraised, as a server does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def get(self, path: str, *, headers: Mapping[str, str | bytes] | None = None) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def post(
        self,
        path: str,
        json: Any = None,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> httpx.Response:
        return self.request("POST", path, json=json, content=content, headers=headers)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(call())
