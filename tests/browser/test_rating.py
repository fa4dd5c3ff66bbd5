"""Rating movies: what is listed and found, and how predictions, guesses and memory follow the stars."""

import math
from typing import Any

import pytest
from browser_visit import Server, Visit, find_movie, ranks_with
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def predict(server: Server, ratings: list[dict[str, float]], movie_ids: list[int]) -> list[dict[str, Any]]:
    """What the service predicts for somebody with these ratings."""
    requests = [{"ratings": ratings, "movie_id": movie_id} for movie_id in movie_ids]
    predictions: list[dict[str, Any]] = server.post("v1/predict/batch", {"requests": requests})["predictions"]
    return predictions


def test_page_ranks_the_most_rated_movies_when_it_opens(visit: Visit) -> None:
    """Nothing rated yet: the list holds what a newcomer would give, highest first, and says so."""
    page = visit.open()
    ranking = visit.read_ranking()
    stars = [predicted for _, predicted in ranking]
    assert len(ranking) == 15
    assert stars == sorted(stars, reverse=True)
    expect(page.locator("#ranking-hint")).to_contain_text("what somebody new would give")
    card = visit.server.get("v1/model")
    expect(page.locator("#facts")).to_contain_text(f"{card['n_ratings']:,}")


def test_search_finds_while_typing_when_part_of_a_title_is_given(visit: Visit) -> None:
    """The list box shows what the service finds; Enter takes one to the top, ready for its stars."""
    page = visit.open()
    movie = visit.server.get("v1/movies", query="", limit=50)["movies"][-1]
    search = page.get_by_role("combobox", name="Find a movie")
    search.press_sequentially(movie["title"][:-2])
    option = page.get_by_role("option").filter(has_text=movie["title"]).first
    option.wait_for()
    expect(search).to_have_attribute("aria-expanded", "true")
    search.press("ArrowDown")
    expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    expect(search).to_have_attribute("aria-activedescendant", "found-0")
    search.press("Enter")
    expect(search).to_have_attribute("aria-expanded", "false")
    assert page.locator("#rated .title").first.inner_text().startswith(movie["title"][:-2])
    expect(page.locator("#rated input").first).to_be_focused()


def test_search_takes_the_first_when_enter_is_pressed_without_pointing(visit: Visit) -> None:
    """Whoever types and presses Enter means what stands on top."""
    page = visit.open()
    movies = visit.server.get("v1/movies", query="the", limit=8)["movies"]
    assert len(movies) > 1
    page.locator("#search").press_sequentially("the")
    page.get_by_role("option").nth(1).wait_for()
    page.locator("#search").press("Enter")
    expect(page.locator("#rated .title").first).to_contain_text(movies[0]["title"])
    expect(page.locator("#rated input").first).to_be_focused()


def test_search_emphasises_what_was_typed_where_words_begin(visit: Visit) -> None:
    """As the service searches: whole words and their beginnings, not what stands inside a word."""
    found = [
        visit.server.get("v1/movies", query="", limit=1)["movies"][0] | {"title": "The Northern Theatre"}
    ]
    page = visit.open()
    page.route("**/v1/movies?*", lambda route: route.fulfill(json={"movies": found}))
    page.locator("#search").press_sequentially("the")
    expect(page.get_by_role("option").locator("b")).to_have_text(["The", "The"])


def test_search_says_so_when_nothing_is_found(visit: Visit) -> None:
    """An empty answer is a sentence with what was looked for."""
    page = visit.open()
    page.locator("#search").press_sequentially("zzzz")
    expect(page.locator("#found-message")).to_have_text("No movie here has “zzzz” in its title.")
    expect(page.get_by_role("option")).to_have_count(0)
    page.locator("#search").press("Escape")
    expect(page.locator("#popup")).to_be_hidden()


def test_predictions_reorder_when_movies_are_rated(visit: Visit) -> None:
    """The list becomes what the service itself predicts from these ratings, without the rated."""
    page = visit.open()
    before = visit.read_ranking()
    visit.rate(1, 5, 2)
    after = visit.read_ranking()
    rated = visit.read_ratings()
    assert [rating["rating"] for rating in rated] == [1, 5, 2]

    movies = visit.server.get("v1/movies", query="", limit=50)["movies"]
    rated_ids = {rating["movie_id"] for rating in rated}
    unrated = [movie for movie in movies if movie["movie_id"] not in rated_ids][:15]
    predicted = predict(visit.server, rated, [movie["movie_id"] for movie in unrated])
    expected = {
        f"{movie['title']} {movie['release_year'] or ''}".strip(): prediction["predicted_rating"]
        for movie, prediction in zip(unrated, predicted, strict=True)
    }
    assert [title for title, _ in after] == sorted(expected, key=lambda title: -expected[title])
    assert [stars for _, stars in after] == pytest.approx(sorted(expected.values(), reverse=True), abs=0.051)
    assert after != before
    expect(page.locator("#live")).to_contain_text(
        f"First: {max(expected, key=lambda title: expected[title])[:-5]}"
    )


def test_range_shows_the_interval_when_a_movie_is_predicted(visit: Visit) -> None:
    """The band runs from the interval's low to its high end on the scale, the dot sits at the prediction."""
    page = visit.open()
    movie = find_movie(visit.server, page.locator("#ranked .title").first.inner_text())
    [prediction] = predict(visit.server, [], [movie["movie_id"]])
    picture = page.locator("#ranked .range").first
    left, width, dot = picture.evaluate(
        "range => [...'lwd'].map((part) => parseFloat({l: range.querySelector('.band').style.left,"
        " w: range.querySelector('.band').style.width, d: range.querySelector('.dot').style.left}[part]))"
    )
    assert left == pytest.approx(25 * (prediction["interval"]["low"] - 1), abs=0.01)
    assert left + width == pytest.approx(25 * (prediction["interval"]["high"] - 1), abs=0.01)
    assert dot == pytest.approx(25 * (prediction["predicted_rating"] - 1), abs=0.01)


