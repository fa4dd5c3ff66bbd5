"""The data summary: counts by hand."""

import numpy as np
import pytest
from builders import Rated, make_history

from model.dates import parse_day
from model.table import HALF_STARS
from model.training.report.summary import Bar, count_periods, label_bucket, spread_counts, summarise

DAY = parse_day("2005-12-31")
HISTORY = make_history(
    [
        Rated(1, 10, 5, DAY),
        Rated(1, 20, 4, DAY + 1),
        Rated(2, 10, 3, DAY + 40),
        Rated(3, 10, 4, DAY + 2),
    ],
    years={10: 1960, 20: 1995, 30: 1975},
)


def test_summarise_counts_by_hand_when_ratings_are_few() -> None:
    """Four ratings of three users and two of three movies: mean 4, variance 1/2, 4 of 6 pairs rated."""
    summary = summarise(HISTORY)
    assert (summary.n_ratings, summary.n_users, summary.n_movies, summary.n_catalogue) == (4, 3, 2, 3)
    assert (summary.first_day, summary.last_day) == (DAY, DAY + 40)
    assert summary.mean == 4
    assert summary.deviation == pytest.approx(0.5**0.5)
    assert summary.density == pytest.approx(4 / 6)
    assert [bar.count for bar in summary.ratings] == [0, 0, 1, 2, 1]
    assert [bar.label for bar in summary.ratings] == ["1", "2", "3", "4", "5"]


def test_summarise_counts_months_when_there_are_few_years() -> None:
    """One rating at the end of December, two in the first days of January and one in February."""
    assert summarise(HISTORY).time == (Bar("2005-12", 1), Bar("2006-01", 2), Bar("2006-02", 1))


def test_summarise_divides_ratings_by_era_when_movies_have_years() -> None:
    """Three ratings of the movie of 1960, one of that of 1995, none of that of 1975."""
    assert [bar.count for bar in summarise(HISTORY).eras] == [3, 0, 1, 0]


def test_summarise_lists_half_stars_when_the_scale_has_them() -> None:
    """Ten ratings from 0.5 to 5."""
    summary = summarise(make_history([Rated(1, 10, 0.5), Rated(1, 20, 4.5)], scale=HALF_STARS))
    assert [bar.label for bar in summary.ratings][:3] == ["0.5", "1", "1.5"]
    assert [bar.count for bar in summary.ratings] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_summarise_counts_the_same_when_days_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last block is shorter than the others."""
    whole = summarise(HISTORY)
    monkeypatch.setattr("model.training.report.summary._ROWS_AT_ONCE", 3)
    assert summarise(HISTORY) == whole


def test_count_periods_counts_years_when_there_are_many_days() -> None:
    """A rating a day from 2003-12-30 on, four years long; 2004 has 366 days."""
    bars = count_periods(parse_day("2003-12-30"), np.ones(1461, dtype=np.int64))
    assert bars == (Bar("2003", 2), Bar("2004", 366), Bar("2005", 365), Bar("2006", 365), Bar("2007", 363))


def test_spread_counts_by_hand_when_one_has_most() -> None:
    """Ten users: nine with 1 to 4 ratings, one with 30 of the 50."""
    spread = spread_counts(np.array([1, 1, 2, 2, 2, 2, 3, 3, 4, 30]))
    assert spread.bars == (Bar("1", 2), Bar("2-4", 7), Bar("5-9", 0), Bar("10-19", 0), Bar("20-49", 1))
    assert spread.quantiles == pytest.approx((1.0, 2.0, 6.6))
    assert spread.largest == 30
    assert spread.top_share == pytest.approx(30 / 50)


def test_label_bucket_shortens_when_counts_are_large() -> None:
    """The bucket of 1,000 to 1,999 and the last one."""
    assert [label_bucket(place) for place in (3, 10, 14)] == ["5-9", "1k-2k", "50k+"]
