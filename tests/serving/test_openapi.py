"""The OpenAPI document: everything is typed and named, and its examples work as pasted."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi_client import AsgiClient
from builders import Rated, make_history
from fake_predictor import FakePredictor
from small_bundle import CARD

from model.bundle import Bundle
from model.serving.app import build_app
from model.serving.catalogue import Catalogue
from model.serving.live import LiveService
from model.serving.schemas import EXAMPLE_MOVIE, EXAMPLE_USER
from model.serving.service import Service

OPERATIONS = {
    "predict_original": "POST /",
    "predict": "POST /v1/predict",
    "predict_batch": "POST /v1/predict/batch",
    "recommend": "POST /v1/recommend",
    "search_movies": "GET /v1/movies",
    "read_movie": "GET /v1/movies/{movie_id}",
    "list_similar_movies": "GET /v1/movies/{movie_id}/similar",
    "list_users": "GET /v1/users",
    "list_user_ratings": "GET /v1/users/{user_id}/ratings",
    "read_model_card": "GET /v1/model",
    "read_liveness": "GET /health/live",
    "read_readiness": "GET /health/ready",
}
"""Names that clients generate their code from: they stay."""


@pytest.fixture
def example_client(small_bundle: Bundle, predictor: FakePredictor) -> AsgiClient:
    """A service whose bundle holds the user and the movie of the examples, as the demo's does."""
    # five movies, as many as the small bundle has titles for
    rows = [Rated(EXAMPLE_USER, movie, 4) for movie in (EXAMPLE_MOVIE, 30, 40, 60, 70)]
    catalogue = Catalogue(small_bundle.with_history(make_history(rows)))
    return AsgiClient(build_app(LiveService(Service(predictor, CARD, catalogue, show_user_ids=True))))


@pytest.fixture
def document(example_client: AsgiClient) -> dict[str, Any]:
    """The document."""
    fetched: dict[str, Any] = example_client.get("/openapi.json").json()
    return fetched


def list_operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each operation of the API."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["operationId"] in OPERATIONS:
                yield path, method, operation


def list_examples(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Method, path and body of a request for each example of a body, and one with each parameter's first."""
    for path, method, operation in list_operations(document):
        parameters = {each["name"]: each for each in operation.get("parameters", [])}
        filled = path.format(**{
            name: parameters[name]["schema"]["examples"][0]
            for name in parameters
            if parameters[name]["in"] == "path"
        })
        asked = [
            f"{name}={parameters[name]['schema']['examples'][0]}".replace(" ", "+")
            for name in parameters
            if parameters[name]["in"] == "query"
        ]
        bodies = [None]
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            bodies = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["examples"]
        for body in bodies:
            yield method.upper(), f"{filled}?{'&'.join(asked)}" if asked else filled, body


def test_operations_keep_their_names(document: dict[str, Any]) -> None:
    """Ids, paths and methods are as they were published."""
    found = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, method, operation in list_operations(document)
    }
    assert found == OPERATIONS


def test_operations_are_documented() -> None:
    """docs/api.md lists each of them, and no other."""
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `((?:GET|POST) [^`]+)` \|", text, re.MULTILINE) == list(OPERATIONS.values())


def test_operations_say_what_they_are_for(document: dict[str, Any]) -> None:
    """Each has a summary and one tag, which the document explains."""
    explained = {tag["name"] for tag in document["tags"]}
    for _, _, operation in list_operations(document):
        assert operation["summary"]
        assert len(operation["tags"]) == 1
        assert set(operation["tags"]) <= explained


def test_every_answer_has_a_named_type(document: dict[str, Any]) -> None:
    """A 200 refers to a schema of its own, and everything else to the one of problems."""
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["required"] == ["type", "title", "status", "detail", "request_id"]
    for _, _, operation in list_operations(document):
        assert {"200", "default"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            [(media_type, content)] = response["content"].items()
            reference = content["schema"]["$ref"].rsplit("/", 1)[1]
            assert reference in schemas
            assert (media_type == "application/json") == (status == "200") == (reference != "Problem")


def test_every_example_works_when_it_is_pasted(example_client: AsgiClient, document: dict[str, Any]) -> None:
    """All bodies and parameters that the document shows are answered with a 200."""
    examples = list(list_examples(document))
    assert len(examples) > len(OPERATIONS)
    for method, path, body in examples:
        response = example_client.request(method, path, json=body)
        assert (method, path, response.status_code) == (method, path, 200)


def test_every_list_text_and_number_of_a_request_is_bounded(document: dict[str, Any]) -> None:
    """Integers and lists have both ends, texts a length, unless they are dates or one of a few words."""
    unbounded = []
    schemas = document["components"]["schemas"]
    named = ["OriginalRequest", "PredictRequest", "BatchRequest", "RecommendRequest", "RequestRating"]
    places = [
        (name, field, schema) for name in named for field, schema in schemas[name]["properties"].items()
    ]
    for path, _, operation in list_operations(document):
        places += [(path, each["name"], each["schema"]) for each in operation.get("parameters", [])]
    needed = {"integer": {"minimum", "maximum"}, "array": {"maxItems"}, "string": {"maxLength"}}
    for owner, field, schema in places:
        for option in schema.get("anyOf", [schema]):
            is_closed = "enum" in option or option.get("format") == "date"
            if not is_closed and not needed.get(option.get("type"), set()) <= option.keys():
                unbounded.append((owner, field))
    assert unbounded == []
