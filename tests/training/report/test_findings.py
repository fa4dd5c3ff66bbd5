"""What stands out, on facts made up to stand out."""

import dataclasses

import pytest

from model.training.report.accuracy import Accuracy, Breakdown
from model.training.report.background import draw_curve, find_best_epoch
from model.training.report.calibration import Calibration, Coverage, Residuals
from model.training.report.findings import find_weakest, judge_coverage, judge_gain

NO_GROUPS = Breakdown((), (), {"full": ()})
ACCURACY = Accuracy(
    lines=(),
    gain=0.06,
    gain_margin=0.01,
    by_history=Breakdown(("0", "1-4", "100+"), (5, 40, 900), {"full": (2.0, 1.1, 0.8)}),
    by_popularity=NO_GROUPS,
    by_era=NO_GROUPS,
    by_rating=NO_GROUPS,
    by_day=NO_GROUPS,
)


@pytest.mark.parametrize(
    ("gain", "margin", "expected"),
    [
        (0.06, 0.01, "Better than user and movie biases: its RMSE is lower by 0.0600 stars (± 0.0100)."),
        (-0.06, 0.01, "Worse than user and movie biases: its RMSE is higher by 0.0600 stars (± 0.0100)."),
        (
            0.06,
            0.07,
            "As good as user and movie biases up to chance: its RMSE is lower by 0.0600 stars (± 0.0700).",
        ),
        (
            0.06,
            None,
            "Its RMSE differs from that of user and movie biases by 0.0600 stars; chance is not known.",
        ),
        (
            -1e-8,
            1e-9,
            "The same as user and movie biases: with so few ratings nothing was shown to be better.",
        ),
        (
            -1e-8,
            0.001,
            "As good as user and movie biases up to chance: its RMSE is higher by 0.0000 stars (± 0.0010).",
        ),
    ],
)
def test_gain_is_judged_by_its_margin_when_there_is_one(
    gain: float, margin: float | None, expected: str
) -> None:
    """Better, worse, or neither beyond chance."""
    assert judge_gain(dataclasses.replace(ACCURACY, gain=gain, gain_margin=margin)) == expected


def test_weakest_users_are_those_with_enough_rows_when_named() -> None:
    """Five rows without history say nothing."""
    assert find_weakest(ACCURACY, "full") == ("1-4", 1.1)


def test_no_users_are_weakest_when_one_bucket_has_enough_rows() -> None:
    """There is nothing to compare it with."""
    one = Breakdown(("1-4", "100+"), (5, 900), {"full": (1.1, 0.8)})
    assert find_weakest(dataclasses.replace(ACCURACY, by_history=one), "full") is None


@pytest.mark.parametrize(
    ("share", "margin", "expected"),
    [
        (0.795, 0.001, "79.5% (± 0.1%) of the ratings lie inside the 80 % interval, as promised."),
        (0.7, 0.15, "70.0% (± 15.0%) of the ratings lie inside the 80 % interval, as promised."),
        (0.7, 0.02, "70.0% (± 2.0%) of the ratings lie inside the 80 % interval: it is too narrow."),
        (0.9, 0.02, "90.0% (± 2.0%) of the ratings lie inside the 80 % interval: it is too wide."),
    ],
)
def test_coverage_is_judged_by_its_margin_when_it_is_off(share: float, margin: float, expected: str) -> None:
    """A small sample may be off by more, a large one by a hundredth."""
    calibration = Calibration(
        bins=(),
        slope=None,
        coverage=(Coverage("all", 100, share, margin, 2.0),),
        residuals=Residuals((), (), 0, 0, 0, 0),
    )
    assert judge_coverage(calibration) == expected


def test_best_epoch_is_the_one_with_the_lowest_validation_rmse_when_drawn() -> None:
    """The second of three, marked in the table."""
    epochs = [
        {"training_rmse": 1.0 - 0.1 * place, "validation_rmse": rmse}
        for place, rmse in enumerate((0.9, 0.7, 0.8))
    ]
    figure = draw_curve("full", epochs)
    assert find_best_epoch(epochs) == 2
    assert figure.note == "Epoch 2 of 3 was kept: validation RMSE 0.7000."
    assert figure.table is not None
    assert figure.table.rows[1] == ("2", "0.9000", "0.7000")
    assert figure.table.marked == 1
