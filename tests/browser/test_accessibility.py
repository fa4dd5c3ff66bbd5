"""The page for everybody: axe-core, the keyboard alone, a narrow screen, dark, and without motion."""

import re
from typing import Any

import pytest
from browser_visit import Server, Visit, end_visit, find_serious, start_visit
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

NARROW = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
"""A small phone."""


def test_page_has_no_serious_finding_when_axe_looks_at_each_state(coloured: Visit) -> None:
    """Empty, rated with a movie open, searching, comparing and failing: nothing serious, light or dark."""
    page = coloured.open()
    assert find_serious(page) == []

    coloured.rate(5, 2, 4)
    page.locator("#ranked .row").first.click()
    page.locator(".why .chip").first.wait_for()
    page.locator("#search").press_sequentially("the")
    page.get_by_role("option").first.wait_for()
    page.locator("#search").press("ArrowDown")
    assert find_serious(page) == []

    page.get_by_role("tab", name="Somebody in the data").click()
    page.locator("#compared .row").first.wait_for()
    page.locator("#compared .row").first.click()
    page.locator("#compared .why .picture").first.wait_for()
    assert find_serious(page) == []

    coloured.expects_failures = True
    page.route("**/v1/recommend", lambda route: route.fulfill(status=500, body=""))
    page.get_by_label("1970–1989").check(force=True)
    page.locator("#ranking-message [role=alert]").wait_for()
    page.evaluate("document.getElementById('key-form').hidden = false")
    assert find_serious(page) == []


CONTRASTS = (
    ("#rated .empty svg", "stroke", "body", "backgroundColor"),
    ("#rated .fill svg", "fill", "body", "backgroundColor"),
    ("#ranked .band", "borderTopColor", "body", "backgroundColor"),
    ("#ranked .dot", "backgroundColor", "#ranked .band", "backgroundColor"),
    (".why .ring", "stroke", ".why", "backgroundColor"),
    (".why .person circle", "stroke", ".why", "backgroundColor"),
    (".why rect.band", "stroke", ".why", "backgroundColor"),
    (".why circle.predicted", "fill", ".why rect.band", "fill"),
    (".why path.star", "fill", ".why", "backgroundColor"),
)
"""What is drawn, the colour that tells it apart, and what it stands on."""


def compute_luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2 for a computed colour, "rgb(1, 2, 3)"."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_what_is_drawn_stands_out_when_its_colours_are_measured(coloured: Visit) -> None:
    """WCAG 1.4.11: stars, bands, dots and rings have 3:1 or more against what is around them."""
    page = coloured.open()
    coloured.rate(5, 2)
    page.locator("#ranked .row").first.click()
    page.locator(".why .chip").first.wait_for()
    for drawn, of_drawn, ground, of_ground in CONTRASTS:
        colours = [
            page.locator(selector).first.evaluate("(part, name) => getComputedStyle(part)[name]", name)
            for selector, name in ((drawn, of_drawn), (ground, of_ground))
        ]
        darker, lighter = sorted(map(compute_luminance, colours))
        assert (lighter + 0.05) / (darker + 0.05) >= 3, (drawn, ground, colours)


def test_page_changes_its_colours_when_the_system_is_dark(browser: Browser, server: Server) -> None:
    """The scheme of the system decides: a light ground and dark ink, or the other way round."""
    grounds: dict[str, Any] = {}
    for scheme in ("light", "dark"):
        visit = start_visit(browser, server, color_scheme=scheme)
        page = visit.open()
        grounds[scheme] = page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        )
        end_visit(visit)
    assert min(grounds["light"]) > 200
    assert max(grounds["dark"]) < 60


def test_page_never_scrolls_sideways_when_the_screen_is_narrow(browser: Browser, server: Server) -> None:
    """At 360 pixels, rated, explained and compared, nothing is wider than the screen; touch gives stars.

    What the bar says is out of sight there: predictions, or a failure with a way to try again.
    """
    visit = start_visit(browser, server, **NARROW)
    page = visit.open()

    def width() -> int:
        measured: int = page.evaluate("document.documentElement.scrollWidth")
        return measured

    assert width() == 360
    page.locator("#rated .stars").first.tap()
    expect(page.locator("#rated input").first).to_have_attribute("aria-valuetext", "3 stars")
    expect(page.locator("#peek")).to_contain_text("First now")
    visit.expects_failures = True
    page.route("**/v1/predict/batch", lambda route: route.abort("connectionrefused"))
    page.locator("#rated .stars").nth(1).tap()
    expect(page.locator("#peek-text")).to_have_text("The service cannot be reached")
    page.unroute("**/v1/predict/batch")
    page.locator("#peek-retry").tap()
    expect(page.locator("#peek-text")).to_contain_text("First now")
    expect(page.locator("#peek-retry")).to_be_hidden()
    page.locator("#ranked .row").first.click()
    page.locator(".why .chip").first.wait_for()
    assert width() == 360
    page.get_by_role("tab", name="Somebody in the data").click()
    page.locator("#compared .row").first.click()
    page.locator("#compared .why .picture").first.wait_for()
    assert width() == 360
    end_visit(visit)


def tab_to(page: Page, selector: str, *, most: int = 60) -> None:
    """Press Tab until what a selector matches has the focus; it must be visible then."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} was not reached with {most} presses of Tab")


def test_page_does_all_it_does_when_there_is_only_a_keyboard(visit: Visit) -> None:
    """Search, rate, choose an era, open an explanation and look somebody up, without a pointer."""
    page = visit.open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    tab_to(page, "#search")
    page.keyboard.type("the")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#rated input").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#rated input").first).to_have_attribute("aria-valuetext", "2 stars")
    assert page.evaluate("getComputedStyle(document.activeElement.parentElement).outlineStyle") == "solid"
    page.keyboard.press("Delete")
    expect(page.locator("#rated input").first).to_have_attribute("aria-valuetext", "not rated")
    page.keyboard.press("4")

    tab_to(page, "#kinds input")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Best of all")).to_be_checked()
    tab_to(page, "#eras input")
    with page.expect_response("**/v1/recommend"):
        page.keyboard.press("ArrowRight")
    visit.settle()
    tab_to(page, "#ranked .row")
    page.keyboard.press("Enter")
    page.locator(".why .chip").first.wait_for()
    tab_to(page, ".why .chip")
    chosen = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    opened = page.locator('#ranked .row[aria-expanded="true"]')
    expect(opened.locator(".title")).to_have_text(chosen)
    expect(opened).to_be_focused()

    page.locator("#tab-you").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Somebody in the data")).to_be_focused()
    tab_to(page, "#viewer")
    page.locator("#compared .row").first.wait_for()
    tab_to(page, "#compared .row")
    page.keyboard.press("Enter")
    expect(page.locator("#compared .why .picture")).not_to_have_count(0)


def test_nothing_moves_when_the_system_asks_for_less_motion(browser: Browser, server: Server) -> None:
    """With reduced motion the list is reordered at once; without, rows are seen to move."""
    for wish, moves in (("reduce", False), ("no-preference", True)):
        visit = start_visit(browser, server, reduced_motion=wish)
        visit.page.add_init_script(
            "window.moved = 0; const animate = Element.prototype.animate;"
            "Element.prototype.animate = function (...given) {"
            " window.moved += 1; return animate.apply(this, given); }"
        )
        visit.open()
        visit.rate(1, 5)
        assert (visit.page.evaluate("window.moved") > 0) is moves
        end_visit(visit)
