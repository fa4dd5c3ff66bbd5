"""Each user's nearest other users, listed at export: the first of them who rated a movie are its neighbours.

As long as a user has not rated the movie that is asked about, who is nearer than whom does not depend on the
movie. So one list a user, in the order of DESIGN 3, answers for all movies that four users of the list have
rated; the other movies have few raters, and a search among those is cheap.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.neighbours import CLOSENESS_SHRINKAGE
from model.table import HALF_STAR

NEAREST_USERS: Final = "nearest_users.npy"
MOST_LISTED: Final = 1024
"""How many users a list holds at most. With the 3,000 users of movielens-1m-part, users and movies drawn
by their ratings, one prediction of 64 needs more (of 18 with 512, of 6 with 256); a list takes 8 KB."""

NearestUsers = NDArray[np.uint16] | NDArray[np.int32]
"""(n_users, 4, n_listed) each user's nearest other users, nearest first: their index, their distance (half
stars), how many movies both rated, and the sum of the gaps between their ratings of those (half stars)."""


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
