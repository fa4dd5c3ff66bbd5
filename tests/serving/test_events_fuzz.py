"""Whatever arrives as an event is answered: hypothesis looks for one that is not."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_predictor import CURSED_MOVIE, FakePredictor
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_bundle import CARD, make_small_bundle

from model.serving.app import build_app
from model.serving.catalogue import Catalogue
from model.serving.events import LambdaEntry
from model.serving.live import LiveService
from model.serving.service import Service

EVENTS = [
    json.loads(path.read_text()) for path in sorted((Path(__file__).parents[1] / "events").glob("*.json"))
]
CONTEXT = SimpleNamespace(
    aws_request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd", get_remaining_time_in_millis=lambda: 30_000
)
LARGEST_ANSWER = 6 * 1024 * 1024
"""Bytes that Lambda lets an answer have."""

TEXT = st.text(max_size=20) | st.sampled_from([
    "",
    "/",
    "2.0",
    "1.0",
    "POST",
    "application/json",
    "gzip",
    "aws.events",
    "\ud800",
    "\x00",
    "%ff",
    "a:b:c",
])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({
    *("movie_id", "user_id", "ratings", "requests", "customer_id", "rating_date", "date", "as_of", "explain"),
    *("source", "version", "requestContext", "resource", "path", "httpMethod", "headers", "body"),
    *("multiValueHeaders", "isBase64Encoded", "queryStringParameters", "cookies", "elb", "http"),
})


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> LambdaEntry:
    """One entry for all examples, as one instance of the function answers many events."""
    bundle = make_small_bundle(tmp_path_factory.mktemp("small"))
    live = LiveService(Service(FakePredictor(), CARD, Catalogue(bundle)))
    return LambdaEntry(build_app(live), live, base_path="/recommender")


def list_places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a JSON value, itself left out."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        found.append((*place, key))
        if isinstance(inner, dict | list):
            found += list_places(inner, (*place, key))
    return found


@st.composite
def broken_events(draw: st.DrawFn) -> Any:
    """A recorded event with one to three of its values replaced, taken away or joined by another."""
    event = json.loads(json.dumps(draw(st.sampled_from(EVENTS))))
    for _ in range(draw(st.integers(1, 3))):
        places = list_places(event)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder = event
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "remove":
                del holder[last]
            case "add" if isinstance(holder, dict):
                holder[draw(TEXT | st.sampled_from(FIELDS))] = draw(JSON_VALUES)
            case _:
                holder[last] = draw(JSON_VALUES)
    return event


def check_answer(entry: LambdaEntry, event: Any) -> None:
    """An answer that Lambda can send, and no status 5xx."""
    answer = entry(event, CONTEXT)
    assert len(json.dumps(answer)) < LARGEST_ANSWER
    status = answer.get("statusCode", answer.get("status", 200))
    assert status == "warm" or 200 <= status < 500, (event, answer)
    if "statusCode" in answer:
        assert isinstance(answer["body"], str)
        assert "headers" in answer or "multiValueHeaders" in answer


FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
"""The same examples each time: CI is to fail for a change, not for luck."""


@settings(FUZZ, max_examples=400)
@given(event=broken_events())
def test_entry_answers_when_a_recorded_event_is_broken(entry: LambdaEntry, event: Any) -> None:
    """No change to a real event brings the entry down or is taken for the server's own error."""
    assume(str(CURSED_MOVIE) not in json.dumps(event))
    check_answer(entry, event)


@settings(FUZZ, max_examples=200)
@given(event=JSON_VALUES | st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=6))
def test_entry_answers_when_an_event_is_made_up(entry: LambdaEntry, event: Any) -> None:
    """Nor does any other JSON, of the fields that mean something to it least of all."""
    assume(str(CURSED_MOVIE) not in json.dumps(event))
    check_answer(entry, event)


@settings(FUZZ, max_examples=200)
@given(
    body=st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()), data=st.data()
)
def test_entry_answers_when_only_the_body_is_broken(
    entry: LambdaEntry, body: bytes, data: st.DataObject
) -> None:
    """Any bytes in any recorded HTTP event, said to be base64 or not, get a response."""
    event = data.draw(st.sampled_from([event for event in EVENTS if "requestContext" in event]))
    assume(str(CURSED_MOVIE).encode() not in body)
    check_answer(entry, event | {"body": body.decode("latin-1"), "isBase64Encoded": data.draw(st.booleans())})
