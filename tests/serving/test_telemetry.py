"""Metrics: what Prometheus reads under uvicorn, and what CloudWatch reads on Lambda."""

import json
import re
import time
from pathlib import Path

import pytest
from asgi_client import AsgiClient
from fake_predictor import CURSED_MOVIE, FakePredictor
from fresh_python import run_fresh
from prometheus_client.parser import text_string_to_metric_families
from small_bundle import CARD

from model.serving.app import build_app
from model.serving.catalogue import Catalogue
from model.serving.cloudwatch import CloudWatchMetrics
from model.serving.live import LiveService
from model.serving.predictor import Query
from model.serving.prometheus import PrometheusMetrics
from model.serving.service import Service
from model.serving.settings import Settings
from model.serving.telemetry import Answered, build_telemetry

KNOWN = FakePredictor().self_test()
"""3.25 stars, nothing missing."""
[NEW_USER] = FakePredictor().predict([Query(movie_id=30, ratings=())])
"""3.25 stars for a user without ratings."""

ANSWERED = Answered(request_id="r-1", method="POST", route="/v1/predict", status=200, seconds=0.003)


def read_samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample, but for those of the process."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.startswith("process_")
    }


def test_prometheus_counts_requests_when_they_are_answered(service: Service) -> None:
    """Method, route template and status are the labels; what was not found has no route."""
    client = AsgiClient(build_app(LiveService(service), telemetry=build_telemetry(Settings())))
    for _ in range(2):
        client.post("/v1/predict", {"user_id": 7, "movie_id": 30})
    client.post("/v1/predict", {"user_id": 7})
    client.post("/v1/predict", {"user_id": 7, "movie_id": CURSED_MOVIE})
    client.get("/nowhere/1")
    client.get("/nowhere/2")
    response = client.get("/metrics")
    samples = read_samples(response.text)
    assert response.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert {key[1:]: value for key, value in samples.items() if key[0] == "recommender_requests_total"} == {
        ("POST", "/v1/predict", "200"): 2,
        ("POST", "/v1/predict", "422"): 1,
        ("POST", "/v1/predict", "500"): 1,
        ("GET", "none", "404"): 2,
    }
    assert samples["recommender_request_seconds_count", "/v1/predict"] == 4
    assert "process_resident_memory_bytes" in response.text


def test_prometheus_counts_predictions_when_told_of_them() -> None:
    """Stars fall into half-star buckets, and fallbacks are counted by reason."""
    metrics = PrometheusMetrics()
    metrics.count_predictions([KNOWN, KNOWN._replace(predicted_rating=3.5), NEW_USER, NEW_USER])
    samples = read_samples(metrics.render().decode())
    assert samples["recommender_predicted_rating_count",] == 4
    assert samples["recommender_predicted_rating_bucket", "3.0"] == 0
    assert samples["recommender_predicted_rating_bucket", "3.5"] == 4
    assert samples["recommender_fallbacks_total", "new_user"] == 2


def test_prometheus_counts_every_prediction_when_requests_are_answered(
    predictor: FakePredictor, catalogue: Catalogue
) -> None:
    """Single requests, the original one and batches: each prediction counts, whatever asked for it."""
    telemetry = build_telemetry(Settings())
    service = Service(predictor, CARD, catalogue, observe=telemetry.record_predictions)
    client = AsgiClient(build_app(LiveService(service), telemetry=telemetry))
    known, new = {"user_id": 7, "movie_id": 30}, {"ratings": [], "movie_id": 30}
    client.post("/v1/predict", known)
    client.post("/", {"customer_id": 7, "rating_date": "2005-02-03", "movie_id": 30})
    client.post("/v1/predict/batch", {"requests": [known, new, new]})
    samples = read_samples(client.get("/metrics").text)
    assert samples["recommender_predicted_rating_count",] == 5
    assert samples["recommender_fallbacks_total", "new_user"] == 2


def test_prometheus_reads_the_folder_when_processes_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process alone has counted is not shown: the folder, empty here, is."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    metrics = PrometheusMetrics(multiprocess=True)
    metrics.count_answer(ANSWERED)
    assert metrics.render() == b""


def test_metrics_are_nowhere_when_they_are_not_asked_for(client: AsgiClient) -> None:
    """Without Prometheus, as on Lambda, the route is not there."""
    assert client.get("/metrics").status_code == 404


COUNT_IN_TWO = """
import os
from model.serving.prometheus import PrometheusMetrics
from model.serving.telemetry import Answered
metrics = PrometheusMetrics(multiprocess=True)
answered = Answered(request_id="r", method="GET", route="/health/live", status=200, seconds=0.001)
child = os.fork()
metrics.count_answer(answered)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(metrics.render().decode())
"""


