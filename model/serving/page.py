"""The demo page at `GET /`: one response that holds its style and its script, put together once.

In page_source, page.html has one empty `<style>` and one empty `<script>`; page.css and script/*.js go into
them. There is no build step: the scripts are one module in the order of `_SCRIPTS`, and share its scope. The
page loads nothing else, talks to its own origin only, and says so in its Content-Security-Policy.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from fastapi import FastAPI, Request, Response

_SCRIPTS: Final = (
    "dom", "store", "api", "stars", "search", "pictures", "why", "rows", "ranking", "rating", "viewer",
    "main",
)  # fmt: skip
"""What a file uses while it is read comes before it."""

_STYLE_PLACE: Final = "<style></style>"
_SCRIPT_PLACE: Final = '<script type="module"></script>'
_DOCS_LINK: Final = '<a href="docs">'


@dataclass(frozen=True, slots=True)
class Page:
    """The page as it goes out."""

    body: bytes
    """HTML, UTF-8."""
    headers: dict[str, str]
    """What to send beside it; names in lower case."""


def assemble_page(*, links_docs: bool) -> Page:
    """Read the page's files and put them together.

    Args:
        links_docs: whether `/docs` is there to be linked to.

    Raises:
        ValueError: if page.html has not exactly one empty style, one empty script and one link to the docs.
    """
    folder = resources.files("model.serving") / "page_source"
    html = folder.joinpath("page.html").read_text(encoding="utf-8")
    style = folder.joinpath("page.css").read_text(encoding="utf-8")
    script = "\n".join(
        folder.joinpath("script", f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS
    )
    html = _fill(html, _STYLE_PLACE, f"<style>{style}</style>")
    html = _fill(html, _SCRIPT_PLACE, f'<script type="module">{script}</script>')
    html = _fill(html, _DOCS_LINK, _DOCS_LINK if links_docs else "<a>")
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


def add_page(app: FastAPI, *, links_docs: bool) -> None:
    """Add `GET /`, the page.

    Args:
        app: gets the route.
        links_docs: whether the page links to `/docs`.
    """
    page = assemble_page(links_docs=links_docs)

    @app.get("/", include_in_schema=False)
    @app.head("/", include_in_schema=False)
    async def read_page(request: Request) -> Response:
        if request.headers.get("if-none-match") == page.headers["etag"]:
            return Response(status_code=304, headers=page.headers)
        if request.method == "HEAD":
            length = {"content-length": str(len(page.body))}
            return Response(headers=page.headers | length, media_type="text/html")
        return Response(page.body, headers=page.headers, media_type="text/html")
