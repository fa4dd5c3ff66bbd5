"""What to watch, for the visitor and for somebody in the data, beside what the service itself answers."""

import math

import pytest
from browser_visit import Visit, read_body
from playwright.sync_api import Route, expect

pytestmark = pytest.mark.browser


def test_recommendations_are_of_the_era_when_one_is_chosen(visit: Visit) -> None:
    """“Best of all” with an era is what /v1/recommend answers; every year is within it."""
    page = visit.open()
    visit.rate(5, 1)
    page.get_by_label("Best of all").check(force=True)
    with page.expect_response(lambda response: read_body(response).get("era") == "1970-1989"):
        page.get_by_label("1970–1989").check(force=True)
    visit.settle()
    expected = visit.server.post(
        "v1/recommend", {"ratings": visit.read_ratings(), "n": 15, "era": "1970-1989"}
    )["recommendations"]
    assert [title for title, _ in visit.read_ranking()] == [
        f"{movie['title']} {movie['release_year']}" for movie in expected
    ]
    assert {1970 <= movie["release_year"] <= 1989 for movie in expected} == {True}


def test_well_known_movies_are_of_the_era_when_one_is_chosen(visit: Visit) -> None:
    """A movie without a year is of no era, so “Before 1970” leaves it out."""
    page = visit.open()
    movies = visit.server.get("v1/movies", query="", limit=50)["movies"]
    assert None in {movie["release_year"] for movie in movies}
    with page.expect_response("**/v1/predict/batch"):
        page.get_by_label("Before 1970").check(force=True)
    visit.settle()
    old = [movie for movie in movies if movie["era"] == "before 1970"][:15]
    assert sorted(title for title, _ in visit.read_ranking()) == sorted(
        f"{movie['title']} {movie['release_year']}" for movie in old
    )


def test_viewer_is_compared_with_what_they_gave_when_chosen(visit: Visit) -> None:
    """Each rating stands beside what was predicted from before its day, and the RMSE is theirs."""
    page = visit.open()
    page.get_by_role("tab", name="Somebody in the data").click()
    page.locator("#compared .row").first.wait_for()
    second = visit.server.get("v1/users", n=20)["users"][1]["user_id"]
    page.locator("#viewer").select_option(str(second))
    page.locator("#compared:not([aria-busy])").wait_for()
    expect(page.locator("#live")).to_contain_text(f"Viewer {second}")

    ratings = visit.server.get(f"v1/users/{second}/ratings", limit=20)["ratings"]
    requests = [
        {"user_id": second, "movie_id": rated["movie_id"], "date": rated["date"], "as_of": rated["date"]}
        for rated in ratings
    ]
    predictions = visit.server.post("v1/predict/batch", {"requests": requests})["predictions"]
    squares = [
        (prediction["predicted_rating"] - rated["rating"]) ** 2
        for prediction, rated in zip(predictions, ratings, strict=True)
    ]
    expect(page.locator("#viewer-score strong")).to_have_text(f"{math.sqrt(sum(squares) / len(squares)):.2f}")
    rows = page.locator("#compared .row")
    expect(rows).to_have_count(len(ratings))
    assert rows.first.locator(".gave").inner_text().endswith(f"{ratings[0]['rating']:g}★")

    rows.first.click()
    expect(page.locator("#compared .why .story")).to_contain_text("them")
    expect(page.locator("#ranking-heading")).to_have_text("What they would give next")
    page.get_by_role("tab", name="You").click()
    expect(page.locator("#ranking-heading")).to_have_text("What you would give")


def test_viewer_was_a_stranger_when_the_ratings_are_of_the_first_day(visit: Visit) -> None:
    """What rests on no rating of theirs is counted, so that nobody wonders at the error."""
    page = visit.open()

    def forget(route: Route) -> None:
        answer = route.fetch().json()
        for prediction in answer["predictions"][:3]:
            prediction["based_on"]["n_user_ratings"] = 0
        route.fulfill(json=answer)

    page.route("**/v1/predict/batch", forget)
    page.get_by_role("tab", name="Somebody in the data").click()
    expect(page.locator("#viewer-score")).to_contain_text("3 of them are of this person’s first day")


def test_why_shows_no_people_when_nobody_had_rated_the_movie_by_then(visit: Visit) -> None:
    """The story says until when, and the picture speaks of no stars."""
    page = visit.open()

    def forget(route: Route) -> None:
        answer = route.fetch().json()
        answer["explanation"]["neighbours"] = []
        route.fulfill(json=answer)

    page.route("**/v1/predict", forget)
    page.get_by_role("tab", name="Somebody in the data").click()
    page.locator("#compared .row").first.click()
    why = page.locator("#compared .why")
    expect(why.locator(".story")).to_contain_text("Nobody in the data had rated this movie before that day")
    expect(why.locator("figcaption")).to_have_text("In the band: 8 of 10 ratings.")


def test_viewers_are_left_out_when_the_operator_hides_them(visit: Visit) -> None:
    """Without users there is one side only, no tab for the other, and no request that would be refused."""
    card = visit.server.get("v1/model") | {"shows_users": False}
    visit.page.route("**/v1/model", lambda route: route.fulfill(json=card))
    page = visit.open()
    expect(page.get_by_role("tab", name="Somebody in the data")).to_be_hidden()
    assert not [url for url in visit.requested if "/v1/users" in url]
