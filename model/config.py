"""Every setting of a training run, with its meaning and unit; the flags of `train.py` are made from these."""

import argparse
import dataclasses
from dataclasses import dataclass, field
from typing import Any, get_args

from model.errors import ConfigError
from model.features import FeatureSet
from model.neighbours import MOST_CANDIDATES

MOST_NETWORK = {"rank": 255, "n_samples": 1024, "hidden_size": 4096, "n_heads": 64}
"""Sizes beyond any use, which would only fill the memory."""
MOST_FOLDS = 127
"""A row's fold is kept in a byte."""


def _setting(default: Any, meaning: str, **options: Any) -> Any:
    """A field whose meaning is also its flag's help text."""
    return field(default=default, metadata={"meaning": meaning, **options})


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The sizes of the network."""

    rank: int = _setting(15, "dimensions of the movie vectors, beside the bias")
    n_samples: int = _setting(32, "posterior samples of the movie vectors, averaged in one graph")
    hidden_size: int = _setting(32, "units in each of the two hidden layers of the head")
    n_heads: int = _setting(4, "heads trained side by side and averaged")

    def __post_init__(self) -> None:
        _require_at_least(self, {"rank": 1, "n_samples": 2, "hidden_size": 1, "n_heads": 1})
        for name, highest in MOST_NETWORK.items():
            if getattr(self, name) > highest:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected {highest} or less")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the network is trained."""

    split: str = _setting("latest", "what is held out: latest, period:YYYY-MM-DD, random or none")
    features: str = _setting(
        "full", "full, or seed: the five numbers of the original method", choices=get_args(FeatureSet)
    )
    epochs: int = _setting(10, "passes over the head's rows, at most; early stopping usually ends sooner")
    seed: int = _setting(1, "source of all randomness; the same seed and data give the same network")
    accelerator: str = _setting("auto", "what Lightning trains on", choices=("auto", "cpu", "gpu"))
    n_folds: int = _setting(
        10, "parts of the training ratings; a row's features come from the other parts only"
    )
    head_rows: int = _setting(
        40_000, "ratings held out to train the head on, about; rounded up to whole folds"
    )
    most_candidates: int = _setting(
        MOST_CANDIDATES, "raters of a movie, evenly spread in time, among whom neighbours are sought"
    )
    sampler_ratings: int = _setting(
        200_000_000, "ratings that the sampler is given, at most; of more, all those of users drawn at random"
    )
    burn_in: int = _setting(20, "rounds of the sampler before the first kept sample")
    thinning: int = _setting(2, "rounds of the sampler from one kept sample to the next")
    batch_size: int = _setting(2048, "rows a step")
    learning_rate: float = _setting(6e-3, "largest step of the one-cycle schedule (AdamW)")
    weight_decay: float = _setting(1e-2, "decoupled weight decay (AdamW)")
    patience: int = _setting(5, "epochs without a better validation RMSE before training stops")

    def __post_init__(self) -> None:
        _require_at_least(
            self,
            {
                "epochs": 1, "seed": 0, "n_folds": 2, "head_rows": 1, "most_candidates": 4,
                "sampler_ratings": 1, "burn_in": 0, "thinning": 1, "batch_size": 1, "patience": 1,
            },
        )  # fmt: skip
        if self.n_folds > MOST_FOLDS:
            raise ConfigError(f"n_folds is {self.n_folds}: expected {MOST_FOLDS} or fewer")
        if self.seed >= 2**32:
            raise ConfigError(f"seed is {self.seed}: expected less than 4294967296")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value}: expected a finite number, 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run learns from its data."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The resolved configuration, as it enters checkpoint and manifest."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, dict[str, Any]]) -> "RunConfig":
        """Read a configuration that `to_json` wrote.

        Args:
            stored: settings by section.

        Raises:
            ConfigError: if a section or setting is unknown or makes no sense.
        """
        try:
            return cls(
                network=NetworkConfig(**stored["network"]), training=TrainingConfig(**stored["training"])
            )
        except (KeyError, TypeError) as error:
            raise ConfigError(f"a stored configuration does not fit this version: {error}") from error


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each setting."""
    for section in (TrainingConfig, NetworkConfig):
        group = parser.add_argument_group(section.__name__.removesuffix("Config").lower())
        for setting in dataclasses.fields(section):
            group.add_argument(
                f"--{setting.name.replace('_', '-')}",
                type=setting.type,
                default=setting.default,
                choices=setting.metadata.get("choices"),
                help=f"{setting.metadata['meaning']} (default: %(default)s)",
            )


def read_config_flags(flags: argparse.Namespace) -> RunConfig:
    """Collect the settings from parsed flags.

    Raises:
        ConfigError: if a setting makes no sense.
    """

    def collect(section: type) -> dict[str, Any]:
        return {setting.name: getattr(flags, setting.name) for setting in dataclasses.fields(section)}

    return RunConfig(
        network=NetworkConfig(**collect(NetworkConfig)), training=TrainingConfig(**collect(TrainingConfig))
    )


def _require_at_least(config: NetworkConfig | TrainingConfig, least: dict[str, int]) -> None:
    for name, lowest in least.items():
        value = getattr(config, name)
        if value < lowest:
            raise ConfigError(f"{name} is {value}: expected {lowest} or more")
