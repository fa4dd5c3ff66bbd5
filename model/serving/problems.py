"""Every error a client can see, as RFC 9457 problem details: the one place that knows HTTP status codes.

Texts are cut and counted, so that no answer grows with what the client sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from model.errors import PredictionError
from model.serving import findings
from model.serving.deadline import OutOfTimeError
from model.serving.refusals import OffScaleError, UnknownIdError, UsersHiddenError
from model.serving.schemas import Request

MEDIA_TYPE: Final = "application/problem+json"

MOST_ERRORS: Final = 20
"""How many findings a problem lists; it says how many more there are."""

LONGEST_TEXT: Final = 200
"""Characters of the client's own text (a field name, a value, a path) that an answer repeats."""

_TYPE: Final = "urn:problem-type:netflix-prize-recommender:"

SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}
"""The JSON schema of a problem, for OpenAPI."""

CONTENT: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""The content of a response that is a problem, for OpenAPI."""


_STATUSES: Final[Mapping[type[Exception], HTTPStatus]] = {
    UnknownIdError: HTTPStatus.NOT_FOUND,
    UsersHiddenError: HTTPStatus.FORBIDDEN,
    OutOfTimeError: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, without the request it went wrong in."""

    status: int
    """HTTP status code."""
    detail: str
    """What failed here and what would be accepted."""
    name: str = ""
    """Last part of the problem's type; empty where the status alone says it all."""
    errors: Sequence[Mapping[str, str]] = ()
    """For invalid requests: the findings, each `where` and `what`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Response headers that go with it, such as Allow."""

    def as_dict(self, *, request_id: str, instance: str | None = None) -> dict[str, object]:
        """Build the members of RFC 9457.

        Args:
            request_id: the request's id.
            instance: the path of the request; None outside HTTP.
        """
        members: dict[str, object] = {
            "type": f"{_TYPE}{self.name}" if self.name else "about:blank",
            "title": self.name.replace("-", " ").capitalize().replace("json", "JSON")
            if self.name
            else HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if instance is not None:
            members["instance"] = quote(
                shorten(instance)
            )  # a URI has neither spaces nor letters with accents
        if self.errors:
            members["errors"] = list(self.errors)
        return members

    def as_json(self, *, request_id: str, instance: str | None = None) -> str:
        """Build the body, in ASCII: what a client sent may hold lone surrogates, which UTF-8 cannot carry."""
        return json.dumps(self.as_dict(request_id=request_id, instance=instance))


def build_response(problem: Problem, scope: Scope) -> Response:
    """Build the answer to a request that `RequestMiddleware` gave an id.

    Args:
        problem: what went wrong.
        scope: the request's.
    """
    return Response(
        problem.as_json(request_id=scope["state"]["request_id"], instance=scope["path"]),
        status_code=problem.status,
        headers=dict(problem.headers),
        media_type=MEDIA_TYPE,
    )


def shorten(text: str) -> str:
    """Cut text that came from a client to a bounded length that any encoding can carry.

    >>> shorten("x" * 500)[-5:]
    'xxxx…'
    """
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def describe(error: Exception, request: type[Request] | None = None) -> Problem:
    """Say which problem an exception is.

    Args:
        error: a failed validation, an HTTP exception, a refusal, a `PredictionError`, or anything unforeseen.
        request: what was to be read, for a failed validation that does not tell.
    """
    match error:
        case RequestValidationError() | ValidationError():
            invoked = findings.INVOCATIONS.get(getattr(error, "title", ""))
            return _describe_findings(error.errors(), request or invoked)
        case OffScaleError():
            return _invalid([{"where": error.where, "what": error.what}])
        case UnknownIdError() | UsersHiddenError() | OutOfTimeError():
            return Problem(_STATUSES[type(error)], str(error), name=error.name)
        case PredictionError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, shorten(str(error)), name="no-prediction")
        case HTTPException():
            return Problem(error.status_code, shorten(str(error.detail)), headers=error.headers or {})
        case _:
            return Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "an unexpected error; the log names it beside this request id",
            )


def _describe_findings(found: Sequence[Any], request: type[Request] | None) -> Problem:
    first = found[0]
    if first["type"] == "json_invalid":
        what = f"the body is not JSON in UTF-8: {first['ctx']['error']}"
        return Problem(HTTPStatus.BAD_REQUEST, what, name="malformed-json")
    errors = [
        {"where": _say_where(finding["loc"]), "what": shorten(findings.say_what(finding, request))}
        for finding in found[:MOST_ERRORS]
    ]
    if len(found) > MOST_ERRORS:
        errors.append({"where": "body", "what": f"{len(found) - MOST_ERRORS} more findings"})
    return _invalid(errors)


def _invalid(errors: Sequence[Mapping[str, str]]) -> Problem:
    first = errors[0]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{first['where']}: {first['what']}",
        name="invalid-request",
        errors=errors,
    )


def _say_where(location: tuple[int | str, ...]) -> str:
    """Write ('body', 'ratings', 3, 'rating') as ratings[3].rating."""
    parts = location[1:] if location[:1] == ("body",) else location
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return shorten(where.removeprefix(".")) or "body"
