"""Who is let in: keys, this machine's own addresses, and the commands that would open the service."""

import asyncio
import hashlib
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from asgi_client import AsgiClient
from fresh_python import ROOT
from httpx import Response
from starlette.types import Message, Scope

from model.errors import ConfigError
from model.serving import keys
from model.serving.access import check_start
from model.serving.app import build_app
from model.serving.events import LambdaEntry
from model.serving.live import LiveService
from model.serving.service import Service
from model.serving.settings import Settings

KEY = "a-key-for-tests"
OLD_KEY = "the-key-before-that"
WITH_KEYS = Settings(
    key_hashes=(hashlib.sha256(OLD_KEY.encode()).digest(), hashlib.sha256(KEY.encode()).digest())
)
OPEN = Settings(allow_open=True)
BODY = {"user_id": 7, "movie_id": 30}


def read_problem(response: Response, *, status: int) -> dict[str, Any]:
    """The members of a problem that came with an id and the headers of every answer."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    return problem


@pytest.fixture
def guarded(service: Service) -> AsgiClient:
    """Calls a service that asks for keys."""
    return AsgiClient(build_app(LiveService(service), WITH_KEYS))


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
@pytest.mark.parametrize(
    ("name", "form"), [("authorization", "Bearer {}"), ("authorization", "bearer  {}"), ("x-api-key", "{}")]
)
def test_access_is_given_when_any_of_the_keys_is_sent(
    guarded: AsgiClient, key: str, name: str, form: str
) -> None:
    """Both headers do, and while keys are rotated the old one and the new one."""
    response = guarded.post("/v1/predict", BODY, headers={name: form.format(key)})
    assert (response.status_code, response.json()["predicted_rating"]) == (200, 3.25)


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({"authorization": "Basic YTpi"}, "Bearer"),
        ({"x-api-key": ""}, "Bearer"),
        ({"authorization": "Bearer"}, 'Bearer error="invalid_token"'),
        ({"x-api-key": f"{KEY}x"}, 'Bearer error="invalid_token"'),
        ({"x-api-key": hashlib.sha256(KEY.encode()).hexdigest()}, 'Bearer error="invalid_token"'),
        ({"x-api-key": b"\xff\xfe"}, 'Bearer error="invalid_token"'),
    ],
)
def test_access_is_refused_when_no_key_fits(
    guarded: AsgiClient, headers: dict[str, str | bytes], challenge: str
) -> None:
    """No key, another scheme, a wrong one and the hash itself are a 401 that says how to send one."""
    response = guarded.post("/v1/predict", BODY, headers=headers)
    assert "API key" in read_problem(response, status=401)["detail"]
    assert response.headers["www-authenticate"] == challenge


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/v1/model"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
        ("GET", "/health/live/"),
        ("GET", "//health/live"),
        ("OPTIONS", "/v1/predict"),
    ],
)
def test_access_is_refused_when_the_path_is_not_open(guarded: AsgiClient, method: str, path: str) -> None:
    """All that is not listed as open needs a key, what does not exist included."""
    problem = read_problem(guarded.request(method, path), status=401)
    assert problem["detail"].startswith("an API key is needed")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_access_is_open_when_a_load_balancer_asks_for_health(guarded: AsgiClient, path: str) -> None:
    """Health needs no key."""
    assert guarded.get(path).status_code == 200


def test_access_leaves_the_page_open_when_keys_are_set(guarded: AsgiClient) -> None:
    """GET / and HEAD / get past the keys; the page asks its reader for one."""
    assert guarded.get("/").status_code == guarded.request("HEAD", "/").status_code == 200


def test_openapi_tells_of_the_refusal_when_keys_are_set(guarded: AsgiClient) -> None:
    """A client built from the schema knows how to send a key, where none is needed, and that 401 may come."""
    for _ in range(2):  # the second answer is the one that was kept
        schema = guarded.get("/openapi.json", headers={"x-api-key": KEY}).json()
        assert schema["security"] == [{"bearer": []}, {"header": []}]
        assert schema["components"]["securitySchemes"].keys() == {"bearer", "header"}
        assert "401" in schema["paths"]["/v1/predict"]["post"]["responses"]
        assert "security" not in schema["paths"]["/v1/predict"]["post"]
        assert schema["paths"]["/health/live"]["get"]["security"] == []
        assert "401" not in schema["paths"]["/health/live"]["get"]["responses"]


def test_openapi_says_nothing_of_keys_when_there_are_none(client: AsgiClient) -> None:
    """An open service documents no security."""
    assert "security" not in client.get("/openapi.json").json()


def call(app: Any, *, server: tuple[str, int | None] | None, host: str | None = "localhost:8000") -> int:
    """The status of `GET /v1/model` as a server with that local address would hand it over."""
    statuses: list[int] = []
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/model",
        "query_string": b"",
        "headers": [] if host is None else [(b"host", host.encode())],
        "server": server,
        "client": ("203.0.113.9", 4711),
    }

    async def receive() -> Message:
        return await asyncio.sleep(0, {"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(app(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("server", "host", "status"),
    [
        (("127.0.0.1", 8000), "127.0.0.1:8000", 200),
        (("127.8.8.8", 8000), "localhost", 200),
        (("::1", 8000), "[::1]:8000", 200),
        (("::1", 8000), "[::1]", 200),
        (("::ffff:127.0.0.1", 8000), "LOCALHOST:8000", 200),
        (("/run/service.sock", None), "localhost", 200),
        (None, "localhost", 200),
        (("127.0.0.1", 8000), None, 200),
        (("192.0.2.1", 8000), "localhost:8000", 403),
        (("10.0.0.5", 8000), "10.0.0.5:8000", 403),
        (("2001:db8::1", 8000), "[2001:db8::1]", 403),
        (("fe80::1%eth0", 8000), "localhost", 403),
        (("::ffff:192.0.2.1", 8000), "localhost", 403),
        (("service.example.com", 443), "localhost", 403),
        (("127.0.0.1", 8000), "rebound.example.com:8000", 403),
        (("127.0.0.1", 8000), "127.0.0.1.example.com", 403),
        (("127.0.0.1", 8000), "", 403),
        (("/run/service.sock", None), "service.example.com", 403),
    ],
)
def test_access_without_keys_is_for_this_machine_when_nobody_allowed_more(
    service: Service, server: tuple[str, int | None] | None, host: str | None, status: int
) -> None:
    """Both the address that was called and the name it was called by must be this machine's own."""
    live = LiveService(service)
    assert call(build_app(live), server=server, host=host) == status
    assert call(build_app(live, OPEN), server=server, host=host) == 200