def test_stars_can_be_taken_back_when_they_were_given(visit: Visit) -> None:
    """Only a rated movie has the button; it takes the stars and the guess away."""
    page = visit.open()
    back = page.get_by_role("button", name="Take back")
    expect(back).to_have_count(0)
    visit.rate(3)
    expect(back).to_have_count(1)
    back.click()
    expect(back).to_have_count(0)
    expect(page.locator(".guess:not(:empty)")).to_have_count(0)
    assert visit.read_ratings() == []


def test_page_says_that_the_data_are_made_up_when_they_are(visit: Visit) -> None:
    """Only of made-up ratings is the lowest possible RMSE known, and the tiny bundle's are such."""
    page = visit.open()
    expect(page.locator("#made-up")).to_be_visible()
    card = visit.server.get("v1/model")
    del card["metrics"]["lowest_rmse"]
    page.route("**/v1/model", lambda route: route.fulfill(json=card))
    visit.open()
    expect(page.locator("#made-up")).to_be_hidden()


def test_guesses_are_blind_to_the_rating_when_movies_are_rated(visit: Visit) -> None:
    """Beside the stars stands what the other ratings predict, and over them the RMSE of all."""
    page = visit.open()
    visit.rate(5, 1, 4)
    rated = visit.read_ratings()
    squares = []
    for place, rating in enumerate(rated):
        others = [other for other in rated if other is not rating]
        [prediction] = predict(visit.server, others, [int(rating["movie_id"])])
        guess = page.locator("#rated .guess").nth(place).inner_text()
        assert float(guess.split()[-1]) == pytest.approx(prediction["predicted_rating"], abs=0.051)
        squares.append((prediction["predicted_rating"] - rating["rating"]) ** 2)
    assert float(page.locator("#tally strong").inner_text()) == pytest.approx(
        math.sqrt(sum(squares) / 3), abs=0.0051
    )


def test_ratings_are_still_there_when_the_page_is_opened_again(visit: Visit) -> None:
    """They come back from the browser's storage with their predictions; “Start over” forgets them."""
    page = visit.open()
    visit.rate(5, 2)
    ranking = visit.read_ranking()
    with page.expect_response(lambda response: ranks_with(response, n_ratings=2)):
        visit.open()
    visit.settle()
    assert visit.read_ranking() == ranking
    expect(page.locator("#rated .is-rated")).to_have_count(2)
    with page.expect_response(lambda response: ranks_with(response, n_ratings=0)):
        page.get_by_role("button", name="Start over").click()
    expect(page.locator("#rated .is-rated")).to_have_count(0)
    assert visit.read_ratings() == []


def test_rating_works_when_the_browser_forbids_storage(visit: Visit) -> None:
    """Ratings then last as long as the page."""
    visit.page.add_init_script(
        "Object.defineProperty(window, 'localStorage',"
        " {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    visit.open()
    visit.rate(4, 2)
    expect(visit.page.locator("#tally")).to_contain_text("2 movies rated")


@pytest.mark.parametrize(
    "stored", ["{", '{"a": 1}', '[{"movie": {"movie_id": 1, "title": "A"}, "rating": 99}]']
)
def test_page_starts_empty_when_what_was_stored_makes_no_sense(visit: Visit, stored: str) -> None:
    """Broken JSON, another shape and a rating off the scale are passed over."""
    fingerprint = visit.server.get("v1/model")["data_fingerprint"]
    visit.page.add_init_script(f"localStorage.setItem('four-neighbours.ratings.{fingerprint}', {stored!r})")
    page = visit.open()
    expect(page.locator("#rated .is-rated")).to_have_count(0)


def test_stars_follow_the_scale_when_it_has_halves(visit: Visit) -> None:
    """On a scale of halves, keys and clicks reach the halves, and the axis keeps its whole stars."""
    card = visit.server.get("v1/model") | {"rating_scale": {"low": 0.5, "high": 5, "step": 0.5}}
    visit.page.route("**/v1/model", lambda route: route.fulfill(json=card))
    visit.page.route("**/v1/predict/batch", lambda route: route.abort("aborted"))
    visit.expects_failures = True
    visit.page.goto(visit.url)
    stars = visit.page.locator("#rated input").first
    stars.press("ArrowRight")
    expect(stars).to_have_attribute("aria-valuetext", "0.5 stars")
    stars.press("3")
    stars.press("ArrowRight")
    expect(stars).to_have_attribute("aria-valuetext", "3.5 stars")
    stars.press("Delete")
    expect(stars).to_have_attribute("aria-valuetext", "not rated")
    visit.page.locator("#rated .stars").first.click(position={"x": 40, "y": 15})
    expect(stars).to_have_attribute("aria-valuetext", "1.5 stars")


def test_titles_stay_text_when_they_look_like_markup(visit: Visit) -> None:
    """A title from the data is shown as it is written, whatever is in it."""
    title = "<img src=x onerror=document.body.remove()> & <b>Sons</b>"
    movies = [
        movie | {"title": title} for movie in visit.server.get("v1/movies", query="", limit=9)["movies"]
    ]
    visit.page.route("**/v1/movies?*", lambda route: route.fulfill(json={"movies": movies}))
    page = visit.open()
    assert page.locator("#rated .title").first.inner_text().startswith(title)
    page.locator("#search").press_sequentially("sons")
    expect(page.get_by_role("option").first).to_contain_text(title)
    expect(page.locator("img")).to_have_count(0)
