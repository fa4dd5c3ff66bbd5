"""handler.py as each of its servers starts it: in a fresh interpreter, with a real bundle."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fresh_python import ROOT, run_fresh

REPORT = """
import json, os, sys

telemetry_switches, network = [], []

class Watcher:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "onnxruntime":
            telemetry_switches.append(os.environ.get("ORT_DISABLE_TELEMETRY"))

OUTWARD = {"socket." + call for call in ("connect", "getaddrinfo", "gethostbyname", "sendto", "sendmsg")}
sys.meta_path.insert(0, Watcher)
sys.addaudithook(lambda event, arguments: network.append(event) if event in OUTWARD else None)

import handler

direct = handler.handler({"user_id": 1, "movie_id": 2}, None)
http = handler.handler(json.load(open("tests/events/api_gateway_http.json")), None)

def find_internet_sockets():
    # Native code opens sockets that no audit hook sees: compare this process's own with the kernel's tables.
    own = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            own.add(os.readlink("/proc/self/fd/" + descriptor))
        except FileNotFoundError:
            continue
    tables = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        if os.path.exists("/proc/self/net/" + kind):
            with open("/proc/self/net/" + kind) as table:
                tables += [line.split() for line in table.readlines()[1:]]
    return [fields[2] for fields in tables if f"socket:[{fields[9]}]" in own]

print(json.dumps({
    "telemetry_switches": telemetry_switches,
    "network": network,
    "internet_sockets": find_internet_sockets() if os.path.isdir("/proc/self/fd") else [],
    "modules": sorted(sys.modules),
    "direct": direct,
    "http": http,
}))
"""


@pytest.fixture(scope="module")
def report(bundle_path: Path) -> dict[str, Any]:
    """What a fresh interpreter saw while it imported handler and answered one direct and one HTTP event."""
    finished = run_fresh(REPORT, MODEL_BUNDLE=str(bundle_path), ORT_DISABLE_TELEMETRY="0")
    assert finished.returncode == 0, finished.stderr
    seen: dict[str, Any] = json.loads(finished.stdout)
    return seen


def test_handler_predicts_the_same_when_called_both_ways(report: dict[str, Any]) -> None:
    """The direct invocation and the HTTP event are both answered with a rating on the scale."""
    over_http = json.loads(report["http"]["body"])
    assert report["http"]["statusCode"] == 200
    assert report["direct"].keys() == over_http.keys()
    assert 0.5 <= report["direct"]["predicted_rating"] <= 5
    assert 0.5 <= over_http["predicted_rating"] <= 5


def test_handler_switches_telemetry_off_when_onnxruntime_is_about_to_load(report: dict[str, Any]) -> None:
    """The switch is on 1 before onnxruntime is first looked for, whatever the environment said."""
    assert report["telemetry_switches"] == ["1"]


def test_handler_opens_no_connection_when_it_loads_and_predicts(report: dict[str, Any]) -> None:
    """Neither Python nor native code has a socket to anywhere, and no name was looked up."""
    assert report["network"] == []
    assert report["internet_sockets"] == []


def test_handler_imports_no_training_package_when_it_loads_and_predicts(report: dict[str, Any]) -> None:
    """Loading a real bundle and predicting needs none of torch, pandas, lightning and scikit-learn."""
    loaded = {name.partition(".")[0] for name in report["modules"]}
    assert loaded.isdisjoint({
        "torch",
        "pandas",
        "lightning",
        "pytorch_lightning",
        "sklearn",
        "numba",
        "onnx",
    })


def run_handler(event_file: Path, bundle_path: Path) -> subprocess.CompletedProcess[str]:
    """`python handler.py FILE`."""
    return subprocess.run(
        [sys.executable, "handler.py", str(event_file)],
        cwd=ROOT,
        env={**os.environ, "MODEL_BUNDLE": str(bundle_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_handler_prints_the_answer_when_run_with_an_event(bundle_path: Path) -> None:
    """`python handler.py EVENT` prints one line of JSON with the prediction in it."""
    finished = run_handler(ROOT / "tests" / "events" / "api_gateway_http.json", bundle_path)
    [line] = finished.stdout.splitlines()
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "predicted_rating" in json.loads(line)["body"]


def test_handler_explains_itself_when_there_is_no_bundle(tmp_path: Path) -> None:
    """--help is asked for before anything is trained."""
    finished = run_handler(Path("--help"), tmp_path / "no-such-bundle")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("usage: handler.py [-h] [--version] [-v] EVENT\n")


AS_A_FUNCTION = """
import json
import handler

