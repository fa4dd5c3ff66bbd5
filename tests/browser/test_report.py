"""The training report as people open it: from disk, in a real browser."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from model.training.report.write import HTML

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_report_is_for_everybody_when_opened_from_disk(
    browser: Browser, run_path: Path, scheme: str, width: int
) -> None:
    """Axe-core finds nothing, no table is wider than the screen, and only the file itself is loaded."""
    address = (run_path / HTML).as_uri()
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type] # a parameter is any str
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    assert loaded == [address]
    page.close()
