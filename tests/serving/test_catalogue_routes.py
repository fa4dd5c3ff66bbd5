"""Movies and users over HTTP, from a bundle of six ratings."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from asgi_client import AsgiClient
from builders import Rated, make_history
from small_bundle import ROWS

from model.bundle import Bundle
from model.serving.catalogue import Catalogue
from model.vectors import StoredVectors, prior_type

CAT = {
    "movie_id": 30,
    "title": "Lighthouse Cat, The",
    "release_year": 1995,
    "era": "1990 and later",
    "n_ratings": 3,
    "mean_rating": 4.0,
}
NAMELESS = {
    "movie_id": 60,
    "title": "",
    "release_year": None,
    "era": None,
    "n_ratings": 0,
    "mean_rating": None,
}


def list_ids(answer: dict[str, Any]) -> list[int]:
    return [movie["movie_id"] for movie in answer["movies"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?query=the+lighthouse+cat", [30]),
        ("?query=CAFE", [40, 70, 50]),
        ("?query=caf%C3%A9&limit=1", [40]),
        ("?query=%22OR(", []),
        ("?query=", [30, 40, 50, 60, 70]),
        ("", [30, 40, 50, 60, 70]),
        ("?limit=2", [30, 40]),
        ("?query=%FF%00", [30, 40, 50, 60, 70]),
    ],
)
def test_movies_are_found_when_their_titles_are_typed(
    client: AsgiClient, query: str, found: list[int]
) -> None:
    """By title, better matches first, then the most rated; an empty query lists the most rated."""
    response = client.get(f"/v1/movies{query}")
    assert response.status_code == 200
    assert list_ids(response.json()) == found


def test_movie_tells_what_is_known_when_asked_by_id(client: AsgiClient) -> None:
    """Title, year, era, ratings and their mean, (4 + 5 + 3) / 3; nulls where nothing is known."""
    assert client.get("/v1/movies/30").json() == CAT
    assert client.get("/v1/movies/60").json() == NAMELESS
    assert client.get("/v1/movies?query=lighthouse").json() == {"movies": [CAT]}


def test_movie_is_not_found_when_the_catalogue_lacks_it(client: AsgiClient) -> None:
    """A 404 problem that names the movie."""
    response = client.get("/v1/movies/31")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert response.json()["detail"] == "movie 31 is not in this model's data"
    assert response.json()["type"].endswith(":unknown-movie")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/movies/0", "path.movie_id"),
        ("/v1/movies/9223372036854775808", "path.movie_id"),
        ("/v1/movies/" + "9" * 5_000, "path.movie_id"),
        ("/v1/movies/NaN", "path.movie_id"),
        ("/v1/movies/30.0", "path.movie_id"),
        ("/v1/movies/+30", "path.movie_id"),
        ("/v1/movies/3_0", "path.movie_id"),
        ("/v1/movies/-1", "path.movie_id"),
        ("/v1/movies/0/similar", "path.movie_id"),
        ("/v1/movies/30/similar?n=51", "query.n"),
        ("/v1/movies/30/similar?limit=5", "query.limit"),
        ("/v1/movies?limit=0", "query.limit"),
        ("/v1/movies?limit=51", "query.limit"),
        ("/v1/movies?limit=1e1", "query.limit"),
        ("/v1/movies?query=" + "x" * 101, "query.query"),
        ("/v1/movies?qeury=cat", "query.qeury"),
        ("/v1/users?n=51", "query.n"),
        ("/v1/users/0/ratings", "path.user_id"),
        ("/v1/users/7/ratings?limit=501", "query.limit"),
    ],
)
def test_parameters_are_refused_when_out_of_bounds(open_client: AsgiClient, path: str, where: str) -> None:
    """A 422 problem that names the parameter."""
    response = open_client.get(path)
    assert response.status_code == 422
    assert [error["where"] for error in response.json()["errors"]] == [where]


def test_similar_movies_are_those_rated_alike_when_there_is_no_encoder(client: AsgiClient) -> None:
    """Of the small bundle nobody's ratings agree: 30 is above its mean where 40 is below, and so on."""
    assert client.get("/v1/movies/30/similar").json() == {"movies": []}
    assert client.get("/v1/movies/60/similar").json() == {"movies": []}
    assert client.get("/v1/movies/31/similar").status_code == 404


