"""The trained network on disk, with the configuration that built it; loaded without unpickling code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from model.config import RunConfig
from model.errors import ArtifactIncompatibleError, ArtifactMissingError, ConfigError
from model.training.base import Base
from model.training.network import Heads, Intervals, RatingNetwork, UserEncoder
from model.training.runs import NETWORK

FORMAT: Final = 8
"""Of the file, and of what an interrupted run has kept: raised too when the sampler draws something else, a
feature is another number, or what is kept has another form."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """A network and what is needed to feed it."""

    network: RatingNetwork
    config: RunConfig
    feature_names: tuple[str, ...]
    """Columns of the feature matrix, in order."""


def write_checkpoint(folder: Path, trained: TrainedNetwork) -> None:
    """Write a trained network into a run folder.

    Args:
        folder: an existing folder.
        trained: what to write.
    """
    network = trained.network
    torch.save(
        {
            "format": FORMAT,
            "config": trained.config.to_json(),
            "feature_names": list(trained.feature_names),
            "low": network.low,
            "high": network.high,
            "state": network.state_dict(),
        },
        folder / NETWORK,
    )


def read_checkpoint(folder: Path) -> TrainedNetwork:
    """Read a trained network from a run folder.

    Raises:
        ArtifactMissingError: if the run has none.
        ArtifactIncompatibleError: if the file is damaged or of another format.
    """
    path = folder / NETWORK
    try:
        stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ArtifactMissingError(f"{path} is missing: is {folder} a finished run?") from error
    except Exception as error:  # torch.load raises whatever its unpickler and archive reader met
        raise ArtifactIncompatibleError(f"{path} cannot be read: {error or type(error).__name__}") from error
    version = stored.get("format") if isinstance(stored, dict) else None
    if version != FORMAT:
        raise ArtifactIncompatibleError(f"{path} has format {version}: expected {FORMAT}; train again")
    try:
        return _restore(stored)
    except (KeyError, RuntimeError, TypeError, ConfigError) as error:
        raise ArtifactIncompatibleError(f"{path} is not the network of this version: {error}") from error


def _restore(stored: dict[str, Any]) -> TrainedNetwork:
    config = RunConfig.from_json(stored["config"])
    state = stored["state"]
    encoder = None
    if "encoder.table" in state:
        names = ("table", "links", "means", "precisions", "noise", "overall_mean")
        encoder = UserEncoder(**{name: state[f"encoder.{name}"] for name in names})
    heads, spread_heads = (
        Heads(
            state[f"{prefix}.means"],
            state[f"{prefix}.deviations"],
            hidden_size=config.network.hidden_size,
            n_heads=config.network.n_heads,
        )
        for prefix in ("heads", "intervals.heads")
    )
    network = RatingNetwork(
        encoder=encoder,
        heads=heads,
        intervals=Intervals(spread_heads, state["intervals.quantiles"]),
        base=Base.constant(0.0, len(state["base.log_count"])),
        low=stored["low"],
        high=stored["high"],
    )
    network.load_state_dict(state)
    return TrainedNetwork(network.eval(), config, tuple(stored["feature_names"]))
