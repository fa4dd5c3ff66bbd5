"""Bodies: how they are read, plain and compressed."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from asgi_client import JSON, AsgiClient
from fastapi import HTTPException
from starlette.types import Message

from model.serving.bodies import LARGEST_BODY, JsonRoute, read_body
from model.serving.schemas import Liveness

BODY = json.dumps({"user_id": 7, "movie_id": 30}).encode()
GZIP = {**JSON, "content-encoding": "gzip"}


def test_read_body_unpacks_when_it_is_gzip(client: AsgiClient) -> None:
    """A compressed request is answered as the plain one is, under either name of the coding."""
    plain = client.post("/v1/predict", content=BODY, headers=JSON)
    for coding in ("gzip", "x-gzip", "GZIP"):
        packed = client.post(
            "/v1/predict", content=gzip.compress(BODY), headers={**JSON, "content-encoding": coding}
        )
        assert (packed.status_code, packed.json()) == (200, plain.json())


def test_read_body_unpacks_when_it_comes_byte_by_byte(client: AsgiClient) -> None:
    """A stream of single bytes is one gzip stream."""

    async def stream() -> AsyncIterator[bytes]:  # ruff: ignore[unused-async] - httpx wants one
        for byte in gzip.compress(BODY):
            yield bytes([byte])

    assert client.post("/v1/predict", content=stream(), headers=GZIP).status_code == 200


def test_read_body_leaves_it_alone_when_it_says_identity(client: AsgiClient) -> None:
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
def test_read_body_answers_400_when_the_stream_is_broken(
    client: AsgiClient, body: bytes, complaint: str
) -> None:
    """What claims to be gzip and is not gets one sentence about it."""
    answer = client.post("/v1/predict", content=body, headers=GZIP)
    assert answer.status_code == 400
    assert complaint in answer.json()["detail"]


def test_read_body_answers_413_when_a_small_body_unfolds_into_a_large_one(client: AsgiClient) -> None:
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
def test_read_body_answers_415_with_what_it_takes_when_the_coding_is_another(
    client: AsgiClient, coding: str
) -> None:
    """RFC 9110 has Accept-Encoding in the answer say which codings would do."""
    answer = client.post("/v1/predict", content=BODY, headers={**JSON, "content-encoding": coding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


def test_read_body_joins_the_pieces_when_some_are_empty() -> None:
    """ASGI servers may leave `body` and `more_body` out; what arrives after the end is not asked for."""
    messages: list[Message] = [
        {"type": "http.request", "body": b"hel", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"lo"},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return await asyncio.sleep(0, messages.pop(0))

    assert asyncio.run(read_body({"headers": []}, receive)) == b"hello"
    assert messages == [{"type": "http.disconnect"}]


def test_read_body_refuses_when_the_client_leaves_in_the_middle() -> None:
    """Half a body is none, and no error of the service's."""
    messages: list[Message] = [
        {"type": "http.request", "body": b"{}", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return await asyncio.sleep(0, messages.pop(0))

    with pytest.raises(HTTPException, match="left") as caught:
        asyncio.run(read_body({"headers": []}, receive))
    assert caught.value.status_code == 400


def test_json_route_refuses_a_function_when_it_takes_no_request() -> None:
    """There would be nothing to read the body into."""

    async def answer(movie_id: int) -> Liveness:
        return await asyncio.sleep(0, Liveness(status=str(movie_id)))

    with pytest.raises(TypeError, match="takes no request"):
        JsonRoute("/", answer)
