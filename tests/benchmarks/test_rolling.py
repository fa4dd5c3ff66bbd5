"""Static and rolling histories behind the same weights."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tiny_run import change_training

from benchmarks.measurement import hide_stars
from benchmarks.ours import BundledModel
from benchmarks.rolling import (
    LINES,
    build_tables,
    main,
    measure_rolling,
    predict_biases_rolling,
    predict_rolling,
)
from model.bundle import load_bundle
from model.dates import format_day
from model.history import build_history
from model.serving.predictor import Predictor, Query
from model.splits import Split, apply_split, parse_split
from model.table import Ratings
from model.training.baselines import predict_baselines


@pytest.fixture(scope="module")
def by_date(tiny_ratings: Ratings) -> Split:
    """The made-up ratings, cut where a fifth of them is left."""
    cut = int(np.quantile(tiny_ratings.days, 0.8))
    return apply_split(tiny_ratings, parse_split(f"period:{format_day(cut)}"), seed=1)


def test_predict_rolling_sees_exactly_what_is_older_when_asked(
    bundle_path: Path, tiny_ratings: Ratings, by_date: Split
) -> None:
    """Each prediction is that of a history which holds the ratings before its day and no others."""
    bundle = load_bundle(bundle_path)
    rows = np.linspace(0, len(by_date.test) - 1, 7).astype(np.int64)
    asked = hide_stars(by_date.test.take(rows))
    predicted = predict_rolling(bundle, tiny_ratings, asked)
    for place in range(len(asked)):
        day = int(asked.days[place])
        known = build_history(tiny_ratings.take(tiny_ratings.days < day))
        alone = Predictor(bundle.with_history(known)).predict_ratings([
            Query(movie_id=int(asked.movie_ids[place]), user_id=int(asked.user_ids[place]), day=day)
        ])
        assert predicted[place] == pytest.approx(alone[0], abs=1e-5)


def test_predict_biases_rolling_ignores_what_comes_later_when_stars_change(
    tiny_ratings: Ratings, by_date: Split
) -> None:
    """Other ratings from a day on change nothing before it, and do change what follows."""
    test = by_date.test
    middle = int(np.median(test.days))
    changed = dataclasses.replace(
        tiny_ratings, stars=np.where(tiny_ratings.days >= middle, np.float32(1), tiny_ratings.stars)
    )
    before, after = predict_biases_rolling(tiny_ratings, test), predict_biases_rolling(changed, test)
    early = test.days <= middle
    np.testing.assert_array_equal(before[early], after[early])
    assert (before[~early] > after[~early]).mean() > 0.5


def test_predict_biases_rolling_is_static_when_it_is_the_first_day(
    tiny_ratings: Ratings, by_date: Split
) -> None:
    """On the first test day nothing is known beyond the training rows."""
    first = by_date.test.take(by_date.test.days == by_date.test.days[0])
    static = predict_baselines(build_history(by_date.train.take(by_date.train.days < first.days[0])), first)
    np.testing.assert_array_equal(predict_biases_rolling(tiny_ratings, first), static["biases"])


def test_measure_rolling_sets_both_side_by_side_when_run(tiny_ratings: Ratings, by_date: Split) -> None:
    """All four lines are on the same rows and differ."""
    report = measure_rolling(tiny_ratings, by_date, model=BundledModel(change_training(split="none")))
    assert list(report["lines"]) == list(LINES)
    assert len({line["rmse"] for line in report["lines"].values()}) == 4
    [table] = build_tables({"data": "tiny", "split": "period:2000-01-01", **report})
    assert [row[0] for row in table.rows] == ["test rows", *LINES.values()]
    for line in report["lines"].values():
        buckets = line["rmse_by_history_length"]
        total = sum(bucket["rows"] * bucket["rmse"] ** 2 for bucket in buckets if bucket["rows"])
        assert (total / report["test_rows"]) ** 0.5 == pytest.approx(line["rmse"])


def test_main_refuses_when_the_split_has_no_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a cut by date can be rolled on from."""
    assert main(["--data", "x", "--split", "latest"]) == 2
    assert "expected period:YYYY-MM-DD" in capsys.readouterr().err
