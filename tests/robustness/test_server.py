"""The service as a process under uvicorn: broken clients, many of them, for a long time, and no way out."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from fresh_python import PATIENCE, ROOT

from benchmarks.load_client import Load, send

SERVE = """
import sys
calls = open(sys.argv[2], "w", buffering=1)
OUTWARD = {"socket." + call for call in ("connect", "getaddrinfo", "gethostbyname", "sendto", "sendmsg")}
sys.addaudithook(lambda event, arguments: print(event, arguments, file=calls) if event in OUTWARD else None)
import uvicorn
uvicorn.run("handler:app", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""
"""Serves as `uvicorn handler:app` does, and writes down every call that goes outward."""

GOOD = '{"user_id": 1, "movie_id": 2}'
N_CLIENTS = 32
MOST_GROWTH = 5_000_000
"""Bytes that the process may grow by, however many requests it answers."""


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A running service."""

    port: int
    process: "subprocess.Popen[bytes]"
    calls: Path
    """Where it writes the calls that go outward."""
    errors: Path
    """Its standard error."""

    def read_memory(self) -> int:
        """What it holds of memory of its own, bytes: resident, files left out."""
        [line] = [
            line
            for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
            if line.startswith("RssAnon:")
        ]
        return int(line.split()[1]) * 1024

    def list_peers(self) -> set[str]:
        """The other ends of its TCP and UDP sockets, as the kernel's tables have them."""
        inodes = set()
        folder = Path(f"/proc/{self.process.pid}/fd")
        for descriptor in folder.iterdir():
            try:
                inodes.add(str(descriptor.readlink()))
            except FileNotFoundError:
                continue  # closed in the meantime
        peers = set()
        for table in ("tcp", "tcp6", "udp", "udp6"):
            path = Path(f"/proc/{self.process.pid}/net/{table}")
            lines = path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []
            peers |= {fields[2] for fields in map(str.split, lines) if f"socket:[{fields[9]}]" in inodes}
        return peers


@pytest.fixture(scope="module")
def server(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[LiveServer, None, None]:
    """The tiny bundle under uvicorn; ends cleanly and quietly."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    calls, errors = folder / "calls", folder / "errors"
    with errors.open("wb") as error_file:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port), str(calls)],
            cwd=ROOT,
            env={**os.environ, "MODEL_BUNDLE": str(bundle_path)},
            stdout=subprocess.DEVNULL,  # a line for each request
            stderr=error_file,
        )
    live = LiveServer(port, process, calls, errors)
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_answering(live):
            assert process.poll() is None, errors.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield live
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)
    assert process.returncode in {0, -signal.SIGTERM}


def exchange(server: LiveServer, *parts: bytes, wait: float = 0) -> bytes:
    """Send bytes as they are, and read until the server closes the connection or has nothing more to say.

    Args:
        server: on 127.0.0.1.
        parts: sent one after another.
        wait: seconds between them.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(wait)
        connection.settimeout(1)
        # it may wait for more, or hang up on what it will not read
        with suppress(TimeoutError, ConnectionResetError):
            while data := connection.recv(1 << 16):
                received += data
    return received


def is_answering(server: LiveServer) -> bool:
    """Whether it predicts."""
    try:
        return exchange(server, post(GOOD.encode(), "connection: close")).startswith(b"HTTP/1.1 200")
    except ConnectionRefusedError:
        return False


def post(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Write a request out.

    Args:
        body: what follows the head.
        headers: lines besides the usual ones.
        length: what Content-Length claims; the truth when None.
    """
    lines = [
        "POST /v1/predict HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"content-length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def post_chunks(*chunks: bytes) -> bytes:
    """Write a request out whose body comes in chunks."""
    head = b"POST /v1/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"transfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (post_chunks(b'{"user_id": 1,', b' "movie_id": 2}'), b"200"),
        (post_chunks(*[b" " * 10_000] * 30), b"413"),
        (post(b" " * 300_000), b"413"),
        (post(b"{", length=1), b"400"),
        (post(GOOD.encode(), length=5), b"400"),  # what is left over is no request
        (post(b"{}", "transfer-encoding: chunked"), b"400"),
        (b"POST /v1/predict HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}", b"4"),
        (b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nx: \x01\r\n\r\n", b"400"),
        (b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n", b""),
        (b"GET / HTTP/9.9\r\n\r\n", b"4"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"400"),  # a TLS greeting
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
        (b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 3, b"200"),
        (b"GET http://elsewhere.example/no HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n", b"4"),
        (post(GOOD.encode(), "expect: 100-continue"), b""),
        (post(GOOD.encode(), length=10**30), b""),
        (post(GOOD.encode(), length=-1), b"400"),
    ],
    ids=range(18),
)
def test_server_goes_on_when_a_request_breaks_the_protocol(
    server: LiveServer, sent: bytes, status: bytes
) -> None:
    """Such a request gets its status or none, and the next client its prediction."""
    answer = exchange(server, sent)
    assert not answer or answer.startswith((b"HTTP/1.1 100", b"HTTP/1.1 " + status)), answer[:300]
    assert is_answering(server)


def test_server_goes_on_when_clients_hang_up(server: LiveServer) -> None:
    """In the middle of a head, of a body, and without waiting for the answer."""
    whole = post(GOOD.encode())
    for stop in (0, 1, 30, len(whole) - 10, len(whole)):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(whole[:stop])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert is_answering(server)


def build_broken(chance: random.Random) -> tuple[str, list[bytes]]:
    """One broken request: its kind, and the parts that are sent with pauses between them."""
    kind = chance.choice(["malformed", "too large", "wrong type", "hung up", "slow", "unknown field"])
    match kind:
        case "malformed":
            return kind, [post(b'{"user_id": 1,')]
        case "too large":
            return kind, [post(b" " * 300_000)]
        case "wrong type":
            return kind, [post(b'{"user_id": "one", "movie_id": [2]}')]
        case "unknown field":
            return kind, [post(b'{"user_id": 1, "movie_id": 2, "stars": 5}')]
        case "hung up":
            return kind, [post(GOOD.encode(), length=1_000)]
        case _:
            whole = post(GOOD.encode())
            return kind, [whole[:-20], whole[-20:-10], whole[-10:]]


async def ask(port: int, parts: list[bytes], *, hang_up: bool = False) -> int:
    """Send a request over a connection of its own; the status of the answer, 0 where none is waited for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(0.3)
        return 0 if hang_up else int((await reader.readline()).split()[1])
    finally:
        writer.close()


@pytest.mark.slow
def test_good_requests_are_answered_when_a_tenth_is_broken(server: LiveServer) -> None:
    """32 clients, 1,280 requests: every good one is answered 200, every broken one as it deserves."""
    expected = {
        "malformed": 400,
        "too large": 413,
        "wrong type": 422,
        "unknown field": 422,
        "hung up": 0,
        "slow": 200,
    }
    statuses: Counter[tuple[str, int]] = Counter()

    async def be_client(number: int) -> None:
        chance = random.Random(number)
        for _ in range(40):
            if chance.random() < 0.1:
                kind, parts = build_broken(chance)
                status = await ask(server.port, parts, hang_up=kind == "hung up")
            else:
                kind, status = "good", await ask(server.port, [post(GOOD.encode())])
            statuses[kind, status] += 1

    async def run() -> None:
        await asyncio.gather(*(be_client(number) for number in range(N_CLIENTS)))

    asyncio.run(run())
    assert dict(statuses.keys()) == {"good": 200, **expected}
    assert len(statuses) == 1 + len(expected)
    assert statuses["good", 200] > 1_000
    assert is_answering(server)


def list_bodies() -> Iterator[str]:
    """Requests of every kind, the refused ones included: none of them may leave anything behind.

    Yields:
        Bodies of /v1/predict, all different.
    """
    chance = random.Random(4)
    for _ in range(200):
        user, movie = chance.randint(1, 80), chance.randint(1, 60)
        yield json.dumps({"user_id": user, "movie_id": movie, "explain": True})
        yield json.dumps({"user_id": user, "movie_id": movie, "as_of": f"2004-{chance.randint(1, 12):02}-01"})
        ratings = [
            {"movie_id": rated, "rating": chance.randint(1, 5)} for rated in range(1, chance.randint(2, 40))
        ]
        yield json.dumps({"ratings": ratings, "movie_id": movie})
        yield json.dumps({"user_id": 10**12 + user, "movie_id": 10**9 + movie, "date": "2005-02-03"})
        yield json.dumps({"user_id": user, "movie_id": str(movie)})


@pytest.mark.slow
def test_memory_is_flat_when_many_requests_are_answered(
    server: LiveServer, pytestconfig: pytest.Config
) -> None:
    """After the first 2,000: at most 5 MB more. 100,000 requests with --full, 4,000 without."""
    n_requests = 100_000 if pytestconfig.getoption("full") else 4_000
    bodies = list(list_bodies())

    def answer(number: int) -> None:
        sent = asyncio.run(send(Load(server.port, "/v1/predict", bodies, 8, number)))
        assert sent["statuses"] == {"200": number * 4 // 5, "422": number // 5}

    answer(2_000)
    before = server.read_memory()
    answer(n_requests)
    growth = server.read_memory() - before
    sys.stdout.write(f"\n{n_requests:,} requests: {before / 1e6:.1f} MB, {growth / 1e6:+.2f} MB\n")
    assert growth <= MOST_GROWTH


def test_server_reaches_out_to_nobody(server: LiveServer) -> None:
    """After all of the above: no call to connect or to look a name up, and no socket but its clients'."""
    is_answering(server)
    assert server.calls.read_text(encoding="utf-8").splitlines() == []
    assert {peer.partition(":")[0] for peer in server.list_peers()} <= {"00000000", "0100007F"}
    log = server.errors.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert '"request failed"' not in log
