"""What the Lambda entry makes of each kind of event, with a predictor whose answers are known."""

import base64
import gzip
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_predictor import CURSED_MOVIE, REFUSED_MOVIE, FakePredictor
from fastapi import FastAPI

from model.serving.events import InvocationFailedError, LambdaEntry
from model.serving.live import LiveService
from model.serving.middleware import SECURITY_HEADERS
from model.serving.schemas import MOST_REQUESTS
from model.serving.service import Service

EVENTS = Path(__file__).parents[1] / "events"
CONTEXT = SimpleNamespace(aws_request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd")
HTTP_EVENTS = [
    *("api_gateway_rest", "api_gateway_rest_custom_domain"),
    *("api_gateway_http", "api_gateway_http_stage", "api_gateway_http_custom_domain"),
    *("api_gateway_http_payload_1", "function_url", "alb", "alb_multi_value"),
]


def read_event(name: str) -> dict[str, Any]:
    """A recorded event."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


@pytest.fixture
def entry(app: FastAPI, service: Service) -> LambdaEntry:
    """The Lambda entry around the fake predictor, mapped to /recommender where a domain is custom."""
    return LambdaEntry(app, LiveService(service), base_path="/recommender")


def read_headers(response: dict[str, Any]) -> dict[str, str]:
    """A response's headers, one value each, whichever way it has them."""
    one_each: dict[str, str] = response.get("headers") or {
        name: value for name, [value] in response["multiValueHeaders"].items()
    }
    return one_each


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_entry_answers_through_the_app_when_the_event_is_http(entry: LambdaEntry, name: str) -> None:
    """Each gateway's event gets a plain-text JSON response under Lambda's request id."""
    response = entry(read_event(name), CONTEXT)
    assert response["statusCode"] == 200
    assert read_headers(response)["x-request-id"] == CONTEXT.aws_request_id
    assert not response["isBase64Encoded"]
    assert json.loads(response["body"])["predicted_rating"] == pytest.approx(3.25)


def test_entry_answers_again_when_called_a_second_time(entry: LambdaEntry) -> None:
    """One instance answers event after event on the same event loop."""
    statuses = [entry(read_event("alb"), CONTEXT)["statusCode"] for _ in range(3)]
    assert statuses == [200, 200, 200]


def test_entry_answers_problems_as_text_when_the_http_request_is_wrong(entry: LambdaEntry) -> None:
    """Problem bodies are not base64."""
    event = read_event("api_gateway_rest") | {"body": "{}"}
    response = entry(event, CONTEXT)
    assert (response["statusCode"], response["isBase64Encoded"]) == (422, False)
    assert json.loads(response["body"])["request_id"] == CONTEXT.aws_request_id


def ask(name: str, method: str, path: str, **changes: object) -> dict[str, Any]:
    """A recorded event as a request for another path of the application."""
    event = read_event(name) | {"body": None} | changes
    text = json.dumps(event).replace("/v1/predict", path).replace('"POST"', f'"{method}"')
    changed: dict[str, Any] = json.loads(text)
    return changed


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("api_gateway_rest", "/prod"),
        ("api_gateway_rest_custom_domain", "/recommender"),
        ("api_gateway_http", ""),
        ("api_gateway_http_stage", "/prod"),
        ("api_gateway_http_custom_domain", "/recommender"),
        ("api_gateway_http_payload_1", "/prod"),
        ("function_url", ""),
        ("alb", ""),
    ],
)
def test_entry_tells_the_docs_where_they_are_when_a_gateway_has_a_prefix(
    entry: LambdaEntry, name: str, prefix: str
) -> None:
    """Behind /prod the docs page asks for /prod/openapi.json, and that names /prod as its server."""
    page = entry(ask(name, "GET", "/docs"), CONTEXT)
    assert page["statusCode"] == 200
    assert f"'{prefix}/openapi.json'" in page["body"]
    described = entry(ask(name, "GET", "/openapi.json"), CONTEXT)
    servers = [server["url"] for server in json.loads(described["body"]).get("servers", [])]
    assert servers == ([prefix] if prefix else [])


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_entry_answers_with_the_page_when_the_root_is_asked_for(entry: LambdaEntry, name: str) -> None:
    """Behind every gateway the demo page arrives as text, with its own policy for what it may run."""
    response = entry(ask(name, "GET", "/"), CONTEXT)
    assert (response["statusCode"], response["isBase64Encoded"]) == (200, False)
    assert response["body"].lstrip().lower().startswith("<!doctype html>")
    assert "script-src" in read_headers(response)["content-security-policy"]


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_entry_reads_the_body_when_it_is_gzip_in_base64(entry: LambdaEntry, name: str) -> None:
    """A compressed request arrives in base64, from every gateway."""
    event = read_event(name)
    body = gzip.compress(json.dumps({"user_id": 7, "movie_id": 30}).encode())
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    for headers, value in (("headers", "gzip"), ("multiValueHeaders", ["gzip"])):
        if headers in event:
            event[headers]["content-encoding"] = value
    response = entry(event, CONTEXT)
    assert (response["statusCode"], json.loads(response["body"])["predicted_rating"]) == (200, 3.25)


