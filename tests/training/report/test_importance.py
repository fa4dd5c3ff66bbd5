"""Importance by permutation: networks whose answer is known."""

import numpy as np
import pytest
import torch
from network_builders import build_intervals
from tiny_run import TINY_CONFIG

from model.features import FULL_FEATURES, SEED_FEATURES
from model.metrics import rmse
from model.training.base import Base
from model.training.checkpoint import TrainedNetwork
from model.training.encoding import run_heads
from model.training.module import HeadRows
from model.training.network import Heads, RatingNetwork, UserEncoder
from model.training.report import importance
from model.training.report.importance import ENCODER, GROUPS, group_columns, measure_importance

N = 4_000


def build_network(
    names: tuple[str, ...], *, reads: str | None, encoder: UserEncoder | None
) -> TrainedNetwork:
    """Heads that look at one feature alone, or at nothing."""
    n_inputs = len(names) + (0 if encoder is None else 2)
    heads = Heads(torch.zeros(n_inputs), torch.ones(n_inputs), hidden_size=3, n_heads=2)
    with torch.no_grad():
        heads.weights[0].zero_()
        if reads is not None:
            heads.weights[0][:, names.index(reads)] = 1.0
            heads.weights[-1].fill_(0.5)
    base = Base.constant(3.0 if encoder is None else 0.0, n_inputs)
    if encoder is not None:
        base.weights[:, len(names)] = 1.0  # the encoder's prediction alone
    network = RatingNetwork(
        encoder=encoder,
        heads=heads,
        intervals=build_intervals(heads),
        base=base,
        low=1.0,
        high=5.0,
    )
    return TrainedNetwork(network, TINY_CONFIG, names)


def build_rows(rng: np.random.Generator, n_inputs: int) -> HeadRows:
    """Random inputs, an encoder's prediction the last but one; ratings that are exactly that."""
    inputs = torch.from_numpy(rng.normal(size=(N, n_inputs)).astype(np.float32))
    inputs[:, -2] = 3 + 0.3 * inputs[:, -2]
    stars = inputs[:, -2].clone()
    return HeadRows(inputs, stars, stars)


@pytest.fixture
def encoder() -> UserEncoder:
    """Never run: the rows hold what it said."""
    nothing = torch.zeros(1, 1, 1, 1)
    return UserEncoder(
        table=torch.zeros(1, 2, 2), links=torch.zeros(1, 2, 1), means=nothing, precisions=nothing,
        noise=nothing, overall_mean=torch.tensor(3.0),
    )  # fmt: skip


def test_only_the_group_that_is_read_matters_when_the_others_are_shuffled(rng: np.random.Generator) -> None:
    """Heads that read neighbour_2 alone, and ratings just as they predict: the era moves nothing at all."""
    trained = build_network(SEED_FEATURES, reads="neighbour_2", encoder=None)
    rows = build_rows(rng, len(SEED_FEATURES))
    stars = torch.from_numpy(run_heads(trained.network, rows.inputs)[:, 0].copy())
    found = measure_importance(trained, HeadRows(rows.inputs, rows.bases, stars), seed=1)
    neighbours, era = found.groups
    assert (neighbours.name, era.name) == ("neighbours", "era")
    assert found.rmse == 0
    assert neighbours.rise > 0.01
    assert (era.rise, era.deviation) == (0, 0)


def test_rise_is_that_of_a_stranger_when_the_encoder_is_all(
    rng: np.random.Generator, encoder: UserEncoder
) -> None:
    """Predictions without error become those of other rows: √2 standard deviations off, features nothing."""
    trained = build_network(FULL_FEATURES, reads=None, encoder=encoder)
    rows = build_rows(rng, len(FULL_FEATURES) + 2)
    found = measure_importance(trained, rows, seed=1)
    assert found.rmse == pytest.approx(0, abs=1e-6)
    assert found.groups[0].name == ENCODER
    assert found.groups[0].rise == pytest.approx(2**0.5 * float(rows.stars.std()), rel=0.05)
    assert [group.rise for group in found.groups[1:]] == [0] * len(GROUPS)


def test_rows_are_drawn_when_there_are_more_than_enough(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of the rows, and the RMSE of those with nothing shuffled."""
    monkeypatch.setattr(importance, "MOST_ROWS", 100)
    trained = build_network(SEED_FEATURES, reads=None, encoder=None)
    rows = build_rows(rng, len(SEED_FEATURES))
    off = HeadRows(rows.inputs, torch.full((N,), 3.0), torch.full((N,), 3.5))
    found = measure_importance(trained, off, seed=1)
    assert found.n_rows == 100
    assert found.rmse == pytest.approx(0.5, abs=1e-3)
    assert rmse(off.bases.numpy(), off.stars.numpy()) == pytest.approx(0.5)


def test_importance_is_the_same_when_measured_again(rng: np.random.Generator) -> None:
    """The seed decides; the rows are left as they were."""
    trained = build_network(SEED_FEATURES, reads="era_mean", encoder=None)
    rows = build_rows(rng, len(SEED_FEATURES))
    before = rows.inputs.clone()
    assert measure_importance(trained, rows, seed=1) == measure_importance(trained, rows, seed=1)
    assert measure_importance(trained, rows, seed=1) != measure_importance(trained, rows, seed=2)
    assert torch.equal(rows.inputs, before)


def test_every_feature_has_a_group_when_the_network_has_all() -> None:
    """A new feature belongs into one of the groups of `importance`, each feature into one alone."""
    groups = group_columns(FULL_FEATURES, has_encoder=True)
    assert list(groups) == [*GROUPS, ENCODER]
    assert sorted(name for group in GROUPS for name in groups[group]) == sorted(FULL_FEATURES)


def test_unknown_features_are_others_when_there_are_any() -> None:
    """They are measured all the same."""
    groups = group_columns(("era_mean", "moon_phase"), has_encoder=False)
    assert groups == {"era": ("era_mean",), "others": ("moon_phase",)}
