"""The network for known users gives what the whole network gives."""

import numpy as np
import pytest
import torch
from network_builders import build_intervals, draw_posterior

from model.training.base import Base
from model.training.known_users import KnownUserNetwork
from model.training.network import Heads, Intervals, RatingNetwork, UserEncoder

N_SAMPLES, N_MOVIES, WIDTH, N_FEATURES = 3, 9, 4, 5
N_INPUTS = N_FEATURES + 2


def build_heads(standards: tuple[torch.Tensor, torch.Tensor], *, n_heads: int, gain: float) -> Heads:
    """Heads of random weights, which started from a half and were shrunk."""
    heads = Heads(*standards, hidden_size=6, n_heads=n_heads, start=0.5)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.normal_(0, 0.5)
    heads.shrink(gain)
    return heads


@pytest.fixture
def encoder(rng: np.random.Generator) -> UserEncoder:
    """Random samples."""
    return UserEncoder.from_posterior(
        draw_posterior(rng, n_samples=N_SAMPLES, n_movies=N_MOVIES, width=WIDTH)
    )


def build_network(encoder: UserEncoder, *, spreads: Heads, heads: Heads) -> RatingNetwork:
    """A base of random weights, too; it tells new users by the second feature."""
    log_count = torch.zeros(N_INPUTS)
    log_count[1] = 1.0
    return RatingNetwork(
        encoder=encoder,
        heads=heads,
        intervals=Intervals(spreads, torch.tensor([-1.2, 1.5])),
        base=Base(torch.tensor([1.0, 2.0]), torch.randn(2, N_INPUTS) / 5, log_count),
        low=0.5,
        high=5.0,
    )


def test_known_user_network_equals_the_whole_one_when_vectors_are_solved_for(encoder: UserEncoder) -> None:
    """Groups of 3 and 2 heads with gains of their own; 200 random queries of 20 random contexts."""
    torch.manual_seed(7)
    standards = (torch.randn(N_INPUTS), torch.rand(N_INPUTS) + 0.5)
    network = build_network(
        encoder,
        heads=build_heads(standards, n_heads=3, gain=0.25),
        spreads=build_heads(standards, n_heads=2, gain=1.0),
    )
    contexts = (
        torch.randint(N_MOVIES + 1, (20, 6)),
        torch.randint(1, 6, (20, 6)).float(),
        (torch.rand(20, 6) < 0.7).float(),
    )
    users, movies = torch.randint(20, (200,)), torch.randint(N_MOVIES + 1, (200,))
    features = 2 * torch.randn(200, N_FEATURES)
    features[:, 1] = features[:, 1].abs()
    with torch.no_grad():
        expected = torch.stack(network(features, *contexts, users, movies), dim=1)
        people = encoder.solve(*contexts).transpose(0, 1)[users]
        people = torch.nn.functional.pad(people, (1, 0), value=1.0)
        found = KnownUserNetwork(network)(features, people, encoder.table[movies])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert ((expected[:, 0] > 0.5) & (expected[:, 0] < 5.0)).float().mean() > 0.3  # not all are clipped


def test_known_user_network_needs_an_encoder() -> None:
    """The network of the seed features has no vectors to store."""
    heads = Heads(torch.zeros(1), torch.ones(1), hidden_size=1, n_heads=1)
    network = RatingNetwork(
        encoder=None,
        heads=heads,
        intervals=build_intervals(heads),
        base=Base.constant(3.0, 1),
        low=1.0,
        high=5.0,
    )
    with pytest.raises(ValueError, match="without an encoder"):
        KnownUserNetwork(network)


def test_known_user_network_needs_heads_that_are_standardised_alike(encoder: UserEncoder) -> None:
    """One standardisation serves both groups."""
    ours, others = (torch.zeros(N_INPUTS), torch.ones(N_INPUTS)), (torch.ones(N_INPUTS), torch.ones(N_INPUTS))
    network = build_network(
        encoder,
        heads=build_heads(ours, n_heads=1, gain=1.0),
        spreads=build_heads(others, n_heads=1, gain=1.0),
    )
    with pytest.raises(ValueError, match="standardised"):
        KnownUserNetwork(network)
