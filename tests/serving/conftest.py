"""The service around a predictor whose answers are known, and a small catalogue."""

from pathlib import Path

import pytest
from asgi_client import AsgiClient
from fake_predictor import STRANGER, FakePredictor
from fastapi import FastAPI
from small_bundle import CARD, make_small_bundle

from model.bundle import Bundle
from model.serving.app import build_app
from model.serving.catalogue import Catalogue
from model.serving.live import LiveService
from model.serving.service import Service


@pytest.fixture
def predictor() -> FakePredictor:
    """Knows user 7 and movie 30, on whole stars."""
    return FakePredictor()


@pytest.fixture
def small_bundle(tmp_path: Path) -> Bundle:
    """Six ratings of three users."""
    return make_small_bundle(tmp_path)


@pytest.fixture
def catalogue(small_bundle: Bundle) -> Catalogue:
    """Of the small bundle."""
    return Catalogue(small_bundle)


@pytest.fixture
def service(predictor: FakePredictor, catalogue: Catalogue) -> Service:
    """The service around the fake predictor; it keeps users to itself."""
    return Service(predictor, {**CARD, "self_test": {"user_id": STRANGER}}, catalogue)


@pytest.fixture
def app(service: Service) -> FastAPI:
    """The HTTP application around the service."""
    return build_app(LiveService(service))


@pytest.fixture
def client(app: FastAPI) -> AsgiClient:
    """Calls the application."""
    return AsgiClient(app)


@pytest.fixture
def open_client(predictor: FakePredictor, catalogue: Catalogue) -> AsgiClient:
    """Calls an application that shows users."""
    return AsgiClient(build_app(LiveService(Service(predictor, CARD, catalogue, show_user_ids=True))))
