"""The methods that are compared, and the form they share.

Each lives in a module of its own that imports the packages it needs, so that a method costs no other one
memory, and one whose package is missing does not stop the rest.
"""

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import ConfigError
from model.suggestions import suggest
from model.table import Ratings

EXTRA = "benchmarks"
"""The extra of this project that installs the peers' packages."""


class RatingMethod(ABC):
    """Something that learns from ratings and predicts others."""

    @abstractmethod
    def fit(self, train: Ratings) -> None:
        """Learn; the time this takes is the method's fit time.

        Args:
            train: the training rows.
        """

    def deploy(self) -> None:  # ruff: ignore[empty-method-without-abstract-decorator] - most methods have nothing to do
        """Turn what was learned into what serves; measured apart from the fit."""

    @abstractmethod
    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        """Predict; the time this takes is the method's scoring time.

        Args:
            asked: the test rows; their stars are NaN.

        Returns:
            (n,) stars, not necessarily within the scale.
        """


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """Where a method is found and what it needs."""

    description: str
    module: str
    """Holds `build_method(name, seed)`."""
    package: str | None = None
    """What it imports beyond the extras `train` and `serve`."""
    is_seeded: bool = False
    """Whether another seed gives another fit."""
    is_ours: bool = False
    """Whether it is this project."""


METHODS = {
    "constant": MethodEntry("the mean of all ratings", "benchmarks.baselines"),
    "movie_mean": MethodEntry("the movie's mean", "benchmarks.baselines"),
    "biases": MethodEntry("user and movie biases", "benchmarks.baselines"),
    "knn_user": MethodEntry("scikit-surprise KNNBasic, users", "benchmarks.surprise_peers", "surprise"),
    "knn_item_baseline": MethodEntry(
        "scikit-surprise KNNBaseline, movies", "benchmarks.surprise_peers", "surprise"
    ),
    "svd": MethodEntry("scikit-surprise SVD", "benchmarks.surprise_peers", "surprise", is_seeded=True),
    "svdpp": MethodEntry("scikit-surprise SVD++", "benchmarks.surprise_peers", "surprise", is_seeded=True),
    "myfm": MethodEntry("myFM, ids, rank 16", "benchmarks.factorisation", "myfm", is_seeded=True),
    "myfm_flipped": MethodEntry(
        "myFM, SVD++ flipped, rank 16", "benchmarks.factorisation", "myfm", is_seeded=True
    ),
    "forest": MethodEntry("random forest, seed features", "benchmarks.trees", "sklearn", is_seeded=True),
    "boosted": MethodEntry("boosted trees, seed features", "benchmarks.trees", "sklearn", is_seeded=True),
    "seed": MethodEntry("ours, the five seed features", "benchmarks.ours", is_seeded=True, is_ours=True),
    "full": MethodEntry("ours, the full model", "benchmarks.ours", is_seeded=True, is_ours=True),
}
"""By the name that `--peers` takes, in the order of the tables."""


def choose_methods(text: str | None) -> list[str]:
    """Read the value of `--peers`.

    Args:
        text: names separated by commas; None chooses all.

    Returns:
        The names, each once, in the order of the tables.

    Raises:
        ConfigError: if a name is unknown or none is given.
    """
    if text is None:
        return list(METHODS)
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := sorted(wanted - METHODS.keys()):
        hint = suggest(unknown[0], METHODS)
        raise ConfigError(f"peer {unknown[0]!r} is unknown: expected some of {', '.join(METHODS)}{hint}")
    if not wanted:
        raise ConfigError(f"no peer is named in {text!r}: expected some of {', '.join(METHODS)}")
    return [name for name in METHODS if name in wanted]


def require_packages(names: Sequence[str]) -> None:
    """Make sure that every method can be imported before the first one is fitted.

    Raises:
        ConfigError: if a package is missing; names the extra that installs it.
    """
    for name in names:
        package = METHODS[name].package
        if package is not None and importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"peer {name} needs the package {package}, which is not installed: "
                f"install the extra {EXTRA} (pip install '.[{EXTRA}]') or leave it out of --peers"
            )


def build_method(name: str, *, seed: int) -> RatingMethod:
    """Import a method and build it.

    Args:
        name: one of `METHODS`.
        seed: source of its randomness, if it has any.

    Raises:
        ConfigError: if its package is there but does not work.
    """
    try:
        module = importlib.import_module(METHODS[name].module)
    except ImportError as error:
        raise ConfigError(
            f"peer {name} cannot be imported ({error}): install the extra {EXTRA} (pip install '.[{EXTRA}]')"
        ) from error
    method: RatingMethod = module.build_method(name, seed)
    return method
