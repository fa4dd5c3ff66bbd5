"""Whatever arrives by HTTP is answered: with what was asked for, or with a problem that says what is wrong.

The operations and their fields are those of the OpenAPI description, so that a new one is covered without
being listed here.
"""

import asyncio
import copy
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from asgi_client import JSON, AsgiClient
from fastapi import FastAPI

PROBLEM = "application/problem+json"
LARGEST_ANSWER = 16_000
"""Bytes; no complaint grows with what was sent."""

BAD_VALUES: tuple[Any, ...] = (
    None, True, False, "", "1", "x" * 5_000, "\0", "\ud800", "2005-02-30", "1899-12-31", "9999-12-31",
    "2005-2-3", "20050203", "2005-02-03T00:00:00Z", 0, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1,
    10**400, 0.5, -0.0, 1e308, 3.3, 5.5, 1e-320, [], {}, [[]], [None], {"a": 1}, [{}],
    [{"movie_id": 1, "rating": 3}] * 2,
    [{"movie_id": movie, "rating": 3} for movie in range(1, 600)],
)  # fmt: skip
"""Tried in every field; some are right in some of them."""

BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"movie_id": 1, ',
    "two values": b"{} {}",
    "null": b"null",
    "a number": b"1",
    "text": b'"movie_id"',
    "a list": b"[]",
    "NaN": b'{"movie_id": NaN, "user_id": 1, "ratings": [{"movie_id": 2, "rating": NaN}]}',
    "infinity": b'{"movie_id": 1, "ratings": [{"movie_id": 2, "rating": Infinity}]}',
    "minus infinity": b'{"movie_id": 1, "ratings": [{"movie_id": 2, "rating": -Infinity}]}',
    "infinite float": b'{"movie_id": 1, "ratings": [{"movie_id": 2, "rating": 1e999}]}',
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "deep in a field": b'{"movie_id": 1, "ratings": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep in a title": b'{"customer_id": 1, "title": ' + b"[" * 900 + b"]" * 900 + b"}",
    "huge number": b'{"movie_id": ' + b"9" * 200_000 + b"}",
    "huge exponent": b'{"movie_id": 1e' + b"9" * 1_000 + b"}",
    "UTF-16": json.dumps({"movie_id": 1}).encode("utf-16"),
    "UTF-32": json.dumps({"movie_id": 1}).encode("utf-32"),
    "byte order mark": b'\xef\xbb\xbf{"unforeseen": 1}',
    "no UTF-8": b'{"title": "\xff\xfe"}',
    "overlong UTF-8": b'{"title": "\xc0\xaf"}',
    "lone surrogate": b'{"title": "\\ud800", "\\udfff": 1}',
    "NUL": b'{"movie_id": 1}\0',
    "comment": b'{"movie_id": 1 /* one */}',
    "many fields": json.dumps(dict.fromkeys((str(name) for name in range(20_000)), 0)).encode(),
    "long field name": json.dumps({"x" * 200_000: 1}).encode(),
    "gzip": bytes.fromhex("1f8b08000000000000ff"),
}

BAD_PARAMETERS = (
    "", "x", "-1", "0", "1.5", "1e3", "NaN", "null", "true", "9223372036854775807", "9223372036854775808",
    "9" * 4_000, "%00", "%ff%fe", "%ED%A0%80", "%F0%9F%8E%AC", "a" * 5_000, "'; DROP TABLE titles; --", '"',
    "*", "NEAR(a b)", "a AND", "-", "^", "(((((", "title:x", "%25", "1/2", "..%2f..", "\u0130\u0131ß",
)  # fmt: skip
"""Tried in every parameter, percent-encoded where they are so already."""

METHODS = (
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "X" * 100,
)

STRANGE_PATHS = (
    "/nowhere", "//", "/.", "/..", "/v1", "/v1/", "/v1/predict/", "/V1/PREDICT", "/v1//predict", "/%", "/%zz",
    "/v1/%70redict", "/v1%2fpredict", "/%2e%2e/%2e%2e/etc/passwd", "/v1/movies/../model", "/%00", "/%ff",
    "/v1/movies/1/2/3/4", "/.env", "/" + "a" * 20_000, "/?a=1&a=2&&&=&", "/;jsessionid=1", "/\u00e9",
    "/v1/predict?explain=true", "/health/ready?x=" + "y" * 10_000,
)  # fmt: skip


