"""A bundle of six ratings without any network: what there is to look at, where nothing is predicted."""

from pathlib import Path
from typing import Any

import numpy as np
from builders import Rated, make_history

from model.bundle import Bundle
from model.titles import Titles, write_titles

ROWS = (
    Rated(7, 30, 4, day=12_000),
    Rated(7, 40, 2, day=12_003),
    Rated(7, 50, 5, day=12_003),
    Rated(8, 30, 5, day=11_990),
    Rated(9, 40, 3, day=11_000),
    Rated(9, 30, 3, day=11_001),
)
TITLES = {30: "Lighthouse Cat, The", 40: "The Café, Part 2", 50: "Cafeteria", 60: "", 70: "Cat's Café"}
YEARS = {30: 1995, 40: 1969, 50: 1970, 70: 2001}

CARD: dict[str, Any] = {
    "format_version": 1,
    "created": "2026-01-01T00:00:00+00:00",
    "data_fingerprint": "f" * 64,
    "features": "full",
    "feature_names": ["neighbour_1"],
    "rating_scale": {"low": 1.0, "high": 5.0, "step": 1.0},
    "training_config": {"training": {"seed": 1}},
    "metrics": {"rmse": {"full": 0.9}},
    "library_versions": {"numpy": "2"},
    "files": {"model.onnx": "0" * 64},
}
"""What a manifest tells everybody."""


def make_small_bundle(folder: Path) -> Bundle:
    """The bundle; movie 60 has neither title, year nor ratings, and 70 no ratings.

    Args:
        folder: an empty one, for the titles.
    """
    history = make_history(ROWS, years={60: 0, **YEARS})
    path = folder / "titles.sqlite"
    write_titles(path, [TITLES[movie] for movie in sorted(TITLES)], counts=np.diff(history.movie_offsets))
    return Bundle(
        path=folder,
        manifest=CARD,
        history=history,
        titles=Titles(path),
        vectors=None,
        nearest_users=None,
        user_sums=None,
    )
