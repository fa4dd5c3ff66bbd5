"""A browser, a server and a window; every test also proves that the page was quiet and stayed at home."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_visit import CHROMIUM_FLAGS, Server, Visit, end_visit, find_chromium, start_server, start_visit
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def server(bundle_path: Path) -> Iterator[Server]:
    """The service with the tiny bundle, showing its users."""
    running = start_server(bundle_path)
    yield running
    running.stop()


# Per module, not per session: an open Playwright holds an event loop, and tests elsewhere start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, with a fresh profile."""
    path = find_chromium()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """A window of an ordinary size."""
    started = start_visit(browser, server)
    yield started
    end_visit(started)


@pytest.fixture(params=["light", "dark"])
def coloured(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Visit]:
    """A window in each colour scheme; without motion, so that nothing is half faded when it is looked at."""
    # axe-core is put into the page as a script, which the page's own policy forbids.
    started = start_visit(
        browser, server, color_scheme=request.param, reduced_motion="reduce", bypass_csp=True
    )
    yield started
    end_visit(started)
