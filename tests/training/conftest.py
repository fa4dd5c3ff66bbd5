"""The ratings that networks are trained on here, and their held-out rows."""

import pytest
from tiny_run import TINY_CONFIG

from model.history import History, build_history
from model.table import Ratings
from model.training.prepare import PreparedRows, prepare_rows


@pytest.fixture
def history(tiny_ratings: Ratings) -> History:
    """The index of 1,200 ratings."""
    return build_history(tiny_ratings)


@pytest.fixture
def prepared(history: History) -> PreparedRows:
    """Their held-out rows."""
    return prepare_rows(history, TINY_CONFIG)
