"""Schemathesis over the whole OpenAPI description: what it promises is what strangers get.

Requests that fit the description are to be accepted, those that do not are to be refused, and every answer's status,
type and body are to be ones that the description names.
"""

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema


CONFIG = SchemathesisConfig.from_dict({"generation": {"mode": "all", "deterministic": True}})


@pytest.fixture(scope="session")
def description(real_app: FastAPI) -> BaseSchema:
    """The application's own description of itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", real_app, config=CONFIG)


schema = schemathesis.pytest.from_fixture("description")


@schema.parametrize()
@hypothesis.settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_operation_keeps_to_its_description(case: schemathesis.Case) -> None:
    """With data that fits, and with data that does not."""
    case.call_and_validate()
