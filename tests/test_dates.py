"""Days as integers."""

import datetime as dt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from model.dates import FIRST_DAY, LAST_DAY, format_day, parse_day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        # 30 years of 365 days and the leap days of 1972 to 1996, seven; then January and 28 days
        ("2000-01-01", 30 * 365 + 7),
        ("2000-02-29", 30 * 365 + 7 + 31 + 28),
        # 1900 was no leap year: 70 years of 365 days and 17 leap days, 1904 to 1968
        ("1900-01-01", -(70 * 365 + 17)),
        ("2059-09-18", 2**15 - 1),
    ],
)
def test_parse_day_counts_days_since_1970(text: str, day: int) -> None:
    """Days by the calendar, negative before 1970; format_day undoes it."""
    assert parse_day(text) == day
    assert format_day(day) == text


def test_days_fit_two_bytes_when_at_the_limits() -> None:
    """1900-01-01 to 2059-09-18."""
    limits = np.iinfo(np.int16)
    assert (format_day(FIRST_DAY), format_day(LAST_DAY)) == ("1900-01-01", "2059-09-18")
    assert limits.min <= FIRST_DAY < LAST_DAY <= limits.max


@pytest.mark.parametrize(
    "text",
    ["", "2005-2-3", "03/02/2005", "20050203", "2005-02-03 ", "2005-02-03T00:00", "২০০৫-০২-০৩", "NULL"],
)
def test_parse_day_refuses_when_text_has_another_form(text: str) -> None:
    """The error quotes the text and names the form."""
    with pytest.raises(ValueError, match="expected YYYY-MM-DD") as caught:
        parse_day(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["2005-02-29", "1900-02-29", "2005-13-01", "2005-00-10", "2005-04-31", "0000-01-01"]
)
def test_parse_day_refuses_when_day_is_not_in_the_calendar(text: str) -> None:
    """An impossible date is no date."""
    with pytest.raises(ValueError, match=f"'{text}' is not a date of the calendar: expected YYYY-MM-DD"):
        parse_day(text)


@pytest.mark.parametrize("text", ["1899-12-31", "2059-09-19", "9999-12-31"])
def test_parse_day_refuses_when_day_is_out_of_range(text: str) -> None:
    """The error names the first and the last day accepted."""
    with pytest.raises(ValueError, match=f"'{text}' is out of range: expected 1900-01-01 to 2059-09-18"):
        parse_day(text)


@given(st.dates(min_value=dt.date(1900, 1, 1), max_value=dt.date(2059, 9, 18)))
def test_format_day_undoes_parse_day_when_any_day_is_given(date: dt.date) -> None:
    """There and back again, one day after the other."""
    day = parse_day(date.isoformat())
    assert format_day(day) == date.isoformat()
    assert dt.date(1970, 1, 1) + dt.timedelta(days=day) == date
