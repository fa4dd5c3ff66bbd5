"""Each user's nearest other users, listed at export: the first of them who rated a movie are its neighbours.

As long as a user has not rated the movie that is asked about, who is nearer than whom does not depend on the
movie. So one list a user, in the order of DESIGN 3, answers for all movies that four users of the list have
rated; the other movies have few raters, and a search among those is cheap.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.neighbours import CLOSENESS_SHRINKAGE
from model.table import HALF_STAR

NEAREST_USERS: Final = "nearest_users.npy"
MOST_LISTED: Final = 256
"""How many users a list holds at most: with 3,000 users, five predictions of six need no more."""

ENTRY: Final = np.dtype([
    ("user", np.int32),
    ("distance", np.uint8),  # half stars
    ("common", np.int32),  # movies
    ("gap_sum", np.int32),  # half stars
])
"""What a list says of a user."""

NearestUsers = NDArray[Any]
"""(n_users, n_listed) records, `ENTRY`: each user's nearest other users, nearest first."""


def measure_closeness(gap_sum: float, common: float, mean_gap: float) -> float:
    """The closeness of two users, stars.

    Args:
        gap_sum: the sum of their gaps, half stars.
        common: how many movies both rated.
        mean_gap: g₀, the population's mean gap, stars.

    Source: DESIGN 3.
    """
    return (gap_sum * HALF_STAR + CLOSENESS_SHRINKAGE * mean_gap) / (common + CLOSENESS_SHRINKAGE)


def read_nearest_users(folder: Path) -> NearestUsers:
    """Map the lists in a folder; nothing is read until it is used."""
    # a plain array over the mapping: np.memmap's own methods are slower
    return np.asarray(np.load(folder / NEAREST_USERS, mmap_mode="r", allow_pickle=False))