@pytest.mark.parametrize("name", ["api_gateway_http", "api_gateway_rest", "function_url", "alb"])
def test_entry_answers_gzip_in_base64_when_the_gateway_decodes_it(entry: LambdaEntry, name: str) -> None:
    """A large answer is compressed for who asks, except behind a REST API, which would hand on the base64."""
    event = ask(name, "GET", "/openapi.json")
    event["headers"] |= {"accept-encoding": "gzip"}
    response = entry(event, CONTEXT)
    assert response["statusCode"] == 200
    assert response["isBase64Encoded"] == (name != "api_gateway_rest")
    if response["isBase64Encoded"]:
        assert response["headers"]["content-encoding"] == "gzip"
        response["body"] = gzip.decompress(base64.b64decode(response["body"])).decode()
    assert "/v1/predict" in json.loads(response["body"])["paths"]


@pytest.mark.parametrize(
    ("milliseconds", "status"), [(30_000, None), (150, 503)], ids=["enough", "less than the reserve"]
)
def test_entry_refuses_a_batch_when_lambda_is_about_to_end_it(
    entry: LambdaEntry, predictor: FakePredictor, milliseconds: int, status: int | None
) -> None:
    """Without the time for it nothing is predicted, and the caller hears of it instead of a timeout."""
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds, **vars(CONTEXT))
    answer = entry(read_event("direct_batch"), context)
    assert answer.get("status") == status
    assert len(predictor.queries) == (0 if status else 3)
    if status:
        assert answer["type"].endswith(":out-of-time")


@pytest.mark.parametrize("path", ["/v1/predict/batch", "/v1/recommend"])
def test_entry_refuses_long_work_over_http_when_lambda_is_about_to_end_it(
    entry: LambdaEntry, path: str
) -> None:
    """The deadline reaches the threads that long work is done in."""
    bodies = {"/v1/predict/batch": read_event("direct_batch"), "/v1/recommend": {"ratings": []}}
    event = ask("api_gateway_http", "POST", path) | {"body": json.dumps(bodies[path])}
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 150, **vars(CONTEXT))
    assert entry(event, context)["statusCode"] == 503
    assert entry(event, CONTEXT)["statusCode"] == 200


