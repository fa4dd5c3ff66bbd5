"""The peers from scikit-surprise, with that package's defaults."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from surprise import SVD, Dataset, KNNBaseline, KNNBasic, Reader, SVDpp

from benchmarks.methods import RatingMethod
from model.table import Ratings

ALGORITHMS: dict[str, Callable[[int], Any]] = {
    "knn_user": lambda _seed: KNNBasic(sim_options={"user_based": True}, verbose=False),
    "knn_item_baseline": lambda _seed: KNNBaseline(
        sim_options={"name": "pearson_baseline", "user_based": False}, verbose=False
    ),
    "svd": lambda seed: SVD(random_state=seed),
    "svdpp": lambda seed: SVDpp(random_state=seed),
}


class SurprisePeer(RatingMethod):
    """One of scikit-surprise's algorithms.

    Args:
        algorithm: not fitted yet.
    """

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def fit(self, train: Ratings) -> None:
        """Build the package's own table and fit."""
        frame = pd.DataFrame({"user": train.user_ids, "movie": train.movie_ids, "stars": train.stars})
        reader = Reader(rating_scale=(train.scale.low, train.scale.high))
        self._algorithm.fit(Dataset.load_from_df(frame, reader).build_full_trainset())

    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        """Predict row by row, as the package does; unknown ids get its fallback."""
        pairs = zip(asked.user_ids.tolist(), asked.movie_ids.tolist(), strict=True)
        return np.array([self._algorithm.predict(user, movie).est for user, movie in pairs])


def build_method(name: str, seed: int) -> RatingMethod:
    """Build the algorithm of that name."""
    return SurprisePeer(ALGORITHMS[name](seed))
