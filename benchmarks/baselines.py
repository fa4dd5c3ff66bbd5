"""Constant, movie mean and biases as methods to compare with."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import RatingMethod
from model.history import History, build_history
from model.table import Ratings
from model.training.baselines import predict_baselines


class Baseline(RatingMethod):
    """One line of `predict_baselines`.

    It solves and predicts in one go, so that most of its small cost counts as scoring.

    Args:
        name: constant, movie_mean or biases.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._history: History

    def fit(self, train: Ratings) -> None:
        """Index the ratings."""
        self._history = build_history(train)

    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        """Solve and predict."""
        return predict_baselines(self._history, asked)[self._name]


def build_method(name: str, _seed: int) -> RatingMethod:
    """Build the baseline of that name; it has no randomness."""
    return Baseline(name)
