"""The load report: what is sent, what is counted, and how it is laid out. Never how fast anything is."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import load
from benchmarks.load import build_tables, main, run_uvicorn, send_load
from benchmarks.load_client import Load, build_requests
from model.errors import PredictionError


def test_requests_are_whole_and_go_round_when_there_are_fewer_bodies() -> None:
    """Three requests of two bodies: the first comes again, each with its length in bytes."""
    requests = [*build_requests(Load(port=1, path="/p", bodies=['{"a":1}', "{}"], n_clients=1, n_requests=3))]
    assert requests[0].startswith(b"POST /p HTTP/1.1\r\n")
    assert requests[0].endswith(b'content-length: 7\r\n\r\n{"a":1}')
    assert requests[1].endswith(b"content-length: 2\r\n\r\n{}")
    assert requests[2] == requests[0]


@pytest.mark.slow
def test_every_answer_is_counted_when_clients_share_the_requests() -> None:
    """Seven requests over three connections, seven answers; another answer than 200 is an error."""
    with run_uvicorn("benchmarks.empty_app:app") as server:
        sent = send_load(Load(server.port, load.PATH, ["{}"], n_clients=3, n_requests=7))
        assert sent["statuses"] == {"200": 7}
        assert len(sent["latencies"]) == 7
        assert 0 < min(sent["latencies"]) <= sent["seconds"]
        assert server.read_cpu_seconds() > 0
        with pytest.raises(PredictionError, match=r"answered with \{'404': 2\}: expected 200"):
            send_load(Load(server.port, "/nowhere", ["{}"], n_clients=1, n_requests=2))


def test_server_that_does_not_start_is_an_error() -> None:
    """Nobody waits for a process that has ended."""
    with pytest.raises(PredictionError, match="did not answer"), run_uvicorn("benchmarks.no_such_app:app"):
        pass


def test_tables_put_ratios_first() -> None:
    """300 requests/s over 400 is 0.75; 200 µs over 250 is 0.80."""
    moments = {"p50_ms": 1.5, "p95_ms": 2.0, "p99_ms": 3.0, "client_cpu_us": 50.0}
    report: dict[str, Any] = {
        "bundle": "tiny",
        "ratings": 1_200,
        "requests": 10,
        "clients": {
            "8": {
                "empty": {**moments, "requests_per_s": 400.0, "server_cpu_us": 200.0},
                "service": {**moments, "requests_per_s": 300.0, "server_cpu_us": 250.0},
            }
        },
    }
    ratios, figures = build_tables(report)
    assert ratios.rows == [["8", "0.75", "0.80"]]
    assert figures.rows[1] == ["8, service", "300", "1.50", "2.00", "3.00", "250", "50"]
    report["clients"]["8"]["service"]["server_cpu_us"] = 0.0
    assert build_tables(report)[0].rows == [["8", "0.75", "too few requests to tell"]]


@pytest.mark.slow
def test_command_writes_the_report_when_a_bundle_is_given(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both servers are asked with each number of clients, and the figures are written down."""
    monkeypatch.setattr(load, "WARM_UP", 2)
    flags = ["--bundle", str(bundle_path), "--clients", "1,2", "--requests", "5"]
    assert main([*flags, "--json", str(tmp_path / "load.json")]) == 0
    assert "the service over an empty route" in capsys.readouterr().out
    report = json.loads((tmp_path / "load.json").read_text(encoding="utf-8"))
    assert list(report["clients"]) == ["1", "2"]
    for line in report["clients"].values():
        assert list(line) == ["empty", "service"]
        for values in line.values():
            assert 0 < values["p50_ms"] <= values["p95_ms"] <= values["p99_ms"]
            assert values["requests_per_s"] > 0


@pytest.mark.parametrize("flags", [["--clients", "0"], ["--clients", "many"], ["--requests", "1"]])
def test_command_is_refused_when_a_number_makes_no_sense(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what would do."""
    with pytest.raises(SystemExit, match="2"):
        main(flags)
    assert capsys.readouterr().err.count("\n") == 1
