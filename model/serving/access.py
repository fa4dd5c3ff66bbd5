"""Who is answered: with API keys, whoever brings one; without, whoever is on this machine.

A service without keys is open. That is right on one's own machine and wrong on a public address, so it is
refused there until the operator says MODEL_ALLOW_OPEN=1: at the start where the server's command names the
address, and at each request, whatever server it came through. On Lambda the gateway decides.
"""

import hmac
import logging
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from pathlib import PurePath
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from model.errors import ConfigError
from model.serving import problems
from model.serving.keys import hash_key
from model.serving.middleware import find_header
from model.serving.settings import Settings

OPEN_PATHS: Final = frozenset({"/health/live", "/health/ready"})
"""What a load balancer asks, answered to anybody."""

PAGE: Final = "/"
"""The demo page, which needs no key where keys are asked for: it asks its reader for one."""

REMEDY: Final = (
    "set MODEL_API_KEYS to the hashes of keys (`python -m model.serving.keys` makes one), "
    "or MODEL_ALLOW_OPEN=1 to let in anybody"
)

_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
"""How a key is sent, for OpenAPI."""

_UNAUTHORIZED: Final = {
    "description": "No API key, or not one of the service's",
    "content": problems.CONTENT,
}

_NO_KEY: Final = problems.Problem(
    HTTPStatus.UNAUTHORIZED,
    "an API key is needed: send the header authorization: Bearer KEY, or x-api-key: KEY",
    headers={"www-authenticate": "Bearer"},
)
_WRONG_KEY: Final = problems.Problem(
    HTTPStatus.UNAUTHORIZED,
    "the API key is not one of this service's",
    headers={"www-authenticate": 'Bearer error="invalid_token"'},
)
_NOT_LOCAL: Final = problems.Problem(
    HTTPStatus.FORBIDDEN,
    "a service without API keys answers only requests to 127.0.0.1, ::1 or localhost; "
    f"its operator can {REMEDY}",
    name="open-service",
)

_logger = logging.getLogger(__name__)


class AccessMiddleware:
    """Refuses whoever may not be answered, before the request's body is read.

    Args:
        app: answers the others.
        settings: keys, or whether the service may be open.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._key_hashes = settings.key_hashes
        self._allow_open = settings.allow_open

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one request."""
        problem = self._find_problem(scope) if scope["type"] == "http" else None
        app = self.app if problem is None else problems.build_response(problem, scope)
        return app(scope, receive, send)

    def _find_problem(self, scope: Scope) -> problems.Problem | None:
        path = _find_path(scope)
        if path in OPEN_PATHS:
            return None
        if self._key_hashes:
            if path == PAGE and scope["method"] in {"GET", "HEAD"}:
                return None
            known = [self._knows(key) for key in _find_keys(scope)]
            if not known:
                return _NO_KEY
            return None if True in known else _WRONG_KEY
        if self._allow_open or "aws.event" in scope or _is_local(scope):
            return None
        return _NOT_LOCAL

    def _knows(self, key: str) -> bool:
        offered = hash_key(key.encode("latin-1"))
        # all are compared, whichever fits, so that the time taken tells nothing
        fits = [hmac.compare_digest(offered, known) for known in self._key_hashes]
        return True in fits


def describe_keys(schema: dict[str, Any]) -> None:
    """Say in an OpenAPI document which operations need a key, and how it is sent.

    Args:
        schema: the document of a service with keys; changed in place.
    """
    schema.setdefault("components", {})["securitySchemes"] = _SCHEMES
    schema["security"] = [{name: []} for name in _SCHEMES]
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            if path in OPEN_PATHS:
                operation["security"] = []
            else:
                operation["responses"][str(HTTPStatus.UNAUTHORIZED.value)] = _UNAUTHORIZED


def check_start(settings: Settings, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse to start open on an address that other machines reach, where the command line tells.

    `fastapi run` listens on all addresses unless told otherwise: it may start, with a warning, because each
    request is checked too.

    Args:
        settings: keys, or whether the service may be open.
        arguments: the process's own, its name first.
        environment: uvicorn takes its host from UVICORN_HOST too.

    Raises:
        ConfigError: if uvicorn or FastAPI's command is told to listen on a public address.
    """
    if settings.key_hashes or settings.allow_open:
        return
    program = PurePath(arguments[0])
    server = program.parent.name if program.stem == "__main__" else program.stem
    if server not in {"uvicorn", "fastapi"}:
        return
    host = _find_host(arguments[1:])
    if host is None and server == "uvicorn":
        host = environment.get("UVICORN_HOST")
    if host is not None and not is_loopback(host):
        raise ConfigError(f"--host {host} would open this service to other machines: {REMEDY}")
    if host is None and server == "fastapi" and "run" in arguments:
        _logger.warning("answering requests to this machine's own address only; to serve others, %s", REMEDY)


@lru_cache
def is_loopback(host: str) -> bool:
    """Whether an address or name can only be this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("[::1]"), is_loopback("localhost")
    (True, True, True)
    >>> is_loopback("0.0.0.0"), is_loopback("localhost.example.com"), is_loopback("")
    (False, False, False)
    """
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return host.lower() == "localhost"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback


def _find_host(arguments: Sequence[str]) -> str | None:
    """The last --host of a command line."""
    host = None
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument == "--host":
            host = following
        elif argument.startswith("--host="):
            host = argument.removeprefix("--host=")
    return host


def _find_path(scope: Scope) -> str:
    """The path below whatever prefix the service is served under."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _find_keys(scope: Scope) -> Iterator[str]:
    scheme, _, credentials = (find_header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        yield credentials.strip()
    if key := find_header(scope, b"x-api-key"):
        yield key


def _is_local(scope: Scope) -> bool:
    """Whether a request was made to this machine's own address, and under its own name.

    The name matters too: to a browser a page of example.com, once that name resolves to 127.0.0.1 (DNS
    rebinding), has the same origin as this service; and a proxy on this machine passes its public name on.
    """
    server = scope.get("server")  # None, or without a port: a Unix socket
    if server is not None and server[1] is not None and not is_loopback(server[0]):
        return False
    authority = find_header(scope, b"host")
    return authority is None or _is_own_name(authority)


@lru_cache
def _is_own_name(authority: str) -> bool:
    return is_loopback(_remove_port(authority))


def _remove_port(authority: str) -> str:
    name, _, port = authority.rpartition(":")
    return name if name and port.isdecimal() and (name.endswith("]") or ":" not in name) else authority
