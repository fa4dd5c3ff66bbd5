"""Schemathesis over the whole OpenAPI description: what it promises is what strangers get.

Requests that fit the description are accepted, those that do not are refused, and every answer's status, type
and body are ones that the description names; no answer is a 5xx.
"""

import re
from collections import Counter
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema

CONFIG = {"generation": {"deterministic": True}, "checks": {"positive_data_acceptance": {"enabled": False}}}
"""Data that fits may still be refused for what JSON Schema cannot say; see `WELL_REFUSED`."""

WELL_REFUSED = re.compile(
    r"is out of range: expected 1900-01-01"
    r"|is not on this model's scale: expected"
    r"|each movie may be rated once"
    r"|user_id or ratings is required"
    r"|expected a whole number"
    r"|less than or equal to 9223372036854775807"
)
"""Beyond JSON Schema: a date's range, the bundle's own scale, fields that depend on others, that 7.0 is
no id, and where 64 bits end (there, its numbers are floats)."""


@pytest.fixture(scope="module")
def description(real_app: FastAPI) -> BaseSchema:
    """The application's own description of itself."""
    load_all_checks()
    config = SchemathesisConfig.from_dict(CONFIG)
    return schemathesis.openapi.from_asgi("/openapi.json", real_app, config=config)


def build_settings(config: pytest.Config, n_examples: int, **more: Any) -> hypothesis.settings:
    """The same examples every time; with --full twenty times as many, and others."""
    full = config.getoption("full")
    return hypothesis.settings(
        max_examples=n_examples * (20 if full else 1),
        derandomize=not full,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        **more,
    )


@pytest.mark.slow
@pytest.mark.parametrize("fits", [True, False], ids=["fitting", "not fitting"])
def test_every_operation_keeps_to_its_description(
    description: BaseSchema, pytestconfig: pytest.Config, *, fits: bool
) -> None:
    """Whatever the request, every check of Schemathesis holds; what fits is refused for good reasons only."""
    n_answers = n_accepted = 0
    for found in description.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if not fits and not (operation.body or operation.query or operation.path_parameters):
            continue  # nothing that could be wrong

        @build_settings(pytestconfig, 25)
        @hypothesis.given(
            case=operation.as_strategy(GenerationMode.POSITIVE if fits else GenerationMode.NEGATIVE)
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal n_answers, n_accepted
            answer = case.call_and_validate()
            n_answers += 1
            n_accepted += answer.status_code == 200
            if fits and answer.status_code == 422:
                assert WELL_REFUSED.search(answer.json()["detail"]), answer.json()

        ask()
    assert n_answers > 100
    assert n_accepted > n_answers / 4 if fits else n_accepted < n_answers / 10


@pytest.mark.slow
def test_operations_keep_to_their_description_one_after_another(
    description: BaseSchema, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what one operation answers asked of the next: a movie that was found, a user that was listed."""
    machine = description.as_state_machine()
    record, statuses = machine.after_call, Counter[int]()

    def count(running: Any, response: Any, case: Any) -> None:
        statuses[response.status_code] += 1
        record(running, response, case)

    monkeypatch.setattr(machine, "after_call", count)
    machine.run(settings=build_settings(pytestconfig, 10, stateful_step_count=5))
    assert statuses.total() >= 20
    assert statuses[200]
    assert max(statuses) < 500
