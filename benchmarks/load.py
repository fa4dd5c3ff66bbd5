"""Throughput and latency of the service under uvicorn, beside an empty FastAPI route under the same uvicorn.

Both servers run throughout, one process each; the client, a process of its own, asks them in turn, so that
both see the same moments of a busy machine. Every request asks for another pair of user and movie. Beside
throughput and percentiles stand the processor time that a request costs the server, which other work on the
machine disturbs least, and the client's own: where it is the larger, the client is what was measured.
"""

import argparse
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.costs import draw_pairs
from benchmarks.load_client import Load
from benchmarks.tables import (
    Table,
    add_report_flags,
    describe_machine,
    format_number,
    print_report,
    require_writable,
    write_report,
)
from model.bundle import load_bundle
from model.cli import Parser, run_command
from model.errors import PredictionError
from model.progress import track_items

PROG = "python -m benchmarks.load"
EXAMPLES = {
    "": "the bundle in artifacts/bundle, 1, 8 and 32 clients at a time",
    "--bundle artifacts/bundle --clients 4 --requests 200 --json": "a short look; the figures as JSON",
    "--uvicorn '--http h11 --loop asyncio' --markdown load.md": "under another set-up of uvicorn",
}
ROOT = Path(__file__).parents[1]
PATH = "/v1/predict"
ROUNDS = 5
"""How often each server has its turn."""
WARM_UP = 200
"""Requests to each server that are not counted."""
PATIENCE = 60
"""Seconds until a server must answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running uvicorn."""

    port: int
    process: "subprocess.Popen[bytes]"

    def read_cpu_seconds(self) -> float:
        """The processor time it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


@contextmanager
def run_uvicorn(app: str, flags: Sequence[str] = (), **environment: str) -> Generator[Server, None, None]:
    """Serve an application from a process of its own until the end of the block.

    Args:
        app: as uvicorn names it.
        flags: more of uvicorn's flags.
        environment: variables on top of this process's own.

    Yields:
        The server, once it answers.

    Raises:
        PredictionError: if it does not answer in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--no-access-log",
    ]
    process = subprocess.Popen([*command, *flags], cwd=ROOT, env={**os.environ, **environment})
    try:
        _wait_until_answering(port, process)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def send_load(load: Load) -> dict[str, Any]:
    """Send requests from a process of its own; what `benchmarks.load_client.send` returns.

    Raises:
        PredictionError: if any answer is not 200.
    """
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.load_client"],
        cwd=ROOT,
        input=json.dumps(asdict(load)),
        check=True,
        capture_output=True,
        text=True,
    )
    sent: dict[str, Any] = json.loads(finished.stdout)
    if sent["statuses"] != {"200": load.n_requests}:
        raise PredictionError(f"the server answered with {sent['statuses']}: expected 200 every time")
    return sent


def measure_load(
    servers: dict[str, Server], bodies: list[str], *, n_clients: int, n_requests: int
) -> dict[str, dict[str, float]]:
    """Ask each server in turn, `ROUNDS` times.

    Args:
        servers: by name.
        bodies: what is posted.
        n_clients: connections at a time.
        n_requests: how many requests each server gets in all.
    """
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    cpu = dict.fromkeys(servers, 0.0)
    in_turn = n_requests // ROUNDS
    for turn, (name, server) in itertools.product(range(ROUNDS), servers.items()):
        first = turn * in_turn % len(bodies)
        before = server.read_cpu_seconds()
        rounds[name].append(
            send_load(Load(server.port, PATH, bodies[first:] + bodies[:first], n_clients, in_turn))
        )
        cpu[name] += server.read_cpu_seconds() - before
    report = {}
    for name, sent in rounds.items():
        latencies = np.concatenate([turn["latencies"] for turn in sent]) * 1e3
        p50, p95, p99 = np.quantile(latencies, (0.5, 0.95, 0.99)).tolist()
        report[name] = {
            "requests_per_s": len(latencies) / sum(turn["seconds"] for turn in sent),
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "server_cpu_us": cpu[name] / len(latencies) * 1e6,
            "client_cpu_us": sum(turn["cpu_seconds"] for turn in sent) / len(latencies) * 1e6,
        }
    return report


