"""AWS Lambda's Runtime API, small: what `awslambdaric` asks for events and hands its answers to."""

import json
import queue
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

PATIENCE = 60
"""Seconds until an event without an answer is given up."""

FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:recommender"
PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the runtime posted for one event."""

    kind: str
    """'response', or 'error' where the handler raised, or 'init/error' where it could not be imported."""
    request_id: str
    payload: Any
    seconds: float
    """From handing the event out to the answer."""


class RuntimeApi:
    """Serves one runtime on 127.0.0.1; used as a context manager, left after the runtime has ended."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, bytes, int] | None] = queue.Queue()
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._started: dict[str, float] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._server.daemon_threads = False  # so that closing the server waits for its connections
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def address(self) -> str:
        """Host and port, for AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def invoke(
        self, event: object, *, runtime: subprocess.Popen[bytes], milliseconds: int = 30_000
    ) -> Answer:
        """Hand out one event and wait for its answer.

        Args:
            event: the event.
            runtime: the process that is to answer.
            milliseconds: how long the invocation may take, as the runtime is told.

        Raises:
            TimeoutError: if no answer comes, or the process has ended.
        """
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode(), milliseconds))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and runtime.poll() is None:
            try:
                return self._answers.get(timeout=0.2)
            except queue.Empty:
                continue
        raise TimeoutError(f"no answer from the runtime, whose exit status is {runtime.poll()}")

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = (
                -1
            )  # head and body in one packet: in two, the second waits 40 ms for an acknowledgement

            def do_GET(self) -> None:
                assert self.path == f"{PREFIX}/invocation/next"
                invocation = api._events.get()
                if invocation is None:
                    self.close_connection = True
                    return
                request_id, payload, milliseconds = invocation
                api._started[request_id] = time.monotonic()
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1_000) + milliseconds),
                    "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
                    "Lambda-Runtime-Trace-Id": "Root=1-5e66d96f-7491f09xmpl79d18acf3d050;Sampled=0",
                    "Content-Type": "application/json",
                }
                self._reply(200, payload, headers)

            def do_POST(self) -> None:
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                place = self.path.removeprefix(f"{PREFIX}/").removeprefix("invocation/")
                request_id, _, kind = place.partition("/") if place != "init/error" else ("", "", place)
                seconds = time.monotonic() - api._started.pop(request_id, time.monotonic())
                self._reply(202, b'{"status": "OK"}', {"Content-Type": "application/json"})
                api._answers.put(Answer(kind=kind, request_id=request_id, payload=payload, seconds=seconds))

            def _reply(self, status: int, payload: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: object) -> None:  # ruff: ignore[builtin-argument-shadowing]
                """Stay quiet."""

        return Handler
