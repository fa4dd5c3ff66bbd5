"""The OpenAPI document: FastAPI's, with problems and API keys described once and by name."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from model.serving import access, problems

_TAGS: Final = [
    {
        "name": "predictions",
        "description": "The stars that somebody would give a movie, and the best movies.",
    },
    {"name": "movies", "description": "The movies of the model's data."},
    {"name": "users", "description": "The users of the model's data, where the operator shows them."},
    {"name": "operation", "description": "What is served, and whether it is well."},
]


def build_openapi(app: FastAPI, *, asks_for_keys: bool) -> dict[str, Any]:
    """Build the document, once.

    Args:
        app: whose routes it describes.
        asks_for_keys: whether it lets in those only who have a key.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, tags=_TAGS
        )
        document["components"]["schemas"]["Problem"] = problems.SCHEMA
        if asks_for_keys:
            access.describe_keys(document)
        app.openapi_schema = document
    return app.openapi_schema
