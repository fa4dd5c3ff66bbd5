"""What a table of ratings is like, against a table counted by hand."""

import json

import pytest
from builders import Rated, make_ratings

from model.errors import DataError
from model.portrait import portray_ratings
from model.table import HALF_STARS

DAY_OF_2005 = 12_784
"""2005-01-01."""

ROWS = [
    Rated(user=1, movie=10, stars=4.0, day=DAY_OF_2005),
    Rated(user=1, movie=11, stars=2.0, day=DAY_OF_2005 + 1),
    Rated(user=1, movie=12, stars=4.0, day=DAY_OF_2005 + 1),
    Rated(user=2, movie=10, stars=5.0, day=DAY_OF_2005 + 31),
]
YEARS = {10: 1965, 11: 1980, 13: 1999}
"""Movie 12 has no year and movie 13 no rating."""


def test_portray_ratings_counts_as_by_hand_when_table_is_small() -> None:
    """Two users, three rated movies of four, four of six pairs rated."""
    facts = portray_ratings(make_ratings(ROWS, years=YEARS))
    assert facts["ratings"] == 4
    assert (facts["users"], facts["movies"]) == (2, 3)
    assert facts["catalogue"] == {"movies": 4, "with_title": 4, "with_year": 3}
    assert (facts["first_day"], facts["last_day"]) == ("2005-01-01", "2005-02-01")
    assert facts["density"] == pytest.approx(4 / 6)
    assert facts["mean"] == pytest.approx(15 / 4)
    assert facts["distribution"] == {"1": 0, "2": 0.25, "3": 0, "4": 0.5, "5": 0.25}
    assert facts["per_user"] == {"fewest": 1, "median": 2, "mean": 2, "most": 3}
    assert facts["per_movie"] == {"fewest": 1, "median": 1, "mean": pytest.approx(4 / 3), "most": 2}
    assert facts["eras"] == {"before 1970": 0.5, "1970-1989": 0.25, "1990 and later": 0, "no year": 0.25}


def test_portray_ratings_lists_half_stars_when_scale_has_them() -> None:
    """The distribution names every step of the scale."""
    facts = portray_ratings(make_ratings([*ROWS, Rated(3, 10, 0.5)], years=YEARS, scale=HALF_STARS))
    assert list(facts["distribution"]) == ["0.5", "1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5"]
    assert facts["distribution"]["0.5"] == pytest.approx(0.2)


def test_portray_ratings_is_ready_for_json_when_written() -> None:
    """No NumPy number is left in it."""
    facts = portray_ratings(make_ratings(ROWS, years=YEARS))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_portray_ratings_refuses_when_there_are_none() -> None:
    """A density of nothing is not defined."""
    with pytest.raises(DataError, match="no ratings"):
        portray_ratings(make_ratings([], years=YEARS))