class Context:
    aws_request_id = "id-of-the-invocation"

for event in (
    {"source": "aws.events"},
    {"user_id": 1, "movie_id": 2},
    {"requests": [{"ratings": [], "movie_id": 2}] * 2},
    {"Records": []},
    json.load(open("tests/events/api_gateway_http.json")),
):
    handler.handler(event, Context)
"""


def test_handler_logs_and_counts_every_invocation_when_it_is_a_function(bundle_path: Path) -> None:
    """On Lambda each event leaves a line of log and one of metrics, both under the function's own names."""
    finished = run_fresh(AS_A_FUNCTION, MODEL_BUNDLE=str(bundle_path), AWS_LAMBDA_FUNCTION_NAME="my-function")
    assert finished.returncode == 0, finished.stderr
    log = [json.loads(line) for line in finished.stderr.splitlines()]
    assert [(line["method"], line["route"], line["status"], line["cold_start"]) for line in log] == [
        ("INVOKE", "warm-up", 200, True),
        ("INVOKE", "direct", 200, False),
        ("INVOKE", "direct", 200, False),
        ("INVOKE", "none", 400, False),
        ("POST", "/v1/predict", 200, False),
    ]
    assert {line["request_id"] for line in log} == {"id-of-the-invocation"}
    metrics = [json.loads(line) for line in finished.stdout.splitlines()]
    assert {line["service"] for line in metrics} == {"my-function"}
    assert [line["route"] for line in metrics] == [
        "INVOKE warm-up", "INVOKE direct", "INVOKE direct", "INVOKE none", "POST /v1/predict",
    ]  # fmt: skip
    assert [line["Predictions"] for line in metrics] == [[0], [1], [2], [0], [1]]
    assert metrics[2]["Fallbacks.new_user"] == [2]


@pytest.mark.parametrize("content", [None, "{"])
def test_handler_complains_in_one_line_when_the_event_cannot_be_read(
    bundle_path: Path, tmp_path: Path, content: str | None
) -> None:
    """A missing file, and one that is not JSON, end with status 2 and the file's name."""
    event_file = tmp_path / "event.json"
    if content is not None:
        event_file.write_text(content)
    finished = run_handler(event_file, bundle_path)
    [line] = finished.stderr.splitlines()
    assert finished.returncode == 2
    assert line.startswith("handler.py: error: ")
    assert str(event_file) in line


@pytest.mark.parametrize("command", [["-c", "import handler"], ["-m", "uvicorn", "handler:app"]])
def test_handler_stops_with_one_line_when_the_bundle_is_missing(tmp_path: Path, command: list[str]) -> None:
    """Without a bundle there is one line, with its name and the commands that write one, and no traceback."""
    missing = tmp_path / "no-such-bundle"
    finished = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "MODEL_BUNDLE": str(missing)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    [line] = finished.stderr.splitlines()
    assert finished.returncode == 2
    assert line.startswith("handler: error: ")
    assert str(missing) in line
    assert "python train.py" in line
    assert "python export.py" in line


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("MODEL_DOCS", "maybe", ["-c", "import handler"]),
        ("MODEL_ALLOW_OPEN", "", ["-m", "uvicorn", "handler:app", "--host", "0.0.0.0"]),
    ],
)
def test_handler_stops_with_one_line_when_a_setting_is_wrong_or_the_service_would_be_open(
    bundle_path: Path, variable: str, value: str, command: list[str]
) -> None:
    """A value that makes no sense, and an open service on all addresses: status 2 and one line."""
    finished = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "MODEL_BUNDLE": str(bundle_path), variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    [line] = finished.stderr.splitlines()
    assert finished.returncode == 2
    assert line.startswith("handler: error: ")
    assert variable in line


def test_handler_serves_under_uvicorn_when_started_from_the_command_line(bundle_path: Path) -> None:
    """`uvicorn handler:app` gets ready, answers the original request and stops when told to."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "handler:app", "--port", str(port), "--log-level", "warning"],
        cwd=ROOT,
        env={**os.environ, "MODEL_BUNDLE": str(bundle_path)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{url}/health/ready", server)
        body = {"customer_id": 1, "rating_date": "2005-02-03", "movie_id": 2}
        answer = httpx.post(f"{url}/", json=body, trust_env=False)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
    assert answer.status_code == 200
    assert answer.json().keys() == {"predicted_rating"}


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Ask until the answer is 200, for 30 seconds at most."""
    deadline = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"{url} did not get ready")
