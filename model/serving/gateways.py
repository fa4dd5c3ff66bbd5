"""HTTP events of API Gateway, load balancers and function URLs: what Mangum takes on trust; their prefixes.

A gateway serves the function below a prefix that the routes know nothing of. It is found here and handed to
the application as its root path, so that its documents and links name the public address:

    REST API at its own address     the stage; only `requestContext.path` has it
    HTTP API at its own address     the stage, unless it is $default; `path` and `rawPath` have it
    custom domain with a mapping    the mapping's key; every path has it, and nothing says so: configured
    load balancer with a path rule  likewise
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from starlette.types import Scope

from model.serving import problems
from model.serving.middleware import REQUEST_ID_HEADER, SECURITY_HEADERS

_OWN_DOMAIN: Final = ".execute-api."
"""Part of every address that API Gateway gives an API itself."""


class UnreadableEventError(ValueError):
    """An HTTP event that lacks something, or whose body is not what it says."""


def is_http_event(event: Mapping[str, Any]) -> bool:
    """Whether an event has the outer shape of one that Mangum answers."""
    request_context = event.get("requestContext")
    return isinstance(request_context, dict) and (
        "elb" in request_context or "version" in event or "resource" in event
    )


def check_http_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Check what Mangum does not, and decode the body strictly.

    Args:
        event: one for which `is_http_event` holds.

    Returns:
        The event with its body as bytes.

    Raises:
        UnreadableEventError: if it has no method, or its body is not text or not the base64 it claims to be.
    """
    if event.get("version") == "2.0":
        http = event["requestContext"].get("http")
        method = http.get("method") if isinstance(http, dict) else None
    else:
        method = event.get("httpMethod")
    if not isinstance(method, str):
        raise UnreadableEventError("it names no method")
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise UnreadableEventError("its body is not text")
    try:
        # Mangum's own decoding passes over characters that do not belong, and so reads what nobody sent.
        plain = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except binascii.Error as error:
        raise UnreadableEventError("its body is not the base64 that it claims to be") from error
    except ValueError as error:
        raise UnreadableEventError("its body has characters that no encoding carries") from error
    return {**event, "body": plain, "isBase64Encoded": False}


def set_root_path(scope: Scope, *, base_path: str) -> None:
    """Tell the application below which path it is served, and the whole path that was asked for.

    Args:
        scope: as Mangum built it; changed in place.
        base_path: the configured prefix, such as "/recommender"; empty for none.
    """
    event = scope["aws.event"]
    request_context = event["requestContext"]
    path = scope["path"]
    public = request_context.get("path")
    stage = request_context.get("stage")
    if base_path and _is_under(path, base_path):
        scope["root_path"] = base_path
    elif _is_rest(event) and isinstance(public, str):
        public = unquote(public)
        if path == "/" or public.endswith(path):
            scope["root_path"] = public.removesuffix(path).rstrip("/")
            scope["path"] = scope["root_path"] + path
    elif (
        isinstance(stage, str)
        and _OWN_DOMAIN in str(request_context.get("domainName", _OWN_DOMAIN))
        and _is_under(path, f"/{stage}")
    ):
        scope["root_path"] = f"/{stage}"
    if path == scope["root_path"]:
        scope["path"] = f"{path}/"  # the routes know no path without a slash


def drop_unwelcome_headers(scope: Scope) -> None:
    """Ask a plain answer of the application where the gateway decodes no binary one: a REST API."""
    if _is_rest(scope["aws.event"]):
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"accept-encoding"]


def refuse_http_event(
    event: Mapping[str, Any], error: UnreadableEventError, *, request_id: str
) -> dict[str, Any]:
    """Build the response to an HTTP event that never reached the application.

    Args:
        event: the event.
        error: what is wrong with it.
        request_id: the request's id.
    """
    problem = problems.Problem(400, f"the HTTP event cannot be read: {error}", name="unreadable-event")
    headers = {"content-type": problems.MEDIA_TYPE, REQUEST_ID_HEADER: request_id}
    headers |= {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
    response = {
        "statusCode": problem.status,
        "body": problem.as_json(request_id=request_id),
        "isBase64Encoded": False,
    }
    if "elb" in event["requestContext"] and "multiValueHeaders" in event:
        # A load balancer that sends several values for a header reads no other kind.
        return response | {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return response | {"headers": headers}


def _is_rest(event: Mapping[str, Any]) -> bool:
    return "resource" in event and "version" not in event


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
