"""What pydantic found wrong with a request, in words: where, what, and what would be accepted."""

from collections.abc import Sequence
from typing import Any, Final, get_args

from model.serving.schemas import BatchRequest, OriginalRequest, PredictRequest, Request
from model.suggestions import suggest

INVOCATIONS: Final = {model.__name__: model for model in (OriginalRequest, PredictRequest, BatchRequest)}
"""What a direct invocation may be, by the title that pydantic gives its errors."""

_WORDS: Final = {
    "missing": "required, and missing",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "list_type": "expected a list",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a number that is finite",
    "string_type": "expected text",
    "bool_type": "expected true or false",
}
"""By pydantic's type of finding; what is not here says enough in pydantic's own words."""


def say_what(finding: Any, request: type[Request] | None) -> str:
    """Say what is wrong and what would be accepted.

    Args:
        finding: one of pydantic's `errors()`.
        request: what was to be read; None where that is not known.
    """
    if finding["type"] == "extra_forbidden" and request is not None:
        *path, name = finding["loc"]
        fields = list(_descend(request, path).model_fields)
        return f"unknown: expected {', '.join(fields)}{suggest(str(name), fields)}"
    message: str = finding["msg"]
    return _WORDS.get(finding["type"], message.removeprefix("Value error, "))


def find_request(annotations: Sequence[Any]) -> type[Request] | None:
    """Find the request among type annotations, such as those of a route's function; None if there is none."""
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Request):
            return annotation
        found = find_request(get_args(annotation))
        if found is not None:
            return found
    return None


def _descend(request: type[Request], path: Sequence[int | str]) -> type[Request]:
    """Follow names of fields down to the request that holds the last one; places in lists are passed over."""
    for name in path:
        field = request.model_fields.get(str(name))
        request = (find_request([field.annotation]) if field else None) or request
    return request
