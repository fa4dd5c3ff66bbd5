"""The page at /docs, with a Content-Security-Policy that names exactly what it loads.

Swagger UI comes from the CDN that FastAPI chose, into the reader's browser; the service opens no connection.
"""

import base64
import hashlib
import re
from html import escape
from typing import Final

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

CDN: Final = "https://cdn.jsdelivr.net"

_PLACE: Final = '<div id="swagger-ui">'
_UNTIL_LOADED: Final = """
    <p>This page draws itself with Swagger UI from cdn.jsdelivr.net. Where that cannot be reached, the same
    facts are in <a href="{openapi}">openapi.json</a>, and in words in docs/api.md.</p>"""
"""What Swagger UI replaces once it is there."""

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_docs_page(app: FastAPI) -> None:
    """Add `GET /docs`, which shows the app's OpenAPI.

    Args:
        app: serves its OpenAPI at /openapi.json.
    """

    @app.get("/docs", include_in_schema=False)
    async def read_docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        openapi = f"{root}{app.openapi_url}"
        drawn = get_swagger_ui_html(
            openapi_url=openapi, title=f"{app.title}: API", swagger_favicon_url="data:,"
        )
        html = bytes(drawn.body).decode()
        page = HTMLResponse(html.replace(_PLACE, _PLACE + _UNTIL_LOADED.format(openapi=escape(openapi)), 1))
        hashes = " ".join(_hash_script(script) for script in _INLINE_SCRIPT.findall(html))
        page.headers["content-security-policy"] = (
            f"default-src 'none'; script-src {hashes} {CDN}; style-src 'unsafe-inline' {CDN}; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return page


def _hash_script(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
