"""A predictor over the tiny bundle."""

from pathlib import Path

import pytest

from model.bundle import Bundle, load_bundle
from model.serving.predictor import Predictor


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    """The tiny bundle."""
    return load_bundle(bundle_path)


@pytest.fixture(scope="session")
def predictor(bundle: Bundle) -> Predictor:
    """Serves it."""
    return Predictor(bundle)
