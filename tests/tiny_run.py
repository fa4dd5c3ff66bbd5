"""A training run small enough to take a second: what the tests of training, export and serving share."""

import dataclasses
from pathlib import Path
from typing import Any

from model.config import NetworkConfig, RunConfig, TrainingConfig
from model.generation import SyntheticConfig

TINY_DATA = SyntheticConfig(n_users=60, n_movies=40, n_ratings=1_200, seed=3)
"""Enough users for a validation share, and ratings for five folds."""

TINY_CONFIG = RunConfig(
    network=NetworkConfig(rank=2, n_samples=4, hidden_size=4, n_heads=2),
    training=TrainingConfig(
        epochs=2, n_folds=5, head_rows=400, burn_in=2, thinning=1, batch_size=128, accelerator="cpu"
    ),
)

TINY_FLAGS = tuple(
    f"--{name.replace('_', '-')}={value}"
    for section in TINY_CONFIG.to_json().values()
    for name, value in section.items()
)
"""`TINY_CONFIG` as flags of train.py."""


def change_training(**settings: Any) -> RunConfig:
    """`TINY_CONFIG` with other training settings."""
    return dataclasses.replace(TINY_CONFIG, training=dataclasses.replace(TINY_CONFIG.training, **settings))


def list_folder(folder: Path) -> list[str]:
    """The names in a folder, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())
