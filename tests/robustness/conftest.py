"""The application around a real bundle, as strangers meet it."""

from pathlib import Path

import pytest
from asgi_client import AsgiClient
from fastapi import FastAPI

from model.bundle import load_bundle
from model.serving.app import build_app
from model.serving.live import LiveService
from model.serving.service import Service
from model.serving.settings import Settings


@pytest.fixture(scope="session")
def real_app(bundle_path: Path) -> FastAPI:
    """The HTTP application around the tiny bundle, with every route open."""
    return build_app(
        LiveService(Service.from_bundle(load_bundle(bundle_path), show_user_ids=True)),
        Settings(allow_open=True),
    )


@pytest.fixture(scope="session")
def real_client(real_app: FastAPI) -> AsgiClient:
    """Calls it."""
    return AsgiClient(real_app)