def test_similar_movies_come_with_all_that_is_known_of_them(small_bundle: Bundle) -> None:
    """Five users give 40 what they give 30, and 50 the opposite: 40 alone is like 30."""
    rows = [
        Rated(user, movie, stars)
        for user, own in enumerate((1, 2, 3, 4, 5), start=1)
        for movie, stars in ((30, own), (40, own), (50, 6 - own))
    ]
    history = make_history(rows, years={60: 0, 70: 0})
    [found] = Catalogue(small_bundle.with_history(history)).list_similar(30, 9)
    assert (found.movie_id, found.title, found.n_ratings, found.mean_rating) == (
        40,
        "The Café, Part 2",
        5,
        3.0,
    )
    assert found.similarity == pytest.approx(5 / 15)


def test_similar_movies_are_compared_by_their_vectors_when_there_is_an_encoder(small_bundle: Bundle) -> None:
    """Movie 40 points where 30 does, 50 across, and 70, which nobody has rated, is left out."""
    table = np.zeros((6, 1, 4), dtype=np.float32)
    table[1:, 0, 2:] = [[1, 0], [2, 0], [0, 1], [0, 0], [1, 0]]
    vectors = StoredVectors(
        users=np.zeros((3, 1, 4), dtype=np.float32),
        movies=table,
        links=np.zeros((6, 1, 3), dtype=np.float32),
        prior=np.zeros(1, dtype=prior_type(3)),
    )
    [found] = Catalogue(replace(small_bundle, vectors=vectors)).list_similar(30, 9)
    assert found.movie_id == 40
    assert found.similarity == pytest.approx(2 / 12)


@pytest.mark.parametrize("path", ["/v1/users", "/v1/users/7/ratings", "/v1/users/1/ratings"])
def test_users_are_hidden_when_the_operator_has_not_allowed_it(client: AsgiClient, path: str) -> None:
    """A 403 problem that names the setting, whether the user exists or not."""
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")
    assert "MODEL_SHOW_USERS" in response.json()["detail"]


def test_users_are_listed_when_the_operator_shows_them(open_client: AsgiClient) -> None:
    """Nobody has rated 20 movies here, so those with the most ratings stand in."""
    assert open_client.get("/v1/users").json() == {
        "users": [{"user_id": 7, "n_ratings": 3, "first_date": "2002-11-09", "last_date": "2002-11-12"}]
    }


def test_users_are_spread_over_those_with_enough_ratings(small_bundle: Bundle) -> None:
    """Of users 1 to 10 with 20 ratings each and 11 with 19, two are the first and the sixth."""
    rows = [Rated(user, movie, 3) for user in range(1, 12) for movie in range(1, 21)][:-1]
    catalogue = Catalogue(small_bundle.with_history(make_history(rows)))
    assert [user.user_id for user in catalogue.list_users(2)] == [1, 6]
    assert [user.user_id for user in catalogue.list_users(50)] == list(range(1, 11))
    assert Catalogue(small_bundle.with_history(make_history([]))).list_users(5) == []


def test_ratings_are_listed_newest_first_when_the_operator_shows_users(open_client: AsgiClient) -> None:
    """Of one day the later in the data comes first; each names its movie."""
    ratings = open_client.get("/v1/users/7/ratings").json()["ratings"]
    assert [(each["movie_id"], each["rating"], each["date"]) for each in ratings] == [
        (50, 5.0, "2002-11-12"),
        (40, 2.0, "2002-11-12"),
        (30, 4.0, "2002-11-09"),
    ]
    assert ratings[2]["title"] == CAT["title"]
    assert ratings[2]["release_year"] == 1995
    assert open_client.get("/v1/users/7/ratings?limit=1").json()["ratings"] == ratings[:1]
    assert len(ratings) == sum(row.user == 7 for row in ROWS)


def test_ratings_are_not_found_when_the_user_is_unknown(open_client: AsgiClient) -> None:
    """A 404 problem that names the user."""
    response = open_client.get("/v1/users/1/ratings")
    assert response.status_code == 404
    assert response.json()["detail"] == "user 1 is not in this model's data"
