"""The base: who gets which mix, and how the mixes are found."""

import math

import pytest
import torch

from model.training.base import Base, mix_base

NAMES = ("era_mean", "user_count", "user_bias", "movie_bias")


@pytest.mark.parametrize(("n_ratings", "expected"), [(0, 8.0), (3, 5.5), (24, 4.0), (999_999, 3.005)])
def test_base_takes_less_of_the_second_mix_when_user_has_more_ratings(
    n_ratings: int, expected: float
) -> None:
    """1 + 2 for a user known well, 4 + 2 x 2 for a new one; n ratings get 1 / √(1 + n) of the latter."""
    base = Base(torch.tensor([1.0, 4.0]), torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([0.0, 0.5]))
    assert base(torch.tensor([[2.0, math.log1p(n_ratings)]])).item() == pytest.approx(expected, abs=1e-4)


def test_base_is_the_same_for_everybody_when_constant() -> None:
    """Inputs are ignored."""
    assert Base.constant(3.0, 2)(torch.tensor([[7.0, 0.0], [0.0, 9.0]])).tolist() == [3.0, 3.0]


def test_base_is_the_last_input_but_one_when_encoder_is_alone() -> None:
    """The encoder's mean comes before its spread."""
    assert Base.encoder_alone(3)(torch.tensor([[7.0, 3.5, 0.5], [0.0, 2.5, 0.5]])).tolist() == [3.5, 2.5]


def test_base_is_corrected_when_user_has_ratings() -> None:
    """A user without ratings gets the second mix alone, somebody with one both mixes and the correction."""
    base = Base(torch.tensor([1.0, 4.0]), torch.zeros(2, 1), torch.tensor([0.5]))
    inputs = torch.tensor([[0.0], [math.log1p(1)]])
    expected = [4.0, 1 + 3 / math.sqrt(2) - 0.25]
    assert base.correct(inputs, torch.tensor([0.75, -0.25])).tolist() == pytest.approx(expected)


def test_base_is_corrected_for_everybody_when_constant() -> None:
    """Where numbers of ratings are no input nobody can be told from somebody without any."""
    assert Base.constant(3.0, 1).correct(torch.zeros(1, 1), torch.tensor([0.5])).tolist() == [3.5]


def mix(n_rows: int, *, n_ratings: float, is_early: bool, right: float, missed: float = 0.0) -> Base:
    """The base found from rows of one kind of user, whose biases say 3 and whose encoder says 4, then 2.

    Of users without ratings the biases say 2.75 and the encoder 3.75, then 1.75.

    Args:
        n_rows: an even number.
        n_ratings: of the user.
        is_early: whether they are first ratings.
        right: the share of the encoder in the actual ratings.
        missed: how far they are above both, stars.
    """
    gains = torch.tensor([1.0, -1.0]).repeat(n_rows // 2)
    inputs = torch.tensor([7.0, math.log1p(n_ratings), 0.25, 0.25, 0.0, 0.5]).repeat(n_rows, 1)
    inputs[:, 4] = 3 + gains
    stars = (2.75 if is_early else 3) + right * gains + missed
    base = mix_base(inputs, 2.75 + gains, torch.full((n_rows,), is_early), stars, 2.5, NAMES)
    assert base.weights[:, [0, 1, 5]].count_nonzero() == 0
    return base


@pytest.mark.parametrize(
    ("right", "n_rows", "share"),
    [
        (1.0, 4_000, 0.9),  # the encoder is right: (4000 x 1 + 1000 x 0.5) / 5000
        (0.0, 4_000, 0.1),  # the biases are right: (0 + 1000 x 0.5) / 5000
        (0.0, 1_000, 0.25),  # after fewer rows that is less certain
        (6.0, 4_000, 1.0),  # never more than the encoder alone
        (-6.0, 4_000, 0.0),  # never less than the biases alone
        (0.0, 10_000, 0.5 / 11),  # (0 + 1000 x 0.5) / 11000
    ],
)
def test_mix_base_weighs_encoder_against_biases_when_one_is_right(
    right: float, n_rows: int, share: float
) -> None:
    """The mean of all is 2.5 and the biases add to it; 1,000 more rows say half and half.

    Of what is not the encoder's share, 10,000 / (10,000 + n rows) is left for users known well, a half after
    10,000; for users without ratings half of the encoder's share is kept.
    """
    new = mix(n_rows, n_ratings=math.expm1(40.0), is_early=True, right=right)
    kept = share / 2
    assert new.weights[1, [4, 3]].tolist() == pytest.approx([kept, 1 - kept], abs=1e-4)
    assert new.constants[1].item() == pytest.approx(2.5 * (1 - kept), abs=1e-4)
    known = mix(n_rows, n_ratings=math.expm1(40.0), is_early=False, right=right)
    kept = (1 - share) * 10_000 / (10_000 + n_rows)
    assert known.weights[0, [4, 2, 3]].tolist() == pytest.approx([1 - kept, kept, kept], abs=1e-4)
    assert known.constants[0].item() == pytest.approx(2.5 * kept, abs=1e-4)


def test_mix_base_says_a_quarter_when_nobody_is_new() -> None:
    """Nothing is known of first ratings but what is believed beforehand: one half, of which half is kept."""
    base = mix(4_000, n_ratings=math.expm1(40.0), is_early=False, right=1.0)
    assert base.weights[1, [4, 2, 3]].tolist() == pytest.approx([0.25, 0.75, 0.75], abs=1e-4)
    assert base.constants[1].item() == pytest.approx(0.75 * 2.5, abs=1e-4)


def test_mix_base_adds_a_constant_when_users_like_what_they_choose_first() -> None:
    """0.3 stars better than expected in 2,000 rows, and as expected in 1,000 more: 0.2."""
    base = mix(2_000, n_ratings=math.expm1(40.0), is_early=True, right=0.5, missed=0.3)
    assert base.constants[1].item() == pytest.approx(0.75 * 2.5 + 0.2, abs=1e-4)


def test_mix_base_believes_less_of_the_users_bias_when_few_ratings_mislead() -> None:
    """Users of three ratings, half new, are 0.1 worse than their bias of 0.25 says in 2,000 rows.

    0.5 x 0.25 x -0.8 would make up for it; 1,000 more rows say nothing, so it is -0.8 x 2 / 3.
    """
    base = mix(2_000, n_ratings=3, is_early=False, right=0.5, missed=-0.1)
    assert (base.weights[1, 2] - base.weights[1, 3]).item() == pytest.approx(-1.6 / 3, abs=1e-4)
    assert (base.weights[0, 2] - base.weights[0, 3]).item() == 0
