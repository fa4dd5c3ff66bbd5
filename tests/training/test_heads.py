"""Calibration of the intervals."""

from pathlib import Path

import pytest
import torch
from tiny_run import TINY_CONFIG

from model.table import RatingScale
from model.training.heads import compute_quantile, fit_heads, fit_intervals
from model.training.module import HeadRows


@pytest.mark.parametrize(("share", "expected"), [(0.1, 0.5), (0.5, 4.5), (0.9, 8.5), (1.0, 9.0)])
def test_compute_quantile_interpolates_when_weights_are_equal(share: float, expected: float) -> None:
    """Of ten values half a one is below 0, one and a half below 1: 10 % are below the middle between them."""
    values = torch.tensor([3.0, 1.0, 0.0, 2.0, 4.0, 9.0, 8.0, 7.0, 6.0, 5.0])
    assert compute_quantile(values, torch.ones(10), share) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.75), (0.9, 10.0)])
def test_compute_quantile_counts_a_value_as_often_as_its_weight_says(share: float, expected: float) -> None:
    """Half a 10, a 0 and a 1: of the 2.5, 0.5 are below 0, 1.5 below 1 and 2.25 below 10."""
    values, weights = torch.tensor([10.0, 0.0, 1.0]), torch.tensor([0.5, 1.0, 1.0])
    assert compute_quantile(values, weights, share) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "expected"), [(0.25, 1.25), (0.75, 2.75)])
def test_compute_quantile_ignores_values_when_they_weigh_nothing(share: float, expected: float) -> None:
    """The same as without them."""
    values = torch.tensor([1.0, 2.0, 3.0, -50.0, 50.0])
    assert compute_quantile(values, torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]), share) == pytest.approx(expected)


def test_intervals_hold_four_fifths_of_the_weight_when_errors_are_skewed(tmp_path: Path) -> None:
    """They reach equally far to both sides; beside 300 whole rows a shortened one counts 500 / 800."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(400, 3, generator=generator)
    stars = 5 - torch.randn(400, generator=generator).abs().clamp(0, 4)
    rows = HeadRows(inputs, torch.full((400,), 4.2), stars)
    is_validation, is_shortened = torch.arange(400) % 10 == 0, torch.arange(400) % 4 == 0
    scale = RatingScale(1.0, 5.0, 0.5)
    heads = fit_heads(rows, is_validation, scale, TINY_CONFIG, tmp_path / "heads")
    with torch.no_grad():
        predicted = (rows.bases + heads(inputs)).mean(0).clamp(1, 5)
    around = HeadRows(inputs, predicted, stars)
    intervals = fit_intervals(around, is_validation, is_shortened, scale, TINY_CONFIG, tmp_path / "intervals")
    with torch.no_grad():
        lowest, highest = intervals(inputs, predicted)
    assert (highest - predicted).tolist() == pytest.approx((predicted - lowest).tolist(), abs=1e-5)
    weights = torch.where(is_shortened, 500 / 800, 1.0)
    held = (lowest <= stars) & (stars <= highest)
    assert float((weights * held).sum() / weights.sum()) == pytest.approx(0.8, abs=0.003)
