"""What a visitor is told while the service takes its time, as it does when Lambda starts it."""

from dataclasses import dataclass, field

import pytest
from browser_visit import Visit, find_serious
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser


@dataclass(slots=True)
class Dam:
    """Holds back the answers to requests that fit a pattern, until it is opened."""

    page: Page
    pattern: str
    is_open: bool = False
    held: list[Route] = field(default_factory=list)

    def __post_init__(self) -> None:
        def hold(route: Route) -> None:
            if self.is_open:
                route.fallback()
            else:
                self.held.append(route)

        self.page.route(self.pattern, hold)

    def open(self) -> None:
        """Let what was held back go on, and what comes after."""
        self.is_open = True
        for route in self.held:
            route.fallback()


def test_page_says_what_it_waits_for_when_an_answer_takes_long(coloured: Visit) -> None:
    """The start, movies, predictions, reasons, similar movies, people: each wait has its sentence.

    The sentence is read out, goes when the answer comes, and axe-core finds nothing serious meanwhile.
    """
    page = coloured.page
    routes = ("model", "movies?*", "predict/batch", "predict", "movies/*/similar?*", "users?*")
    model, movies, batch, predict, similar, users = (Dam(page, f"**/v1/{route}") for route in routes)

    page.goto(coloured.url)
    expect(page.locator("#start-waiting")).to_contain_text("Starting the service")
    expect(page.locator("#live")).to_contain_text("Starting the service")
    expect(page.locator("main")).to_be_hidden()
    assert find_serious(page) == []

    model.open()
    expect(page.locator("#rate-waiting")).to_have_text("Loading movies to rate…")
    expect(page.locator("#start-waiting")).to_be_empty()
    movies.open()
    expect(page.locator("#rated li")).not_to_have_count(0)
    expect(page.locator("#rate-waiting")).to_be_empty()
    expect(page.locator("#ranking-hint")).to_have_text("Predicting what you would give…")
    assert find_serious(page) == []

    batch.open()
    page.locator("#ranked .row").first.click()
    expect(page.locator("#ranking-hint")).to_contain_text("Nothing rated yet")
    expect(page.locator(".why .waiting")).to_contain_text("Looking for the people")
    assert find_serious(page) == []

    predict.open()
    page.locator(".why .picture").first.wait_for()
    expect(page.locator(".why .waiting")).to_be_empty()
    expect(page.locator(".why .seeking")).to_have_text("Looking for similar movies…")
    expect(page.locator("#live")).to_have_text("Looking for similar movies…")
    assert find_serious(page) == []

    similar.open()
    page.locator(".why .chip").first.wait_for()
    expect(page.locator(".why .seeking")).to_be_empty()
    page.get_by_role("tab", name="Somebody in the data").click()
    expect(page.locator("#viewer-score")).to_have_text("Loading people to choose from…")
    expect(page.locator("#viewer")).to_be_hidden()
    assert find_serious(page) == []

    rest = Dam(page, "**/v1/predict/batch")
    users.open()
    expect(page.locator("#viewer-score")).to_have_text("Predicting what they gave…")
    rest.open()
    expect(page.locator("#viewer-score")).to_contain_text("Off by")
