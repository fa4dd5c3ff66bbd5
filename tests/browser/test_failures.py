"""What a visitor is told when the service cannot answer, and that trying again works."""

from pathlib import Path

import pytest
from browser_visit import Visit, end_visit, ranks_with, start_server, start_visit
from playwright.sync_api import Browser, Route, expect

pytestmark = pytest.mark.browser

PROBLEM = {"content-type": "application/problem+json", "x-request-id": "abc-123"}


def test_page_says_so_and_recovers_when_the_service_is_stopped(browser: Browser, bundle_path: Path) -> None:
    """A stopped server is a sentence, not a blank page; the ratings stay, and so do the last predictions."""
    server = start_server(bundle_path)
    visit = start_visit(browser, server)
    visit.expects_failures = True
    try:
        page = visit.open()
    finally:
        server.stop()
    page.locator("#rated input").first.press("4")
    failure = page.locator("#ranking-message [role=alert]")
    expect(failure).to_contain_text("The service cannot be reached")
    expect(failure).to_contain_text("Your ratings are kept")
    assert [rating["rating"] for rating in visit.read_ratings()] == [4]
    expect(page.locator("#ranked .row")).to_have_count(15)
    end_visit(visit)


def test_page_says_so_when_the_service_is_gone_from_the_start(visit: Visit) -> None:
    """Without even the model's card there is one message; trying again starts the page."""
    visit.expects_failures = True
    visit.page.route("**/v1/model", lambda route: route.abort("connectionrefused"))
    visit.page.goto(visit.url)
    expect(visit.page.get_by_role("alert")).to_contain_text("The service cannot be reached")
    visit.page.unroute("**/v1/model")
    visit.page.get_by_role("button", name="Try again").press("Enter")
    visit.page.locator("#ranked .row").first.wait_for()
    expect(visit.page.get_by_role("alert")).to_have_count(0)
    expect(visit.page.get_by_role("heading", name="Rate a few")).to_be_focused()


def test_page_names_the_request_when_the_server_fails(visit: Visit) -> None:
    """A status of 500 shows the request's id and a button; the next answer takes the message away."""
    visit.expects_failures = True
    page = visit.open()

    def fail(route: Route) -> None:
        problem = {"title": "Internal Server Error", "status": 500, "request_id": "abc-123"}
        route.fulfill(status=500, json=problem, headers=PROBLEM)

    page.route("**/v1/predict/batch", fail)
    page.locator("#rated input").first.press("2")
    failure = page.locator("#ranking-message [role=alert]")
    expect(failure).to_contain_text("Something went wrong on the server")
    expect(failure.locator("code")).to_have_text("abc-123")
    again = failure.get_by_role("button", name="Try again")
    with page.expect_response(lambda response: ranks_with(response, n_ratings=1)):
        again.press("Enter")
    expect(again).to_be_focused()  # the next failure's: whoever has no mouse is where they were
    page.unroute("**/v1/predict/batch")
    with page.expect_response(lambda response: ranks_with(response, n_ratings=1)):
        again.press("Enter")
    expect(failure).to_have_count(0)
    expect(page.get_by_role("heading", name="What you would give")).to_be_focused()
    expect(page.locator(".guess").first).to_contain_text("we would have said")


def test_page_says_what_was_wrong_when_a_request_is_refused(visit: Visit) -> None:
    """A status of 422 is shown in the service's own words, field by field."""
    visit.expects_failures = True
    page = visit.open()
    problem = {
        "title": "Unprocessable Content",
        "detail": "the request does not fit the schema",
        "status": 422,
        "request_id": "abc-123",
        "errors": [{"pointer": "#/movie_id", "detail": "expected a whole number"}],
    }
    page.route("**/v1/predict", lambda route: route.fulfill(status=422, json=problem, headers=PROBLEM))
    page.locator("#ranked .row").first.click()
    failure = page.locator(".why [role=alert]")
    expect(failure).to_contain_text("Unprocessable Content")
    expect(failure).to_contain_text("the request does not fit the schema")
    expect(failure).to_contain_text("expected a whole number")
    page.unroute("**/v1/predict")
    failure.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator(".why .picture")).not_to_have_count(0)
    expect(page.locator(".why .story")).to_be_focused()


