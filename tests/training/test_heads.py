"""Calibration of the intervals."""

import pytest
import torch

from model.training.heads import compute_quantiles


def test_compute_quantiles_interpolates_when_weights_are_equal() -> None:
    """Of ten values half a one is below 0, one and a half below 1: 10 % are below the middle between them."""
    values = torch.tensor([3.0, 1.0, 0.0, 2.0, 4.0, 9.0, 8.0, 7.0, 6.0, 5.0])
    quantiles = compute_quantiles(values, torch.ones(10), (0.1, 0.5, 0.9, 1.0))
    assert quantiles.tolist() == pytest.approx([0.5, 4.5, 8.5, 9.0])


def test_compute_quantiles_counts_a_value_as_often_as_its_weight_says() -> None:
    """Half a 10, a 0 and a 1: of the 2.5, 0.5 are below 0, 1.5 below 1 and 2.25 below 10."""
    quantiles = compute_quantiles(torch.tensor([10.0, 0.0, 1.0]), torch.tensor([0.5, 1.0, 1.0]), (0.5, 0.9))
    assert quantiles.tolist() == pytest.approx([0.75, 10.0])


def test_compute_quantiles_ignores_values_when_they_weigh_nothing() -> None:
    """The same as without them."""
    values = torch.tensor([1.0, 2.0, 3.0, -50.0, 50.0])
    quantiles = compute_quantiles(values, torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]), (0.25, 0.75))
    assert quantiles.tolist() == pytest.approx([1.25, 2.75])