def test_access_says_what_the_operator_can_do_when_the_service_is_open(service: Service) -> None:
    """The 403 names both settings."""
    client = AsgiClient(build_app(LiveService(service)))
    problem = read_problem(client.get("/v1/model", headers={"host": "example.com"}), status=403)
    assert "MODEL_API_KEYS" in problem["detail"]
    assert "MODEL_ALLOW_OPEN=1" in problem["detail"]


def test_access_keeps_the_page_for_this_machine_when_there_are_no_keys(service: Service) -> None:
    """Health is open to everybody; the page of an open service is not."""
    client = AsgiClient(build_app(LiveService(service)))
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "example.com"}).status_code == 403
    assert client.get("/health/ready", headers={"host": "example.com"}).status_code == 200


def test_access_is_left_to_the_gateway_when_the_event_is_lambdas(service: Service) -> None:
    """Behind a gateway, with its public name as the host, an open service answers, and one with keys asks."""
    event = json.loads((ROOT / "tests" / "events" / "api_gateway_http.json").read_text())
    live = LiveService(service)
    assert LambdaEntry(build_app(live), live)(event, None)["statusCode"] == 200
    assert LambdaEntry(build_app(live, WITH_KEYS), live)(event, None)["statusCode"] == 401


@pytest.mark.parametrize(("path", "status"), [("/health/live", 200), ("/v1/model", 401)])
def test_access_finds_the_path_when_it_is_behind_a_stage(service: Service, path: str, status: int) -> None:
    """What is open is open behind /prod as well, and nothing else is."""
    event = json.loads((ROOT / "tests" / "events" / "api_gateway_http_stage.json").read_text())
    stage = event["requestContext"]["stage"]
    event["rawPath"] = f"/{stage}{path}"
    event["requestContext"]["http"] |= {"method": "GET", "path": f"/{stage}{path}"}
    live = LiveService(service)
    assert LambdaEntry(build_app(live, WITH_KEYS), live)(event, None)["statusCode"] == status


