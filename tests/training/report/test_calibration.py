"""Calibration: bins, coverage and residuals by hand."""

import numpy as np
import pytest

from model.training.report.calibration import (
    MeanBin,
    bin_means,
    calibrate,
    cover,
    describe_residuals,
)


def test_bin_means_averages_by_hand_when_rows_fill_ten_bins() -> None:
    """Twenty predictions in any order: each bin has the next two, and the mean of their ratings."""
    predicted = np.array([2.0, 1.0, *np.linspace(2.1, 3.8, 18)])
    stars = np.array([5.0, 2.0, *[3.0, 4.0] * 9])
    first, second, *rest = bin_means(predicted, stars)
    assert first == MeanBin(2, 1.5, 3.5)
    assert (second.n_rows, second.predicted, second.actual) == pytest.approx((2, 2.15, 3.5))
    assert len(rest) == 8


def test_bin_means_has_a_bin_a_row_when_rows_are_few() -> None:
    """Three rows make three bins, from the lowest prediction up."""
    bins = bin_means(np.array([3.0, 1.0, 2.0]), np.array([4.0, 1.0, 5.0]))
    assert bins == (MeanBin(1, 1, 1), MeanBin(1, 2, 5), MeanBin(1, 3, 4))


def test_cover_counts_bounds_as_inside_when_ratings_lie_on_them() -> None:
    """Two of four inside; widths 1, 1, 1 and 3."""
    intervals = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 4.0]])
    coverage = cover("all", intervals, np.array([1.0, 2.5, 0.5, 4.0]))
    assert (coverage.label, coverage.n_rows, coverage.share, coverage.width) == ("all", 4, 0.5, 1.5)
    assert coverage.margin == pytest.approx(1.96 * 0.25)


def test_residuals_are_counted_around_zero_when_bars_are_a_quarter_wide() -> None:
    """Errors of -0.12 and 0.12 are in the bar around zero, 0.13 is in the next, -0.4 in the second below."""
    residuals = describe_residuals(np.array([-0.4, -0.12, 0.12, 0.13]))
    assert residuals.middles == (-0.5, -0.25, 0.0, 0.25)
    assert residuals.counts == (1, 0, 2, 1)
    assert residuals.mean == pytest.approx(-0.27 / 4)


def test_residuals_count_how_many_are_near_when_some_are_not() -> None:
    """Errors of 0.5, 1 and 2 stars."""
    residuals = describe_residuals(np.array([0.5, -1.0, 2.0]))
    assert residuals.within_half == pytest.approx(1 / 3)
    assert residuals.within_one == pytest.approx(2 / 3)
    assert residuals.deviation == pytest.approx((4.5 / 3) ** 0.5)


def test_calibrate_finds_the_slope_when_predictions_are_too_far_apart() -> None:
    """Ratings lie half as far from 3 as predictions do."""
    predicted = np.array([[1.0, 0, 5], [3.0, 0, 5], [5.0, 0, 5]])
    calibration = calibrate(predicted, np.array([2.0, 3.0, 4.0]), np.array([0, 3, 200]))
    assert calibration.slope == pytest.approx(0.5)
    assert [part.label for part in calibration.coverage] == ["all", "0", "1-4", "100+"]


def test_calibrate_has_no_slope_when_all_predictions_are_the_same() -> None:
    """No line goes through a single place."""
    assert calibrate(np.full((2, 3), 3.0), np.array([2.0, 4.0]), np.array([1, 1])).slope is None
