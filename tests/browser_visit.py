"""A real Chromium in front of a real server, for the browser tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from axe_playwright_python.sync_playwright import Axe
from fresh_python import ROOT
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect
from programs import find_program

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 60
"""Seconds until a server that does not answer is given up."""
STEP_PATIENCE = 30_000
"""Milliseconds that one step in the browser may take on a busy machine."""
expect.set_options(timeout=STEP_PATIENCE)


@dataclass(slots=True)
class Server:
    """The service in a process of its own."""

    url: str
    """With a closing slash."""
    process: subprocess.Popen[bytes]

    def get(self, path: str, **query: str | int) -> Any:
        """What the service itself answers."""
        answer = httpx.get(self.url + path, params=query, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object) -> Any:
        """What the service itself answers."""
        answer = httpx.post(self.url + path, json=body, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self) -> None:
        """End the process; once is enough."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def start_server(bundle: Path, app: str = "handler:app") -> Server:
    """Start the service, or an app of tests/ around it, on a free port and wait until it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", app, "--app-dir", "tests"),
            *("--port", str(port), "--log-level", "warning"),
        ],
        cwd=ROOT,
        env={**os.environ, "MODEL_BUNDLE": str(bundle), "MODEL_SHOW_USERS": "1"},
    )
    server = Server(f"http://127.0.0.1:{port}/", process)
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        assert process.poll() is None, f"the server ended with status {process.returncode}"
        try:
            server.get("health/ready")
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return server
    server.stop()
    raise TimeoutError(f"the server was not ready within {PATIENCE} s")


def find_chromium() -> str:
    """Chromium's path; as for `find_program`."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return find_program(*names, package="chromium", purpose="the browser tests")


@dataclass(slots=True)
class Visit:
    """One browser window on the page, and what it did besides."""

    page: Page
    context: BrowserContext
    server: Server
    url: str
    """Of the page."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, and exceptions that nobody caught."""
    requested: list[str] = field(default_factory=list)
    """Every address that was asked for."""
    expects_failures: bool = False
    """Whether failed requests, which the browser puts on the console, are part of the test."""

    def open(self) -> Page:
        """Open the page and wait for the first predictions."""
        self.page.goto(self.url)
        self.page.locator("#ranked .row").first.wait_for()
        self.page.locator("#rated li").first.wait_for()
        return self.page

    def rate(self, *stars: int) -> None:
        """Give stars to the first movies of the list by keyboard, and wait for the predictions."""
        with self.page.expect_response(lambda response: ranks_with(response, n_ratings=len(stars))):
            for place, number in enumerate(stars):
                self.page.locator("#rated input").nth(place).press(str(number))
        self.settle()
        expect(self.page.locator(".guess:not(:empty)")).to_have_count(len(stars))

    def settle(self) -> None:
        """Wait until what was asked for last is shown."""
        self.page.locator("#ranked:not([aria-busy])").wait_for()

    def read_ranking(self) -> list[tuple[str, float]]:
        """Titles and predicted stars, from the top."""
        return [
            (row.locator(".title").inner_text(), float(row.locator(".number").inner_text().split()[1]))
            for row in self.page.locator("#ranked .row").all()
        ]

    def read_ratings(self) -> list[dict[str, float]]:
        """The visitor's ratings as the page keeps them, in the form that requests take."""
        kept: list[dict[str, float]] = self.page.evaluate(
            "Object.entries(localStorage).filter(([name]) => name.includes('ratings'))"
            ".flatMap(([, text]) => JSON.parse(text))"
            ".map(({movie, rating}) => ({movie_id: movie.movie_id, rating}))"
        )
        return kept


def read_body(response: Response) -> dict[str, Any]:
    """The JSON of the request that a response answers; none counts as empty."""
    body: dict[str, Any] | None = response.request.post_data_json
    return body or {}


def ranks_with(response: Response, *, n_ratings: int) -> bool:
    """Whether a response ranks movies for somebody who has given that many ratings."""
    if not response.url.endswith(("/v1/predict/batch", "/v1/recommend")):
        return False
    body = read_body(response)
    asked = body.get("requests", [body])[0]
    rated = [rating["movie_id"] for rating in asked.get("ratings", [])]
    return len(rated) == n_ratings and asked.get("movie_id") not in rated


def find_movie(server: Server, shown: str) -> dict[str, Any]:
    """The movie behind a title as the page shows it, with its year."""
    movies = server.get("v1/movies", query="", limit=50)["movies"]
    [movie] = [
        movie for movie in movies if f"{movie['title']} {movie['release_year'] or ''}".strip() == shown
    ]
    found: dict[str, Any] = movie
    return found


def find_serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical; the page's own policy must be bypassed for it."""
    results = Axe().run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in results["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


def start_visit(browser: Browser, server: Server, **settings: Any) -> Visit:
    """Open a window that takes notes.

    Args:
        browser: opens it.
        server: what the page is asked of.
        settings: of the window, as Playwright takes them.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    page = context.new_page()
    page.set_default_timeout(STEP_PATIENCE)
    visit = Visit(page, context, server, server.url)
    page.on(
        "console",
        lambda said: visit.complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", lambda request: visit.requested.append(request.url))
    return visit


def end_visit(visit: Visit) -> None:
    """Close the window; the page must have been quiet, and have spoken to its own origin only."""
    visit.context.close()
    complaints = [
        complaint
        for complaint in visit.complaints
        if not (visit.expects_failures and complaint.startswith("Failed to load resource"))
    ]
    assert complaints == []
    hosts = {urlsplit(url).netloc for url in visit.requested if not url.startswith("data:")}
    assert hosts == {urlsplit(visit.url).netloc}
