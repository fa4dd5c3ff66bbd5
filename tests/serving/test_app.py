"""The routes and their errors, over HTTP, with a predictor whose answers are known."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgi_client import JSON, AsgiClient
from fake_predictor import CURSED_MOVIE, REFUSED_MOVIE, STRANGER, FakePredictor
from httpx import Response
from small_bundle import CARD

from model.dates import parse_day
from model.serving.app import build_app
from model.serving.bodies import LARGEST_BODY
from model.serving.catalogue import Catalogue
from model.serving.deadline import due_in
from model.serving.live import LiveService
from model.serving.predictor import KnownRating, Query
from model.serving.problems import LONGEST_TEXT, MOST_ERRORS
from model.serving.service import Service
from model.table import HALF_STARS

ORIGINAL = {"customer_id": 7, "rating_date": "2005-02-03", "movie_id": 30}
FEBRUARY_3 = 12_817
"""2005-02-03 in days since 1970-01-01: 35 years of 365 days, 9 leap days, 33 days into the year."""


def read_problem(response: Response, *, status: int) -> dict[str, Any]:
    """Check what every problem has in common and return its members."""
    problem: dict[str, Any] = response.json()
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert "Traceback" not in response.text
    return problem


def test_original_returns_only_the_rating_when_all_fields_are_given(
    client: AsgiClient, predictor: FakePredictor
) -> None:
    """POST / answers exactly {"predicted_rating": ...} and asks for that day, user, movie and year."""
    response = client.post("/", {**ORIGINAL, "release_year": 2002, "title": "A Film"})
    assert (response.status_code, response.json()) == (200, {"predicted_rating": 3.25})
    assert predictor.queries == [Query(movie_id=30, user_id=7, day=FEBRUARY_3, release_year=2002)]


def test_original_answers_when_the_optional_fields_are_left_out(client: AsgiClient) -> None:
    """Title and release year may be missing."""
    assert client.post("/", ORIGINAL).json() == {"predicted_rating": 3.25}


def test_predict_says_what_it_rests_on_when_the_user_is_known(client: AsgiClient) -> None:
    """POST /v1/predict answers with the counts behind the number, and no explanation unasked."""
    response = client.post("/v1/predict", {"user_id": 7, "movie_id": 30})
    assert response.json() == {
        "predicted_rating": 3.25,
        "interval": {"low": 2.25, "high": 4.25},
        "based_on": {
            "user_known": True,
            "movie_known": True,
            "n_user_ratings": 12,
            "n_movie_ratings": 40,
            "fallback": None,
        },
        "explanation": None,
    }


def test_predict_names_neighbours_but_not_who_they_are_when_asked_to_explain(client: AsgiClient) -> None:
    """The explanation holds ratings, distances, common movies, era and era mean, and no user id."""
    response = client.post("/v1/predict", {"user_id": 7, "movie_id": 30, "explain": True})
    assert response.json()["explanation"] == {
        "neighbours": [{"user_id": None, "rating": 4.0, "distance": 1.0, "common_movies": 5}],
        "era": "1990 and later",
        "era_mean": 3.75,
    }
    assert str(STRANGER) not in response.text


def test_predict_says_who_the_neighbours_are_when_the_operator_shows_users(open_client: AsgiClient) -> None:
    """Ids are in the explanation only then, and the card says that they are shown."""
    response = open_client.post("/v1/predict", {"user_id": 7, "movie_id": 30, "explain": True})
    assert [each["user_id"] for each in response.json()["explanation"]["neighbours"]] == [STRANGER]
    assert open_client.get("/v1/model").json()["shows_users"] is True


def test_batch_answers_in_order_when_requests_are_many(client: AsgiClient) -> None:
    """Each request gets the answer that it would get alone."""
    requests = [{"user_id": 7, "movie_id": 30, "explain": True}, {"ratings": [], "movie_id": 31}]
    answer = client.post("/v1/predict/batch", {"requests": requests}).json()
    assert answer == {"predictions": [client.post("/v1/predict", request).json() for request in requests]}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"requests": []}, "requests"),
        ({"requests": [{"user_id": 7, "movie_id": 30}] * 1_001}, "requests"),
        ({"requests": [{"user_id": 7, "movie_id": 30}, {"user_id": 7}]}, "requests[1].movie_id"),
        (
            {"requests": [{"movie_id": 1, "ratings": [{"movie_id": 2, "rating": 9}]}]},
            "requests[0].ratings[0].rating",
        ),
    ],
)
def test_batch_refuses_and_says_where_when_a_request_is_wrong(
    client: AsgiClient, body: object, where: str
) -> None:
    """No request, too many, and a mistake in any of them are a 422 for all."""
    problem = read_problem(client.post("/v1/predict/batch", body), status=422)
    assert problem["errors"][0]["where"] == where


def test_batch_respects_the_time_left_when_it_runs_aside(client: AsgiClient) -> None:
    """A batch over HTTP is refused like a direct one where the platform would cut it off."""
    with due_in(0.0):
        response = client.post("/v1/predict/batch", {"requests": [{"user_id": 7, "movie_id": 30}]})
    assert read_problem(response, status=503)["type"].endswith(":out-of-time")


def test_predict_passes_everything_on_when_ratings_come_with_the_request(
    client: AsgiClient, predictor: FakePredictor
) -> None:
    """Fold-in ratings, both dates and the user reach the predictor as days and stars."""
    body = {
        "user_id": 8,
        "ratings": [{"movie_id": 1, "rating": 5, "date": "1970-01-02"}, {"movie_id": 2, "rating": 1.0}],
        "movie_id": 30,
        "date": "2005-02-03",
        "as_of": "1970-01-11",
    }
    assert client.post("/v1/predict", body).json()["based_on"]["n_user_ratings"] == 2
    ratings = (KnownRating(movie_id=1, rating=5.0, day=1), KnownRating(movie_id=2, rating=1.0))
    assert predictor.queries == [
        Query(movie_id=30, user_id=8, ratings=ratings, day=parse_day("2005-02-03"), as_of=10)
    ]


def test_predict_falls_back_and_says_so_when_the_list_of_ratings_is_empty(client: AsgiClient) -> None:
    """An empty list is a new user, who gets a prediction and the reason for its weakness."""
    answer = client.post("/v1/predict", {"ratings": [], "movie_id": 31}).json()
    assert answer["predicted_rating"] == pytest.approx(3.5)
    assert answer["based_on"]["fallback"] == "new_user_and_unknown_movie"


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        ({"movie_id": 30}, "body", "user_id or ratings"),
        ({"user_id": 7}, "movie_id", "required"),
        ({"user_id": "7", "movie_id": 30}, "user_id", "expected a whole number"),
        ({"user_id": True, "movie_id": 30}, "user_id", "expected a whole number"),
        ({"user_id": 7.0, "movie_id": 30}, "user_id", "expected a whole number"),
        ({"user_id": 0, "movie_id": 30}, "user_id", "greater than or equal to 1"),
        ({"user_id": 2**63, "movie_id": 30}, "user_id", "less than or equal to 9223372036854775807"),
        (
            {"user_id": 7, "movie_id": 30, "moive_id": 1},
            "moive_id",
            "unknown: expected user_id, ratings, date, movie_id, as_of, explain, did you mean movie_id?",
        ),
        (
            {"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 4, "day": "2005-02-03"}]},
            "ratings[0].day",
            "unknown: expected movie_id, rating, date",
        ),
        (
            {"user_id": 7, "movie_id": 30, "date": "2005-02-30"},
            "date",
            "'2005-02-30' is not a date of the calendar",
        ),
        ({"user_id": 7, "movie_id": 30, "date": "1899-12-31"}, "date", "1900-01-01 to 2059-09-18"),
        ({"user_id": 7, "movie_id": 30, "as_of": 12817}, "as_of", "YYYY-MM-DD"),
        ({"user_id": 7, "movie_id": 30, "explain": "yes"}, "explain", "true or false"),
        ({"movie_id": 30, "ratings": [{"movie_id": 1, "rating": "4"}]}, "ratings[0].rating", "number"),
        (
            {"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 0.5}]},
            "ratings[0].rating",
            "1 to 5 in steps of 1",
        ),
        (
            {"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 3.5}]},
            "ratings[0].rating",
            "1 to 5 in steps of 1",
        ),
        (
            {"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 6}]},
            "ratings[0].rating",
            "1 to 5 in steps of 1",
        ),
        ({"movie_id": 30, "ratings": [{"movie_id": 4, "rating": 4}] * 2}, "body", "movie_id 4 twice"),
        ({"movie_id": 30, "ratings": [{"movie_id": 4, "rating": 4}] * 501}, "ratings", "at most 500"),
        ([], "body", "expected an object"),
    ],
)
def test_predict_refuses_and_says_where_when_the_body_is_wrong(
    client: AsgiClient, body: object, where: str, what: str
) -> None:
    """Each mistake is a 422 that names the field and what would be accepted."""
    problem = read_problem(client.post("/v1/predict", body), status=422)
    [finding] = problem["errors"]
    assert finding["where"] == where
    assert what in finding["what"]
    assert problem["detail"] == f"{where}: {finding['what']}"


@pytest.mark.parametrize("rating", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_predict_refuses_when_a_rating_is_not_finite(client: AsgiClient, rating: str) -> None:
    """Numbers that JSON parsers let through but that are no ratings are a 422."""
    body = f'{{"movie_id": 30, "ratings": [{{"movie_id": 1, "rating": {rating}}}]}}'
    problem = read_problem(client.post("/v1/predict", content=body.encode(), headers=JSON), status=422)
    assert problem["errors"][0]["where"] == "ratings[0].rating"


def test_predict_takes_half_stars_when_the_bundle_has_them(catalogue: Catalogue) -> None:
    """The scale is the bundle's: 0.5 is a rating where the data set has half stars."""
    client = AsgiClient(build_app(LiveService(Service(FakePredictor(HALF_STARS), CARD, catalogue))))
    accepted = client.post("/v1/predict", {"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 0.5}]})
    refused = client.post("/v1/predict", {"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 0.75}]})
    assert accepted.status_code == 200
    assert "0.5 to 5 in steps of 0.5" in read_problem(refused, status=422)["detail"]


@pytest.mark.parametrize(
    "content",
    [b'{"user_id": 7,', b"[" * 100_000, b"1" * 5_000, b'"\xff"', b'{"user_id": 7 "movie_id": 30}'],
    ids=["cut off", "deep", "long number", "not UTF-8", "no comma"],
)
def test_predict_refuses_when_the_body_is_not_json(client: AsgiClient, content: bytes) -> None:
    """A body that does not parse is a 400 that says what it should have been."""
    problem = read_problem(client.post("/v1/predict", content=content, headers=JSON), status=400)
    assert problem["type"].endswith(":malformed-json")
    assert problem["title"] == "Malformed JSON"
    assert problem["detail"].startswith("the body is not JSON in UTF-8: ")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_predict_says_which_header_to_send_when_the_content_type_is_not_json(
    client: AsgiClient, content_type: str
) -> None:
    """A JSON body under another content type, which is what plain `curl -d` sends, is a 415 with a remedy."""
    response = client.post(
        "/v1/predict", content=b'{"user_id": 7, "movie_id": 30}', headers={"content-type": content_type}
    )
    assert "content-type: application/json" in read_problem(response, status=415)["detail"]


def test_predict_refuses_when_the_streamed_body_is_too_large(client: AsgiClient) -> None:
    """One byte beyond 256 KiB, in chunks and without a Content-Length, is a 413."""

    async def stream() -> AsyncIterator[bytes]:  # ruff: ignore[unused-async] - httpx wants it
        for _ in range(4):
            yield b" " * (LARGEST_BODY // 4)
        yield b"1"

    problem = read_problem(client.post("/v1/predict", content=stream(), headers=JSON), status=413)
    assert "262144 bytes" in problem["detail"]


def test_predict_accepts_when_the_body_is_just_small_enough(client: AsgiClient) -> None:
    """A body of exactly 256 KiB is read."""
    content = b'{"user_id": 7, "movie_id": 30}'.ljust(LARGEST_BODY)
    assert client.post("/v1/predict", content=content, headers=JSON).status_code == 200


def test_problem_stays_small_when_the_body_is_large_and_wrong(client: AsgiClient) -> None:
    """What a client sent is repeated only in bounded pieces, and the findings are counted beyond a limit."""
    body = {"user_id": 7, "movie_id": 30, **{f"{n}{'x' * 5_000}": n for n in range(MOST_ERRORS + 5)}}
    response = client.post("/v1/predict", body)
    errors = read_problem(response, status=422)["errors"]
    assert len(errors) == MOST_ERRORS + 1
    assert errors[-1]["what"] == "5 more findings"
    assert len(errors[0]["where"]) == LONGEST_TEXT + 1
    assert len(response.content) < 10_000


@pytest.mark.parametrize("field", ["title", "\\ud800"])
def test_original_refuses_when_text_holds_a_lone_surrogate(client: AsgiClient, field: str) -> None:
    """Half of a surrogate pair, which UTF-8 cannot carry, is a 400 and not a crash while answering."""
    content = f'{{"customer_id": 7, "rating_date": "2005-02-03", "movie_id": 30, "{field}": "\\ud800"}}'
    problem = read_problem(client.post("/", content=content.encode(), headers=JSON), status=400)
    assert problem["type"].endswith(":malformed-json")


def test_problem_hides_the_error_when_the_code_is_at_fault(
    client: AsgiClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen error is a bare 500; the log names it beside the request id."""
    with caplog.at_level(logging.ERROR):
        response = client.post(
            "/v1/predict", {"user_id": 7, "movie_id": CURSED_MOVIE}, headers={"x-request-id": "r-1"}
        )
    read_problem(response, status=500)
    assert "secret" not in response.text
    [record] = [record for record in caplog.records if record.getMessage() == "request failed"]
    assert vars(record)["fields"] == {"request_id": "r-1"}
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_problem_carries_the_reason_when_the_predictor_refuses(client: AsgiClient) -> None:
    """A `PredictionError` is a 422 with its message."""
    response = client.post("/v1/predict", {"user_id": 7, "movie_id": REFUSED_MOVIE})
    assert read_problem(response, status=422)["detail"] == "movie 14 is refused"


def test_problem_keeps_the_allow_header_when_the_method_is_wrong(client: AsgiClient) -> None:
    """A wrong method is a 405 that names the right one."""
    response = client.get("/v1/predict")
    problem = read_problem(response, status=405)
    assert response.headers["allow"] == "POST"
    assert problem["detail"] == "the method is not one of this path's: expected POST"
    page = client.request("DELETE", "/")
    assert page.headers["allow"] == "GET, HEAD, POST"


def test_problem_names_the_path_when_nothing_is_there(client: AsgiClient) -> None:
    """An unknown path is a 404 whose instance is the path, with the paths there are and the nearest."""
    problem = read_problem(client.get("/v2/predict"), status=404)
    assert problem["instance"] == "/v2/predict"
    assert problem["detail"].startswith("nothing is at this path: expected /, /health/live, ")
    assert problem["detail"].endswith(", /v1/users/{user_id}/ratings, did you mean /v1/predict?")


def test_parameter_is_named_with_those_there_are_when_it_is_unknown(client: AsgiClient) -> None:
    """A mistyped parameter of an address is told like a field of a body."""
    [finding] = read_problem(client.get("/v1/movies?qeury=cafe"), status=422)["errors"]
    assert finding == {"where": "query.qeury", "what": "unknown: expected query, limit, did you mean query?"}


@pytest.mark.parametrize("path", ["/health/live", "/nowhere"])
def test_request_id_is_echoed_when_the_client_sends_a_plain_one(client: AsgiClient, path: str) -> None:
    """The client's request id comes back in the header, on success and on failure."""
    assert client.get(path, headers={"x-request-id": "trace.1_a-B"}).headers["x-request-id"] == "trace.1_a-B"


@pytest.mark.parametrize("offered", [b"", b"has space", b"x" * 129, "n\u00e9".encode(), b"a\tb"])
def test_request_id_is_fresh_when_the_offered_one_is_unfit(client: AsgiClient, offered: bytes) -> None:
    """Anything but 1 to 128 plain characters is replaced by 32 hexadecimal digits."""
    given = client.get("/health/live", headers={"x-request-id": offered}).headers["x-request-id"]
    assert given.encode() != offered
    assert len(bytes.fromhex(given)) == 16


def test_health_tells_the_self_test_rating_when_ready(client: AsgiClient) -> None:
    """Live says alive; ready says ready with the prediction made at load."""
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health/ready").json() == {
        "status": "ready",
        "self_test_rating": 3.25,
        "data_fingerprint": CARD["data_fingerprint"],
        "created": CARD["created"],
    }


def test_model_card_leaves_out_the_user_when_asked(client: AsgiClient) -> None:
    """GET /v1/model answers with the bundle's manifest, but not with the self-test, which names a user."""
    assert client.get("/v1/model").json() == {
        **CARD,
        "eras": ["before 1970", "1970-1989", "1990 and later"],
        "n_users": 3,
        "n_movies": 5,
        "n_ratings": 6,
        "shows_users": False,
    }
