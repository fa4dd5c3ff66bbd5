"""This project as a method: trained and exported as its users do, scored through the serving predictor."""

import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import RatingMethod
from model.bundle import Bundle, load_bundle
from model.config import RunConfig, TrainingConfig
from model.formats.pairs import Pairs
from model.history import NO_CUT
from model.score import score_pairs
from model.serving.predictor import Predictor
from model.table import Ratings
from model.training.onnx_export import export_run
from model.training.run import train_run


class BundledModel(RatingMethod):
    """A run, its bundle, and the predictor that serves it; never torch.

    Args:
        config: what to learn and how; splits nothing off, since the harness has already done so.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._path = Path(tempfile.mkdtemp(prefix="benchmark-"))
        # the bundle's arrays are mapped from the folder: it goes when the method does
        weakref.finalize(self, shutil.rmtree, self._path)
        self._predictor: Predictor
        self.bundle: Bundle

    def fit(self, train: Ratings) -> None:
        """Train: from ratings to a finished run folder, features included."""
        train_run(train, self._config, self._path / "run", say=lambda _line: None)

    def deploy(self) -> None:
        """Export, prove parity, verify and load."""
        export_run(self._path / "run", self._path / "bundle")
        self.bundle = load_bundle(self._path / "bundle")
        self._predictor = Predictor(self.bundle)
        self._predictor.self_test()

    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        """Ask the predictor in bulk, with the whole history visible."""
        cuts = np.full(len(asked), NO_CUT, dtype=np.int32)
        return score_pairs(self._predictor, list_pairs(asked), cuts)


def list_pairs(asked: Ratings) -> Pairs:
    """The rows as pairs to predict, with their days and without their stars."""
    return Pairs(
        user_ids=asked.user_ids, movie_ids=asked.movie_ids, days=asked.days, stars=None, is_prize_query=False
    )


def default_config(features: str, *, seed: int) -> RunConfig:
    """The configuration that everybody gets, for all of the ratings given.

    Args:
        features: full or seed.
        seed: source of all randomness.
    """
    return RunConfig(training=TrainingConfig(split="none", features=features, seed=seed))


def build_method(name: str, seed: int) -> RatingMethod:
    """Build the full model or the one of the seed features."""
    return BundledModel(default_config(name, seed=seed))
