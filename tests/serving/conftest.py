"""The service around a predictor whose answers are known."""

import pytest
from asgi_client import AsgiClient
from fake_predictor import STRANGER, FakePredictor
from fastapi import FastAPI

from model.serving.app import build_app
from model.serving.live import LiveService
from model.serving.service import Service


@pytest.fixture
def predictor() -> FakePredictor:
    """Knows user 7 and movie 30, on whole stars."""
    return FakePredictor()


@pytest.fixture
def service(predictor: FakePredictor) -> Service:
    """The service around the fake predictor."""
    return Service(predictor, {"format_version": 1, "self_test": {"user_id": STRANGER}})


@pytest.fixture
def app(service: Service) -> FastAPI:
    """The HTTP application around the service."""
    return build_app(LiveService(service))


@pytest.fixture
def client(app: FastAPI) -> AsgiClient:
    """Calls the application."""
    return AsgiClient(app)
