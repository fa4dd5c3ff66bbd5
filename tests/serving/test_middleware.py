"""What the middlewares do beyond the routes that the tests of the app go through."""

import asyncio
import base64
import hashlib
import re
from types import SimpleNamespace

import pytest
from asgi_client import AsgiClient
from fake_predictor import CURSED_MOVIE
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.serving.app import build_app
from model.serving.live import LiveService
from model.serving.middleware import RequestMiddleware, choose_request_id
from model.serving.service import Service
from model.serving.settings import Settings
from model.serving.telemetry import Telemetry

CONTEXT = SimpleNamespace(aws_request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd")


def test_choose_request_id_prefers_the_client_when_several_are_at_hand() -> None:
    """The client's id wins over Lambda's, Lambda's over a fresh one, and fresh ones differ."""
    assert choose_request_id("mine", context=CONTEXT) == "mine"
    assert choose_request_id("not mine\n", context=CONTEXT) == CONTEXT.aws_request_id
    assert choose_request_id(None, context=object()) != choose_request_id(None)
    assert choose_request_id(None, context=SimpleNamespace(aws_request_id=5)) == "5"


def test_request_middleware_passes_on_when_the_connection_is_no_request() -> None:
    """Lifespan messages, which have no id, go through as they are."""
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        await send({"type": "lifespan.startup.complete"})

    async def receive() -> Message:
        return await asyncio.sleep(0, {"type": "lifespan.startup"})

    async def send(message: Message) -> None:
        received.append(await asyncio.sleep(0, message))

    scope: Scope = {"type": "lifespan"}
    asyncio.run(RequestMiddleware(app, telemetry=Telemetry())(scope, receive, send))
    assert received == [{"type": "lifespan.startup"}, {"type": "lifespan.startup.complete"}]
    assert scope == {"type": "lifespan"}


def test_answers_carry_security_headers_when_whatever_is_asked(client: AsgiClient) -> None:
    """Predictions, problems and what nobody foresaw: nothing may run, frame, sniff or keep them."""
    asked = [
        client.post("/v1/predict", {"user_id": 7, "movie_id": 30}),
        client.get("/nowhere"),
        client.post("/v1/predict", {"user_id": 7, "movie_id": CURSED_MOVIE}),
    ]
    assert [response.status_code for response in asked] == [200, 404, 500]
    for response in asked:
        headers = response.headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def answer_and(then: ASGIApp) -> ASGIApp:
    """An app that starts its answer with two headers of its own and goes on as told."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-security-policy", b"default-src 'self'"), (b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await then(scope, receive, send)

    return app


async def end(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.body", "body": b"<html>"})


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise await asyncio.sleep(0, ZeroDivisionError("after the answer began"))


def test_request_middleware_leaves_a_header_alone_when_the_answer_has_its_own() -> None:
    """A page brings its own policy and may be kept; it gets the other headers."""
    response = AsgiClient(RequestMiddleware(answer_and(end), telemetry=Telemetry())).get("/")
    assert response.headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert response.headers.get_list("cache-control") == ["max-age=60"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_request_middleware_breaks_off_when_the_error_comes_after_the_answer_began() -> None:
    """A second answer cannot follow the first: the server is told, and cuts the connection."""
    sent: list[Message] = []

    async def receive() -> Message:
        return await asyncio.sleep(0, {"type": "http.request"})

    async def send(message: Message) -> None:
        sent.append(await asyncio.sleep(0, message))

    scope: Scope = {"type": "http", "method": "GET", "headers": [], "path": "/"}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(RequestMiddleware(answer_and(fail), telemetry=Telemetry())(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start"]


PAGE = "https://page.example.com"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-api-key",
}


def test_cors_is_closed_when_no_origin_is_set(client: AsgiClient) -> None:
    """Another site's page gets no permission to read an answer, and none to send JSON."""
    simple = client.get("/v1/model", headers={"origin": PAGE})
    preflight = client.request("OPTIONS", "/v1/predict", headers=PREFLIGHT)
    assert "access-control-allow-origin" not in simple.headers
    assert "access-control-allow-origin" not in preflight.headers
    assert preflight.status_code == 405


def test_cors_opens_to_the_listed_origin_when_one_is_set(service: Service) -> None:
    """Its page may call, key and all, and read refusals too; any other page may not."""
    settings = Settings(cors_origins=(PAGE,), key_hashes=(b"\0" * 32,))
    client = AsgiClient(build_app(LiveService(service), settings))
    preflight = client.request("OPTIONS", "/v1/predict", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    refused = client.get("/v1/model", headers={"origin": PAGE})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    stranger = client.get("/v1/model", headers={"origin": "https://other.example.com"})
    assert "access-control-allow-origin" not in stranger.headers


def test_docs_allow_exactly_what_they_load_when_shown(client: AsgiClient) -> None:
    """The policy names the CDN and the SHA-256 of the page's own script, and no script besides."""
    response = client.get("/docs")
    [script] = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";")
    )
    sources = re.findall(r'(?:src|href)="(https://[^/]+)', response.text)
    assert policy["script-src"] == f"'sha256-{digest}' https://cdn.jsdelivr.net"
    assert policy["default-src"] == "'none'"
    assert set(sources) == {"https://cdn.jsdelivr.net"}
    assert '<a href="/openapi.json">' in response.text  # for those who cannot reach it


def test_docs_find_the_schema_when_served_below_a_stage(service: Service) -> None:
    """Behind /prod the page asks for /prod/openapi.json."""
    app = build_app(LiveService(service))
    app.root_path = "/prod"
    assert "url: '/prod/openapi.json'" in AsgiClient(app).get("/prod/docs").text


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc"])
def test_docs_are_gone_when_switched_off(service: Service, path: str) -> None:
    """Neither the page nor the schema is there; the rest is."""
    client = AsgiClient(build_app(LiveService(service), Settings(docs=False)))
    assert client.get(path).status_code == 404
    assert client.get("/v1/model").status_code == 200
