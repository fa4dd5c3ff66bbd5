"""What a visitor does: search, rate, see predictions move, ask why, look for more."""

import math
import re
from typing import Any

import pytest
from browser_visit import Server, Visit, ranks_with, read_body
from playwright.sync_api import Route, expect

pytestmark = pytest.mark.browser


def predict(server: Server, ratings: list[dict[str, float]], movie_ids: list[int]) -> list[dict[str, Any]]:
    """What the service predicts for somebody with these ratings."""
    requests = [{"ratings": ratings, "movie_id": movie_id} for movie_id in movie_ids]
    predictions: list[dict[str, Any]] = server.post("v1/predict/batch", {"requests": requests})["predictions"]
    return predictions


def find_movie(server: Server, shown: str) -> dict[str, Any]:
    """The movie behind a title as the page shows it, with its year."""
    movies = server.get("v1/movies", query="", limit=50)["movies"]
    [movie] = [
        movie for movie in movies if f"{movie['title']} {movie['release_year'] or ''}".strip() == shown
    ]
    found: dict[str, Any] = movie
    return found


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
    distances[3] = 0.0
    page.locator("#ranked .row").nth(1).click()
    expect(told).to_contain_text("equally near")


def test_why_follows_the_ratings_when_they_change(visit: Visit) -> None:
    """An open explanation stays open and is told anew."""
    page = visit.open()
    page.locator("#ranked .row").last.click()
    expect(page.locator(".why .story")).to_contain_text("Nobody is close to you yet")
    with page.expect_response("**/v1/predict"):
        visit.rate(5, 1)
    expect(page.locator(".why .story")).to_contain_text("The four people closest to you")
    expect(page.locator(".why .basis")).to_contain_text("Rests on 2 ratings of yours")


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


def test_viewers_are_left_out_when_the_operator_hides_them(visit: Visit) -> None:
    """Without users there is one side only, no tab for the other, and no request that would be refused."""
    card = visit.server.get("v1/model") | {"shows_users": False}
    visit.page.route("**/v1/model", lambda route: route.fulfill(json=card))
    page = visit.open()
    expect(page.get_by_role("tab", name="Somebody in the data")).to_be_hidden()
    assert not [url for url in visit.requested if "/v1/users" in url]


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
