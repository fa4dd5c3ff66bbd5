"""The service under real servers: new bundles, shutdown, several workers, and what they leave in the log."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fresh_python import ROOT
from server_process import PATIENCE, Server, find_free_port, serve

from model.bundle import MANIFEST
from model.checksums import hash_manifest
from model.folders import replace_folder

BODY = {"user_id": 1, "movie_id": 2}


def wait_for(condition: Callable[[], bool]) -> None:
    """Ask again and again, for a minute at most."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def replace_bundle(path: Path, *, created: str, damaged: bool = False) -> None:
    """Put another bundle in place as export.py does: a copy with another date, or with a changed network."""
    new = path.with_name("new")
    shutil.copytree(path, new)
    manifest = json.loads((new / MANIFEST).read_text())
    manifest["created"] = created
    manifest["digest"] = hash_manifest(manifest)
    (new / MANIFEST).write_text(json.dumps(manifest))
    if damaged:
        network = bytearray((new / "model.onnx").read_bytes())
        network[len(network) // 2] ^= 1
        (new / "model.onnx").write_bytes(network)
    replace_folder(new, path)
    shutil.rmtree(new, ignore_errors=True)


def read_created(server: Server) -> str:
    """The date of the bundle that answers now."""
    created: str = server.get("/health/ready").json()["created"]
    return created


def find_lines(server: Server, message: str) -> list[dict[str, object]]:
    """The log's lines with that message."""
    lines = [json.loads(line) for line in server.log_file.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == message]


@pytest.mark.slow
def test_server_drops_no_request_when_bundles_are_replaced(bundle_path: Path, tmp_path: Path) -> None:
    """Under constant requests a good bundle takes over, a damaged one is refused: every answer is a 200."""
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_path, bundle)
    statuses: list[int] = []
    done = threading.Event()
    with serve(tmp_path, bundle, MODEL_RELOAD_SECONDS="0.1") as server:

        def ask() -> None:
            with httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
                while not done.is_set():
                    statuses.append(client.post("/v1/predict", json=BODY).status_code)

        client = threading.Thread(target=ask)
        client.start()
        try:
            replace_bundle(bundle, created="second")
            wait_for(lambda: read_created(server) == "second")
            replace_bundle(bundle, created="third", damaged=True)
            wait_for(lambda: bool(find_lines(server, "bundle refused, the old one stays")))
            n_before = len(statuses)
            wait_for(lambda: len(statuses) > n_before + 10)
            assert read_created(server) == "second"
        finally:
            done.set()
            client.join(timeout=PATIENCE)
        [refusal] = find_lines(server, "bundle refused, the old one stays")
    assert "model.onnx is not the one that was exported" in str(refusal["reason"])
    assert set(statuses) == {200}


def test_server_finishes_what_it_began_and_logs_nothing_personal_when_told_to_stop(
    bundle_path: Path, tmp_path: Path
) -> None:
    """A request whose body is half there at SIGTERM is answered; the log has its route, not its address."""
    content = json.dumps(BODY).encode()
    head = (
        "POST /v1/predict?user_id=1 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    with serve(tmp_path, bundle_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(head.encode() + content[:5])
            wait_for(lambda: "/health/ready" in server.log_file.read_text())
            time.sleep(0.2)  # for the head to be read: nothing tells
            server.process.terminate()
            wait_for(lambda: "Shutting down" in server.log_file.read_text())
            connection.sendall(content[5:])
            answer = connection.makefile("rb").read()
        server.process.wait(timeout=PATIENCE)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"predicted_rating" in answer
    [line] = [line for line in find_lines(server, "answered") if line["method"] == "POST"]
    assert (line["route"], line["status"]) == ("/v1/predict", 200)
    log = server.log_file.read_text()
    assert "user_id" not in log
    assert "127.0.0.1:" not in log.replace(server.url, "")  # uvicorn says where it listens


def list_children(pid: int) -> list[int]:
    """The processes that a process started."""
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            children.append(int(status.parent.name))
    return children


def find_mappings(pid: int, name: str) -> set[str]:
    """Device and inode of a mapped file, for each mapping of it in a process, with its permissions."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return {" ".join(line.split()[i] for i in (1, 3, 4)) for line in maps if line.endswith(name)}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's /proc")
def test_server_shares_the_mapped_bundle_when_it_has_several_workers(
    bundle_path: Path, tmp_path: Path
) -> None:
    """Two workers map the same file read-only, so the kernel holds it once; together they count requests."""
    counts = tmp_path / "counts"
    counts.mkdir()
    name = "history/user_ids.npy"
    flags = ("--workers", "2")
    with serve(tmp_path, bundle_path, *flags, PROMETHEUS_MULTIPROC_DIR=str(counts)) as server:
        workers: dict[int, set[str]] = {}

        def find_workers() -> bool:
            pids = list_children(server.process.pid)
            workers.update({pid: found for pid in pids if (found := find_mappings(pid, name))})
            return len(workers) == 2

        wait_for(find_workers)
        one, other = workers.values()
        assert len(one) == 1
        assert one == other
        assert next(iter(one)).startswith("r--")
        for _ in range(20):
            assert server.post("/v1/predict", BODY).status_code == 200
        metrics = server.get("/metrics").text
    assert 'recommender_requests_total{method="POST",route="/v1/predict",status="200"} 20.0' in metrics
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.slow
def test_server_gives_up_when_no_worker_can_start(tmp_path: Path) -> None:
    """Without a bundle uvicorn ends, instead of starting workers again for ever."""
    command = ["-m", "uvicorn", "handler:app", "--workers", "2", "--port", str(find_free_port())]
    finished = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"MODEL_BUNDLE": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "handler: error: there is no bundle" in finished.stderr
    assert "stopping the parent process" in finished.stderr


def test_fastapi_run_serves_this_machine_only_when_there_are_no_keys(
    bundle_path: Path, tmp_path: Path
) -> None:
    """`fastapi run handler.py` listens everywhere, warns, answers localhost and nobody else."""
    with serve(tmp_path, bundle_path, command="fastapi") as server:
        assert server.post("/v1/predict", BODY).status_code == 200
        stranger = server.post("/v1/predict", BODY, headers={"host": "service.example.com"})
        [warning] = [
            json.loads(line) for line in server.log_file.read_text().splitlines() if '"warning"' in line
        ]
        assert "127.0.0.1:" not in server.log_file.read_text()  # no client's address in any log
    assert stranger.status_code == 403
    assert "MODEL_ALLOW_OPEN=1" in stranger.json()["detail"]
    assert "MODEL_API_KEYS" in warning["message"]