def test_prometheus_shows_all_processes_when_they_share_a_folder(tmp_path: Path) -> None:
    """Two processes that count one request each show two, whichever is asked."""
    finished = run_fresh(COUNT_IN_TWO, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert finished.returncode == 0, finished.stderr
    samples = read_samples(finished.stdout)
    assert samples["recommender_requests_total", "GET", "/health/live", "200"] == 2


def test_cloudwatch_writes_one_line_when_an_invocation_is_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line is EMF: namespace, dimensions, units and values, those of the predictions included."""
    metrics = CloudWatchMetrics("my-function")
    metrics.count_predictions([KNOWN, NEW_USER])
    metrics.count_answer(ANSWERED)
    [line] = capsys.readouterr().out.splitlines()
    emf = json.loads(line)
    [directive] = emf.pop("_aws")["CloudWatchMetrics"]
    assert directive["Namespace"] == "Recommender"
    assert [sorted(dimensions) for dimensions in directive["Dimensions"]] == [["route", "service"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "Requests": "Count",
        "Refusals": "Count",
        "Errors": "Count",
        "Latency": "Milliseconds",
        "Predictions": "Count",
        "Fallbacks.new_user": "Count",
        "PredictedRating": "None",
    }
    assert emf == {
        "route": "POST /v1/predict",
        "service": "my-function",
        "Requests": [1],
        "Refusals": [0],
        "Errors": [0],
        "Latency": [3],
        "Predictions": [2],
        "Fallbacks.new_user": [1],
        "PredictedRating": [3.25, 3.25],
    }


@pytest.mark.parametrize(("status", "refusals", "errors"), [(404, 1, 0), (500, 0, 1), (503, 0, 1)])
def test_cloudwatch_tells_refusals_from_errors_when_a_request_goes_wrong(
    capsys: pytest.CaptureFixture[str], status: int, refusals: int, errors: int
) -> None:
    """4xx is the client's, 5xx the service's."""
    CloudWatchMetrics("f").count_answer(ANSWERED._replace(status=status))
    emf = json.loads(capsys.readouterr().out)
    assert (emf["Refusals"], emf["Errors"]) == ([refusals], [errors])


def test_cloudwatch_keeps_invocations_apart_when_several_are_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing of one invocation is written again with the next."""
    metrics = CloudWatchMetrics("f")
    metrics.count_predictions([KNOWN])
    metrics.count_answer(ANSWERED)
    metrics.count_answer(ANSWERED._replace(method="GET", route="/health/live"))
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["Predictions"], second["Predictions"]) == ([1], [0])
    assert second["route"] == "GET /health/live"
    assert "PredictedRating" not in second


def test_cloudwatch_fills_in_each_requests_own_values_when_lines_are_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What differs between two requests of a route: when, how they went, how long they took, the stars."""
    metrics = CloudWatchMetrics("my-function")
    before = time.time_ns() // 1_000_000
    metrics.count_predictions([KNOWN])
    metrics.count_answer(ANSWERED)
    metrics.count_predictions([KNOWN._replace(predicted_rating=4.126)])
    metrics.count_answer(ANSWERED._replace(status=500, seconds=0.00125))
    metrics.count_answer(ANSWERED._replace(status=404))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    directives = [line.pop("_aws") for line in lines]
    after = time.time_ns() // 1_000_000
    assert all(before <= directive["Timestamp"] <= after for directive in directives)
    values = ("Requests", "Refusals", "Errors", "Latency", "Predictions", "PredictedRating")
    assert [[line.get(name) for name in values] for line in lines] == [
        [[1], [0], [0], [3], [1], [3.25]],
        [[1], [0], [1], [1.25], [1], [4.13]],
        [[1], [1], [0], [3], [0], None],
    ]
    assert {(line["route"], line["service"]) for line in lines} == {("POST /v1/predict", "my-function")}
    declared = [
        tuple(metric["Name"] for metric in directive["CloudWatchMetrics"][0]["Metrics"])
        for directive in directives
    ]
    assert declared == [values, values, values[:-1]]


def test_cloudwatch_writes_nothing_when_powertools_is_told_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Powertools' own variable turns all lines off, the long ones too."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    metrics = CloudWatchMetrics("f")
    metrics.count_predictions([KNOWN])
    metrics.count_answer(ANSWERED)
    metrics.count_predictions([KNOWN] * 250)
    metrics.count_answer(ANSWERED)
    assert not capsys.readouterr().out


def test_cloudwatch_writes_each_value_once_when_there_are_more_than_a_line_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """250 predictions take several lines of at most 100 values; the request itself is counted once."""
    metrics = CloudWatchMetrics("f")
    metrics.count_predictions([KNOWN] * 250)
    metrics.count_answer(ANSWERED)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["PredictedRating"]) for line in lines] == [100, 100, 50]
    assert [line.get("Requests") for line in lines] == [[1], None, None]
    assert {line["route"] for line in lines} == {"POST /v1/predict"}


def test_cloudwatch_writes_no_empty_line_when_the_values_fill_the_last_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A hundred predictions fill one line exactly, and nothing of it is left for the next request's."""
    telemetry = build_telemetry(Settings(function_name="f"))
    telemetry.record_predictions([KNOWN] * 100)
    telemetry.record_answer(ANSWERED)
    telemetry.record_answer(ANSWERED._replace(method="GET", route="/health/live"))
    line, following = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (len(line["PredictedRating"]), line["Requests"]) == (100, [1])
    assert (following["route"], "PredictedRating" in following) == ("GET /health/live", False)


@pytest.mark.parametrize(
    ("function", "loaded", "left_alone"),
    [("", "prometheus_client", "aws_lambda_powertools"), ("f", "aws_lambda_powertools", "prometheus_client")],
)
def test_telemetry_imports_the_platforms_own_when_built(function: str, loaded: str, left_alone: str) -> None:
    """A cold start on Lambda pays for no Prometheus, and a server for nothing of AWS."""
    code = f"""
import sys
from model.serving.settings import read_settings
from model.serving.telemetry import build_telemetry
build_telemetry(read_settings({{"AWS_LAMBDA_FUNCTION_NAME": "{function}"}}))
print(sorted(sys.modules))
"""
    finished = run_fresh(code)
    assert finished.returncode == 0, finished.stderr
    assert re.search(rf"'{loaded}'", finished.stdout)
    assert not re.search(rf"'{left_alone}'", finished.stdout)
