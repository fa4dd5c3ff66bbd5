"""What each group of features is worth: how much the RMSE rises when other rows get its values."""

from dataclasses import dataclass

import numpy as np
import torch

from model.metrics import rmse
from model.progress import track_items
from model.training.checkpoint import TrainedNetwork
from model.training.encoding import run_heads
from model.training.module import HeadRows

MOST_ROWS = 5_000
"""Of more test rows as many are drawn, so that this takes a fraction of a second whatever their number."""
N_SHUFFLES = 3

GROUPS = {
    "neighbours": ("neighbour_1", "neighbour_2", "neighbour_3", "neighbour_4", "neighbour_count"),
    "distances": (
        "distance_1", "distance_2", "distance_3", "distance_4",
        "closeness_1", "closeness_2", "closeness_3", "closeness_4",
    ),
    "biases and counts": ("user_bias", "user_count", "movie_bias", "movie_count"),
    "era": ("era_mean", "era_count", "user_era_bias"),
    "days": ("movie_age", "recent_bias", "recent_count"),
}  # fmt: skip
"""The features by what they tell."""
OTHERS = "others"
ENCODER = "user encoder"
ENCODER_COLUMNS = ("prediction", "spread")
"""What the encoder gives: most of what the heads correct, and how far its samples are apart."""


@dataclass(frozen=True, slots=True)
class GroupImportance:
    """What one group of features is worth."""

    name: str
    columns: tuple[str, ...]
    """What the heads take of it."""
    rise: float
    """How much higher the RMSE is with the group's values shuffled, mean of the shuffles, stars."""
    deviation: float
    """Standard deviation of that over the shuffles, stars."""


@dataclass(frozen=True, slots=True)
class Importance:
    """The groups, the most important one first."""

    n_rows: int
    """Test rows that it was measured on."""
    rmse: float
    """On those, nothing shuffled, stars."""
    groups: tuple[GroupImportance, ...]


def measure_importance(trained: TrainedNetwork, rows: HeadRows, *, seed: int) -> Importance:
    """Shuffle one group after the other, all its columns together, and measure the RMSE each time.

    Args:
        trained: the network.
        rows: what its heads took of the test rows, and the actual ratings.
        seed: draws rows and shuffles.

    Source: Breiman, Random forests, Machine Learning 45, 2001, section 10.
    """
    rng = np.random.default_rng([seed, 4])
    n_rows = len(rows.stars)
    if n_rows > MOST_ROWS:
        rows = rows.take(torch.from_numpy(np.sort(rng.choice(n_rows, MOST_ROWS, replace=False))))
    stars = rows.stars.numpy()

    def measure(inputs: torch.Tensor) -> float:
        return rmse(run_heads(trained.network, inputs)[:, 0], stars)

    whole = measure(rows.inputs)
    groups = []
    has_encoder = trained.network.encoder is not None
    all_columns = (*trained.feature_names, *ENCODER_COLUMNS)
    columns_of = group_columns(trained.feature_names, has_encoder=has_encoder)
    for name, columns in track_items(columns_of.items(), "shuffling features", unit="groups"):
        places = [all_columns.index(column) for column in columns]
        rises = []
        for _ in range(N_SHUFFLES):
            order = torch.from_numpy(rng.permutation(len(stars)))
            inputs = rows.inputs.clone()
            inputs[:, places] = inputs[order][:, places]
            rises.append(measure(inputs) - whole)
        groups.append(GroupImportance(name, columns, float(np.mean(rises)), float(np.std(rises))))
    groups.sort(key=lambda group: -group.rise)
    return Importance(len(stars), whole, tuple(groups))


def group_columns(names: tuple[str, ...], *, has_encoder: bool) -> dict[str, tuple[str, ...]]:
    """Divide what the heads take into the groups that have any columns.

    Args:
        names: the network's feature columns.
        has_encoder: whether an encoder's prediction and spread follow them.
    """
    groups = {group: tuple(name for name in names if name in members) for group, members in GROUPS.items()}
    known = {name for members in GROUPS.values() for name in members}
    groups[OTHERS] = tuple(name for name in names if name not in known)
    groups[ENCODER] = ENCODER_COLUMNS if has_encoder else ()
    return {group: columns for group, columns in groups.items() if columns}
