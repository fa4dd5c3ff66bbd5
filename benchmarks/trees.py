"""Trees on the seed features: is the small network the right regressor for them?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from benchmarks.methods import RatingMethod
from model.config import RunConfig, TrainingConfig
from model.features import compute_features, feature_names
from model.history import History, build_history
from model.table import Ratings
from model.training.bulk_neighbours import build_whole_search
from model.training.evaluation import build_test_queries
from model.training.prepare import prepare_rows
from model.views import view_history

N_TREES = 200
MIN_LEAF_ROWS = 20
"""Rows in a leaf of the forest, at least: grown to the end, five features are learned by heart."""


class TreePeer(RatingMethod):
    """Trees on the five seed features of the very rows that this project's `seed` network learns from.

    Args:
        regressor: a scikit-learn regressor, not fitted yet.
        seed: divides the rows into folds.
    """

    def __init__(self, regressor: Any, *, seed: int) -> None:
        self._regressor = regressor
        self._config = RunConfig(training=TrainingConfig(split="none", features="seed", seed=seed))
        self._history: History

    def fit(self, train: Ratings) -> None:
        """Compute the features of held-out folds and fit."""
        self._history = build_history(train)
        prepared = prepare_rows(self._history, self._config)
        columns = [feature_names("full").index(name) for name in feature_names("seed")]
        self._regressor.fit(prepared.features[:, columns].numpy(), prepared.rows.stars)

    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        """Compute the features with everything known and predict."""
        history = self._history
        contexts, queries = build_test_queries(history, asked)
        search = build_whole_search(history)
        table = compute_features(
            history, view_history(history), contexts, queries, search=search, names=feature_names("seed")
        )
        predicted: NDArray[np.float64] = self._regressor.predict(table.matrix)
        return predicted


def build_method(name: str, seed: int) -> RatingMethod:
    """Build the forest or the boosted trees."""
    if name == "forest":
        forest = RandomForestRegressor(
            n_estimators=N_TREES, min_samples_leaf=MIN_LEAF_ROWS, n_jobs=-1, random_state=seed
        )
        return TreePeer(forest, seed=seed)
    return TreePeer(HistGradientBoostingRegressor(random_state=seed), seed=seed)