def test_page_shows_the_request_refused_by_the_service_itself_when_unroutable(visit: Visit) -> None:
    """A real refusal of the service, not a made-up one, reads as a sentence."""
    visit.expects_failures = True
    page = visit.open()
    page.route(
        "**/v1/predict",
        lambda route: route.continue_(post_data='{"movie_id": 1, "ratings": [{"movie_id": 2, "rating": 9}]}'),
    )
    page.locator("#ranked .row").first.click()
    failure = page.locator(".why [role=alert]")
    expect(failure).to_contain_text("9 is not on this model's scale")
    expect(failure.locator("code")).not_to_be_empty()


def test_page_keeps_its_words_when_a_proxy_answers_in_html(visit: Visit) -> None:
    """A gateway's own error page is no problem document; its status is enough. 503 asks for patience."""
    visit.expects_failures = True
    page = visit.open()
    page.route("**/v1/movies?*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.locator("#search").press_sequentially("the")
    expect(page.locator("#found-message")).to_contain_text("Something went wrong on the server")
    page.route("**/v1/movies?*", lambda route: route.fulfill(status=503, body=""))
    page.locator("#search").press_sequentially(" b")
    expect(page.locator("#found-message")).to_contain_text("The service is busy")


def test_page_asks_for_a_key_when_the_service_wants_one(visit: Visit) -> None:
    """401 opens a field; the key goes with every request after, and a wrong one is said to be wrong."""
    visit.expects_failures = True

    def guard(route: Route) -> None:
        if route.request.headers.get("x-api-key") == "right":
            route.continue_()
        else:
            route.fulfill(status=401, json={"title": "Unauthorized", "status": 401}, headers=PROBLEM)

    visit.page.route("**/v1/**", guard)
    visit.page.goto(visit.url)
    key = visit.page.get_by_label("This service asks for an API key")
    expect(key).to_be_focused()
    key.fill("wrong")
    key.press("Enter")
    expect(visit.page.locator("#key-refused")).to_have_text("That key was not accepted.")
    key.fill("right")
    key.press("Enter")
    visit.page.locator("#ranked .row").first.wait_for()
    expect(key).to_be_hidden()
    visit.open()
    expect(key).to_be_hidden()


def test_page_works_behind_a_prefix_when_a_gateway_adds_one(browser: Browser, bundle_path: Path) -> None:
    """Under /prod and /prod/, as a gateway's stage serves it, every request goes below /prod."""
    server = start_server(bundle_path, app="behind_prefix:app")
    try:
        for path in ("prod", "prod/"):
            visit = start_visit(browser, server)
            visit.url = server.url + path
            visit.open()
            visit.page.locator("#ranked .row").first.click()
            expect(visit.page.locator(".why .picture")).not_to_have_count(0)
            own = [url for url in visit.requested if not url.startswith("data:")]
            assert [url for url in own if not url.startswith(server.url + "prod")] == []
            assert any("/prod/v1/predict" in url for url in own)
            docs = visit.page.get_by_role("link", name="API behind the page").evaluate("link => link.href")
            assert docs == f"{server.url}prod/docs"
            end_visit(visit)
    finally:
        server.stop()


def test_page_says_so_when_no_more_ratings_fit(visit: Visit) -> None:
    """Beyond 60 ratings a movie stays unrated, and a sentence says why."""
    movies = visit.server.get("v1/movies", query="", limit=50)["movies"]
    kept = [
        {"movie": {"movie_id": 10_000 + number, "title": f"Old {number}"}, "rating": 3}
        for number in range(60)
    ]
    fingerprint = visit.server.get("v1/model")["data_fingerprint"]
    visit.page.add_init_script(
        f"localStorage.setItem('four-neighbours.ratings.{fingerprint}', JSON.stringify({kept}))"
    )
    page = visit.open()
    page.locator("#search").press_sequentially(movies[0]["title"])
    page.get_by_role("option").first.wait_for()
    page.locator("#search").press("Enter")
    if page.get_by_role("option").count():
        page.locator("#search").press("ArrowDown")
        page.locator("#search").press("Enter")
    page.locator("#rated input").first.press("5")
    expect(page.locator("#rate-message")).to_contain_text("60 ratings are as many as fit")
    expect(page.locator("#rated input").first).to_have_attribute("aria-valuetext", "not rated")