UVICORN = "/opt/bin/uvicorn"
FASTAPI = "/opt/bin/fastapi"


@pytest.mark.parametrize(
    "command",
    [
        [UVICORN, "handler:app", "--host", "0.0.0.0"],
        [UVICORN, "handler:app", "--host=0.0.0.0"],
        [UVICORN, "handler:app", "--host", "127.0.0.1", "--host", "::"],
        ["/lib/uvicorn/__main__.py", "handler:app", "--host", "192.0.2.1"],
        [FASTAPI, "run", "handler.py", "--host", "0.0.0.0"],
        ["/lib/fastapi/__main__.py", "dev", "--host", "service.example.com"],
    ],
)
def test_start_is_refused_when_an_open_service_is_told_to_listen_on_a_public_address(
    command: list[str],
) -> None:
    """The error names the host and both remedies; with keys, or when told so, the start is fine."""
    with pytest.raises(ConfigError, match=r"--host .* MODEL_API_KEYS .* MODEL_ALLOW_OPEN=1"):
        check_start(Settings(), command, {})
    check_start(WITH_KEYS, command, {})
    check_start(OPEN, command, {})


def test_start_is_refused_when_uvicorn_takes_a_public_host_from_the_environment() -> None:
    """UVICORN_HOST counts where no flag is given, and only for uvicorn."""
    environment = {"UVICORN_HOST": "0.0.0.0"}
    with pytest.raises(ConfigError, match=re.escape("0.0.0.0")):
        check_start(Settings(), [UVICORN, "handler:app"], environment)
    check_start(Settings(), [UVICORN, "handler:app", "--host", "localhost"], environment)
    check_start(Settings(), [FASTAPI, "dev", "handler.py"], environment)


@pytest.mark.parametrize(
    "command",
    [
        [UVICORN, "handler:app"],
        [UVICORN, "handler:app", "--host", "localhost", "--port", "9000"],
        [UVICORN, "handler:app", "--host", "::1"],
        [FASTAPI, "dev", "handler.py"],
        ["handler.py", "--host", "0.0.0.0"],
        [""],
    ],
)
def test_start_is_quiet_when_the_service_stays_on_this_machine(
    command: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Loopback hosts, uvicorn's default and programs that are no server of ours are no matter."""
    check_start(Settings(), command, {})
    assert caplog.messages == []


def test_start_warns_when_fastapi_run_listens_everywhere_by_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`fastapi run handler.py` starts and says that only this machine is answered."""
    with caplog.at_level(logging.WARNING):
        check_start(Settings(), [FASTAPI, "run", "handler.py"], {})
    assert len(caplog.messages) == 1
    assert "MODEL_API_KEYS" in caplog.messages[0]


def test_keys_prints_a_key_and_its_hash_when_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The hash is the SHA-256 of the key, and no two keys are the same."""
    made = set()
    for _ in range(2):
        assert keys.main([]) == 0
        key, digest = (line.split()[-1] for line in capsys.readouterr().out.splitlines())
        assert digest == hashlib.sha256(key.encode()).hexdigest()
        made.add(key)
    assert len(made) == 2
    assert all(len(key) == 43 for key in made)  # 32 bytes in base64 without padding


def test_keys_prints_the_same_as_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """For a program that keeps the key and hands on the hash."""
    assert keys.main(["--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made == {"key": made["key"], "hash": hashlib.sha256(made["key"].encode()).hexdigest()}


def test_operation_guide_names_every_setting_when_read() -> None:
    """The table of docs/operation.md has each variable that the settings' docstrings name, and no other."""
    variable = re.compile(r"MODEL_[A-Z_]+")
    settings = variable.findall((ROOT / "model" / "serving" / "settings.py").read_text(encoding="utf-8"))
    guide = Path(ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    rows = {found[1] for found in re.finditer(r"^\| `(MODEL_[A-Z_]+)` \|", guide, re.MULTILINE)}
    assert rows == set(settings)
