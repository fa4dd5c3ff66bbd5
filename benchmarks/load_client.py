"""Sends requests over kept-alive connections, each as soon as the last is answered, and times the answers.

`python -m benchmarks.load_client` reads a `Load` as JSON from standard input and writes what it measured as
JSON to standard output, so that the client has a process and a processor of its own. It speaks just enough
HTTP for that: an HTTP library would take longer over a request than the service does.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """What to send."""

    port: int
    """On 127.0.0.1."""
    path: str
    bodies: list[str]
    """JSON, sent one after another, from the start again when there are no more."""
    n_clients: int
    """Connections, each with one request under way."""
    n_requests: int
    """In all."""


class Connection(asyncio.Protocol):
    """One kept-alive connection: sends a request, waits for the whole answer, sends the next.

    Args:
        requests: what is left to send; shared by all connections.
        latencies: where the seconds of each answer go.
        statuses: where the status of each answer is counted.
    """

    def __init__(self, requests: Iterator[bytes], latencies: list[float], statuses: "Counter[int]") -> None:
        self._requests = requests
        self._latencies = latencies
        self._statuses = statuses
        self._received = b""
        self._sent = 0.0
        self._transport: asyncio.Transport
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to send, and begin.

        Args:
            transport: the way.
        """
        self._transport = cast("asyncio.Transport", transport)  # a stream's, as this is a stream's protocol
        self.send_next()

    def send_next(self) -> None:
        """Send a request, or end where there is none left."""
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Go on with the next request when the answer to this one is whole.

        Args:
            data: a part of it.
        """
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0:
            return
        head = self._received[:end].lower()
        _, _, length = head.partition(b"content-length:")
        if len(self._received) < end + len(HEAD_END) + int(length.split(b"\r\n", 1)[0]):
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._statuses[int(head.split(b" ", 2)[1])] += 1
        self._received = b""
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        """Say that this connection is through.

        Args:
            error: why, if it was not closed on purpose.
        """
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def build_requests(load: Load) -> Iterator[bytes]:
    """Write the requests out.

    Yields:
        `n_requests` requests, ready to be sent.
    """
    heads = [
        f"POST {load.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}".encode()
        for body in load.bodies
    ]
    for place in range(load.n_requests):
        yield heads[place % len(heads)]


async def send(load: Load) -> dict[str, Any]:
    """Send everything.

    Args:
        load: what to send.

    Returns:
        `seconds`, `cpu_seconds` of this process, `latencies` in seconds, and how often each status came.

    Raises:
        ConnectionError: if the server cuts a connection.
    """
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    requests = build_requests(load)
    loop = asyncio.get_running_loop()
    started, cpu_started = time.perf_counter(), time.process_time()
    connections = [
        (
            await loop.create_connection(
                lambda: Connection(requests, latencies, statuses), "127.0.0.1", load.port
            )
        )[1]
        for _ in range(load.n_clients)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "latencies": latencies,
        "statuses": {str(status): count for status, count in statuses.items()},
    }


if __name__ == "__main__":
    json.dump(asyncio.run(send(Load(**json.load(sys.stdin)))), sys.stdout)
