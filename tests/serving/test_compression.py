"""Compressed bodies, in and out."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgi_client import JSON, AsgiClient
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from model.serving.compression import SMALLEST_COMPRESSED, GunzipMiddleware
from model.serving.middleware import LARGEST_BODY

BODY = json.dumps({"user_id": 7, "movie_id": 30}).encode()
GZIP = {**JSON, "content-encoding": "gzip"}


def test_gunzip_reads_the_body_when_it_is_gzip(client: AsgiClient) -> None:
    """A compressed request is answered as the plain one is, under either name of the coding."""
    plain = client.post("/v1/predict", content=BODY, headers=JSON)
    for coding in ("gzip", "x-gzip", "GZIP"):
        packed = client.post(
            "/v1/predict", content=gzip.compress(BODY), headers={**JSON, "content-encoding": coding}
        )
        assert (packed.status_code, packed.json()) == (200, plain.json())


def test_gunzip_reads_the_body_when_it_comes_byte_by_byte(client: AsgiClient) -> None:
    """A stream of single bytes is one gzip stream."""

    async def stream() -> AsyncIterator[bytes]:  # ruff: ignore[unused-async] - httpx wants one
        for byte in gzip.compress(BODY):
            yield bytes([byte])

    assert client.post("/v1/predict", content=stream(), headers=GZIP).status_code == 200


def test_gunzip_leaves_the_body_alone_when_it_says_identity(client: AsgiClient) -> None:
    """`identity` names no coding at all."""
    answer = client.post("/v1/predict", content=BODY, headers={**JSON, "content-encoding": "identity"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (BODY, "is not: "),
        (b"", "one whole gzip stream"),
        (gzip.compress(BODY)[:-1], "one whole gzip stream"),
        (gzip.compress(BODY) + b"x", "one whole gzip stream"),
        (gzip.compress(BODY)[:-8] + bytes(8), "is not: "),
    ],
    ids=["plain", "empty", "cut", "longer", "wrong checksum"],
)
def test_gunzip_answers_400_when_the_stream_is_broken(
    client: AsgiClient, body: bytes, complaint: str
) -> None:
    """What claims to be gzip and is not gets one sentence about it."""
    answer = client.post("/v1/predict", content=body, headers=GZIP)
    assert answer.status_code == 400
    assert complaint in answer.json()["detail"]


def test_gunzip_answers_413_when_a_small_body_unfolds_into_a_large_one(client: AsgiClient) -> None:
    """64 MB of spaces in 64 KB are refused once 256 KiB have come out; exactly 256 KiB are read."""
    bomb = gzip.compress(b" " * 64_000_000)
    assert len(bomb) < LARGEST_BODY
    answer = client.post("/v1/predict", content=bomb, headers=GZIP)
    assert answer.status_code == 413
    assert "unpacked" in answer.json()["detail"]
    largest = gzip.compress(BODY.ljust(LARGEST_BODY))
    assert client.post("/v1/predict", content=largest, headers=GZIP).status_code == 200
    above = gzip.compress(BODY.ljust(LARGEST_BODY + 1))
    assert client.post("/v1/predict", content=above, headers=GZIP).status_code == 413


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_gunzip_answers_415_with_what_it_takes_when_the_coding_is_another(
    client: AsgiClient, coding: str
) -> None:
    """RFC 9110 has Accept-Encoding in the answer say which codings would do."""
    answer = client.post("/v1/predict", content=BODY, headers={**JSON, "content-encoding": coding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


def test_gunzip_hands_on_what_is_no_body_when_the_client_leaves() -> None:
    """A disconnect after the body arrives as it is, and the headers no longer speak of the coded body."""
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["headers"] == [(b"content-type", b"text/plain")]
        received.extend([await receive(), await receive()])

    messages: list[Message] = [
        {"type": "http.request", "body": gzip.compress(b"hello"), "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return await asyncio.sleep(0, messages.pop(0))

    async def send(message: Message) -> None:  # ruff: ignore[unused-async] - ASGI wants one
        raise AssertionError(message)

    headers = [(b"content-type", b"text/plain"), (b"content-encoding", b"gzip"), (b"content-length", b"25")]

    async def handle() -> None:
        await GunzipMiddleware(app)({"type": "http", "headers": headers}, receive, send)

    asyncio.run(handle())
    assert received[0] == {"type": "http.request", "body": b"hello", "more_body": False}
    assert received[1] == {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("n_characters", "accepted", "coding"),
    [
        (SMALLEST_COMPRESSED, "gzip, br", "gzip"),
        (SMALLEST_COMPRESSED, "identity", None),
        (SMALLEST_COMPRESSED // 2, "gzip", None),
    ],
)
def test_answers_are_compressed_when_they_are_large_and_the_client_asks(
    app: FastAPI, n_characters: int, accepted: str, coding: str | None
) -> None:
    """Large answers shrink for those who take gzip; small ones and everybody else's stay as they are."""

    @app.get("/text")
    async def read_text() -> dict[str, Any]:
        return {"text": "a" * n_characters}

    answer = AsgiClient(app).get("/text", headers={"accept-encoding": accepted})
    assert answer.json() == {"text": "a" * n_characters}
    assert answer.headers.get("content-encoding") == coding