def test_entry_answers_500_when_the_app_fails(entry: LambdaEntry) -> None:
    """A bug behind an HTTP event is a problem for the client and a traceback only in the log."""
    event = read_event("api_gateway_http") | {"body": json.dumps({"user_id": 7, "movie_id": CURSED_MOVIE})}
    response = entry(event, CONTEXT)
    assert response["statusCode"] == 500
    assert json.loads(response["body"])["title"] == "Internal Server Error"


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_entry_answers_400_when_the_http_body_is_not_base64(
    entry: LambdaEntry, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that claims to be base64 and is not gets a response that the gateway understands."""
    with caplog.at_level(logging.WARNING):
        response = entry(read_event(name) | {"body": "a", "isBase64Encoded": True}, CONTEXT)
    assert (response["statusCode"], read_headers(response)["x-request-id"]) == (400, CONTEXT.aws_request_id)
    assert json.loads(response["body"])["type"].endswith(":unreadable-event")
    assert "cannot be read" in caplog.text
    answered = read_headers(entry(read_event(name), CONTEXT))
    assert {key for key, _ in SECURITY_HEADERS} <= {key.encode() for key in answered}
    assert read_headers(response).keys() == answered.keys() - {"content-length"}


def test_entry_answers_400_when_an_http_event_lacks_its_method(entry: LambdaEntry) -> None:
    """A half HTTP event is answered, not crashed on."""
    assert entry({"version": "2.0", "requestContext": {}}, None)["statusCode"] == 400


def test_entry_predicts_when_invoked_directly(entry: LambdaEntry) -> None:
    """A bare body of /v1/predict is answered with the same fields as over HTTP."""
    answer = entry(read_event("direct"), CONTEXT)
    over_http = entry(read_event("api_gateway_http"), CONTEXT)
    assert answer["predicted_rating"] == pytest.approx(3.25)
    assert answer == json.loads(over_http["body"])


def test_entry_returns_only_the_rating_when_invoked_with_the_original_body(entry: LambdaEntry) -> None:
    """The original request works without HTTP too."""
    assert entry(read_event("direct_original"), CONTEXT) == {"predicted_rating": 3.25}


def test_entry_predicts_in_order_when_invoked_with_many_requests(entry: LambdaEntry) -> None:
    """A batch gets its predictions in the order of its requests, with what each rests on."""
    predictions = entry(read_event("direct_batch"), CONTEXT)["predictions"]
    assert [prediction["predicted_rating"] for prediction in predictions] == [3.25, 3.5, 3.25]
    assert [prediction["based_on"]["fallback"] for prediction in predictions] == [
        None,
        "unknown_movie",
        "new_user",
    ]
    assert [prediction["explanation"] is None for prediction in predictions] == [True, False, True]


def test_entry_answers_within_lambdas_limit_when_the_batch_is_full(
    entry: LambdaEntry, predictor: FakePredictor
) -> None:
    """1,000 explained requests are answered in less than the 6 MiB that an answer may have; 1,001 refused."""
    requests = [{"user_id": 7, "movie_id": 30, "explain": True}] * MOST_REQUESTS
    answer = entry({"requests": requests}, CONTEXT)
    assert len(answer["predictions"]) == 1_000
    assert len(json.dumps(answer)) < 6 * 1024 * 1024 / 4  # the fake explains with one neighbour of four
    assert len(predictor.queries) == 1_000
    assert entry({"requests": [*requests, requests[0]]}, CONTEXT)["status"] == 422


@pytest.mark.parametrize("name", ["warm_up_eventbridge", "warm_up_scheduler", "warm_up_plugin"])
def test_entry_predicts_nothing_when_the_event_is_a_warm_up(
    entry: LambdaEntry, predictor: FakePredictor, name: str
) -> None:
    """Scheduled events and the warm-up plug-in's are answered at once."""
    assert entry(read_event(name), CONTEXT) == {"status": "warm"}
    assert predictor.queries == []


@pytest.mark.parametrize(
    ("event", "where"),
    [
        ({"movie_id": 30}, "body"),
        ({"user_id": 7}, "movie_id"),
        ({"customer_id": 7, "movie_id": 30}, "rating_date"),
        (
            {"requests": [{"user_id": 7, "movie_id": 30}, {"user_id": 7, "movie_id": 0}]},
            "requests[1].movie_id",
        ),
        ({"requests": [{"user_id": 7, "movie_id": 30}], "movie_id": 30}, "movie_id"),
        ({"requests": []}, "requests"),
        (
            {"requests": [{"movie_id": 30, "ratings": [{"movie_id": 1, "rating": 0.5}]}]},
            "requests[0].ratings[0].rating",
        ),
    ],
)
def test_entry_returns_a_problem_when_a_direct_body_is_wrong(
    entry: LambdaEntry, event: object, where: str
) -> None:
    """A direct invocation's mistake comes back as a problem with status 422 and the field."""
    problem = entry(event, CONTEXT)
    assert (problem["status"], problem["request_id"]) == (422, CONTEXT.aws_request_id)
    assert problem["errors"][0]["where"] == where


def test_entry_returns_a_problem_when_the_predictor_refuses(entry: LambdaEntry) -> None:
    """A `PredictionError` in a direct invocation is a problem with status 422."""
    problem = entry({"user_id": 7, "movie_id": REFUSED_MOVIE}, None)
    assert (problem["status"], problem["detail"]) == (422, "movie 14 is refused")


def test_entry_raises_when_a_direct_invocation_meets_a_bug(entry: LambdaEntry) -> None:
    """A bug fails the invocation, for retries and alarms, and tells the caller nothing of the code."""
    with pytest.raises(InvocationFailedError, match=CONTEXT.aws_request_id) as failure:
        entry({"user_id": 7, "movie_id": CURSED_MOVIE}, CONTEXT)
    assert failure.value.__suppress_context__


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [1],
        "text",
        {"requestContext": {"connectionId": "socket"}},
        read_event("websocket"),
        read_event("queue"),
        {"source": ["aws.events"]},
        {"x" * 9_000: 1},
    ],
    ids=["empty", "null", "list", "text", "socket", "websocket", "queue", "list of sources", "long name"],
)
def test_entry_says_what_it_accepts_when_the_event_is_unknown(entry: LambdaEntry, event: object) -> None:
    """Anything else gets a short problem with status 400 instead of a traceback."""
    problem = entry(event, CONTEXT)
    assert problem["status"] == 400
    assert problem["type"].endswith(":unknown-event")
    assert "POST /v1/predict" in problem["detail"]
    assert len(problem["detail"]) < 600
