"""Fixtures that many tests share; builders of small histories live in `builders.py`."""

from pathlib import Path

import numpy as np
import pytest
from tiny_run import TINY_CONFIG, TINY_DATA

from model.generation import build_synthetic
from model.table import Ratings

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full`: what CI has no time for."""
    parser.addoption("--full", action="store_true", help="50 kills, 100,000 requests, ten times the fuzzing")


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20061002)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the test is skipped where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"{REAL_DATA} is absent")
    return REAL_DATA


@pytest.fixture(scope="session")
def tiny_ratings() -> Ratings:
    """1,200 made-up ratings."""
    return build_synthetic(TINY_DATA)[0]


@pytest.fixture(scope="session")
def run_path(tiny_ratings: Ratings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `TINY_CONFIG`; read it, never change it."""
    from model.training.run import train_run  # a machine that only serves has no torch

    path = tmp_path_factory.mktemp("trained") / "run"
    train_run(tiny_ratings, TINY_CONFIG, path, truth=build_synthetic(TINY_DATA)[1], say=lambda _line: None)
    return path


@pytest.fixture(scope="session")
def bundle_path(run_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of that run; read it, never change it."""
    from model.training.onnx_export import export_run

    path = tmp_path_factory.mktemp("exported") / "bundle"
    export_run(run_path, path)
    return path
