"""Why a prediction is what it is: the people, the era, what is similar; as the service itself answers."""

import re

import pytest
from browser_visit import Visit, find_movie
from playwright.sync_api import Route, expect

pytestmark = pytest.mark.browser


def test_why_tells_the_four_people_and_the_era_when_a_movie_is_opened(visit: Visit) -> None:
    """Words and pictures hold what the service explains: who gave what, how far they are, the era's mean."""
    page = visit.open()
    visit.rate(5, 4, 2, 3, 1, 5)
    row = page.locator("#ranked .row").first
    movie = find_movie(visit.server, row.locator(".title").inner_text())
    body = {"ratings": visit.read_ratings(), "movie_id": movie["movie_id"], "explain": True}
    answer = visit.server.post("v1/predict", body)
    neighbours = answer["explanation"]["neighbours"]
    assert len(neighbours) == 4

    row.click()
    expect(row).to_have_attribute("aria-expanded", "true")
    why = page.locator(".why:not([aria-busy])")
    given = [f"{neighbour['rating']:g}" for neighbour in neighbours]
    expect(why.locator(".story")).to_contain_text(f"gave {', '.join(given[:-1])} and {given[-1]} stars.")
    assert why.locator(".person text").all_text_contents() == [f"{stars}★" for stars in given]
    expect(why.locator(".picture .star")).to_have_count(4)
    expect(why.locator(".people ol")).to_be_visible()
    for neighbour, line in zip(neighbours, why.locator(".people li").all_text_contents(), strict=True):
        figures = f"distance {neighbour['distance']:.1f}, {neighbour['common_movies']} movie"
        assert f"{neighbour['rating']:g}★ {figures}" in line
    expect(why.locator("text.label.predicted")).to_have_text(f"predicted {answer['predicted_rating']:.1f}")

    era = answer["explanation"]["era"]
    has_era = any(
        visit.server.get(f"v1/movies/{rating['movie_id']}")["era"] == era for rating in visit.read_ratings()
    )
    expect(why.locator("rect.era")).to_have_count(int(has_era))
    if has_era:
        expect(why.locator("text.label.era")).to_contain_text(f"{answer['explanation']['era_mean']:.1f}")
    row.click()
    expect(why).to_have_count(0)


def test_why_tells_who_comes_first_when_all_are_equally_near(visit: Visit) -> None:
    """Very many are at distance 0: what decides between them is said then, and only then."""
    page = visit.open()
    visit.rate(5, 4, 2)
    distances = [0.0, 0.0, 0.0, 1.0]

    def move(route: Route) -> None:
        answer = route.fetch().json()
        for neighbour, distance in zip(answer["explanation"]["neighbours"], distances, strict=True):
            neighbour["distance"] = distance
        route.fulfill(json=answer)

    page.route("**/v1/predict", move)
    told = page.locator(".people .hint")
    page.locator("#ranked .row").first.click()
    expect(told).to_contain_text("three smallest differences")
    expect(told).not_to_contain_text("equally near")
    expect(page.locator(".why figcaption").first).to_contain_text("The nearer, the more alike")
    distances[3] = 0.0
    page.locator("#ranked .row").nth(1).click()
    expect(told).to_contain_text("equally near")
    expect(page.locator(".why figcaption").first).to_contain_text("All on the inmost ring: distance 0")


def test_why_follows_the_ratings_when_they_change(visit: Visit) -> None:
    """An open explanation stays open and is told anew."""
    page = visit.open()
    page.locator("#ranked .row").last.click()
    expect(page.locator(".why .story")).to_contain_text("Nobody is close to you yet")
    with page.expect_response("**/v1/predict"):
        visit.rate(5, 1)
    expect(page.locator(".why .story")).to_contain_text("The four people closest to you")
    expect(page.locator(".why .basis")).to_contain_text("Rests on 2 ratings of yours")


def test_similar_movie_is_explained_in_its_place_when_chosen(visit: Visit) -> None:
    """A similar movie that is clicked appears in the list, opens and has the focus."""
    page = visit.open()
    row = page.locator("#ranked .row").first
    movie = find_movie(visit.server, row.locator(".title").inner_text())
    row.click()
    expected = visit.server.get(f"v1/movies/{movie['movie_id']}/similar", n=6)["movies"]
    chips = page.locator(".why .chip")
    expect(chips).to_have_count(len(expected))
    assert [re.sub(r"\s\d+$", "", text) for text in chips.all_inner_texts()] == [
        similar["title"] for similar in expected
    ]
    chosen = chips.last.inner_text()
    chips.last.click()
    opened = page.locator('#ranked .row[aria-expanded="true"]')
    expect(opened.locator(".title")).to_have_text(chosen)
    expect(opened).to_be_focused()
