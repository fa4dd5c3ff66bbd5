"""Recommendations over HTTP, with a predictor whose answers are known."""

import typing

import pytest
from asgi_client import AsgiClient
from fake_predictor import FakePredictor

from model.history import ERA_NAMES
from model.serving.movie_schemas import Era
from model.serving.predictor import KnownRating

FIRST = {
    "movie_id": 30,
    "title": "Lighthouse Cat, The",
    "release_year": 1995,
    "predicted_rating": 4.5,
    "interval": {"low": 3.5, "high": 5.0},
}
SECOND = {
    "movie_id": 60,
    "title": "",
    "release_year": None,
    "predicted_rating": 4.25,
    "interval": {"low": 3.0, "high": 5.0},
}


def test_eras_of_requests_are_those_of_the_history() -> None:
    """What may be asked for is what there is."""
    assert typing.get_args(Era) == ERA_NAMES


def test_recommend_names_movies_and_what_they_rest_on_when_user_is_known(client: AsgiClient) -> None:
    """Highest first, each with title, year, prediction and interval."""
    response = client.post("/v1/recommend", {"user_id": 7, "n": 2})
    assert response.status_code == 200
    assert response.json() == {
        "recommendations": [FIRST, SECOND],
        "based_on": {"user_known": True, "n_user_ratings": 12, "fallback": None},
    }


def test_recommend_passes_everything_on_when_ratings_come_with_the_request(
    client: AsgiClient, predictor: FakePredictor
) -> None:
    """User, ratings, number, era and day reach the predictor."""
    body = {
        "user_id": 8,
        "ratings": [{"movie_id": 1, "rating": 5, "date": "1970-01-02"}, {"movie_id": 2, "rating": 1}],
        "n": 1,
        "era": "1970-1989",
        "date": "1970-01-11",
    }
    answer = client.post("/v1/recommend", body).json()
    assert answer["recommendations"] == [FIRST]
    assert answer["based_on"]["n_user_ratings"] == 2
    ratings = (KnownRating(movie_id=1, rating=5.0, day=1), KnownRating(movie_id=2, rating=1.0))
    assert predictor.recommended == [
        {"user_id": 8, "ratings": ratings, "n": 1, "era": "1970-1989", "day": 10}
    ]


@pytest.mark.parametrize("body", [{}, {"ratings": []}, {"user_id": 99}])
def test_recommend_falls_back_and_says_so_when_nobody_is_known(
    client: AsgiClient, predictor: FakePredictor, body: object
) -> None:
    """Neither user nor ratings is somebody new, who is recommended ten movies."""
    answer = client.post("/v1/recommend", body).json()
    assert answer["based_on"] == {"user_known": False, "n_user_ratings": 0, "fallback": "new_user"}
    assert predictor.recommended[0]["n"] == 10


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"n": 0}, "n"),
        ({"n": 101}, "n"),
        ({"n": "5"}, "n"),
        ({"n": 5.0}, "n"),
        ({"n": True}, "n"),
        ({"era": "1980s"}, "era"),
        ({"user_id": 2**63}, "user_id"),
        ({"as_of": "2005-01-01"}, "as_of"),
        ({"date": "1899-12-31"}, "date"),
        ({"ratings": [{"movie_id": 4, "rating": 4}] * 2}, "body"),
        ({"ratings": [{"movie_id": 4, "rating": 4.5}]}, "ratings[0].rating"),
        ({"ratings": [{"movie_id": place + 1, "rating": 4} for place in range(501)]}, "ratings"),
    ],
)
def test_recommend_refuses_and_says_where_when_the_body_is_wrong(
    client: AsgiClient, predictor: FakePredictor, body: object, where: str
) -> None:
    """Each mistake is a 422 that names the field, and nothing is predicted."""
    response = client.post("/v1/recommend", body)
    assert response.status_code == 422
    assert [error["where"] for error in response.json()["errors"]] == [where]
    assert predictor.recommended == []
