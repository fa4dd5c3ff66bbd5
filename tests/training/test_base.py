"""The base: who gets which mix, and how the mixes are found."""

import math

import pytest
import torch

from model.training.base import Base, mix_base

NAMES = ("era_mean", "user_count", "user_bias", "movie_bias")


@pytest.mark.parametrize(("n_ratings", "expected"), [(0, 8.0), (1, 5.5), (3, 4.25), (999_999, 3.0)])
def test_base_takes_less_of_the_second_mix_when_user_has_more_ratings(
    n_ratings: int, expected: float
) -> None:
    """1 + 2 for a user known well, 4 + 2 x 2 for a new one; n ratings get 1 / (1 + n) of the latter."""
    base = Base(torch.tensor([1.0, 4.0]), torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([0.0, 1.0]))
    assert base(torch.tensor([[2.0, math.log1p(n_ratings)]])).item() == pytest.approx(expected, abs=1e-4)


def test_base_is_the_same_for_everybody_when_constant() -> None:
    """Inputs are ignored."""
    assert Base.constant(3.0, 2)(torch.tensor([[7.0, 0.0], [0.0, 9.0]])).tolist() == [3.0, 3.0]


def mix(encoded: float, stars: float, n_rows: int, *, log_count: float) -> tuple[list[float], list[float]]:
    """The shares of encoder and biases found for users known well and for new ones."""
    inputs = torch.tensor([[7.0, log_count, 0.25, 0.25, encoded, 0.5]]).repeat(n_rows, 1)
    base = mix_base(inputs, torch.full((n_rows,), stars), 2.5, NAMES)
    assert base.weights[:, [0, 1, 5]].count_nonzero() == 0
    assert torch.equal(base.weights[:, 2], base.weights[:, 3])
    assert base.constants.tolist() == pytest.approx((base.weights[:, 2] * 2.5).tolist())
    return base.weights[:, 4].tolist(), base.weights[:, 2].tolist()


@pytest.mark.parametrize(
    ("encoded", "stars", "n_rows", "share"),
    [
        (4.0, 4.0, 4_000, 0.9),  # the encoder is right: (4000 x 1 + 1000 x 0.5) / 5000
        (4.0, 3.0, 4_000, 0.1),  # the biases are right: (0 + 1000 x 0.5) / 5000
        (4.0, 3.0, 1_000, 0.25),  # after fewer rows that is less certain
        (4.0, 9.0, 4_000, 1.0),  # never more than the encoder alone
        (3.0, 4.0, 4_000, 0.0),  # nothing to choose between them
        (4.0, 3.0, 10_000, 0.5 / 11),  # (0 + 1000 x 0.5) / 11000
    ],
)
def test_mix_base_weighs_encoder_against_biases_when_one_is_right(
    encoded: float, stars: float, n_rows: int, share: float
) -> None:
    """The mean of all is 2.5 and the biases add 0.5 to it; 1,000 more rows say half and half.

    Of what is not the encoder's share, 10,000 / (10,000 + n rows) is left for users known well, a half after
    10,000; for new ones, all of it.
    """
    [_, encoder], [_, biases] = mix(encoded, stars, n_rows, log_count=0.0)
    assert (encoder, biases) == pytest.approx((share, 1 - share), abs=1e-4)
    [encoder, _], [biases, _] = mix(encoded, stars, n_rows, log_count=20.0)
    kept = (1 - share) * 10_000 / (10_000 + n_rows)
    assert (encoder, biases) == pytest.approx((1 - kept, kept), abs=1e-4)


def test_mix_base_gives_everybody_one_mix_when_counts_are_no_feature() -> None:
    """Without the number of ratings nobody can be told to be new."""
    inputs = torch.tensor([[0.5, 4.0, 0.5], [0.5, 2.0, 0.5]]).repeat(500, 1)
    base = mix_base(inputs, torch.full((1_000,), 3.0), 2.5, ("movie_bias",))
    # the biases are right: (0 + 1000 x 0.5) / 2000 is the encoder's
    assert base(inputs[:2]).tolist() == pytest.approx([3.25, 2.75], abs=1e-4)
