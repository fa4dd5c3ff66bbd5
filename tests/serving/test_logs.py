"""The log's lines: what is in them, and what must never be."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from logging.handlers import BufferingHandler
from typing import Any

import pytest
from asgi_client import AsgiClient
from fake_predictor import CURSED_MOVIE
from fastapi import FastAPI
from fresh_python import ROOT
from opentelemetry.trace import ProxyTracerProvider

from model.serving.app import build_app
from model.serving.live import LiveService
from model.serving.logs import configure_logging
from model.serving.service import Service
from model.serving.telemetry import Answered, Telemetry

pytestmark = pytest.mark.usefixtures("loggers")


@pytest.fixture
def loggers() -> Iterator[None]:
    """Puts the loggers back as they were."""
    names = ("model", "uvicorn", "uvicorn.access", "mangum")
    before = [
        (logger := logging.getLogger(name), logger.handlers, logger.propagate, logger.level) for name in names
    ]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_log_has_one_line_of_json_when_a_request_is_answered(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each request leaves its id, route, status and time, and the first of a process says so."""
    configure_logging("info")
    client = AsgiClient(build_app(LiveService(service)))
    client.post("/v1/predict", {"user_id": 7, "movie_id": 30}, headers={"x-request-id": "r-1"})
    client.request("BREW", "/nowhere/7", headers={"x-request-id": "r-2"})
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("Z")
    assert 0 < first.pop("milliseconds") < 60_000
    assert first == {
        "level": "info",
        "message": "answered",
        "request_id": "r-1",
        "method": "POST",
        "route": "/v1/predict",
        "status": 200,
        "cold_start": True,
    }
    assert (second["method"], second["route"], second["status"]) == ("other", "none", 404)
    assert second["cold_start"] is False


def test_log_tells_the_same_when_somebody_looks_at_records(capsys: pytest.CaptureFixture[str]) -> None:
    """A filter makes a record of what else is a line at once: the same members in the same order."""
    answered = Answered(request_id="r-ü", method="POST", route='/v1/"predict"', status=200, seconds=0.00125)
    configure_logging("info")
    Telemetry().record_answer(answered)
    logging.getLogger("model").handlers[0].addFilter(logging.Filter())
    Telemetry().record_answer(answered)
    at_once, by_record = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    for line in (at_once, by_record):
        moment = datetime.fromisoformat(line.pop("time"))
        assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert list(at_once.items()) == list(by_record.items())
    assert at_once["request_id"] == "r-ü"


def add_handler(logger: logging.Logger, handler: logging.Handler) -> None:
    logger.addHandler(handler)


def replace_handler(logger: logging.Logger, handler: logging.Handler) -> None:
    logger.handlers = [handler]


def add_further_up(logger: logging.Logger, handler: logging.Handler) -> None:
    logger.propagate = True
    logging.getLogger().addHandler(handler)


def add_further_down(logger: logging.Logger, handler: logging.Handler) -> None:
    logger.getChild("serving.telemetry").addHandler(handler)


@pytest.mark.parametrize("change", [add_handler, replace_handler, add_further_up, add_further_down])
def test_log_gives_others_records_when_they_have_handlers(
    change: Callable[[logging.Logger, logging.Handler], None],
) -> None:
    """A handler of the operator's own, wherever it was put, gets what there is to tell as a record."""
    configure_logging("info")
    handler = BufferingHandler(capacity=9)
    change(logging.getLogger("model"), handler)
    try:
        Telemetry().record_answer(
            Answered(request_id="r-1", method="GET", route="/health/live", status=200, seconds=0.002)
        )
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("model.serving.telemetry").removeHandler(handler)
    [record] = handler.buffer
    assert (record.getMessage(), record.levelname) == ("answered", "INFO")
    assert vars(record)["fields"] == {
        "request_id": "r-1",
        "method": "GET",
        "route": "/health/live",
        "status": 200,
        "milliseconds": 2.0,
        "cold_start": True,
    }


