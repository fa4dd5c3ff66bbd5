"""handler.handler under AWS's own runtime client, with an event of every kind."""

import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fresh_python import ROOT
from lambda_runtime_api import Answer, RuntimeApi

EVENTS = ROOT / "tests" / "events"
FUNCTION = {
    "AWS_LAMBDA_FUNCTION_NAME": "recommender",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/recommender",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2005/02/03/[$LATEST]",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


Invoke = Callable[..., Answer]
"""Takes an event, or the name of a recorded one, and `milliseconds` for it."""

HTTP_EVENTS = [
    *("api_gateway_rest", "api_gateway_rest_custom_domain", "api_gateway_http", "api_gateway_http_stage"),
    *("api_gateway_http_custom_domain", "api_gateway_http_payload_1", "function_url", "alb"),
    "alb_multi_value",
]


@pytest.fixture(scope="module")
def invoke(bundle_path: Path) -> Iterator[Invoke]:
    """Sends a recorded event to `awslambdaric`, which imports the handler once for all tests here."""
    with RuntimeApi() as api:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "handler.handler"],
            cwd=ROOT,
            env={
                **os.environ,
                **FUNCTION,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "MODEL_BUNDLE": str(bundle_path),
                "MODEL_BASE_PATH": "recommender",
            },
        )
        try:
            yield partial(invoke_runtime, api, process)
        finally:
            process.kill()
            process.wait(timeout=30)


def read_event(name: str) -> dict[str, Any]:
    """A recorded event."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def invoke_runtime(
    api: RuntimeApi, process: subprocess.Popen[bytes], event: object, *, milliseconds: int = 30_000
) -> Answer:
    """Send an event; the handler must not have raised."""
    sent = read_event(event) if isinstance(event, str) else event
    answer = api.invoke(sent, runtime=process, milliseconds=milliseconds)
    assert answer.kind == "response", answer.payload
    return answer


def read_headers(payload: dict[str, Any]) -> dict[str, str]:
    """A response's headers, one value each, whichever way it has them."""
    one_each: dict[str, str] = payload.get("headers") or {
        name: value for name, [value] in payload["multiValueHeaders"].items()
    }
    return one_each


def check_prediction(prediction: dict[str, Any]) -> None:
    """Every field of a prediction is there, and the rating is on the scale."""
    assert prediction.keys() == {"predicted_rating", "interval", "based_on", "explanation"}
    assert 0.5 <= prediction["predicted_rating"] <= 5


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_runtime_answers_with_an_http_response_when_the_event_is_http(invoke: Invoke, name: str) -> None:
    """Each gateway's event gets a 200 with the invocation's own id."""
    answer = invoke(name)
    assert answer.payload["statusCode"] == 200, answer.payload
    assert read_headers(answer.payload)["x-request-id"] == answer.request_id
    check_prediction(json.loads(answer.payload["body"]))


def test_runtime_answers_with_the_prediction_when_invoked_directly(invoke: Invoke) -> None:
    """A direct invocation gets the prediction itself."""
    check_prediction(invoke("direct").payload)


def test_runtime_answers_with_the_rating_when_invoked_with_the_original_body(invoke: Invoke) -> None:
    """The original request gets its one field."""
    assert invoke("direct_original").payload.keys() == {"predicted_rating"}


def test_runtime_answers_each_request_when_invoked_with_many(invoke: Invoke) -> None:
    """A batch of three gets three predictions."""
    predictions = invoke("direct_batch").payload["predictions"]
    assert len(predictions) == 3
    for prediction in predictions:
        check_prediction(prediction)


@pytest.mark.parametrize("name", ["warm_up_eventbridge", "warm_up_scheduler", "warm_up_plugin"])
def test_runtime_answers_at_once_when_the_event_is_a_warm_up(invoke: Invoke, name: str) -> None:
    """Warm-up events are answered without a prediction."""
    assert invoke(name).payload == {"status": "warm"}


