"""A trained network survives its file, and a file that is not one is refused by name."""

from pathlib import Path

import pytest
import torch
from network_builders import build_intervals
from tiny_run import TINY_CONFIG

from model.errors import ArtifactIncompatibleError, ArtifactMissingError
from model.features import FULL_FEATURES, SEED_FEATURES
from model.training.base import Base
from model.training.checkpoint import FORMAT, TrainedNetwork, read_checkpoint, write_checkpoint
from model.training.network import Heads, RatingNetwork
from model.training.runs import NETWORK


@pytest.fixture
def trained() -> TrainedNetwork:
    """A network of the seed features with random heads."""
    torch.manual_seed(3)
    sizes = TINY_CONFIG.network
    heads = Heads(torch.ones(5), 2 * torch.ones(5), hidden_size=sizes.hidden_size, n_heads=sizes.n_heads)
    torch.nn.init.normal_(heads.weights[-1])
    network = RatingNetwork(
        encoder=None,
        heads=heads,
        intervals=build_intervals(heads),
        base=Base.constant(3.25, 5),
        low=0.5,
        high=5.0,
    )
    return TrainedNetwork(network.eval(), TINY_CONFIG, SEED_FEATURES)


def test_checkpoint_predicts_the_same_when_read_back(trained: TrainedNetwork, tmp_path: Path) -> None:
    """Weights, base, scale, configuration and feature names all come back."""
    write_checkpoint(tmp_path, trained)
    read = read_checkpoint(tmp_path)
    features = torch.rand(20, 5) * 5
    for again, first in zip(read.network(features), trained.network(features), strict=True):
        assert torch.equal(again, first)
    assert (read.network.low, read.network.high) == (0.5, 5.0)
    assert read.config == TINY_CONFIG
    assert read.feature_names == SEED_FEATURES
    assert not read.network.training


def test_checkpoint_holds_the_encoder_when_run_is_full(run_path: Path) -> None:
    """A full network comes back with its table: four samples, forty movies and the unknown one."""
    trained = read_checkpoint(run_path)
    assert trained.feature_names == FULL_FEATURES
    assert trained.network.encoder is not None
    assert trained.network.encoder.table.shape == (41, 4, 4)
    assert len(trained.network.heads.means) == len(FULL_FEATURES) + 2


def test_read_checkpoint_names_the_file_when_it_is_missing(tmp_path: Path) -> None:
    """The message says which file, and asks whether the folder is a run."""
    with pytest.raises(ArtifactMissingError, match=rf"{NETWORK} is missing: is .* a finished run"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 0.5, 0.99])
def test_read_checkpoint_names_the_file_when_it_is_truncated(
    trained: TrainedNetwork, tmp_path: Path, keep: float
) -> None:
    """Wherever it ends early, the file is refused."""
    write_checkpoint(tmp_path, trained)
    path = tmp_path / NETWORK
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)])
    with pytest.raises(ArtifactIncompatibleError, match=f"{NETWORK} cannot be read"):
        read_checkpoint(tmp_path)


def test_read_checkpoint_names_the_version_when_format_is_another(tmp_path: Path) -> None:
    """A file of an earlier format is refused before anything of it is used."""
    torch.save({"format": 1}, tmp_path / NETWORK)
    with pytest.raises(ArtifactIncompatibleError, match=f"{NETWORK} has format 1: expected {FORMAT}"):
        read_checkpoint(tmp_path)


def test_read_checkpoint_runs_no_code_when_file_is_a_pickle(tmp_path: Path) -> None:
    """A pickle that would run code is refused unread."""
    canary = tmp_path / "canary"

    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (canary,)

    torch.save({"format": 1, "state": Attack()}, tmp_path / NETWORK)
    with pytest.raises(ArtifactIncompatibleError, match="cannot be read"):
        read_checkpoint(tmp_path)
    assert not canary.exists()


def test_read_checkpoint_refuses_settings_when_this_version_does_not_know_them(
    trained: TrainedNetwork, tmp_path: Path
) -> None:
    """A configuration with a setting from elsewhere is refused by name."""
    write_checkpoint(tmp_path, trained)
    stored = torch.load(tmp_path / NETWORK, weights_only=True)
    stored["config"]["network"]["n_towers"] = 2
    torch.save(stored, tmp_path / NETWORK)
    with pytest.raises(ArtifactIncompatibleError, match="n_towers"):
        read_checkpoint(tmp_path)