def check(answer: httpx.Response, sent: object) -> None:
    """Every answer is below 500 and has a request id; a refusal is a problem that names it."""
    what = f"{str(sent)[:300]}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code < 500, what
    assert answer.headers["x-request-id"], what
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == PROBLEM, what
        assert len(answer.content) < LARGEST_ANSWER, what
        if answer.request.method != "HEAD":
            problem = answer.json()
            assert problem["status"] == answer.status_code, what
            assert problem["request_id"] == answer.headers["x-request-id"], what
            assert problem["detail"], what
            assert "Traceback" not in answer.text, what


def list_operations(app: FastAPI, *, with_body: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of the operations that take a body, or of those that take none."""
    return [
        (method.upper(), path, operation)
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
        if ("requestBody" in operation) == with_body
    ]


def list_examples(app: FastAPI, operation: dict[str, Any]) -> list[Any]:
    """The example bodies of an operation."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    examples: list[Any] = app.openapi()["components"]["schemas"][name]["examples"]
    return examples


def list_places(value: Any, place: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """Every place in a JSON value, the value itself first."""
    yield place
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield from list_places(part, (*place, key))


def change(value: Any, place: tuple[int | str, ...], new: Any) -> Any:
    """A copy of a JSON value with another one in one place."""
    if not place:
        return new
    changed = copy.deepcopy(value)
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = new
    return changed


@pytest.fixture(scope="module")
def posts(real_app: FastAPI) -> list[str]:
    """The paths that take a body."""
    paths = [path for _, path, _ in list_operations(real_app, with_body=True)]
    assert {"/", "/v1/predict", "/v1/predict/batch"} <= set(paths)
    return paths


def test_every_value_in_every_field_is_answered(real_app: FastAPI, real_client: AsgiClient) -> None:
    """Each place of each example body in turn holds each bad value."""
    n_refused = n_sent = 0
    for method, path, operation in list_operations(real_app, with_body=True):
        for example in list_examples(real_app, operation):
            for place in list_places(example):
                for value in BAD_VALUES:
                    body = json.dumps(change(example, place, value)).encode()
                    answer = real_client.request(method, path, content=body, headers=JSON)
                    check(answer, (path, place, value))
                    n_sent += 1
                    n_refused += answer.status_code >= 400
    assert n_refused > n_sent / 2


def test_example_is_answered_and_refused_with_an_unknown_field(
    real_app: FastAPI, real_client: AsgiClient
) -> None:
    """At every level: the examples themselves are right, so that it is the field that is refused."""
    for method, path, operation in list_operations(real_app, with_body=True):
        for example in list_examples(real_app, operation):
            assert real_client.request(method, path, json=example).status_code == 200, (path, example)
            for place in list_places(example):
                part = example
                for key in place:
                    part = part[key]
                if isinstance(part, dict):
                    body = change(example, place, {**part, "unforeseen": 1})
                    answer = real_client.request(method, path, json=body)
                    check(answer, body)
                    assert answer.status_code == 422, body
                    assert "unforeseen" in answer.json()["detail"], body


@pytest.mark.parametrize("name", BAD_BODIES)
def test_body_that_is_no_request_is_refused(posts: list[str], real_client: AsgiClient, name: str) -> None:
    """On every path that takes a body, as 400 or 422."""
    for path in posts:
        answer = real_client.post(path, content=BAD_BODIES[name], headers=JSON)
        check(answer, (path, name))
        assert answer.status_code in {400, 422}, (path, name, answer.text)


def test_last_of_two_equal_keys_counts(real_client: AsgiClient) -> None:
    """JSON leaves it open; here it is as in Python and JavaScript."""
    answer = real_client.post(
        "/v1/predict", content=b'{"user_id": 1, "movie_id": "x", "movie_id": 2}', headers=JSON
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json; charset=utf-8", True),
        ("APPLICATION/JSON", True),
        ("application/problem+json", True),
        (
            "application/json; charset=utf-16",
            True,
        ),  # RFC 8259: JSON is UTF-8, and the parameter means nothing
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("application/jsonp", False),
        ("json", False),
        ("", False),
        ("application/", False),
        ("/", False),
        ("application/json, text/plain", False),
        ("\x80\xff", False),
    ],
)
def test_body_counts_only_when_its_type_is_json(
    posts: list[str], real_client: AsgiClient, content_type: str, *, accepted: bool
) -> None:
    """415 otherwise, on every path."""
    for path in posts:
        headers = {"content-type": content_type.encode("latin-1")}
        answer = real_client.post(path, content=b'{"unforeseen": 1}', headers=headers)
        check(answer, (path, content_type))
        assert answer.status_code == (422 if accepted else 415), (path, content_type)


def test_body_is_refused_with_413_when_it_is_too_large(posts: list[str], real_client: AsgiClient) -> None:
    """Whatever Content-Length claims, and without one."""

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(40):
            await asyncio.sleep(0)
            yield b" " * 10_000

    for path in posts:
        for headers in (JSON, {**JSON, "content-length": "2"}, {**JSON, "content-length": "999999999999"}):
            answer = real_client.post(path, content=stream(), headers=headers)
            check(answer, (path, headers))
            assert answer.status_code == 413, path


def test_every_value_in_every_parameter_is_answered(real_app: FastAPI, real_client: AsgiClient) -> None:
    """In paths and in queries, once, twice, and under another name."""
    n_sent = 0
    for method, path, operation in list_operations(real_app, with_body=False):
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            for value in BAD_PARAMETERS:
                if parameter["in"] == "path":
                    urls = [path.replace(f"{{{name}}}", value)]
                else:
                    filled = path.replace("{user_id}", "1").replace("{movie_id}", "1")
                    urls = [
                        f"{filled}?{name}={value}",
                        f"{filled}?{name}={value}&{name}=1",
                        f"{filled}?{value}={value}",
                    ]
                for url in urls:
                    check(real_client.request(method, url), url)
                    n_sent += 1
    assert n_sent > 100


def test_every_method_is_answered_on_every_path(real_app: FastAPI, real_client: AsgiClient) -> None:
    """405 names what is allowed."""
    for path in real_app.openapi()["paths"]:
        url = path.replace("{user_id}", "1").replace("{movie_id}", "1")
        for method in METHODS:
            answer = real_client.request(method, url)
            check(answer, (method, url))
            if answer.status_code == 405:
                assert answer.headers["allow"], (method, url)


@pytest.mark.parametrize("path", STRANGE_PATHS, ids=range(len(STRANGE_PATHS)))
def test_strange_path_is_answered(real_client: AsgiClient, path: str) -> None:
    """By GET and by POST, each with an id of its own, and neither turned into somewhere else's."""
    answers = [real_client.request(method, path) for method in ("GET", "POST")]
    for answer in answers:
        check(answer, path)
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    assert not [answer.headers["location"] for answer in answers if answer.is_redirect]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-id": "x" * 10_000},
        {"x-request-id": b"\xff\x00"},
        {"x-request-id": ""},
        {"accept": "text/html"},
        {"accept-encoding": "gzip, br, \xff"},
        {"expect": "100-continue"},
        {"origin": "https://elsewhere.example"},
        {"range": "bytes=0-99999999999999999999"},
        {"if-none-match": "*", "if-modified-since": "yesterday"},
        {"cookie": "a" * 8_000},
        {"authorization": "Bearer " + "a" * 8_000},
        {"x-forwarded-for": "' OR 1=1", "x-forwarded-proto": "gopher", "forwarded": "for=;"},
        {"transfer-encoding": "identity"},
        {"x-amzn-trace-id": "\n"},
    ],
    ids=",".join,
)
def test_strange_header_is_answered(real_client: AsgiClient, headers: dict[str, str | bytes]) -> None:
    """It changes nothing about the answer, and an id that is no id is not repeated."""
    given = {
        name: value if isinstance(value, bytes) else value.encode("latin-1")
        for name, value in headers.items()
    }
    answer = real_client.post("/v1/predict", {"user_id": 1, "movie_id": 2}, headers=given)
    check(answer, headers)
    assert answer.status_code == 200
    assert len(answer.headers["x-request-id"]) <= 128


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:99999999", "", "[", "a b", "127.0.0.1@evil.example"]
)
def test_strange_host_is_answered(real_client: AsgiClient, host: str) -> None:
    """To a service that is open to anybody it makes no difference; test_access.py has the others."""
    answer = real_client.post("/v1/predict", {"user_id": 1, "movie_id": 2}, headers={"host": host})
    check(answer, host)
    assert answer.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "deflate", "identity", "x" * 1_000, "\xff"])
@pytest.mark.parametrize("size", [0, 100, 50_000_000])
def test_compressed_body_is_answered(real_client: AsgiClient, encoding: str, size: int) -> None:
    """What unfolds to 50 MB is refused as what arrives in 50 MB is."""
    bomb = gzip.compress(b" " * size) if size != 100 else bytes(range(100))
    headers: dict[str, str | bytes] = {**JSON, "content-encoding": encoding.encode("latin-1")}
    answer = real_client.post("/v1/predict", content=bomb, headers=headers)
    check(answer, (encoding, size))
    assert answer.status_code >= 400