@pytest.mark.parametrize("name", ["queue", "websocket"])
def test_runtime_answers_with_a_problem_when_the_event_is_unknown(invoke: Invoke, name: str) -> None:
    """Another service's event comes back as a problem under the invocation's id, not as a crash."""
    answer = invoke(name)
    assert (answer.payload["status"], answer.payload["request_id"]) == (400, answer.request_id)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"body": "{}"}, 422),
        ({"body": "{"}, 400),
        ({"body": "no base64", "isBase64Encoded": True}, 400),
        ({"body": " " * (256 * 1024 + 1)}, 413),
        ({"headers": {"content-type": "text/plain"}}, 415),
        ({"headers": {"content-type": "application/json", "content-encoding": "br"}}, 415),
        ({"requestContext": {"http": {"method": "GET", "path": "/nowhere", "sourceIp": "::1"}}}, 404),
        ({"requestContext": {"http": {"path": "/v1/predict"}}}, 400),
    ],
    ids=["fields", "json", "base64", "size", "type", "coding", "path", "no method"],
)
def test_runtime_answers_with_the_status_when_an_http_request_is_wrong(
    invoke: Invoke, changes: dict[str, Any], status: int
) -> None:
    """Each mistake of a client is a response with a problem in it, under the invocation's id."""
    answer = invoke(read_event("api_gateway_http") | changes)
    problem = json.loads(answer.payload["body"])
    assert (answer.payload["statusCode"], problem["status"]) == (status, status)
    assert problem["request_id"] == answer.request_id


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"user_id": 7}, 422),
        ({"user_id": 7, "movie_id": "30"}, 422),
        ({"requests": [{"user_id": 7, "movie_id": 30}] * 1_001}, 422),
        ({"ratings": [{"movie_id": 30, "rating": 77}], "movie_id": 31}, 422),
        (["list"], 400),
        (None, 400),
    ],
    ids=["missing", "type", "too many", "off the scale", "list", "null"],
)
def test_runtime_answers_with_a_problem_when_a_direct_invocation_is_wrong(
    invoke: Invoke, event: object, status: int
) -> None:
    """A direct invocation's mistake is its result, with a status, and no function error."""
    answer = invoke(event)
    assert (answer.payload["status"], answer.payload["request_id"]) == (status, answer.request_id)


def test_runtime_answers_a_full_batch_when_asked_by_http_for_gzip(invoke: Invoke) -> None:
    """1,000 explained predictions, asked and answered in gzip, arrive whole and below Lambda's 6 MiB."""
    body = {"requests": [{"user_id": user, "movie_id": 2, "explain": True} for user in range(1, 1_001)]}
    event = read_event("api_gateway_http")
    event["body"] = base64.b64encode(gzip.compress(json.dumps(body).encode())).decode()
    event["isBase64Encoded"] = True
    event["headers"] |= {"content-encoding": "gzip", "accept-encoding": "gzip"}
    event["requestContext"]["http"]["path"] = event["rawPath"] = "/v1/predict/batch"
    payload = invoke(event).payload
    assert (payload["statusCode"], payload["isBase64Encoded"]) == (200, True)
    assert payload["headers"]["content-encoding"] == "gzip"
    unpacked = gzip.decompress(base64.b64decode(payload["body"]))
    predictions = json.loads(unpacked)["predictions"]
    assert len(predictions) == 1_000
    assert len(unpacked) < 6 * 1024 * 1024


def test_runtime_refuses_a_batch_when_its_time_is_up(invoke: Invoke) -> None:
    """With 150 ms left a batch is refused with 503, both ways in, and the instance lives on."""
    assert invoke("direct_batch", milliseconds=150).payload["status"] == 503
    event = read_event("api_gateway_http") | {"body": json.dumps(read_event("direct_batch"))}
    event["requestContext"]["http"]["path"] = "/v1/predict/batch"
    late = invoke(event, milliseconds=150).payload
    assert (late["statusCode"], json.loads(late["body"])["title"]) == (503, "Out of time")
    assert invoke(event).payload["statusCode"] == 200


def test_runtime_answers_in_milliseconds_when_warm(invoke: Invoke) -> None:
    """The fastest of ten warm predictions takes well under a tenth of a second, HTTP and runtime included."""
    assert min(invoke("api_gateway_http").seconds for _ in range(10)) < 0.1


def test_runtime_reports_the_exit_when_the_bundle_is_missing(tmp_path: Path) -> None:
    """Without a bundle the runtime ends with status 2, and the log's line names the bundle."""
    with RuntimeApi() as api:
        finished = subprocess.run(
            [sys.executable, "-m", "awslambdaric", "handler.handler"],
            cwd=ROOT,
            env={
                **os.environ,
                **FUNCTION,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "MODEL_BUNDLE": str(tmp_path / "none"),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert finished.returncode == 2
    assert f"MODEL_BUNDLE is {tmp_path / 'none'}" in finished.stderr
