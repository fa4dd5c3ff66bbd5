"""What stands out in a run, a sentence each: what somebody would say who had read the whole report."""

from collections.abc import Sequence

from model.training.curve import Epoch
from model.training.heads import COVERAGE
from model.training.report.accuracy import Accuracy
from model.training.report.background import find_best_epoch
from model.training.report.calibration import Calibration
from model.training.report.collect import Facts, TestFacts

FEWEST_ROWS = 30
"""Fewer test rows than this support no remark."""
NOTABLE_BIAS = 0.05
"""A mean error larger than this is remarked on, stars."""
NOTABLE_SLOPE = 0.15
"""A slope of actual over predicted ratings that is further from 1 is remarked on."""
NOTABLE_COVERAGE = 0.01
"""An interval that is off by less than this is as promised, whatever the number of rows."""
SAME_RMSE = 5e-5
"""What differs by less, stars, is the same to four digits."""

NOTHING_HELD_OUT = (
    "Nothing was held out (--split none), so there is nothing to measure on: error, calibration and "
    "importance of this network are unknown. Train with --split latest to know them."
)


def find_findings(facts: Facts) -> list[str]:
    """What stands out.

    Args:
        facts: of the run.
    """
    findings = [NOTHING_HELD_OUT] if facts.test is None else _judge_test(facts.test, facts.own)
    return [*findings, _judge_learning(facts.curves[facts.own])]


def _judge_test(test: TestFacts, own: str) -> list[str]:
    findings = [judge_gain(test.accuracy), judge_coverage(test.calibration)]
    weakest = find_weakest(test.accuracy, own)
    if weakest is not None:
        findings.append(f"Furthest off for users with {weakest[0]} ratings known: RMSE {weakest[1]:.4f}.")
    slope, mean = test.calibration.slope, test.calibration.residuals.mean
    if slope is not None and abs(slope - 1) > NOTABLE_SLOPE:
        how = "too far apart" if slope < 1 else "too close together"
        findings.append(f"Predictions are {how}: ratings rise by {slope:.2f} stars for each star predicted.")
    if abs(mean) > NOTABLE_BIAS:
        side = "higher" if mean > 0 else "lower"
        findings.append(f"Ratings are {abs(mean):.2f} stars {side} than predicted, on average.")
    leaders = ", ".join(f"{group.name} {group.rise:+.4f}" for group in test.importance.groups[:3])
    findings.append(f"Shuffling a group of features moves the RMSE by: {leaders}.")
    findings += [
        f"{count:,} of the {test.n_rows:,} test rows are of {what} without any training rating."
        for count, what in ((test.new_users, "users"), (test.unrated_movies, "movies"))
        if count
    ]
    return findings


def judge_gain(accuracy: Accuracy) -> str:
    """Whether the network beats the biases, and by more than chance."""
    difference = f"{abs(accuracy.gain):.4f} stars"
    if accuracy.gain_margin is None:
        return f"Its RMSE differs from that of user and movie biases by {difference}; chance is not known."
    if max(abs(accuracy.gain), accuracy.gain_margin) < SAME_RMSE:
        return "The same as user and movie biases: with so few ratings nothing was shown to be better."
    difference += f" (± {accuracy.gain_margin:.4f})"
    if abs(accuracy.gain) <= accuracy.gain_margin:
        side = "lower" if accuracy.gain > 0 else "higher"
        return f"As good as user and movie biases up to chance: its RMSE is {side} by {difference}."
    if accuracy.gain > 0:
        return f"Better than user and movie biases: its RMSE is lower by {difference}."
    return f"Worse than user and movie biases: its RMSE is higher by {difference}."


def judge_coverage(calibration: Calibration) -> str:
    """Whether the interval holds what it promises."""
    everything = calibration.coverage[0]
    share = f"{everything.share:.1%} (± {everything.margin:.1%})"
    inside = f"{share} of the ratings lie inside the {COVERAGE * 100:.0f} % interval"
    if abs(everything.share - COVERAGE) <= max(everything.margin, NOTABLE_COVERAGE):
        return f"{inside}, as promised."
    return f"{inside}: it is too {'narrow' if everything.share < COVERAGE else 'wide'}."


def find_weakest(accuracy: Accuracy, own: str) -> tuple[str, float] | None:
    """The history length with the highest RMSE, of those with enough rows; None unless there are two."""
    parts = [
        (value, label)
        for label, rows, value in zip(
            accuracy.by_history.labels,
            accuracy.by_history.n_rows,
            accuracy.by_history.rmse[own],
            strict=True,
        )
        if rows >= FEWEST_ROWS
    ]
    if len(parts) < 2:
        return None
    value, label = max(parts)
    return label, value


def _judge_learning(epochs: Sequence[Epoch]) -> str:
    best = find_best_epoch(epochs)
    if best == len(epochs) > 1:
        # no hint at more epochs: the learning rate falls to nothing over however many there are
        return f"The last of {best} epochs was the best on validation rows."
    return f"Epoch {best} of {len(epochs)} was the best on validation rows."
