"""Compressed answers."""

from typing import Any

import pytest
from asgi_client import AsgiClient
from fastapi import FastAPI

from model.serving.compression import SMALLEST_COMPRESSED


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
