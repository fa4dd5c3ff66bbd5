"""A real server on 127.0.0.1, started as an operator would start it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fresh_python import ROOT

PATIENCE = 60
"""Seconds until a server that does not get ready, or does not end, is given up."""

COMMANDS = {"uvicorn": ("uvicorn", "handler:app"), "fastapi": ("fastapi", "run", "handler.py")}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", trust_env=False, timeout=PATIENCE, **arguments)

    def post(self, path: str, json: object, **arguments: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=json, trust_env=False, timeout=PATIENCE, **arguments)

    def stop(self) -> int:
        """Ask the server to end, as `docker stop` does, and wait for it; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serve(
    folder: Path, bundle: Path, *flags: str, command: str = "uvicorn", **environment: str
) -> Generator[Server]:
    """Run `uvicorn handler:app` or `fastapi run handler.py` until the end of the block.

    Args:
        folder: where its output goes.
        bundle: what it serves.
        flags: more of the command's.
        command: "uvicorn" or "fastapi".
        environment: variables on top of this process's own.
    """
    port = find_free_port()
    log_file = folder / f"server-{port}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[command], "--port", str(port), *flags],
            cwd=ROOT,
            env={**os.environ, "MODEL_BUNDLE": str(bundle), **environment},
            stdout=log,
            stderr=log,
        )
    server = Server(process, f"http://127.0.0.1:{port}", log_file)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.process.poll() is None and time.monotonic() < deadline:
        try:
            if server.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not get ready: {server.log_file.read_text()}")
