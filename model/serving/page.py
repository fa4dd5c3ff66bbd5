"""The demo page at `GET /`: one response that holds its style and its script, put together at import.

In page_source, page.html has one empty `<style>` and one empty `<script>`; page.css and script/*.js go into
them. There is no build step: the scripts are one module in the order of `_SCRIPTS`, and share its scope. The
page loads nothing else, talks to its own origin only, and says so in its Content-Security-Policy.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request, Response

_SCRIPTS: Final = (
    "dom", "store", "api", "stars", "search", "pictures", "why", "rows", "ranking", "rating", "viewer",
    "main",
)  # fmt: skip
"""What a file uses while it is read comes before it."""

_STYLE_PLACE: Final = "<style></style>"
_SCRIPT_PLACE: Final = '<script type="module"></script>'


@dataclass(frozen=True, slots=True)
class Page:
    """The page as it goes out."""

    body: bytes
    """HTML, UTF-8."""
    headers: dict[str, str]
    """What to send beside it; names in lower case."""


def assemble_page() -> Page:
    """Read the page's files and put them together.

    Raises:
        ValueError: if page.html has not exactly one empty style and one empty script.
    """
    folder = resources.files("model.serving") / "page_source"
    html = folder.joinpath("page.html").read_text(encoding="utf-8")
    style = folder.joinpath("page.css").read_text(encoding="utf-8")
    script = "\n".join(
        folder.joinpath("script", f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS
    )
    html = _fill(html, _STYLE_PLACE, f"<style>{style}</style>")
    html = _fill(html, _SCRIPT_PLACE, f'<script type="module">{script}</script>')
    body = html.encode()
    return Page(
        body=body,
        headers={
            # Asked for again each time, and answered without a body unless the service was updated.
            "cache-control": "no-cache",
            "content-security-policy": _build_policy(style=style, script=script),
            "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        },
    )


def _fill(html: str, place: str, content: str) -> str:
    if html.count(place) != 1:
        raise ValueError(f"page.html has {html.count(place)} of {place}: expected one")
    return html.replace(place, content)


def _build_policy(*, style: str, script: str) -> str:
    """Allow this style, this script, requests to the own origin and the icon in the page; nothing else."""
    return "; ".join((
        "default-src 'none'",
        f"script-src '{_hash(script)}'",
        f"style-src '{_hash(style)}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ))


def _hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


PAGE: Final = assemble_page()


def build_router() -> APIRouter:
    """Build the route of the page."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    @router.head("/", include_in_schema=False)
    async def read_page(request: Request) -> Response:
        if request.headers.get("if-none-match") == PAGE.headers["etag"]:
            return Response(status_code=304, headers=PAGE.headers)
        if request.method == "HEAD":
            length = {"content-length": str(len(PAGE.body))}
            return Response(headers=PAGE.headers | length, media_type="text/html")
        return Response(PAGE.body, headers=PAGE.headers, media_type="text/html")

    return router
