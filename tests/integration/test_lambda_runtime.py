"""handler.handler under AWS's own runtime client, with an event of every kind."""

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


Invoke = Callable[[str], Answer]


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
            },
        )
        try:
            yield partial(invoke_recorded, api, process)
        finally:
            process.kill()
            process.wait(timeout=30)


def invoke_recorded(api: RuntimeApi, process: subprocess.Popen[bytes], name: str) -> Answer:
    """Send a recorded event; the handler must not have raised."""
    answer = api.invoke(json.loads((EVENTS / f"{name}.json").read_text()), runtime=process)
    assert answer.kind == "response", answer.payload
    return answer


def check_prediction(prediction: dict[str, Any]) -> None:
    """Every field of a prediction is there, and the rating is on the scale."""
    assert prediction.keys() == {"predicted_rating", "interval", "based_on", "explanation"}
    assert 0.5 <= prediction["predicted_rating"] <= 5


@pytest.mark.parametrize(
    "name", ["api_gateway_rest", "api_gateway_http", "api_gateway_http_stage", "function_url", "alb"]
)
def test_runtime_answers_with_an_http_response_when_the_event_is_http(invoke: Invoke, name: str) -> None:
    """Each gateway's event gets a 200 with the invocation's own id."""
    answer = invoke(name)
    assert answer.payload["statusCode"] == 200, answer.payload
    assert answer.payload["headers"]["x-request-id"] == answer.request_id
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


@pytest.mark.parametrize("name", ["warm_up_eventbridge", "warm_up_plugin"])
def test_runtime_answers_at_once_when_the_event_is_a_warm_up(invoke: Invoke, name: str) -> None:
    """Warm-up events are answered without a prediction."""
    assert invoke(name).payload == {"status": "warm"}


def test_runtime_answers_with_a_problem_when_the_event_is_unknown(invoke: Invoke) -> None:
    """A queue's event comes back as a problem under the invocation's id, not as a crash."""
    answer = invoke("queue")
    assert (answer.payload["status"], answer.payload["request_id"]) == (400, answer.request_id)


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