def build_tables(report: dict[str, Any]) -> list[Table]:
    """Lay a report out: the ratios first, then the figures."""
    ratios, figures = [], []
    for n_clients, line in report["clients"].items():
        service, empty = line["service"], line["empty"]
        throughput = service["requests_per_s"] / empty["requests_per_s"]
        # the system counts processor time in hundredths of a second: a few requests may take none
        used = service["server_cpu_us"]
        processor = format_number(empty["server_cpu_us"] / used, 2) if used else "too few requests to tell"
        ratios.append([n_clients, format_number(throughput, 2), processor])
        for name, values in line.items():
            figures.append([
                f"{n_clients}, {name}",
                format_number(values["requests_per_s"], 0),
                *(format_number(values[f"{quantile}_ms"], 2) for quantile in ("p50", "p95", "p99")),
                *(format_number(values[f"{side}_cpu_us"], 0) for side in ("server", "client")),
            ])
    return [
        Table(
            f"{report['bundle']}: the service over an empty route",
            ["clients", "requests a second", "requests a second of processor time"],
            ratios,
        ),
        Table(
            f"{report['bundle']}: {report['ratings']:,} ratings, {report['requests']:,} requests a line",
            ["clients", "requests/s", "p50 ms", "p95 ms", "p99 ms", "server µs", "client µs"],
            figures,
        ),
    ]


def _wait_until_answering(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise PredictionError(f"uvicorn did not answer on port {port} within {PATIENCE} s")


def _run(arguments: argparse.Namespace) -> None:
    for path in (arguments.json, arguments.markdown):
        require_writable(path)
    bundle = load_bundle(arguments.bundle)
    pairs = draw_pairs(bundle.history, arguments.requests, seed=1)
    bodies = [
        json.dumps({"user_id": user, "movie_id": movie})
        for user, movie in zip(pairs.user_ids.tolist(), pairs.movie_ids.tolist(), strict=True)
    ]
    report: dict[str, Any] = {
        **describe_machine(),
        "bundle": str(arguments.bundle),
        "ratings": bundle.history.n_ratings,
        "requests": arguments.requests,
        "clients": {},
    }
    flags = arguments.uvicorn.split()
    with (
        run_uvicorn("benchmarks.empty_app:app", flags) as empty,
        run_uvicorn("handler:app", flags, MODEL_BUNDLE=str(arguments.bundle.resolve())) as service,
    ):
        servers = {"empty": empty, "service": service}
        for server in servers.values():
            send_load(Load(server.port, PATH, bodies, 1, WARM_UP))
        for n_clients in track_items(arguments.clients, "asking", unit="numbers of clients"):
            report["clients"][str(n_clients)] = measure_load(
                servers, bodies, n_clients=n_clients, n_requests=arguments.requests
            )
    tables = build_tables(report)
    write_report(report, tables, as_json=arguments.json, as_markdown=arguments.markdown)
    print_report(report, tables, as_json=arguments.json)


def _parse_clients(text: str) -> list[int]:
    try:
        clients = [int(part) for part in text.split(",")]
    except ValueError:
        clients = [0]
    if min(clients) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers of clients by commas, such as 1,8,32")
    return clients


def _parse_requests(text: str) -> int:
    if not text.isdecimal() or int(text) < ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {ROUNDS} or more")
    return int(text)


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument(
        "--bundle", type=Path, default=Path("artifacts/bundle"), help="what is served (default: %(default)s)"
    )
    parser.add_argument(
        "--clients",
        type=_parse_clients,
        default=[1, 8, 32],
        help="connections at a time, by commas (default: 1,8,32)",
    )
    parser.add_argument(
        "--requests", type=_parse_requests, default=2_000, help="to each server for each number of clients"
    )
    parser.add_argument(
        "--uvicorn",
        default="",
        metavar="FLAGS",
        help="more flags for both, such as '--http h11 --loop asyncio'",
    )
    add_report_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