def test_log_gives_another_formatter_its_records_when_the_handler_has_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the line nor its form is forced on an operator who has replaced the formatter."""
    configure_logging("info")
    logging.getLogger("model").handlers[0].setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    Telemetry().record_answer(
        Answered(request_id="r-1", method="GET", route="/health/live", status=200, seconds=0.002)
    )
    assert capsys.readouterr().err == "INFO answered\n"


def test_log_asks_another_record_factory_when_there_is_one() -> None:
    """Whoever makes the records makes that of a request, too."""
    made = []

    def keep(*parts: Any) -> logging.LogRecord:
        made.append(logging.LogRecord(*parts))
        return made[-1]

    configure_logging("info")
    usual = logging.getLogRecordFactory()
    logging.setLogRecordFactory(keep)
    try:
        Telemetry().record_answer(
            Answered(request_id="r-1", method="GET", route="/health/live", status=200, seconds=0.002)
        )
    finally:
        logging.setLogRecordFactory(usual)
    assert [record.getMessage() for record in made] == ["answered"]


def test_log_fails_nobody_when_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like logging's own handlers: whoever asked gets the answer although its line is lost."""
    closed = io.StringIO()
    monkeypatch.setattr("sys.stderr", closed)
    configure_logging("info")
    closed.close()
    spare = io.StringIO()
    monkeypatch.setattr("sys.stderr", spare)
    Telemetry().record_answer(
        Answered(request_id="r-1", method="GET", route="/health/live", status=200, seconds=0.002)
    )
    assert "I/O operation on closed file" in spare.getvalue()


def test_log_keeps_everything_personal_out_when_requests_hold_it(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither ids nor paths, queries, bodies, keys, addresses or the texts of errors are in any line."""
    configure_logging("info")
    client = AsgiClient(build_app(LiveService(service)))
    secret = 918_273_645
    client.post("/v1/predict", {"user_id": secret, "movie_id": CURSED_MOVIE})
    client.post("/v1/predict", {"user_id": str(secret), "movie_id": 30})
    client.get(f"/v1/nothing/{secret}?query={secret}", headers={"authorization": f"Bearer {secret}"})
    log = capsys.readouterr().err
    assert len(log.splitlines()) == 4  # the failure has a line of its own
    assert str(secret) not in log
    assert "a secret of the code" not in log
    assert "127.0.0.1" not in log


@pytest.mark.parametrize(("level", "text"), [("info", None), ("debug", "a secret of the code")])
def test_log_says_where_the_code_failed_when_nobody_foresaw_it(
    service: Service, capsys: pytest.CaptureFixture[str], level: str, text: str | None
) -> None:
    """The kind of error, the lines of code and the request's id; the error's text at level debug only."""
    configure_logging(level)
    client = AsgiClient(build_app(LiveService(service)))
    client.post("/v1/predict", {"user_id": 7, "movie_id": CURSED_MOVIE}, headers={"x-request-id": "r-1"})
    failed, answered = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (failed["level"], failed["message"], failed["request_id"]) == ("error", "request failed", "r-1")
    assert failed["error"] == "ZeroDivisionError"
    assert failed["stack"][-1].startswith(f"{ROOT}/tests/fake_predictor.py:")
    assert failed.get("error_text") == text
    assert answered["status"] == 500


def test_log_leaves_requests_out_when_the_level_is_warning(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """A higher level drops the lines of requests."""
    configure_logging("warning")
    AsgiClient(build_app(LiveService(service))).get("/health/live")
    assert not capsys.readouterr().err


def test_log_takes_what_servers_say_when_configured(capsys: pytest.CaptureFixture[str]) -> None:
    """Failures of uvicorn and Mangum are lines of JSON too, without texts of errors and without paths."""
    configure_logging("info")
    logging.getLogger("mangum.http").info("GET /v1/movies/7 200")
    for name in ("uvicorn.error", "mangum.http"):
        try:
            int("user 918273645")
        except ValueError:
            logging.getLogger(name).exception("something failed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["message"], line["error"]) for line in lines] == [("something failed", "ValueError")] * 2
    assert not any("918273645" in json.dumps(line) for line in lines)


def test_log_silences_uvicorns_own_when_configured() -> None:
    """uvicorn asks whether its logger of requests has handlers: it has one that writes nothing."""
    access = logging.getLogger("uvicorn.access")
    access.handlers = [logging.StreamHandler()]
    configure_logging("info")
    assert [type(handler) for handler in access.handlers] == [logging.NullHandler]
    assert access.propagate is False


def test_opentelemetry_is_not_asked_for_when_a_request_is_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spans would hold paths and queries. A plain application does ask, so asking would be seen."""
    asked: list[str] = []

    def count() -> ProxyTracerProvider:
        asked.append("provider")
        return ProxyTracerProvider()

    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", count)
    AsgiClient(FastAPI()).get("/openapi.json")
    assert asked
    asked.clear()
    client = AsgiClient(build_app(LiveService(service)))
    assert client.get("/v1/movies?query=film").status_code == 200
    assert not asked
